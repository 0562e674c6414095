//! Writes in bad times: servers that die or hang, callers that leave.

use std::sync::Arc;
use std::time::Duration;

use axum::routing::post;
use axum::{Json as Body, Router};
use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::qdrant::v1::{PayloadType, UpsertResponse};
use mcp_hub_testing::{Qdrant, eventually};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tonic::Request;

use super::{Writable, numbered, two_dimensions, upsert};
use crate::adapter::{SOON, answer, assert_fault};

/// A model of two dimensions that answers when it is let.
struct Gate {
    url: String,
    came: Arc<Semaphore>,
    let_go: Arc<Semaphore>,
}

impl Gate {
    /// Serves as long as the adapter does.
    async fn start(lifecycle: &Lifecycle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let (came, let_go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (entered, may_leave) = (came.clone(), let_go.clone());
        let embed = async move |Body(body): Body<Json>| {
            entered.add_permits(1);
            may_leave.acquire().await.expect("open").forget();
            let texts = body["input"].as_array().expect("a list").len();
            let items = (0..texts).map(|index| json!({"index": index, "embedding": [1, 2]}));
            Body(json!({"data": items.collect::<Json>()}))
        };
        let router = Router::new().route("/v1/embeddings", post(embed));
        lifecycle.spawn_until_stopped(async move { axum::serve(listener, router).await.expect("serves") });
        Self { url, came, let_go }
    }

    fn settings(&self) -> String {
        format!(
            "embeddings-url = '{}'\nembeddings-model = 'gate'\nembeddings-dimensions = 2\n",
            self.url
        )
    }

    /// Waits until a text came.
    async fn came(&self) {
        let came = tokio::time::timeout(SOON, self.came.acquire()).await;
        came.expect("soon").expect("open").forget();
    }

    fn let_go(&self) {
        self.let_go.add_permits(1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_the_server() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let hub = Writable::of(&qdrant).await;
    hub.filled("kill", numbered(500)).await;
    hub.index("kill", "n", PayloadType::Integer)
        .await
        .expect("indexed");
    qdrant.kill().await;
    let fault = hub.upsert("kill", numbered(1)).await.expect_err("down");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable, "{fault:?}");
    assert!(!fault.message.contains("not known"), "nothing was sent: {fault}");
    qdrant.start_again().await;
    let one = json!([{"id": 501, "vector": [1, 1], "payload": {"n": 501}}]);
    hub.upsert("kill", one).await.expect("the first call works");
    assert_eq!(hub.server.count("kill").await, 501);
    let payloads = hub.payloads("kill").await;
    assert!(
        payloads
            .iter()
            .all(|(id, payload)| payload["n"] == json!(id.parse::<u64>().expect("a number")))
    );
    assert!(hub.server.info("kill").await.payload_schema.contains_key("n"));
}

/// Begins a write with a limit and brings it to the point where the server gets it.
async fn begun(hub: &Writable, gate: &Gate, limit: Duration) -> JoinSet<Result<UpsertResponse, Fault>> {
    let points = json!([{"id": 1, "text": "a"}, {"id": 2, "text": "b"}]);
    let mut request = Request::new(upsert("faults", &points));
    request.set_timeout(limit);
    let mut client = hub.client();
    let mut call = JoinSet::new();
    call.spawn(async move { answer(client.upsert(request).await) });
    gate.came().await;
    call
}

async fn ended(call: &mut JoinSet<Result<UpsertResponse, Fault>>) -> Result<UpsertResponse, Fault> {
    call.join_next().await.expect("one call").expect("no panic")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unclear_write_is_told_as_such_and_may_be_made_again() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let gate = Gate::start(&Lifecycle::new()).await;
    let hub = Writable::with(&qdrant, &gate.settings()).await;
    hub.server.create(two_dimensions("faults")).await;

    // It hangs.
    let mut call = begun(&hub, &gate, Duration::from_secs(3)).await;
    qdrant.pause();
    gate.let_go();
    let result = ended(&mut call).await;
    let fault = assert_fault(
        result,
        Reason::StatementTimedOut,
        "the server did not answer within",
    );
    assert!(
        fault
            .message
            .ends_with("not known: the same call may be made again, because it writes each point once"),
        "{fault}"
    );
    qdrant.resume();

    // It dies with the request.
    let mut call = begun(&hub, &gate, Duration::from_secs(30)).await;
    qdrant.pause();
    gate.let_go();
    // What was sent before it died is nobody's to know; the connection's end is what the caller learns of.
    qdrant.kill().await;
    let fault = ended(&mut call).await.expect_err("lost");
    assert_eq!(fault.reason, Reason::DatabaseUnavailable, "{fault:?}");
    qdrant.start_again().await;

    let mut call = begun(&hub, &gate, Duration::from_secs(30)).await;
    gate.let_go();
    ended(&mut call).await.expect("written");
    assert_eq!(hub.server.count("faults").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_has_written_all_or_nothing() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let gate = Gate::start(&Lifecycle::new()).await;
    let hub = Writable::with(qdrant, &gate.settings()).await;
    hub.server.create(two_dimensions("leaves_early")).await;
    let mut client = hub.client();
    let points = json!([{"id": 1, "text": "a"}]);
    let mut call = JoinSet::new();
    call.spawn(async move { client.upsert(upsert("leaves_early", &points)).await.map(|_| ()) });
    gate.came().await;
    call.shutdown().await;
    gate.let_go();

    for round in 0_u64..12 {
        let name = format!("leaves_{round}");
        hub.server.create(two_dimensions(&name)).await;
        let call = hub.upsert(&name, numbered(1000));
        let left = tokio::time::timeout(Duration::from_millis(round * 15), call).await;
        eventually(SOON, async || {
            let count = hub.server.count(&name).await;
            let settled = if left.is_ok() {
                count == 1000
            } else {
                count == 0 || count == 1000
            };
            if settled { Ok(()) } else { Err(count.to_string()) }
        })
        .await;
        hub.upsert(&name, numbered(1000)).await.expect("made again");
        assert_eq!(hub.server.count(&name).await, 1000);
    }
    assert_eq!(
        hub.server.count("leaves_early").await,
        0,
        "left before anything was sent"
    );
}

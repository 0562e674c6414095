//! Streams through Caddy: each event at once, and an end that both sides learn of.

use std::time::Duration;

use mcp_hub_e2e::{Caddy, ask};
use mcp_hub_testing::eventually;
use reqwest::{Response, Version};
use serde_json::{Value, json};
use tokio::time::{Instant, timeout};

use super::super::stage::{Stage, TOOL};
use super::stage;

/// An event that waited for another, or for a buffer to be full, would come with the next ping, after up to 15 s.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A ping comes every 15 s.
const PING: Duration = Duration::from_secs(25);

/// A stream of legacy SSE through Caddy.
struct Stream {
    response: Response,
    text: String,
    /// The URL for messages.
    endpoint: String,
}

impl Stream {
    async fn open(client: &reqwest::Client, caddy: &Caddy) -> Self {
        let response = client
            .get(caddy.url("/sse"))
            .header("Accept", "text/event-stream")
            .send()
            .await
            .expect("a stream");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut stream = Self {
            response,
            text: String::new(),
            endpoint: String::new(),
        };
        let first = stream.event(AT_ONCE).await;
        let path = first
            .strip_prefix("event: endpoint\ndata: ")
            .expect("an endpoint");
        stream.endpoint = caddy.url(path);
        stream
    }

    /// The next event or comment.
    async fn event(&mut self, within: Duration) -> String {
        let whole = async {
            loop {
                if let Some((event, rest)) = self.text.split_once("\n\n") {
                    let (event, rest) = (event.to_owned(), rest.to_owned());
                    self.text = rest;
                    return event;
                }
                let piece = self.response.chunk().await.expect("a piece").expect("no end");
                self.text.push_str(&String::from_utf8_lossy(&piece));
            }
        };
        timeout(within, whole).await.expect("an event in time")
    }
}

async fn events_come_at_once(caddy: &Caddy, client: &reqwest::Client, version: Version) {
    let mut stream = Stream::open(client, caddy).await;
    assert_eq!(stream.response.version(), version);
    // Each message is sent only when the answer to the one before has been read: nothing else is there that could push it out.
    for id in 0..6 {
        let posted = client
            .post(&stream.endpoint)
            .header("Content-Type", "application/json")
            .body(json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string())
            .send()
            .await
            .expect("an answer");
        assert_eq!((posted.status().as_u16(), posted.version()), (202, version));
        let event = stream.event(AT_ONCE).await;
        let data = event
            .strip_prefix("event: message\ndata: ")
            .unwrap_or_else(|| panic!("a message: {event:?}"));
        let answer: Value = serde_json::from_str(data).expect("JSON");
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": id, "result": {}}));
    }
    assert_eq!(stream.event(PING).await, ": ping");
}

#[tokio::test]
async fn events_and_pings_come_at_once_by_either_version_of_http() {
    let Some((_stage, caddy)) = stage().await else {
        return;
    };
    let http1 = caddy.client().http1_only().build().expect("a client");
    let http2 = caddy.client().build().expect("a client");
    tokio::join!(
        events_come_at_once(&caddy, &http1, Version::HTTP_11),
        events_come_at_once(&caddy, &http2, Version::HTTP_2),
    );
}

/// What a HEAD is answered, which makes no stream.
#[tokio::test]
async fn a_stream_can_be_asked_for_without_opening_it() {
    let Some((stage, caddy)) = stage().await else {
        return;
    };
    let client = caddy.client().build().expect("a client");
    let answer = client.head(caddy.url("/sse")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/event-stream");
    becomes(&stage, "mcp_hub_sse_streams", "", 0.0).await;
    let opened = sum(&stage, "mcp_server_session_duration_seconds_count", "").await;
    assert!(opened < 0.5, "{opened} streams were opened");
}

/// The sum of a metric over the replicas.
async fn sum(stage: &Stage, name: &str, label: &str) -> f64 {
    let mut sum = 0.0;
    for index in stage.running() {
        sum += stage.cluster.metric(index, name, label).await;
    }
    sum
}

/// Waits until a sum over the replicas is this, which has to be long before the next ping.
async fn becomes(stage: &Stage, name: &str, label: &str, expected: f64) {
    eventually(AT_ONCE, async || {
        let sum = sum(stage, name, label).await;
        if (sum - expected).abs() < 0.5 {
            Ok(())
        } else {
            Err(format!("{name} is {sum}"))
        }
    })
    .await;
}

/// A client that goes away takes its stream and its statement with it: the proxy tells the facade at once.
#[tokio::test]
async fn a_client_that_has_gone_leaves_nothing_behind() {
    let Some((stage, caddy)) = stage().await else {
        return;
    };
    let mut clients = Vec::new();
    for builder in [caddy.client().http1_only(), caddy.client()] {
        clients.push(builder.build().expect("a client"));
    }

    let mut open = Vec::new();
    for client in &clients {
        open.push(Stream::open(client, &caddy).await);
    }
    becomes(&stage, "mcp_hub_sse_streams", "", 2.0).await;
    drop(open);
    becomes(&stage, "mcp_hub_sse_streams", "", 0.0).await;

    let endless = json!({"sql": "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n"});
    let body = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": TOOL, "arguments": endless},
    });
    for client in clients {
        let call = client
            .post(caddy.url("/mcp"))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .body(body.to_string())
            .send();
        let gone = timeout(Duration::from_secs(1), call).await;
        assert!(gone.is_err(), "it has no end: {gone:?}");
    }
    becomes(
        &stage,
        "mcp_hub_upstream_calls_total",
        "outcome=\"cancelled\"",
        2.0,
    )
    .await;

    let since = Instant::now();
    let url = stage.cluster.replica_url(0, "/mcp");
    let answer = ask(
        &url,
        &[],
        "tools/call",
        json!({"name": TOOL, "arguments": {"sql": "select 1"}}),
    )
    .await;
    assert!(answer.is_ok() && since.elapsed() < AT_ONCE, "{answer:?}");
}

//! Tools through every door: listed, called, cancelled, and clients told when they change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use prost_reflect::Value as Field;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use crate::adapter::{Adapter, Plan};
use crate::client::{
    DEADLINE, Served, Stream, call, call_modern, initialize, modern, modern_request, open, post, request,
    send, serve, tasks, within,
};
use crate::hub::SOON;
use crate::stdio::Client;

const SHOP: &str = r#"
    // ShopService sells.
    service ShopService {
      // Finds goods.
      rpc Find(FindRequest) returns (FindResponse) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (mcphub.tool.v1.tool) = {title: "Find goods"};
      }
      // Removes goods.
      rpc Drop(FindRequest) returns (FindResponse) {
        option (mcphub.tool.v1.tool) = {title: "Remove goods", destructive: true};
      }
    }
    message FindRequest {
      // What.
      string what = 1;
    }
    message FindResponse {
      // What was asked.
      string asked = 1;
      // The trace context that arrived.
      string traceparent = 2;
    }
"#;

/// What the adapter's calls do: they wait for a permit, and it is counted how many run.
#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    fn open() -> Self {
        Self::with(Semaphore::MAX_PERMITS)
    }

    fn closed() -> Self {
        Self::with(0)
    }

    fn with(permits: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            running: Arc::default(),
        }
    }

    /// Waits until so many calls run.
    async fn runs(&self, count: usize) {
        eventually(SOON, async || {
            let running = self.running.load(Ordering::SeqCst);
            if running == count {
                Ok(())
            } else {
                Err(format!("{running} run"))
            }
        })
        .await;
    }

    fn plan(&self) -> Plan {
        let gate = self.clone();
        Plan::new(SHOP).handle(move |mut received| {
            let gate = gate.clone();
            async move {
                gate.running.fetch_add(1, Ordering::SeqCst);
                let _running = Running(gate.running.clone());
                let _permit = gate.permits.acquire().await.expect("open");
                let asked = received
                    .message
                    .get_field_by_name("what")
                    .expect("the field")
                    .into_owned();
                received.response.set_field_by_name("asked", asked);
                if let Some(traceparent) = received.metadata.get("traceparent") {
                    let traceparent = traceparent.to_str().expect("text").to_owned();
                    received
                        .response
                        .set_field_by_name("traceparent", Field::String(traceparent));
                }
                Ok(received.response)
            }
        })
    }
}

/// A facade in front of a shop.
async fn shop(gate: &Gate) -> (Served, Adapter) {
    let adapter = gate.plan().start().await;
    (serve(&[], upstream(&adapter.url())).await, adapter)
}

fn upstream(address: &str) -> Upstreams {
    let mut upstreams = Upstreams::default();
    upstreams
        .add("shop", Upstream::at(address))
        .expect("a usable upstream");
    upstreams
}

fn find(id: u32, what: &str) -> Value {
    request(
        id,
        "tools/call",
        json!({"name": "shop_find", "arguments": {"what": what}}),
    )
}

fn find_modern(id: u32, what: &str) -> Value {
    modern_request(
        id,
        "tools/call",
        json!({"name": "shop_find", "arguments": {"what": what}}),
    )
}

fn names(list: &Value) -> Vec<&str> {
    let tools = list["result"]["tools"].as_array().expect("tools");
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect()
}

fn assert_found(answer: &Value, what: &str) {
    let result = &answer["result"];
    assert_ne!(result["isError"], true, "{answer}");
    assert_eq!(result["structuredContent"]["asked"], what, "{answer}");
    let text: Value =
        serde_json::from_str(result["content"][0]["text"].as_str().expect("text")).expect("JSON");
    assert_eq!(text, result["structuredContent"]);
}

#[tokio::test]
async fn tools_are_listed_with_all_that_clients_want() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let list = call(served.address, "/mcp", &request(1, "tools/list", json!({})))
        .await
        .json();
    assert_eq!(
        names(&list),
        ["health_check", "list_services", "shop_drop", "shop_find"]
    );
    let tools = list["result"]["tools"].as_array().unwrap();
    let find = &tools[3];
    assert_eq!(find["title"], "Find goods");
    assert_eq!(find["inputSchema"]["type"], "object");
    assert_eq!(find["outputSchema"]["type"], "object");
    assert_eq!(
        find["annotations"],
        json!({"title": "Find goods", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
               "openWorldHint": false})
    );
    assert_eq!(tools[2]["annotations"]["destructiveHint"], true);
    assert_eq!(tools[2]["annotations"]["readOnlyHint"], false);

    let modern = call_modern(
        served.address,
        "/sse",
        &modern_request(1, "tools/list", json!({})),
    )
    .await
    .json();
    assert_eq!(modern["result"]["tools"], list["result"]["tools"]);
    let mut stream = Stream::open(served.address, "/sse").await;
    let streamed = stream
        .call(served.address, &request(1, "tools/list", json!({})))
        .await;
    assert_eq!(streamed, list);

    let instructions = call(served.address, "/mcp", &initialize("2025-11-25"))
        .await
        .json();
    assert!(
        instructions["result"]["instructions"]
            .as_str()
            .unwrap()
            .contains("shop"),
        "{instructions}"
    );
}

#[tokio::test]
async fn a_tool_is_called_through_every_door_in_both_eras() {
    let (served, _adapter) = shop(&Gate::open()).await;
    for door in ["/mcp", "/sse"] {
        assert_found(&call(served.address, door, &find(1, "tea")).await.json(), "tea");
        let modern = call_modern(served.address, door, &find_modern(1, "grün"))
            .await
            .json();
        assert_found(&modern, "grün");
        assert_eq!(modern["result"]["resultType"], "complete");
    }
    let mut stream = Stream::open(served.address, "/sse").await;
    assert_found(&stream.call(served.address, &find(1, "a\nb")).await, "a\nb");
    assert_found(&stream.call(served.address, &find_modern(2, "tea")).await, "tea");
    let mut client = Client::of(served);
    assert_found(&client.call(&find(1, "tea")).await, "tea");
    assert_found(&client.call(&find_modern(2, "tea")).await, "tea");
}

#[tokio::test]
async fn wrong_arguments_are_a_result_that_a_model_can_read() {
    let (served, adapter) = shop(&Gate::open()).await;
    for arguments in [
        json!({"wat": "tea"}),
        json!({}),
        json!({"what": 5}),
        json!({"what": "tea", "more": 1}),
    ] {
        let message = request(
            1,
            "tools/call",
            json!({"name": "shop_find", "arguments": arguments}),
        );
        let answer = call(served.address, "/mcp", &message).await;
        let result = &answer.json()["result"];
        assert_eq!(
            (answer.status.as_u16(), &result["isError"]),
            (200, &json!(true)),
            "{arguments}"
        );
        assert!(
            result["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("ARGUMENT_INVALID"),
            "{result}"
        );
        assert!(result.get("structuredContent").is_none());
    }
    assert!(adapter.calls().is_empty());
}

#[tokio::test]
async fn a_filter_narrows_the_list_and_the_calls_on_every_door() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let list = request(1, "tools/list", json!({}));
    for door in ["/mcp?tools=*_find,health_check", "/sse?tools=*_find,health_check"] {
        let listed = call(served.address, door, &list).await.json();
        assert_eq!(names(&listed), ["health_check", "shop_find"]);
    }
    let drop = request(
        1,
        "tools/call",
        json!({"name": "shop_drop", "arguments": {"what": "tea"}}),
    );
    assert_eq!(
        call(served.address, "/mcp?tools=*_find", &drop).await.error(),
        (200, -32602)
    );
    assert_found(
        &call(served.address, "/mcp?tools=*_find", &find(1, "tea"))
            .await
            .json(),
        "tea",
    );

    let mut stream = Stream::open(served.address, "/sse?tools=*_find").await;
    assert_eq!(names(&stream.call(served.address, &list).await), ["shop_find"]);
    assert_eq!(stream.call(served.address, &drop).await["error"]["code"], -32602);
    // The stream's filter counts, not what somebody writes behind its endpoint.
    stream.endpoint = stream.endpoint.replace("tools=", "tools=*,");
    assert_eq!(stream.call(served.address, &drop).await["error"]["code"], -32602);
}

#[tokio::test]
async fn the_trace_context_goes_on() {
    const OF_HTTP: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OF_MESSAGE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (served, _adapter) = shop(&Gate::open()).await;
    let trace = |answer: &Value| {
        let traceparent = answer["result"]["structuredContent"]["traceparent"]
            .as_str()
            .expect("a trace context");
        traceparent.split('-').nth(1).expect("a trace id").to_owned()
    };
    let with_header = |path: &str, message: &Value| {
        let builder = post(served.address, path).header("traceparent", OF_HTTP);
        send(served.address, builder.body(message.to_string().into()).unwrap())
    };
    let mut with_meta = find(1, "tea");
    with_meta["params"]["_meta"] = json!({"traceparent": OF_MESSAGE});

    assert_eq!(
        trace(&with_header("/mcp", &find(1, "tea")).await.json()),
        OF_HTTP[3..35]
    );
    assert_eq!(
        trace(&with_header("/mcp", &with_meta).await.json()),
        OF_MESSAGE[3..35]
    );
    let mut stream = Stream::open(served.address, "/sse").await;
    with_header(&stream.endpoint, &find(1, "tea")).await;
    assert_eq!(trace(&stream.message().await), OF_HTTP[3..35]);
    assert_eq!(
        trace(&stream.call(served.address, &with_meta).await),
        OF_MESSAGE[3..35]
    );
}

#[tokio::test]
async fn a_client_that_goes_away_cancels_its_calls() {
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;

    for (path, message) in [("/mcp", find(1, "tea")), ("/sse", find_modern(1, "tea"))] {
        let builder = if path == "/mcp" {
            post(served.address, path)
        } else {
            modern(served.address, path, &message)
        };
        let request = builder.body(message.to_string().into()).unwrap();
        let asked = open(served.address, request);
        tokio::select! {
            _ = asked => panic!("answered"),
            () = gate.runs(1) => {}
        }
        gate.runs(0).await;
    }

    // One stream of an HTTP/2 connection that stays.
    let stream = TcpStream::connect(served.address).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
            .await
            .unwrap();
    tasks().spawn(connection);
    let message: Full<Bytes> = find(1, "tea").to_string().into();
    let request = Request::post("http://localhost/mcp")
        .header("content-type", "application/json")
        .body(message)
        .unwrap();
    let asked = sender.send_request(request);
    tokio::select! {
        _ = asked => panic!("answered"),
        () = gate.runs(1) => {}
    }
    gate.runs(0).await;

    let stream = Stream::open(served.address, "/sse").await;
    for id in 0..3 {
        assert_eq!(
            call(served.address, &stream.endpoint, &find(id, "tea"))
                .await
                .status,
            202
        );
    }
    gate.runs(3).await;
    drop(stream);
    gate.runs(0).await;
}

#[tokio::test]
async fn a_cancelled_call_ends_and_is_not_answered() {
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    let ping = request(2, "ping", json!({}));

    let mut stream = Stream::open(served.address, "/sse").await;
    assert_eq!(
        call(served.address, &stream.endpoint, &find(1, "tea"))
            .await
            .status,
        202
    );
    gate.runs(1).await;
    // The id is taken as long as the call runs.
    assert_eq!(
        call(served.address, &stream.endpoint, &find(1, "tea"))
            .await
            .error(),
        (400, -32600)
    );
    assert_eq!(call(served.address, &stream.endpoint, &cancel).await.status, 202);
    gate.runs(0).await;
    assert_eq!(stream.call(served.address, &ping).await["id"], 2);

    let mut client = Client::of(served);
    client.send(&find(1, "tea")).await;
    gate.runs(1).await;
    client.send(&cancel).await;
    gate.runs(0).await;
    assert_eq!(client.call(&ping).await["id"], 2);
}

#[tokio::test]
async fn one_stream_can_not_start_calls_without_end() {
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;
    let stream = Stream::open(served.address, "/sse").await;
    for id in 0..32 {
        assert_eq!(
            call(served.address, &stream.endpoint, &find(id, "tea"))
                .await
                .status,
            202
        );
    }
    assert_eq!(
        call(served.address, &stream.endpoint, &find(32, "tea"))
            .await
            .error(),
        (429, -32600)
    );
}

#[tokio::test]
async fn calls_under_way_are_answered_when_the_process_stops() {
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    assert_eq!(
        call(served.address, &stream.endpoint, &find(1, "tea"))
            .await
            .status,
        202
    );
    let posted = tasks().spawn({
        let address = served.address;
        async move { call(address, "/mcp", &find(2, "milk")).await.json() }
    });
    gate.runs(2).await;
    served.lifecycle.stop();
    gate.permits.add_permits(2);
    assert_found(&stream.message().await, "tea");
    assert_eq!(stream.event().await, None);
    assert_found(&within(posted).await.unwrap(), "milk");
    within(served.lifecycle.drain(DEADLINE)).await;
}

/// An address that nobody listens on yet.
async fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    listener.local_addr().expect("an address")
}

#[tokio::test]
async fn clients_are_told_when_the_list_changes() {
    let address = free_address().await;
    let served = serve(&[], upstream(&format!("http://{address}"))).await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});

    // Legacy SSE: told at once, also without a word of its own; unless it speaks the new era and has not asked.
    let mut silent = Stream::open(served.address, "/sse").await;
    let mut quiet = Stream::open(served.address, "/sse").await;
    quiet
        .call(served.address, &modern_request(1, "tools/list", json!({})))
        .await;
    // The new era asks, with a request that is answered as long as it lasts.
    let listen = modern_request(
        7,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    let request = modern(served.address, "/mcp", &listen)
        .body(listen.to_string().into())
        .unwrap();
    let mut listening = Stream::of(open(served.address, request).await);
    let acknowledged = listening.data().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        acknowledged["params"]["notifications"],
        json!({"toolsListChanged": true})
    );
    // stdio: nothing before the client has said anything, everything after.
    let mut client = Client::of(served);
    client.call(&initialize("2025-11-25")).await;

    let _adapter = Gate::open().plan().start_at(address).await;
    assert_eq!(silent.message().await, changed);
    assert_eq!(client.read().await.unwrap(), changed);
    let told = listening.data().await;
    assert_eq!(told["method"], "notifications/tools/list_changed");
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        7
    );
    let served = &client.facade;
    let answer = quiet
        .call(served.address, &modern_request(2, "tools/list", json!({})))
        .await;
    assert!(names(&answer).contains(&"shop_find"), "{answer}");

    // The end of the process ends the subscription in good order.
    served.lifecycle.stop();
    assert_eq!(listening.data().await["id"], 7);
    assert_eq!(listening.event().await, None);
}

#[tokio::test]
async fn everybody_may_call_is_said_where_health_is_asked() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let health = request(1, "tools/call", json!({"name": "health_check"}));
    let before = call(served.address, "/mcp", &health).await.json().to_string();
    assert!(!before.contains("authentication"), "{before}");
    let everywhere = TcpListener::bind("0.0.0.0:0").await.unwrap();
    served.lifecycle.spawn({
        let facade = served.facade.clone();
        async move { facade.serve(everywhere).await }
    });
    eventually(SOON, async || {
        let health = call(served.address, "/mcp", &health).await.json().to_string();
        if health.contains("no authentication") {
            Ok(())
        } else {
            Err(health)
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_down_fails_calls_and_nothing_else() {
    let (served, adapter) = shop(&Gate::open()).await;
    adapter.stop().await;
    let answer = call(served.address, "/mcp", &find(1, "tea")).await.json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let list = call(served.address, "/mcp", &request(1, "tools/list", json!({})))
        .await
        .json();
    assert!(names(&list).contains(&"shop_find"));
    let request = Request::get("/readyz")
        .header("host", "localhost")
        .body(Bytes::new().into())
        .unwrap();
    let (parts, body) = open(served.address, request).await.into_parts();
    assert_eq!(
        (parts.status.as_u16(), body.collect().await.unwrap().to_bytes()),
        (200, Bytes::from_static(b"ok\n"))
    );
}

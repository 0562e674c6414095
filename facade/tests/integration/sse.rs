//! Legacy HTTP+SSE.

use bytes::Bytes;
use http::Request;
use mcp_hub_facade::upstream::Upstreams;
use serde_json::json;

use crate::client::{
    Served, Stream, call, capabilities, empty, initialize, modern_request, open, post, request, send, serve,
    within,
};

async fn facade() -> Served {
    serve(&[], Upstreams::default()).await
}

#[tokio::test]
async fn each_older_version_is_echoed_and_changes_are_promised() {
    let served = facade().await;
    for (asked, answered) in [
        ("2024-11-05", "2024-11-05"),
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        ("2025-11-25", "2025-11-25"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
    ] {
        let mut stream = Stream::open(served.address, "/sse").await;
        let answer = stream.call(served.address, &initialize(asked)).await;
        assert_eq!(answer["result"]["protocolVersion"], answered);
        assert_eq!(answer["result"]["capabilities"], capabilities(true));
    }
}

#[tokio::test]
async fn a_fresh_stream_needs_no_initialize() {
    let served = facade().await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let answer = stream
        .call(served.address, &request(5, "tools/list", json!({})))
        .await;
    assert_eq!(answer["id"], 5);
    assert!(answer["result"]["tools"].is_array());
    let answer = stream.call(served.address, &request(6, "ping", json!({}))).await;
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 6, "result": {}}));
    let answer = stream
        .call(served.address, &request(7, "made/up", json!({})))
        .await;
    assert_eq!(answer["error"]["code"], -32601);
    let answer = stream
        .call(
            served.address,
            &request(8, "tools/call", json!({"name": "no_such_tool"})),
        )
        .await;
    assert_eq!(answer["error"]["code"], -32602);
}

#[tokio::test]
async fn the_stateless_era_works_on_a_stream_too() {
    let served = facade().await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let answer = stream
        .call(served.address, &modern_request(1, "server/discover", json!({})))
        .await;
    assert_eq!(answer["result"]["capabilities"], capabilities(true));
    let answer = stream
        .call(served.address, &modern_request(2, "tools/list", json!({})))
        .await;
    assert_eq!(answer["result"]["ttlMs"], 60_000);
    let listen = modern_request(
        3,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    let acknowledged = stream.call(served.address, &listen).await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(
        acknowledged["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"],
        3
    );
}

#[tokio::test]
async fn the_endpoint_is_relative_new_each_time_and_carries_the_filter() {
    let served = facade().await;
    let plain = Stream::open(served.address, "/sse").await.endpoint;
    let id = plain.strip_prefix("/messages?session_id=").expect("relative");
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!((100..200).contains(&id.len()) && id.bytes().all(fit), "{id}");
    assert_ne!(Stream::open(served.address, "/sse").await.endpoint, plain);
    let filtered = Stream::open(served.address, "/sse?tools=a_*,b").await.endpoint;
    assert!(filtered.ends_with("&tools=a_*%2Cb"), "{filtered}");
}

#[tokio::test]
async fn the_other_spelling_of_the_session_works() {
    let served = facade().await;
    let mut stream = Stream::open(served.address, "/sse").await;
    stream.endpoint = stream.endpoint.replace("session_id", "sessionId");
    assert_eq!(
        stream.call(served.address, &request(1, "ping", json!({}))).await["result"],
        json!({})
    );
}

#[tokio::test]
async fn what_a_stream_refuses() {
    let served = facade().await;
    let ping = request(1, "ping", json!({}));
    for (path, status) in [
        ("/messages", 400),
        ("/messages?session_id=", 404),
        ("/messages?session_id=5940a4235f7a958b96c5cc16f0fe2fc1", 404),
    ] {
        let answer = call(served.address, path, &ping).await;
        assert_eq!(answer.error(), (status, -32600), "{path}");
    }
    let foreign = call(served.address, "/messages?session_id=x", &ping).await;
    assert_eq!(foreign.json()["error"]["message"], "Could not find session");

    let stream = Stream::open(served.address, "/sse").await;
    for (body, error) in [
        (&b"{"[..], (400, -32700)),
        (b"[]", (400, -32600)),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, (400, -32600)),
    ] {
        let message = post(served.address, &stream.endpoint)
            .body(Bytes::from_static(body).into())
            .unwrap();
        assert_eq!(send(served.address, message).await.error(), error);
    }
    let message = Request::post(&stream.endpoint)
        .header("host", "localhost")
        .header("content-type", "text/plain");
    let answer = send(served.address, message.body(ping.to_string().into()).unwrap()).await;
    assert_eq!(answer.error(), (415, -32600));

    let request = Request::get("/sse")
        .header("host", "localhost")
        .header("accept", "application/json");
    let answer = send(served.address, request.body(Bytes::new().into()).unwrap()).await;
    assert_eq!(answer.error(), (406, -32600));
}

#[tokio::test]
async fn notifications_and_answers_of_the_client_are_taken_in_silence() {
    let served = facade().await;
    let mut stream = Stream::open(served.address, "/sse").await;
    for message in [
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 99}}),
        json!({"jsonrpc": "2.0", "id": 1, "result": {}}),
    ] {
        assert_eq!(call(served.address, &stream.endpoint, &message).await.status, 202);
    }
    // Nothing came before this answer.
    assert_eq!(
        stream.call(served.address, &request(2, "ping", json!({}))).await["id"],
        2
    );
}

#[tokio::test]
async fn a_closed_stream_is_forgotten() {
    let served = facade().await;
    let endpoint = Stream::open(served.address, "/sse").await.endpoint;
    let ping = request(1, "ping", json!({}));
    within(async { while call(served.address, &endpoint, &ping).await.status != 404 {} }).await;
}

#[tokio::test]
async fn looking_at_the_headers_opens_no_stream_and_answers_what_get_would() {
    let served = facade().await;
    let request = |method: &str, accept: &str| {
        let request = Request::builder().method(method).uri("/sse");
        empty(request.header("host", "localhost").header("accept", accept))
    };
    // What `curl -I` sends.
    let answer = send(served.address, request("HEAD", "*/*")).await;
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("content-type"),
            answer.body.len()
        ),
        (200, "text/event-stream", 0)
    );
    let get = open(served.address, request("GET", "*/*")).await;
    for name in [
        "content-type",
        "cache-control",
        "x-accel-buffering",
        "content-length",
    ] {
        assert_eq!(answer.headers.get(name), get.headers().get(name), "{name}");
    }
    let unfit = send(served.address, request("HEAD", "application/json")).await;
    assert_eq!((unfit.status.as_u16(), unfit.body.len()), (406, 0));
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_is_pinged() {
    let served = facade().await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let opened = tokio::time::Instant::now();
    assert_eq!(stream.comment().await, ": ping");
    assert_eq!(opened.elapsed().as_secs(), 15);
    assert_eq!(stream.comment().await, ": ping");
    assert_eq!(opened.elapsed().as_secs(), 30);
}

#[tokio::test]
async fn streams_end_when_the_process_stops() {
    let served = facade().await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let started = std::time::Instant::now();
    served.lifecycle.stop();
    assert_eq!(stream.event().await, None);
    within(served.lifecycle.drain(crate::client::DEADLINE)).await;
    assert!(started.elapsed().as_secs_f64() < 2.0, "{:?}", started.elapsed());
}

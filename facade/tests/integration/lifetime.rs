//! How long calls, streams and subscriptions last: cancellation, the end of the process, changes of the list.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::client::{
    DEADLINE, Stream, call, initialize, modern, modern_request, open, post, request, serve, tasks, within,
};
use crate::shop::{Gate, assert_found, find, find_modern, names, shop, upstream};
use crate::stdio::Client;

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

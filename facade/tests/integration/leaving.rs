//! What a facade that stops does to the connections that it has: whoever was let in is answered.

use std::io::{Read as _, Write as _};
use std::net::TcpStream as BlockingStream;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use crate::client::{DEADLINE, post, tasks, within};
use crate::shop::{Gate, assert_found, find, shop};

/// Reverse proxies keep connections, and send the next request at any moment: also at the one in which the facade is told to stop.
#[tokio::test]
async fn a_request_on_an_idle_connection_is_answered_and_told_to_be_the_last() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let stream = TcpStream::connect(served.address).await.expect("connects");
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .expect("HTTP");
    tasks().spawn(connection);
    let mut ask = async |id: u32| {
        let request = post(served.address, "/mcp").body(find(id, "tea").to_string().into());
        let answer = sender.send_request(request.expect("a request")).await;
        let (head, body) = answer.expect("an answer").into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        assert_found(&serde_json::from_slice(&body).expect("JSON"), "tea");
        head.headers.get("connection").cloned()
    };
    assert_eq!(within(ask(1)).await, None);

    served.lifecycle.stop();
    for _ in 0..100 {
        // The facade runs in this thread: now it knows.
        tokio::task::yield_now().await;
    }
    assert_eq!(within(ask(2)).await.expect("a header"), "close");
    within(served.lifecycle.drain(DEADLINE)).await;
}

#[tokio::test]
async fn who_has_connected_and_is_not_accepted_yet_is_answered() {
    const COUNT: u32 = 20;
    let (served, _adapter) = shop(&Gate::open()).await;
    // The facade runs in this thread, and so accepts none of these.
    let connections: Vec<BlockingStream> = (0..COUNT)
        .map(|id| {
            let mut stream = BlockingStream::connect(served.address).expect("connects");
            let body = find(id, "tea").to_string();
            let head = format!(
                "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n",
                served.address,
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).expect("written");
            stream
        })
        .collect();
    served.lifecycle.stop();
    let answers = tokio::task::spawn_blocking(move || {
        connections
            .into_iter()
            .map(|mut stream| {
                let mut answer = String::new();
                stream.read_to_string(&mut answer).map(|_| answer)
            })
            .collect::<Vec<_>>()
    });
    for answer in within(answers).await.expect("no panic") {
        let answer = answer.expect("an answer, and an orderly end");
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.to_lowercase().contains("connection: close"), "{answer}");
    }
    BlockingStream::connect(served.address).expect_err("nobody listens any more");
    within(served.lifecycle.drain(DEADLINE)).await;
}

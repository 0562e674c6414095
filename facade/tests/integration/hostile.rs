//! Clients that mean no good, or know no better: each is answered or cut off in time, and costs little.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use mcp_hub_facade::upstream::Upstreams;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::client::{Served, Stream, call, post, raw, request, send, serve, within};

async fn facade() -> Served {
    serve(&[], Upstreams::default()).await
}

/// The status line's number.
fn status(answer: &str) -> u16 {
    answer
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .unwrap_or_else(|| panic!("no status: {answer:?}"))
}

#[tokio::test(start_paused = true)]
async fn a_header_that_does_not_end_ends_the_connection() {
    let served = facade().await;
    for sent in [
        &b""[..],
        b"P",
        // Half of what every HTTP/2 connection begins with.
        b"PRI * HTTP/2.0\r\n",
        // All of it, and then nothing.
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
    ] {
        let started = Instant::now();
        raw(served.address, sent).await;
        assert!(
            (10..=11).contains(&started.elapsed().as_secs()),
            "{sent:?} {:?}",
            started.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_minutes() {
    let served = facade().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    stream
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let started = Instant::now();
    let mut answer = vec![];
    stream.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    assert_eq!(started.elapsed().as_secs(), 180);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_is_given_up() {
    let served = facade().await;
    let mut stream = TcpStream::connect(served.address).await.unwrap();
    let head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    stream.write_all(head).await.unwrap();
    let started = Instant::now();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!((status(&answer), started.elapsed().as_secs()), (408, 30));
    assert!(answer.contains(r#""code":-32600"#), "{answer}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let served = facade().await;
    let huge = vec![b' '; 5 * 1024 * 1024];
    for door in ["/mcp", "/sse"] {
        let message = post(served.address, door)
            .body(Bytes::from(huge.clone()).into())
            .unwrap();
        assert_eq!(send(served.address, message).await.error(), (413, -32600));
    }
    let stream = Stream::open(served.address, "/sse").await;
    let message = post(served.address, &stream.endpoint)
        .body(Bytes::from(huge.clone()).into())
        .unwrap();
    assert_eq!(send(served.address, message).await.error(), (413, -32600));

    let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let declared = raw(
        served.address,
        format!("{head}Content-Length: 99999999999\r\n\r\n{{").as_bytes(),
    )
    .await;
    assert_eq!(status(&declared), 413);
    let mut chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n").into_bytes();
    for _ in 0..80 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&huge[..0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    assert_eq!(status(&raw(served.address, &chunked).await), 413);
}

#[tokio::test]
async fn what_is_no_http_is_answered_and_cut_off() {
    let served = facade().await;
    let long = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many = format!(
        "GET /livez HTTP/1.1\r\nHost: localhost\r\n{}\r\n",
        "A: b\r\n".repeat(200)
    );
    for (sent, expected) in [
        (
            &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03garbage\r\n\r\n"[..],
            400,
        ),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (
            b"GET /livez HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
            400,
        ),
        (
            b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            400,
        ),
        (long.as_bytes(), 431),
        (many.as_bytes(), 431),
    ] {
        let answer = raw(served.address, sent).await;
        assert_eq!(
            status(&answer),
            expected,
            "{}",
            String::from_utf8_lossy(&sent[..sent.len().min(60)])
        );
    }
    let no_host = raw(served.address, b"GET /sse HTTP/1.1\r\nConnection: close\r\n\r\n").await;
    assert_eq!(status(&no_host), 400);
    let odd_host = raw(
        served.address,
        b"GET /sse HTTP/1.1\r\nHost: \xff\xfe\r\nConnection: close\r\n\r\n",
    )
    .await;
    assert_eq!(status(&odd_host), 400);
}

#[tokio::test]
async fn garbage_behind_a_request_does_not_spoil_its_answer() {
    let served = facade().await;
    let answer = raw(
        served.address,
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n\x00\x01\x02 garbage\r\n\r\n",
    )
    .await;
    assert_eq!(status(&answer), 200);
    assert_eq!(answer.matches("HTTP/1.1 ").count(), 2, "{answer}");
    assert!(answer.contains("HTTP/1.1 400"), "{answer}");
}

#[tokio::test]
async fn one_address_can_not_take_all_connections() {
    let served = serve(&["--max-connections-per-address", "50"], Upstreams::default()).await;
    let mut open = vec![];
    for _ in 0..1000 {
        open.push(TcpStream::connect(served.address).await.unwrap());
    }
    let mut kept = 0;
    for stream in &mut open {
        let request = b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n";
        // Writing to a closed connection fails, or the answer never comes.
        let answered = async {
            stream.write_all(request).await.ok()?;
            let mut byte = [0];
            (stream.read(&mut byte).await.ok()? == 1).then_some(())
        };
        kept += usize::from(within(answered).await.is_some());
    }
    assert_eq!(kept, 50);
    drop(open);
    // The places are free again.
    let ping = request(1, "ping", json!({})).to_string();
    within(async {
        loop {
            let Ok(mut stream) = TcpStream::connect(served.address).await else { continue };
            let request = format!(
                "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{ping}",
                ping.len()
            );
            let mut byte = [0];
            if stream.write_all(request.as_bytes()).await.is_ok() && stream.read(&mut byte).await.is_ok_and(|read| read == 1) {
                break;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn more_connections_than_there_are_places_wait() {
    let served = serve(&["--max-connections", "2"], Upstreams::default()).await;
    let first = Stream::open(served.address, "/sse").await;
    let _second = Stream::open(served.address, "/sse").await;
    let mut third = TcpStream::connect(served.address).await.unwrap();
    third
        .write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    let mut answer = String::new();
    let unanswered =
        tokio::time::timeout(Duration::from_millis(200), third.read_to_string(&mut answer)).await;
    assert!(unanswered.is_err(), "{answer}");
    drop(first);
    within(third.read_to_string(&mut answer)).await.unwrap();
    assert_eq!(status(&answer), 200);
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_does_not_read_loses_its_stream() {
    let served = facade().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut reader = socket.connect(served.address).await.unwrap();
    reader
        .write_all(b"GET /sse HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut head = [0; 512];
    let read = reader.read(&mut head).await.unwrap();
    let head = String::from_utf8_lossy(&head[..read]).into_owned();
    let endpoint = head
        .split("data: ")
        .nth(1)
        .and_then(|rest| rest.lines().next())
        .expect("an endpoint")
        .to_owned();

    // Answers as large as an id may be, until the stream takes no more requests.
    let mut taken = 0;
    let refused = loop {
        let id = format!("{taken:0>1000}");
        let ping = json!({"jsonrpc": "2.0", "id": id, "method": "ping"});
        let answer = call(served.address, &endpoint, &ping).await;
        if answer.status != 202 {
            break answer;
        }
        taken += 1;
        if taken % 500 == 0 {
            eprintln!("{taken}");
        }
    };
    assert_eq!(refused.error(), (429, -32600));
    // All of it waits in the system's buffers but the queue, the calls and what hyper holds.
    let ping = request(1, "ping", json!({}));
    let started = Instant::now();
    while call(served.address, &endpoint, &ping).await.status == 429 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(started.elapsed().as_secs() <= 31, "{:?}", started.elapsed());
    assert_eq!(
        call(served.address, &endpoint, &ping).await.error(),
        (404, -32600)
    );
}

#[tokio::test]
async fn an_id_as_long_as_a_message_is_refused() {
    let served = facade().await;
    let ping = json!({"jsonrpc": "2.0", "id": "x".repeat(2000), "method": "ping"});
    assert_eq!(call(served.address, "/mcp", &ping).await.error(), (400, -32600));
}

#[tokio::test]
async fn a_half_sent_request_does_not_hold_the_end_of_the_process() {
    let served = facade().await;
    let mut half = TcpStream::connect(served.address).await.unwrap();
    half.write_all(b"POST /mcp HTTP/1.1\r\nHost: loc").await.unwrap();
    let _stream = Stream::open(served.address, "/sse").await;
    let mut idle = TcpStream::connect(served.address).await.unwrap();
    idle.write_all(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    within(idle.readable()).await.unwrap();

    let started = std::time::Instant::now();
    served.lifecycle.stop();
    served.lifecycle.drain(Duration::from_secs(5)).await;
    assert!(started.elapsed().as_secs_f64() < 2.0, "{:?}", started.elapsed());
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_query_of_patterns_can_not_cost_much() {
    let served = facade().await;
    let path = format!("/mcp?tools={}", "*a".repeat(3000));
    let message = Request::post(path)
        .header("host", "localhost")
        .header("content-type", "application/json");
    let list = request(1, "tools/list", json!({})).to_string();
    let started = std::time::Instant::now();
    assert_eq!(
        send(served.address, message.body(list.into()).unwrap())
            .await
            .status,
        200
    );
    assert!(started.elapsed().as_secs_f64() < 1.0);
}

//! How long streams last: their ids, their readers, the end of the process. Over both versions of HTTP.

use std::net::SocketAddr;
use std::process::{Command, Stdio};

use bytes::Bytes;
use futures_util::future::join_all;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_testing::{Memory, eventually, free_port};
use prost_reflect::Value as Field;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::adapter::Plan;
use crate::client::{DEADLINE, Stream, call, open, request, send, serve, tasks, within};
use crate::shop::{Gate, assert_found, find, shop};

/// An HTTP/2 connection.
async fn http2(address: SocketAddr) -> SendRequest<Full<Bytes>> {
    let stream = TcpStream::connect(address).await.expect("connects");
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.expect("HTTP/2");
    tasks().spawn(connection);
    sender
}

async fn get(connection: &mut SendRequest<Full<Bytes>>, path: &str) -> Response<Incoming> {
    let request = Request::get(format!("http://localhost{path}"));
    let request = request.body(Bytes::new().into()).expect("a request");
    within(connection.send_request(request)).await.expect("an answer")
}

async fn post(connection: &mut SendRequest<Full<Bytes>>, path: &str, message: &Value) -> u16 {
    let request = Request::post(format!("http://localhost{path}")).header("content-type", "application/json");
    let request = request.body(message.to_string().into()).expect("a request");
    let answer = within(connection.send_request(request)).await.expect("an answer");
    answer.status().as_u16()
}

/// A stream on an HTTP/2 connection, and where its messages are posted.
async fn open_http2(connection: &mut SendRequest<Full<Bytes>>) -> (Stream, String) {
    let mut stream = Stream::of(get(connection, "/sse").await);
    let (event, endpoint) = stream.event().await.expect("an event");
    assert_eq!(event, "endpoint");
    (stream, endpoint)
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_before_its_id_does() {
    let served = serve(&[], Upstreams::default()).await;
    let opened = Instant::now();
    let lasted = async || {
        let mut stream = Stream::open(served.address, "/sse").await;
        while stream.block().await.is_some() {}
        opened.elapsed().as_secs()
    };
    let lasted = join_all((0..4).map(|_| lasted())).await;
    let (hour, minute) = (3600, 60);
    assert!(
        lasted
            .iter()
            .all(|time| (23 * hour..24 * hour - 4 * minute).contains(time)),
        "{lasted:?}"
    );
    // They don't come back together.
    assert!(lasted.iter().any(|time| *time != lasted[0]), "{lasted:?}");
}

#[tokio::test]
async fn calls_of_a_stream_are_answered_when_the_process_stops_over_http2_too() {
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;
    let mut connection = http2(served.address).await;
    let (mut stream, endpoint) = open_http2(&mut connection).await;
    let (mut idle, _) = open_http2(&mut connection).await;
    assert_eq!(post(&mut connection, &endpoint, &find(1, "tea")).await, 202);
    gate.runs(1).await;
    served.lifecycle.stop();
    assert_eq!(idle.event().await, None);
    gate.permits.add_permits(1);
    assert_found(&stream.message().await, "tea");
    assert_eq!(stream.event().await, None);
    let started = std::time::Instant::now();
    within(served.lifecycle.drain(DEADLINE)).await;
    assert!(started.elapsed().as_secs() < 5, "{:?}", started.elapsed());
}

#[tokio::test]
async fn nothing_new_begins_when_the_process_stops() {
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;
    // Connections that are there already, since no new ones are taken.
    let stream = Stream::open(served.address, "/sse").await;
    let posted = tasks().spawn({
        let (address, endpoint) = (served.address, stream.endpoint.clone());
        async move { call(address, &endpoint, &find(1, "tea")).await.status }
    });
    assert_eq!(within(posted).await.unwrap(), 202);
    gate.runs(1).await;
    let refused = async |method: &str, path: &str, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("transfer-encoding", "chunked");
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<_, std::convert::Infallible>>(1);
        let body_stream = tokio_stream::wrappers::ReceiverStream::new(receiver);
        let request = request
            .body(http_body_util::StreamBody::new(body_stream))
            .expect("a request");
        let tcp = TcpStream::connect(served.address).await.expect("connects");
        let (mut http, connection) = hyper::client::conn::http1::handshake(TokioIo::new(tcp))
            .await
            .expect("HTTP");
        tasks().spawn(connection);
        let answer = tasks().spawn(http.send_request(request));
        (sender, answer, body.to_string())
    };
    // The body comes when the end has begun: the message is taken no more.
    let (sender, answer, body) = refused("POST", &stream.endpoint, find(2, "milk")).await;
    let (cancelling, cancelled, cancel) = refused(
        "POST",
        &stream.endpoint,
        json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}),
    )
    .await;
    for sender in [&sender, &cancelling] {
        let begun = http_body::Frame::data(Bytes::from_static(b" "));
        sender.send(Ok(begun)).await.expect("a connection");
    }
    // Both requests are at the server: a third one behind them is answered.
    assert_eq!(
        call(served.address, &stream.endpoint, &request(9, "ping", json!({})))
            .await
            .status,
        202
    );
    served.lifecycle.stop();
    sender
        .send(Ok(http_body::Frame::data(body.into())))
        .await
        .expect("a connection");
    drop(sender);
    let answer = within(answer).await.unwrap().expect("an answer");
    assert_eq!(answer.status(), 503);
    // A call that runs can still be cancelled, and the process ends sooner for it.
    cancelling
        .send(Ok(http_body::Frame::data(cancel.into())))
        .await
        .expect("a connection");
    drop(cancelling);
    assert_eq!(within(cancelled).await.unwrap().expect("an answer").status(), 202);
    gate.runs(0).await;
    within(served.lifecycle.drain(DEADLINE)).await;
}

/// A process that ends with its test.
struct Program(std::process::Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Streams that don't read, and calls on them that are answered with a megabyte each, twice: as text and structured.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_that_do_not_read_take_no_memory() {
    const STREAMS: u32 = 50;
    const CALLS: u32 = 6;
    let megabyte = "x".repeat(1024 * 1024);
    let adapter = Plan::new(
        r#"
        // ShopService sells.
        service ShopService {
          // Tells everything.
          rpc Tell(TellRequest) returns (TellResponse) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.tool.v1.tool) = {title: "Tell everything"};
          }
        }
        message TellRequest {}
        message TellResponse {
          // Everything.
          string all = 1;
        }
    "#,
    )
    .handle(move |mut received| {
        let all = Field::String(megabyte.clone());
        received.response.set_field_by_name("all", all);
        async move { Ok(received.response) }
    })
    .start()
    .await;
    let folder = tempfile::tempdir().unwrap();
    let upstreams = folder.path().join("upstreams.toml");
    std::fs::write(&upstreams, format!("shop = \"{}\"\n", adapter.url())).unwrap();
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let program = Command::new(env!("CARGO_BIN_EXE_mcp-hub-facade"))
        .args(["--listen", &address.to_string(), "--upstreams"])
        .arg(&upstreams)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let program = Program(program);
    let ready = || {
        Request::get("/readyz")
            .header("host", "localhost")
            .body(Bytes::new().into())
            .unwrap()
    };
    eventually(DEADLINE, async || {
        TcpStream::connect(address)
            .await
            .map_err(|error| error.to_string())?;
        let status = send(address, ready()).await.status;
        if status == 200 {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;

    let unread: Vec<Stream> = join_all((0..STREAMS).map(|_| Stream::open(address, "/sse"))).await;
    let memory = Memory::watch(program.0.id());
    let calls = unread.iter().map(async |stream| {
        // At the same moment on all streams, and on each by and by: the first answers are there before the last call.
        let mut taken = 0;
        for id in 0..CALLS {
            let tell = request(id, "tools/call", json!({"name": "shop_tell", "arguments": {}}));
            let status = call(address, &stream.endpoint, &tell).await.status.as_u16();
            assert!([202, 429, 404].contains(&status), "{status}");
            taken += u64::from(status == 202);
        }
        taken
    });
    let taken: u64 = join_all(calls).await.iter().sum();
    // A reader that reads is served all the while.
    let mut reader = Stream::open(address, "/sse").await;
    let tell = request(1, "tools/call", json!({"name": "shop_tell", "arguments": {}}));
    assert_eq!(reader.call(address, &tell).await["id"], 1);
    let notification = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    // A stream that nobody reads is ended, unless all its answers fit into the buffers of its socket: then nothing waits here.
    eventually(3 * DEADLINE, async || {
        for stream in &unread {
            if call(address, &stream.endpoint, &notification).await.status == 404 {
                return true;
            }
        }
        false
    })
    .await;
    let (before, peak) = memory.peak();
    assert!(taken >= u64::from(STREAMS), "{taken}");
    assert!(
        peak - before < 448 * 1024,
        "{taken} calls taken, {before} KiB before, {peak} KiB at the peak"
    );
    drop(open(address, ready()).await);
}

//! Streams over HTTP/2 in memory, so that the clock can be paused: with sockets it goes on between a byte's sending and its arrival.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_hub_chassis::Lifecycle;
use serde_json::{Value, json};

use super::*;
use crate::auth::Auth;
use crate::registry::{self, Registry};
use crate::secrets::Awaited;
use crate::server::Server;
use crate::transport::Lock;
use crate::transport::session::Sessions;
use crate::transport::session::keys::KeyRing;
use crate::transport::stall::STALLED;
use crate::upstream::Upstreams;

/// Less than an answer has, so that none is taken before it has been read.
const WINDOW: u32 = 256;

struct Client {
    http: SendRequest<Full<Bytes>>,
    lifecycle: Lifecycle,
}

impl Client {
    /// A client that gives each of its streams so little room that none takes a message unread.
    async fn connect() -> Self {
        let lifecycle = Lifecycle::new();
        let config = mcp_hub_chassis::config::Sources {
            arguments: vec!["x".into()],
            ..Default::default()
        };
        let config: crate::Config = config.load().unwrap();
        let registry = registry::Config { tools_kept: 3600 };
        let registry = Registry::start(&registry, Upstreams::default(), &lifecycle);
        let awaited = Awaited::new(false);
        let lock = Lock {
            auth: Auth::read(&config.auth, &awaited).unwrap(),
            awaited,
        };
        let router = crate::transport::router(
            Server::new(registry, lifecycle.clone()),
            &config,
            lock,
            Sessions::new(&KeyRing::random(), None, None),
        );
        let (near, far) = tokio::io::duplex(64 * 1024);
        let service = hyper_util::service::TowerToHyperService::new(router);
        let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(far), service);
        lifecycle.spawn(served);
        let handshake = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(WINDOW)
            .handshake(TokioIo::new(near));
        let (http, connection) = handshake.await.unwrap();
        lifecycle.spawn(connection);
        Self { http, lifecycle }
    }

    /// Opens a stream; gives it and where its messages are posted.
    async fn open(&mut self) -> (Incoming, String) {
        let request = Request::get("http://localhost/sse").body(Bytes::new().into());
        let answer = self.http.send_request(request.unwrap()).await.unwrap();
        let mut body = answer.into_body();
        let event = read(&mut body).await;
        let endpoint = event.strip_prefix("event: endpoint\ndata: ").unwrap();
        (body, endpoint.trim_end().to_owned())
    }

    async fn post(&mut self, endpoint: &str, message: &Value) -> u16 {
        let request = Request::post(format!("http://localhost{endpoint}"));
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .body(message.to_string().into());
        let answer = self.http.send_request(request.unwrap()).await.unwrap();
        answer.status().as_u16()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// The next event; pings are skipped.
async fn read(body: &mut Incoming) -> String {
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
        text.push_str(std::str::from_utf8(&data).unwrap());
        while let Some(rest) = text.strip_prefix(": ping\n\n") {
            text = rest.to_owned();
        }
    }
    text
}

fn list(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": "tools/list"})
}

fn notification() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_gets_no_window_is_lost_and_its_connection_lives() {
    let mut client = Client::connect().await;
    let (_unread, endpoint) = client.open().await;
    let (mut body, other) = client.open().await;
    assert_eq!(client.post(&endpoint, &list(1)).await, 202);
    assert_eq!(client.post(&endpoint, &list(2)).await, 202);
    tokio::time::sleep(STALLED.mul_f64(0.95)).await;
    assert_eq!(client.post(&endpoint, &notification()).await, 202);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // The connection is the reader's of another stream too.
    assert_eq!(client.post(&other, &list(3)).await, 202);
    assert!(read(&mut body).await.contains(r#""id":3"#));
    assert_eq!(client.post(&endpoint, &notification()).await, 404);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_keeps_its_stream() {
    let mut client = Client::connect().await;
    let (mut body, endpoint) = client.open().await;
    for id in 0..4 {
        assert_eq!(client.post(&endpoint, &list(id)).await, 202);
    }
    for id in 0..4 {
        tokio::time::sleep(STALLED.mul_f64(0.9)).await;
        assert!(read(&mut body).await.contains(&format!(r#""id":{id},"#)));
    }
    assert_eq!(client.post(&endpoint, &notification()).await, 202);
}

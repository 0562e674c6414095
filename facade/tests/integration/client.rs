//! A client that does exactly what it is told: one connection per request, no retries, no manners.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_hub_chassis::Lifecycle;
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_facade::{Config, Facade, Front};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The longest that anything here may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A facade on a port of its own; it stops when this is dropped.
pub(crate) struct Served {
    pub(crate) address: SocketAddr,
    pub(crate) facade: Facade,
    pub(crate) lifecycle: Lifecycle,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

/// Settings of a facade from command-line arguments.
pub(crate) fn config(arguments: &[&str]) -> Config {
    let arguments = ["mcp-hub-facade"]
        .iter()
        .chain(arguments)
        .map(Into::into)
        .collect();
    let sources = mcp_hub_chassis::config::Sources {
        arguments,
        ..Default::default()
    };
    sources.load().expect("settings")
}

/// Starts a facade with command-line arguments, and waits until it is ready.
pub(crate) async fn serve(arguments: &[&str], upstreams: Upstreams) -> Served {
    let config = config(arguments);
    let lifecycle = Lifecycle::new();
    let front = Front::open(&config, "127.0.0.1:0".parse().expect("an address")).await;
    let front = front.expect("nothing is wrong");
    let address = front.local_addr().expect("an address");
    let facade = Facade::start(config, upstreams, &lifecycle);
    lifecycle.spawn({
        let facade = facade.clone();
        async move { facade.serve(front).await }
    });
    within(facade.registry().first_pass()).await;
    Served {
        address,
        facade,
        lifecycle,
    }
}

/// What must not take long.
pub(crate) async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(DEADLINE, future).await.expect("in time")
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.to_vec()).expect("UTF-8")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("text"))
            .unwrap_or_default()
    }

    /// HTTP status and JSON-RPC error code.
    pub(crate) fn error(&self) -> (u16, i64) {
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        let json = self.json();
        assert_eq!(json["jsonrpc"], "2.0");
        (
            self.status.as_u16(),
            json["error"]["code"]
                .as_i64()
                .unwrap_or_else(|| panic!("no error: {json}")),
        )
    }
}

/// A POST of JSON, to be changed.
pub(crate) fn post(address: SocketAddr, path: &str) -> http::request::Builder {
    Request::post(path)
        .header("host", address.to_string())
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
}

/// A request without a body.
pub(crate) fn empty(request: http::request::Builder) -> Request<Full<Bytes>> {
    request.body(Bytes::new().into()).expect("a request")
}

/// Sends a request and gives the answer without its body.
pub(crate) async fn open(address: SocketAddr, request: Request<Full<Bytes>>) -> Response<Incoming> {
    within(async {
        let stream = TcpStream::connect(address).await.expect("connects");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("HTTP");
        tasks().spawn(connection);
        sender.send_request(request).await.expect("an answer")
    })
    .await
}

/// Sends a request and reads all of the answer.
pub(crate) async fn send(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    let (parts, body) = open(address, request).await.into_parts();
    let body = within(body.collect()).await.expect("a body").to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body,
    }
}

/// Sends a request over HTTP/2.
pub(crate) async fn send_http2(address: SocketAddr, request: Request<Full<Bytes>>) -> Answer {
    within(async {
        let stream = TcpStream::connect(address).await.expect("connects");
        let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (mut sender, connection) = handshake.await.expect("HTTP/2");
        tasks().spawn(connection);
        let (parts, body) = sender
            .send_request(request)
            .await
            .expect("an answer")
            .into_parts();
        let body = body.collect().await.expect("a body").to_bytes();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        }
    })
    .await
}

/// Posts a message.
pub(crate) async fn call(address: SocketAddr, path: &str, message: &Value) -> Answer {
    send(
        address,
        post(address, path)
            .body(message.to_string().into())
            .expect("a request"),
    )
    .await
}

/// Posts a message of 2026-07-28 with the headers that it must have.
pub(crate) async fn call_modern(address: SocketAddr, path: &str, message: &Value) -> Answer {
    send(
        address,
        modern(address, path, message)
            .body(message.to_string().into())
            .expect("a request"),
    )
    .await
}

/// The headers of 2026-07-28 for a message.
pub(crate) fn modern(address: SocketAddr, path: &str, message: &Value) -> http::request::Builder {
    let method = message["method"].as_str().expect("a method");
    let named = match method.split('/').next() {
        Some("resources") => "uri",
        Some("tasks") => "taskId",
        _ => "name",
    };
    let request = post(address, path)
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", method);
    match message["params"][named].as_str() {
        Some(name) => request.header("mcp-name", name),
        None => request,
    }
}

pub(crate) const MODERN: &str = "2026-07-28";

/// A request with the `_meta` of 2026-07-28.
pub(crate) fn modern_request(id: u32, method: &str, params: Value) -> Value {
    let mut message = request(id, method, params);
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    message
}

/// A JSON-RPC request.
pub(crate) fn request(id: u32, method: &str, params: Value) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "id": id, "method": method});
    message["params"] = params;
    message
}

/// An answer without the trace that it is of: whether there is one depends on who looks.
pub(crate) fn untraced(mut answer: Value) -> Value {
    let empty = |value: &Value| value.as_object().is_some_and(serde_json::Map::is_empty);
    for (part, place, name) in [("result", "_meta", "traceparent"), ("error", "data", "trace_id")] {
        let Some(part) = answer.get_mut(part).and_then(Value::as_object_mut) else {
            continue;
        };
        let inside = part.get_mut(place).and_then(Value::as_object_mut);
        if inside.and_then(|inside| inside.remove(name)).is_some() && empty(&part[place]) {
            part.remove(place);
        }
    }
    answer
}

/// What a server says that it can do, by whether it tells changes of lists on the door.
pub(crate) fn capabilities(changes: bool) -> Value {
    let list = if changes {
        json!({"listChanged": true})
    } else {
        json!({})
    };
    json!({"tools": list, "prompts": list, "resources": list, "completions": {}})
}

/// `initialize` of a version.
pub(crate) fn initialize(version: &str) -> Value {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    request(1, "initialize", params)
}

/// Writes bytes and reads what comes until the server closes. What can't be written any more is left.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    within(async {
        let mut stream = TcpStream::connect(address).await.expect("connects");
        let (mut reader, mut writer) = stream.split();
        let mut answer = vec![];
        let write = async {
            // The server may have closed already.
            let _ = writer.write_all(bytes).await;
        };
        let read = async {
            // A reset after the answer is as good as an end.
            let _ = reader.read_to_end(&mut answer).await;
        };
        tokio::join!(write, read);
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await
}

/// Tasks of the tests' clients; they end with the runtime of their test.
pub(crate) fn tasks() -> Lifecycle {
    Lifecycle::new()
}

/// A legacy SSE stream.
pub(crate) struct Stream {
    body: Incoming,
    read: String,
    /// Where to post messages.
    pub(crate) endpoint: String,
}

impl Stream {
    /// Opens `GET path` and reads the endpoint.
    pub(crate) async fn open(address: SocketAddr, path: &str) -> Self {
        let request = Request::get(path)
            .header("host", address.to_string())
            .header("accept", "text/event-stream");
        let answer = open(address, request.body(Bytes::new().into()).expect("a request")).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-cache, no-transform");
        assert_eq!(answer.headers()["x-accel-buffering"], "no");
        let mut stream = Self::of(answer);
        let (event, endpoint) = stream.event().await.expect("an event");
        assert_eq!(event, "endpoint");
        stream.endpoint = endpoint;
        stream
    }

    /// Any stream of events.
    pub(crate) fn of(answer: Response<Incoming>) -> Self {
        Self {
            body: answer.into_body(),
            read: String::new(),
            endpoint: String::new(),
        }
    }

    /// The data of the next event of a stream whose events have no names.
    pub(crate) async fn data(&mut self) -> Value {
        within(async {
            loop {
                let block = self.block().await.expect("an event");
                if let Some(data) = block.lines().find_map(|line| line.strip_prefix("data:")) {
                    return serde_json::from_str(data).expect("JSON");
                }
            }
        })
        .await
    }

    /// The next block of lines, or `None` at the end.
    pub(crate) async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.read = rest;
                return Some(block);
            }
            let frame = self.body.frame().await?.ok()?;
            let data = frame.into_data().expect("data");
            self.read.push_str(std::str::from_utf8(&data).expect("UTF-8"));
        }
    }

    /// The next comment, whenever it comes.
    pub(crate) async fn comment(&mut self) -> String {
        let block = self.block().await.expect("a comment");
        assert!(block.starts_with(':'), "{block}");
        block
    }

    /// The next event and its data, or `None` at the end. Comments are skipped.
    pub(crate) async fn event(&mut self) -> Option<(String, String)> {
        within(async {
            loop {
                let block = self.block().await?;
                let field = |name| {
                    block
                        .lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_owned)
                };
                let event = field("event: ").zip(field("data: "));
                assert!(event.is_some() || block.starts_with(':'), "no event: {block}");
                if event.is_some() {
                    return event;
                }
            }
        })
        .await
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        let (event, data) = self.event().await.expect("a message");
        assert_eq!(event, "message");
        serde_json::from_str(&data).expect("JSON")
    }

    /// Posts a message and gives what comes on the stream.
    pub(crate) async fn call(&mut self, address: SocketAddr, message: &Value) -> Value {
        let accepted = call(address, &self.endpoint, message).await;
        assert_eq!(
            (accepted.status.as_u16(), accepted.text().as_str()),
            (202, "Accepted")
        );
        self.message().await
    }
}

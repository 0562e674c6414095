//! The lock on the doors, through real sockets.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use mcp_hub_facade::auth::token::{Entry, Scope, Token};
use mcp_hub_facade::upstream::Upstreams;
use serde_json::{Value, json};

use crate::client::{Answer, Served, Stream, empty, open, post, request, send, serve};

mod doors;
mod limits;
mod rights;
mod streams;

/// A tokens file, and the tokens that are in it.
pub(crate) struct Lock {
    folder: tempfile::TempDir,
    entries: Vec<Entry>,
}

impl Lock {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            entries: vec![],
        }
    }

    /// A token that may do everything, as the header that shows it.
    fn token(&mut self, name: &str) -> String {
        self.token_with(name, |_| {})
    }

    /// A token with other settings.
    pub(crate) fn token_with(&mut self, name: &str, change: impl FnOnce(&mut Entry)) -> String {
        let token = Token::generate().expect("random bytes");
        let mut entry = Entry {
            name: name.to_owned(),
            digest: token.digest(),
            scopes: vec![Scope::Read, Scope::Write],
            upstreams: None,
            expires: None,
        };
        change(&mut entry);
        self.entries.push(entry);
        self.write();
        format!("Bearer {}", token.expose())
    }

    /// A token that is worth nothing after a time.
    fn token_for(&mut self, name: &str, time: SignedDuration) -> String {
        self.token_with(name, |entry| entry.expires = Some(Timestamp::now() + time))
    }

    fn revoke(&mut self, name: &str) {
        self.entries.retain(|entry| entry.name != name);
        self.write();
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("tokens.toml")
    }

    pub(crate) fn write(&self) {
        self.replace(&self.text());
    }

    /// What the file says.
    pub(crate) fn text(&self) -> String {
        let tables: String = self.entries.iter().map(ToString::to_string).collect();
        format!("[tokens]\n{tables}")
    }

    /// Replaces the file as a whole, as `mcp-hub token` does.
    fn replace(&self, text: &str) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, text).expect("written");
        std::fs::rename(new, self.path()).expect("replaced");
    }

    pub(crate) async fn serve(&self, arguments: &[&str], upstreams: Upstreams) -> Served {
        let path = self.path().display().to_string();
        serve(&[&["--tokens-file", &path], arguments].concat(), upstreams).await
    }

    /// A facade that takes the word of this machine on where a request comes from.
    async fn behind_proxy(&self) -> Served {
        self.serve(&["--trusted-proxies", "127.0.0.1"], Upstreams::default())
            .await
    }
}

/// What nobody holds.
fn unknown() -> String {
    format!("Bearer {}", Token::generate().expect("random bytes").expose())
}

/// An address that nobody else has, so that its failed logins are counted by themselves.
fn somebody() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let [_, a, b, c] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("100.{a}.{b}.{c}")
}

/// Posts a message with an `Authorization`.
pub(crate) async fn ask(served: &Served, authorization: &str, message: &Value) -> Answer {
    let message = post(served.address, "/mcp")
        .header("authorization", authorization)
        .body(message.to_string().into());
    send(served.address, message.expect("a request")).await
}

/// The status that a message gets with an `Authorization`.
async fn status(served: &Served, authorization: &str) -> u16 {
    let ping = request(1, "ping", json!({}));
    ask(served, authorization, &ping).await.status.as_u16()
}

/// A `GET /sse`, to be changed.
fn get(served: &Served) -> http::request::Builder {
    Request::get("/sse")
        .header("host", served.address.to_string())
        .header("accept", "text/event-stream")
}

/// A legacy SSE stream of the holder of a token.
struct Channel {
    authorization: String,
    stream: Stream,
}

impl Channel {
    async fn open(served: &Served, authorization: &str) -> Self {
        let answer = open(
            served.address,
            empty(get(served).header("authorization", authorization)),
        )
        .await;
        assert_eq!(answer.status(), 200);
        let mut stream = Stream::of(answer);
        let (event, endpoint) = stream.event().await.expect("an event");
        assert_eq!(event, "endpoint");
        stream.endpoint = endpoint;
        Self {
            authorization: authorization.to_owned(),
            stream,
        }
    }

    /// Posts a message; what that is answered.
    async fn post(&self, served: &Served, authorization: &str, message: &Value) -> Answer {
        let message = post(served.address, &self.stream.endpoint)
            .header("authorization", authorization)
            .body(message.to_string().into());
        send(served.address, message.expect("a request")).await
    }

    /// Posts a message; what comes on the stream.
    async fn call(&mut self, served: &Served, message: &Value) -> Value {
        let accepted = self.post(served, &self.authorization, message).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        self.stream.message().await
    }

    /// Waits for the end of the stream.
    async fn ends(&mut self) {
        assert_eq!(self.stream.event().await, None);
    }

    async fn lives(&mut self, served: &Served) {
        let answer = self.call(served, &request(9, "ping", json!({}))).await;
        assert_eq!(answer, json!({"jsonrpc": "2.0", "id": 9, "result": {}}));
    }
}

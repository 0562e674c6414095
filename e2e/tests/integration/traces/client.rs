//! MCP written by hand: what its requests carry of a trace is each test's own business.

use mcp_hub_e2e::{EventStream, request};
use mcp_hub_testing::traces::Caller;
use serde_json::{Value, json};

use super::stage::bearer;

/// The version of the clients.
pub(super) const VERSION: &str = "7.3";

const MODERN: &str = "2026-07-28";
const LEGACY: &str = "2024-11-05";

/// Where a request names the trace that it belongs to.
#[derive(Clone, Debug, Default)]
pub(super) struct Named {
    /// `traceparent` in the message's `_meta`.
    pub(super) meta: Option<Value>,
    /// The header `traceparent`.
    pub(super) header: Option<String>,
    /// More headers.
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Named {
    /// In the message.
    pub(super) fn meta(caller: Caller) -> Self {
        Self {
            meta: Some(caller.traceparent().into()),
            ..Self::default()
        }
    }

    /// In the header.
    pub(super) fn header(caller: Caller) -> Self {
        Self {
            header: Some(caller.traceparent()),
            ..Self::default()
        }
    }

    fn headers(&self, token: &str) -> Vec<(&str, String)> {
        let mut headers = vec![
            ("Content-Type", "application/json".to_owned()),
            ("Accept", "application/json, text/event-stream".to_owned()),
            ("Authorization", bearer(token)),
        ];
        headers.extend(self.header.clone().map(|named| ("traceparent", named)));
        headers.extend(self.headers.iter().cloned());
        headers
    }
}

/// A client of stateless Streamable HTTP.
#[derive(Clone, Debug)]
pub(super) struct Client {
    url: String,
    token: &'static str,
    named: Named,
}

impl Client {
    /// One that POSTs there, and has the token of this name. It calls itself `the NAME shift`.
    pub(super) fn new(url: String, token: &'static str) -> Self {
        Self {
            url,
            token,
            named: Named::default(),
        }
    }

    /// What it calls itself.
    pub(super) fn name(&self) -> String {
        introduction(self.token)["name"]
            .as_str()
            .expect("a name")
            .to_owned()
    }

    /// The same, whose requests name a trace.
    pub(super) fn naming(&self, named: Named) -> Self {
        Self {
            named,
            ..self.clone()
        }
    }

    /// Calls a tool, and gives the answer's message.
    pub(super) async fn post(&self, tool: &str, arguments: Value) -> Value {
        let mut meta = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": introduction(self.token),
        });
        if let Some(named) = &self.named.meta {
            meta["traceparent"] = named.clone();
        }
        let message = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": tool, "arguments": arguments, "_meta": meta},
        });
        let mut headers = self.named.headers(self.token);
        headers.extend(
            [
                ("MCP-Protocol-Version", MODERN),
                ("Mcp-Method", "tools/call"),
                ("Mcp-Name", tool),
            ]
            .map(|(name, value)| (name, value.to_owned())),
        );
        let answer = post(&self.url, &headers, &message).await;
        serde_json::from_str(&answer.1).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }
}

/// A client of legacy SSE, whose stream is one replica's, and whose messages go to another one.
#[derive(Debug)]
pub(super) struct Sse {
    stream: EventStream,
    posts: String,
    token: &'static str,
    id: u64,
}

impl Sse {
    /// Opens a stream at one replica and says hello by the other. Both are URLs like `http://127.0.0.1:PORT`.
    pub(super) async fn open(owner: &str, other: &str, token: &'static str) -> Self {
        let bearer = bearer(token);
        let stream = EventStream::open(&format!("{owner}/sse"), &[("Authorization", &bearer)])
            .await
            .expect("a stream");
        let path = stream
            .endpoint
            .strip_prefix(owner)
            .expect("a path of the replica");
        let mut client = Self {
            posts: format!("{other}{path}"),
            stream,
            token,
            id: 0,
        };
        let hello = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": introduction(token)});
        client.ask("initialize", hello, &Named::default()).await;
        client
    }

    /// The id of its session, which lets others write to it.
    pub(super) fn session_id(&self) -> &str {
        let (_, id) = self.posts.split_once("session_id=").expect("an id");
        id.split('&').next().expect("an id")
    }

    /// Calls a tool, and gives the answer's message.
    pub(super) async fn call(&mut self, tool: &str, arguments: Value, named: &Named) -> Value {
        self.begin(tool, arguments, named).await;
        self.answer().await
    }

    /// Calls a tool, and does not wait for the answer. Gives the id of the request.
    pub(super) async fn begin(&mut self, tool: &str, arguments: Value, named: &Named) -> u64 {
        let mut params = json!({"name": tool, "arguments": arguments});
        if let Some(named) = &named.meta {
            params["_meta"] = json!({"traceparent": named});
        }
        self.send_request("tools/call", params, named).await
    }

    /// Sends a message that has no answer.
    pub(super) async fn notify(&self, message: &Value) {
        self.send(message, &Named::default()).await;
    }

    /// The answer to the last request.
    pub(super) async fn answer(&mut self) -> Value {
        loop {
            let event = self.stream.next().await.expect("the stream goes on");
            let message: Value = serde_json::from_str(&event).expect("JSON");
            // The lists may change meanwhile.
            if message["id"] == self.id {
                return message;
            }
        }
    }

    async fn ask(&mut self, method: &str, params: Value, named: &Named) -> Value {
        self.send_request(method, params, named).await;
        self.answer().await
    }

    async fn send_request(&mut self, method: &str, params: Value, named: &Named) -> u64 {
        self.id += 1;
        let message = json!({"jsonrpc": "2.0", "id": self.id, "method": method, "params": params});
        self.send(&message, named).await;
        self.id
    }

    async fn send(&self, message: &Value, named: &Named) {
        let answer = post(&self.posts, &named.headers(self.token), message).await;
        assert_eq!(answer.0, 202, "{answer:?}");
    }
}

/// What a client with this token says of itself.
fn introduction(token: &str) -> Value {
    json!({"name": format!("the {token} shift"), "version": VERSION})
}

async fn post(url: &str, headers: &[(&str, String)], message: &Value) -> (u16, String) {
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    let answer = request("POST", url, &headers, &message.to_string()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{url}: {error:#}"));
    (answer.status, answer.body)
}

/// The `traceparent` that the answer to a call carries: the call's own span.
#[track_caller]
pub(super) fn own(reply: &Value) -> (String, String) {
    let traceparent = reply["result"]["_meta"]["traceparent"].as_str();
    let traceparent = traceparent.unwrap_or_else(|| panic!("a traceparent: {reply}"));
    match traceparent.split('-').collect::<Vec<_>>()[..] {
        ["00", trace, span, _] => (trace.to_owned(), span.to_owned()),
        _ => panic!("no traceparent: {traceparent}"),
    }
}

//! Clients of Streamable HTTP, of both eras.

use std::time::Duration;

use http::request::Builder;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::connection::{Answer, Connection};
use super::{Client, Failed, Kind, Shared};

const LEGACY: &str = "2025-11-25";
const MODERN: &str = "2026-07-28";

/// A client that begins with `initialize` and says its version in a header ever after. The server knows nothing of it.
#[derive(Debug)]
pub(super) struct Legacy {
    connection: Connection,
    patience: Duration,
    initialized: bool,
}

/// A client that says all about itself in every request.
#[derive(Debug)]
pub(super) struct Modern {
    connection: Connection,
    patience: Duration,
}

impl Legacy {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            connection: Connection::new(shared),
            patience: shared.plan.patience,
            initialized: false,
        }
    }

    async fn post(&mut self, message: &Value) -> Result<Answer, Failed> {
        let head = self.connection.post("/mcp");
        let head = if self.initialized {
            head.header("mcp-protocol-version", LEGACY)
        } else {
            head
        };
        send(&mut self.connection, head, message, self.patience).await
    }
}

impl Client for Legacy {
    const DOOR: &'static str = "http 2025-11-25";

    async fn prepare(&mut self) -> bool {
        if !self.initialized {
            let answer = self.post(&initialize(LEGACY)).await;
            self.initialized = answer.is_ok_and(|answer| answer.status == 200);
        }
        self.initialized
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Result<Value, Failed> {
        let message = request(id, method, params);
        result(id, &self.post(&message).await?)
    }
}

impl Modern {
    pub(super) fn new(shared: &Shared) -> Self {
        Self {
            connection: Connection::new(shared),
            patience: shared.plan.patience,
        }
    }
}

impl Client for Modern {
    const DOOR: &'static str = "http 2026-07-28";

    async fn prepare(&mut self) -> bool {
        true
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Result<Value, Failed> {
        let mut message = request(id, method, params);
        message["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
        });
        let head = self
            .connection
            .post("/mcp")
            .header("mcp-protocol-version", MODERN)
            .header("mcp-method", method);
        let head = match message["params"]["name"].as_str() {
            Some(name) => head.header("mcp-name", name),
            None => head,
        };
        let answer = send(&mut self.connection, head, &message, self.patience).await?;
        result(id, &answer)
    }
}

/// `initialize` of a version.
pub(super) fn initialize(version: &str) -> Value {
    let client = json!({"name": "load", "version": "1"});
    request(
        0,
        "initialize",
        json!({"protocolVersion": version, "capabilities": {}, "clientInfo": client}),
    )
}

/// A JSON-RPC request.
pub(super) fn request(id: u64, method: &str, params: Value) -> Value {
    let mut request = json!({"jsonrpc": "2.0", "id": id, "method": method});
    request["params"] = params;
    request
}

/// Sends a message; a connection on which no answer came in time is given up.
pub(super) async fn send(
    connection: &mut Connection,
    head: Builder,
    message: &Value,
    patience: Duration,
) -> Result<Answer, Failed> {
    let request = head.body(message.to_string().into()).expect("a request");
    if let Ok(answer) = timeout(patience, connection.send(request)).await {
        return answer;
    }
    connection.close();
    Err(Failed::Failure(
        Kind::TimedOut,
        format!("nothing in {patience:?}"),
    ))
}

/// The result in an answer over HTTP.
fn result(id: u64, answer: &Answer) -> Result<Value, Failed> {
    let text = String::from_utf8_lossy(&answer.body);
    let json = answer.content_type == "application/json";
    match serde_json::from_slice(&answer.body) {
        Ok(message) if json => of_message(id, &message).map_err(|failed| match failed {
            // Errors of the door have a status of their own.
            Failed::Failure(_, detail) if answer.status != 200 => {
                Failed::Failure(Kind::Status(answer.status.as_u16()), detail)
            }
            failed => failed,
        }),
        _ if answer.status != 200 => Err(Failed::Failure(
            Kind::Status(answer.status.as_u16()),
            text.chars().take(200).collect(),
        )),
        _ => Err(Failed::Wrong(format!("no JSON: {answer:?}"))),
    }
}

/// The result in a JSON-RPC message that answers request `id`.
pub(super) fn of_message(id: u64, message: &Value) -> Result<Value, Failed> {
    if let Some(error) = message.get("error") {
        if !message["id"].is_null() && message["id"] != id {
            return Err(Failed::Wrong(format!("no answer to request {id}: {message}")));
        }
        let code = error["code"].as_i64().unwrap_or_default();
        return Err(Failed::Failure(Kind::Protocol(code), error.to_string()));
    }
    if message["id"] != id {
        return Err(Failed::Wrong(format!("no answer to request {id}: {message}")));
    }
    match message.get("result") {
        Some(result) => Ok(result.clone()),
        None => Err(Failed::Wrong(format!("neither a result nor an error: {message}"))),
    }
}

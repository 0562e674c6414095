//! MCP without a client: one request of stateless Streamable HTTP.

use anyhow::{Context as _, ensure};
use serde_json::{Value, json};

use crate::http;

/// Sends a request to a door of Streamable HTTP, as one that has been spoken to before, and returns its result.
///
/// # Errors
///
/// The status is not 200, or the answer has no result.
pub async fn ask(url: &str, headers: &[(&str, &str)], method: &str, params: Value) -> anyhow::Result<Value> {
    let headers = [
        &[
            ("Content-Type", "application/json"),
            ("Accept", "application/json, text/event-stream"),
        ],
        headers,
    ]
    .concat();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = http::request("POST", url, &headers, &body).await?;
    ensure!(answer.status == 200, "{answer:?}");
    let mut message: Value = serde_json::from_str(&answer.body).context("no JSON")?;
    ensure!(message["result"].is_object(), "{message}");
    Ok(message["result"].take())
}

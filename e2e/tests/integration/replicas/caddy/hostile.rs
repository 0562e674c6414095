//! What strangers can send through the proxy, and what it must not cost the others.

use std::io;
use std::time::Duration;

use anyhow::ensure;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use mcp_hub_e2e::Caddy;
use mcp_hub_testing::eventually;
use reqwest::Body;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::super::stage::{TOOL, arguments, is_right};
use super::stage;

const MIB: usize = 1024 * 1024;

/// How often each of them is sent: more often than there are replicas.
const ROUNDS: usize = 4;

/// A call through Caddy: the status, and the answer's result.
pub(super) async fn call(client: &reqwest::Client, caddy: &Caddy, number: usize) -> (u16, Value) {
    let body = json!({
        "jsonrpc": "2.0", "id": number, "method": "tools/call",
        "params": {"name": TOOL, "arguments": arguments(number)},
    });
    let answer = post(client, caddy, body.to_string().into())
        .send()
        .await
        .expect("an answer");
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a text");
    let mut message: Value = serde_json::from_str(&text).unwrap_or_default();
    (status, message["result"].take())
}

fn post(client: &reqwest::Client, caddy: &Caddy, body: Body) -> reqwest::RequestBuilder {
    client
        .post(caddy.url("/mcp"))
        .header("Content-Type", "application/json")
        .header("Accept", "application/json, text/event-stream")
        .body(body)
}

/// What is too large for the facade is refused by the facade, in a sentence; what is beyond all measure ends at the proxy.
#[tokio::test]
async fn a_message_that_is_too_large_is_refused() {
    let Some((_stage, caddy)) = stage().await else {
        return;
    };
    let client = caddy.client().build().expect("a client");
    let answer = post(&client, &caddy, vec![b' '; 5 * MIB].into())
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), 413);
    let text = answer.text().await.expect("a text");
    assert!(text.contains("larger than 4194304 bytes"), "{text}");

    // Nobody said how long it would be, so only counting finds out.
    let pieces = stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from(vec![b' '; MIB])));
    let endless = Body::wrap_stream(pieces.take(64));
    let answer = post(&client, &caddy, endless).send().await.expect("an answer");
    assert_eq!(answer.status(), 413);
}

/// Anybody can send what is no HTTP, and let go in the middle of it. No replica is taken for dead by it.
#[tokio::test]
async fn malformed_uploads_take_no_replica_out() {
    let Some((_stage, caddy)) = stage().await else {
        return;
    };
    let client = caddy.client().build().expect("a client");
    for number in 0..ROUNDS {
        let head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n";
        for body in ["no length\r\n", "2\r\n{}\r\n", "2\r\n{}no end"] {
            let mut connection = caddy.connect().await.expect("a connection");
            let text = format!("{head}{body}");
            connection.write_all(text.as_bytes()).await.expect("it is sent");
            // It is let go when Caddy has had it, or has answered.
            let mut answer = [0; 64];
            let _ = timeout(Duration::from_millis(50), connection.read(&mut answer)).await;
        }
        let (status, answer) = call(&client, &caddy, number).await;
        assert_eq!(status, 200, "{answer}; {}", caddy.log());
        assert!(is_right(number, &answer), "{answer}");
    }
}

/// The proxy writes down who asked for what, and neither tokens nor the ids of sessions.
#[tokio::test]
async fn the_log_holds_no_secret() {
    let Some((_stage, caddy)) = stage().await else {
        return;
    };
    let client = caddy.client().build().expect("a client");
    for path in ["/messages?session_id=secret-of-a-session", "/mcp"] {
        let answer = client
            .post(caddy.url(path))
            .bearer_auth("secret-bearer")
            .header("X-API-Key", "secret-key")
            .header("Cookie", "name=secret-cookie")
            .body("{}")
            .send()
            .await
            .expect("an answer");
        assert!(answer.status().is_client_error(), "{answer:?}");
    }
    // A request is logged behind its answer.
    let log = eventually(Duration::from_secs(10), async || {
        let log = caddy.log();
        for path in ["/messages?session_id=REDACTED", "/mcp"] {
            ensure!(log.contains(&format!("\"uri\":\"{path}\"")), "no {path}: {log}");
        }
        Ok(log)
    })
    .await;
    assert!(!log.contains("secret-"), "{log}");
}

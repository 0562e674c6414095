//! The least HTTP that a test needs beside the MCP clients: one GET, one POST.

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// GETs `path` of `127.0.0.1:port` and returns the status code.
pub async fn get(port: u16, path: &str) -> anyhow::Result<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    let answer = exchange(&format!("127.0.0.1:{port}"), &request).await?;
    status(&answer)
}

/// POSTs JSON to `http://host:port/path` as a user with a password, and returns the JSON of a successful answer.
pub async fn post(url: &str, (user, password): (&str, &str), body: &Value) -> anyhow::Result<Value> {
    let rest = url.strip_prefix("http://").context("no http:// URL")?;
    let (address, path) = rest.split_once('/').context("no path")?;
    let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let body = body.to_string();
    // 1.0, so that the answer comes in one piece.
    let request = format!(
        "POST /{path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Basic {login}\r\nContent-Type: application/json\r\n\
         Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = exchange(address, &request).await?;
    ensure!((200..300).contains(&status(&answer)?), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").context("no body")?;
    Ok(serde_json::from_str(body)?)
}

async fn exchange(address: &str, request: &str) -> anyhow::Result<String> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn status(answer: &str) -> anyhow::Result<u16> {
    let status = answer.split_whitespace().nth(1);
    Ok(status
        .with_context(|| format!("no status line in {answer:?}"))?
        .parse()?)
}

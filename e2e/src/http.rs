//! The least HTTP that a test needs beside the MCP clients: one GET.

use anyhow::Context as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// GETs `path` of `127.0.0.1:port` and returns the status code.
pub async fn get(port: u16, path: &str) -> anyhow::Result<u16> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer
        .split_whitespace()
        .nth(1)
        .with_context(|| format!("no status line in {answer:?}"))?;
    Ok(status.parse()?)
}

//! The least HTTP that a test needs beside the MCP clients: one request with its answer, and one stream of events.

use anyhow::{Context as _, bail, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;

/// An answer to a request.
#[derive(Debug)]
pub struct Answer {
    /// Its status code.
    pub status: u16,
    /// Its header, a line for each field.
    pub header: String,
    /// Its body.
    pub body: String,
}

/// Sends one request to `http://host:port/path` and returns the answer, whatever its status.
///
/// # Errors
///
/// No answer came, or what came is none.
pub async fn request(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> anyhow::Result<Answer> {
    let mut connection = send(method, url, headers, body).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (header, body) = answer
        .split_once("\r\n\r\n")
        .with_context(|| format!("no header in {answer:?}"))?;
    Ok(Answer {
        status: status(header)?,
        header: header.to_owned(),
        body: body.to_owned(),
    })
}

/// GETs `path` of `127.0.0.1:port` and returns the status code.
///
/// # Errors
///
/// No answer came.
pub async fn get(port: u16, path: &str) -> anyhow::Result<u16> {
    Ok(request("GET", &format!("http://127.0.0.1:{port}{path}"), &[], "")
        .await?
        .status)
}

/// POSTs JSON to `http://host:port/path` as a user with a password, and returns the JSON of a successful answer.
///
/// # Errors
///
/// The answer did not come, is no success, or is no JSON.
pub async fn post(url: &str, (user, password): (&str, &str), body: &Value) -> anyhow::Result<Value> {
    let login = BASE64_STANDARD.encode(format!("{user}:{password}"));
    let headers = [
        ("Authorization", &*format!("Basic {login}")),
        ("Content-Type", "application/json"),
        ("Accept", "application/json"),
    ];
    let answer = request("POST", url, &headers, &body.to_string()).await?;
    ensure!((200..300).contains(&answer.status), "{answer:?}");
    Ok(serde_json::from_str(&answer.body)?)
}

/// A stream of legacy SSE, read by hand.
#[derive(Debug)]
pub struct EventStream {
    lines: Lines<BufReader<TcpStream>>,
    /// The URL that messages are posted to, with the session's id.
    pub endpoint: String,
}

impl EventStream {
    /// Opens a stream at `http://host:port/path`.
    ///
    /// # Errors
    ///
    /// The answer is none, or no stream with an endpoint; the status is said.
    pub async fn open(url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Self> {
        let headers = [&[("Accept", "text/event-stream")], headers].concat();
        let connection = send("GET", url, &headers, "").await?;
        let mut stream = Self {
            lines: BufReader::new(connection).lines(),
            endpoint: String::new(),
        };
        let first = stream.lines.next_line().await?.context("no status line")?;
        let status = status(&first)?;
        ensure!(status == 200, "status {status}");
        let path = stream.next().await.context("no endpoint")?;
        let (address, _) = parts(url)?;
        stream.endpoint = format!("http://{address}{path}");
        Ok(stream)
    }

    /// The data of the next event; `None` once the stream has ended, in whatever way.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            let line = self.lines.next_line().await.ok()??;
            if let Some(data) = line.strip_prefix("data: ") {
                return Some(data.to_owned());
            }
        }
    }
}

async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> anyhow::Result<TcpStream> {
    let (address, path) = parts(url)?;
    let headers = headers
        .iter()
        .flat_map(|(name, value)| [name, ": ", value, "\r\n"])
        .collect::<String>();
    // 1.0, so that the answer comes in one piece.
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {address}\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request.as_bytes()).await?;
    Ok(connection)
}

/// The address and the path of a URL.
fn parts(url: &str) -> anyhow::Result<(&str, &str)> {
    let Some(rest) = url.strip_prefix("http://") else {
        bail!("no http:// URL: {url}");
    };
    let start = rest.find('/').with_context(|| format!("no path: {url}"))?;
    let (address, path) = rest.split_at(start);
    Ok((address, path))
}

fn status(answer: &str) -> anyhow::Result<u16> {
    let status = answer.split_whitespace().nth(1);
    Ok(status
        .with_context(|| format!("no status line in {answer:?}"))?
        .parse()?)
}

//! What stands where gRPC was expected: the one mistake that nearly everybody makes with Qdrant is to publish its REST port only.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::connection::{Stream, secure};
use crate::config::Target;

/// How long a look may take.
const LIMIT: Duration = Duration::from_secs(1);

/// How much of an answer is read.
const MOST: usize = 4096;

/// The record type of a TLS alert.
const TLS_ALERT: u8 = 0x15;

/// What a port has behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Qdrant's REST API.
    Rest,
    /// Another HTTP server.
    Http,
    /// Something that speaks TLS, though plain text came.
    Tls,
    /// Nothing, or nothing that is known.
    Nothing,
}

/// What is told of a server whose gRPC port can't be connected to, when its REST port answers.
pub(super) async fn of_unreachable(target: &Target) -> Option<String> {
    if target.rest_port == target.port || look(target, target.rest_port).await != Found::Rest {
        return None;
    }
    let (rest, grpc) = (target.rest_port, target.port);
    Some(format!(
        "Qdrant's REST port {rest} answers but its gRPC port {grpc} does not: publish {grpc} (docker: -p {grpc}:{grpc}) and allow it \
         in the firewall and NetworkPolicy; or set QDRANT_GRPC_PORT"
    ))
}

/// Asks a port of the server over HTTP what it is.
pub(super) async fn look(target: &Target, port: u16) -> Found {
    tokio::time::timeout(LIMIT, ask(target, port))
        .await
        .ok()
        .flatten()
        .map_or(Found::Nothing, |answer| recognise(&answer))
}

async fn ask(target: &Target, port: u16) -> Option<Vec<u8>> {
    let stream = TcpStream::connect((target.host.as_str(), port)).await.ok()?;
    let mut stream: Box<dyn Stream> = if target.tls {
        secure(target, stream).await.ok()?
    } else {
        Box::new(stream)
    };
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {}\r\nAccept: */*\r\nConnection: close\r\n\r\n",
        target.host
    );
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    // What came before an abrupt end tells as much.
    let _ = stream.take(MOST as u64).read_to_end(&mut answer).await;
    Some(answer)
}

fn recognise(answer: &[u8]) -> Found {
    if answer.first() == Some(&TLS_ALERT) {
        return Found::Tls;
    }
    let text = String::from_utf8_lossy(answer);
    if !text.starts_with("HTTP/1.") {
        Found::Nothing
    } else if text.contains("qdrant - vector search engine") {
        Found::Rest
    } else {
        Found::Http
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_answers_is_recognised() {
        let rest =
            b"HTTP/1.1 200 OK\r\n\r\n{\"title\":\"qdrant - vector search engine\",\"version\":\"1.18.2\"}";
        assert_eq!(recognise(rest), Found::Rest);
        assert_eq!(recognise(b"HTTP/1.1 404 Not Found\r\n\r\n"), Found::Http);
        assert_eq!(recognise(&[0x15, 3, 3, 0, 2, 2, 70]), Found::Tls);
        assert_eq!(recognise(b"\0\0\x12\x04\0"), Found::Nothing);
        assert_eq!(recognise(b""), Found::Nothing);
    }
}

//! The byte stream to the server: TCP or a Unix socket, with or without TLS.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::tls;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::server::{self, SslMode};

use crate::config::Target;
use crate::error::Error;

/// Any of the streams.
pub(super) type Socket = Box<dyn Stream>;

/// What a stream can do.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Opens the stream as the target wants it.
pub(super) async fn open(target: &Target) -> Result<Socket, Error> {
    // `allow` begins without; the login comes back when the server insists.
    open_with(
        target,
        !matches!(target.sslmode, SslMode::Disable | SslMode::Allow),
    )
    .await
}

/// Opens the stream, with TLS if `secure` and the server has it.
pub(super) async fn open_with(target: &Target, secure: bool) -> Result<Socket, Error> {
    #[cfg(unix)]
    if target.host.starts_with('/') {
        let path = format!("{}/.s.PGSQL.{}", target.host, target.port);
        let stream = tokio::net::UnixStream::connect(path).await.map_err(unreachable)?;
        return Ok(Box::new(stream));
    }
    let mut stream = TcpStream::connect((target.host.as_str(), target.port))
        .await
        .map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    // A peer that vanished without a word is noticed within a minute.
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(30))
        .with_interval(Duration::from_secs(10));
    SockRef::from(&stream)
        .set_tcp_keepalive(&keepalive)
        .map_err(unreachable)?;
    if !secure {
        return Ok(Box::new(stream));
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(unreachable)?;
    // Exactly one byte: what follows belongs to TLS, and nothing may be slipped in before it.
    match stream.read_u8().await.map_err(unreachable)? {
        b'S' => Ok(Box::new(tls::handshake(target, stream).await?)),
        b'N' if target.sslmode == SslMode::Prefer => Ok(Box::new(stream)),
        b'N' => Err(Error::Unavailable {
            verdict: Verdict::TlsMissing,
            reason: "the server does not offer TLS, and sslmode asks for it".to_owned(),
            source: None,
        }),
        // It has no connection for us, or is none of PostgreSQL. Without TLS it says so in full.
        b'E' if target.sslmode == SslMode::Prefer => Box::pin(open_with(target, false)).await,
        _ => Err(foreign()),
    }
}

/// What is said of a server that answers in another way than PostgreSQL's.
pub(super) fn foreign() -> Error {
    Error::Unavailable {
        verdict: Verdict::WrongProtocol,
        reason: "what answers there is no PostgreSQL server".to_owned(),
        source: None,
    }
}

/// Why no stream can be had, without an address.
fn unreachable(error: io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such socket",
        io::ErrorKind::PermissionDenied => "permission denied",
        _ => server::unreachable(&error),
    };
    Error::Unavailable {
        verdict: server::verdict(&error),
        reason: reason.to_owned(),
        source: Some(error),
    }
}

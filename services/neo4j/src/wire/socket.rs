//! The byte stream to a server: TCP, with or without TLS.

use std::io;
use std::time::Duration;

use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::server;
use mcp_hub_chassis::tls::{self, Check, Options};
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::config::{Address, Encryption, Target};
use crate::error::Error;

/// Any of the streams.
pub(super) type Socket = Box<dyn Stream>;

/// What a stream can do.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// Opens the stream as the target wants it.
pub(super) async fn open(target: &Target, address: &Address) -> Result<Socket, Error> {
    let stream = TcpStream::connect((address.host.as_str(), address.port))
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
    let check = match target.encryption {
        Encryption::None => return Ok(Box::new(stream)),
        Encryption::Verified => Check::Everything,
        Encryption::Unverified => Check::Nothing,
    };
    let options = Options {
        check,
        authorities: target.sslrootcert.as_deref(),
        client: None,
    };
    match tls::connect(&options, &address.host, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let (verdict, reason) = match &error {
                // A server without TLS takes the first message for a wrong one of its own protocol, and goes.
                tls::Error::Handshake(_) => (
                    Verdict::TlsMissing,
                    "the server does not speak TLS here: switch it on there, or use a scheme without +s"
                        .to_owned(),
                ),
                error => (error.verdict(), error.to_string()),
            };
            Err(Error::Unavailable {
                verdict,
                reason,
                source: Some(io::Error::other(error)),
            })
        }
    }
}

/// Why no stream can be had, without an address.
fn unreachable(error: io::Error) -> Error {
    Error::Unreachable {
        verdict: server::verdict(&error),
        reason: server::unreachable(&error).to_owned(),
        source: Some(error),
    }
}

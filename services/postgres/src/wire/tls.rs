//! TLS as libpq's modes mean it.

use std::path::Path;

use mcp_hub_chassis::server::SslMode;
use mcp_hub_chassis::tls::{self, Check, Options};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::config::Target;
use crate::error::Error;

/// Speaks TLS on a stream whose server has agreed to it.
pub(super) async fn handshake(target: &Target, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
    let authorities = target.sslrootcert.as_deref();
    let system = authorities == Some(Path::new("system"));
    let check = match target.sslmode {
        SslMode::VerifyFull => Check::Everything,
        // libpq: the system's authorities vouch for everybody, so that only the name makes a difference.
        _ if system => Check::Everything,
        SslMode::VerifyCa => Check::Authority,
        SslMode::Require if authorities.is_some() => Check::Authority,
        _ => Check::Nothing,
    };
    let options = Options {
        check,
        authorities: authorities.filter(|_| !system),
        client: target.sslcert.as_deref().zip(target.sslkey.as_deref()),
    };
    tls::connect(&options, &target.host, stream)
        .await
        .map_err(|error| Error::Unavailable {
            verdict: error.verdict(),
            reason: error.to_string(),
            source: Some(std::io::Error::other(error)),
        })
}

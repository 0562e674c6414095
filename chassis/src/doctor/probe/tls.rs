//! TLS as a client meets it: whether there is a handshake, whom the certificate is for, and how long.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::super::Verdict;
use crate::tls::{self, Error};

/// A time when every certificate has expired: what a verifier says then is until when it is good.
const FAR: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1 << 40));

/// A connection that speaks TLS.
#[derive(Debug)]
pub struct Secured {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// Until when the server's certificate is good, if it says so.
    pub not_after: Option<SystemTime>,
}

/// Speaks TLS with the system's authorities and, if they are given, those of a PEM file. `protocols` are offered by ALPN.
///
/// # Errors
/// What is wrong with the file, the certificate or the handshake.
pub async fn speak(
    stream: TcpStream,
    host: &str,
    authorities: Option<&Path>,
    protocols: &[&[u8]],
    limit: Duration,
) -> Result<Secured, Verdict> {
    let roots = roots(authorities).map_err(|error| error.verdict())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
        .build()
        .map_err(|_| Verdict::TlsUnknownAuthority)?;
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|_| Verdict::TlsFailed)?
        .with_webpki_verifier(verifier.clone())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Verdict::TlsWrongName)?;
    let connecting = TlsConnector::from(Arc::new(config)).connect(name.clone(), stream);
    let stream = match timeout(limit, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return Err(tls::of_handshake(error).verdict()),
        Err(_) => return Err(Verdict::Silent),
    };
    let not_after = not_after(&stream, &verifier, &name);
    Ok(Secured { stream, not_after })
}

/// The authorities of the system, and those of a file.
fn roots(authorities: Option<&Path>) -> Result<rustls::RootCertStore, Error> {
    let system = tls::roots(None);
    match authorities {
        None => system,
        Some(file) => {
            let mut roots = tls::roots(Some(file))?;
            // A bare container has none of its own.
            roots
                .roots
                .extend(system.map(|system| system.roots).unwrap_or_default());
            Ok(roots)
        }
    }
}

/// Until when the certificate is good that this server has just shown.
fn not_after(
    stream: &TlsStream<TcpStream>,
    verifier: &WebPkiServerVerifier,
    name: &ServerName<'_>,
) -> Option<SystemTime> {
    let (end_entity, intermediates) = stream.get_ref().1.peer_certificates()?.split_first()?;
    match verifier.verify_server_cert(end_entity, intermediates, name, &[], FAR) {
        Err(rustls::Error::InvalidCertificate(CertificateError::ExpiredContext { not_after, .. })) => {
            Some(UNIX_EPOCH + Duration::from_secs(not_after.as_secs()))
        }
        _ => None,
    }
}

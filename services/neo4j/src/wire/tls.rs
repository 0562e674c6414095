//! TLS as Neo4j's URI schemes mean it, on rustls: `+s` checks the certificate and the name in it, `+ssc` neither.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use crate::config::{Address, Encryption, Target};
use crate::error::Error;

/// Speaks TLS on a fresh stream.
pub(super) async fn handshake(
    target: &Target,
    address: &Address,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let config = config(target)?;
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| settings("the host is no name that a certificate could have"))?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(|error| {
        let cause = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        let reason = match cause {
            Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    "TLS: the server's certificate is for another host name"
                }
                CertificateError::UnknownIssuer => {
                    "TLS: nobody trusted has signed the server's certificate; NEO4J_SSLROOTCERT names who is"
                }
                CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                    "TLS: the server's certificate has expired"
                }
                _ => "TLS: the server's certificate is not valid",
            },
            Some(rustls::Error::AlertReceived(_)) => "TLS: the server refused the connection",
            // A server without TLS takes the first message for a wrong one of its own protocol.
            _ => {
                "the server does not speak TLS here: use a scheme without +s, or switch TLS on at the server"
            }
        };
        Error::Unavailable {
            reason: reason.to_owned(),
            source: Some(error),
        }
    })
}

fn config(target: &Target) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Unavailable {
            reason: "TLS can't be set up".to_owned(),
            source: Some(std::io::Error::other(error)),
        })?;
    let builder = if target.encryption == Encryption::Verified {
        builder.with_root_certificates(roots(target.sslrootcert.as_deref())?)
    } else {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
    };
    Ok(builder.with_no_client_auth())
}

fn roots(file: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let trusted = match file {
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|_| settings("NEO4J_SSLROOTCERT can't be read as PEM certificates"))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(trusted);
    if added == 0 {
        return Err(settings(
            "there is no certificate to trust: NEO4J_SSLROOTCERT names a file with some",
        ));
    }
    Ok(roots)
}

fn settings(reason: &str) -> Error {
    Error::Unavailable {
        reason: reason.to_owned(),
        source: None,
    }
}

/// Lets any certificate pass. The handshake's own signatures are checked.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

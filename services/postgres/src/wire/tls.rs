//! TLS as libpq's modes mean it, on rustls.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls;

use mcp_hub_chassis::server::SslMode;

use crate::config::Target;
use crate::error::Error;

/// Speaks TLS on a stream whose server has agreed to it.
pub(super) async fn handshake(target: &Target, stream: TcpStream) -> Result<TlsStream<TcpStream>, Error> {
    let config = config(target)?;
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| settings("POSTGRES_HOST is no name that a certificate could have"))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| {
            let cause = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let reason = match cause {
                Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
                    CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                        "TLS: the server's certificate is for another host name".to_owned()
                    }
                    CertificateError::UnknownIssuer => {
                        "TLS: nobody trusted has signed the server's certificate; sslrootcert names who is"
                            .to_owned()
                    }
                    CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                        "TLS: the server's certificate has expired".to_owned()
                    }
                    _ => "TLS: the server's certificate is not valid".to_owned(),
                },
                Some(rustls::Error::AlertReceived(_)) => {
                    "TLS: the server refused the connection; it may want a client certificate".to_owned()
                }
                _ => "TLS: the handshake failed".to_owned(),
            };
            Error::Unavailable {
                reason,
                source: Some(error),
            }
        })
}

/// How strictly the server's certificate is checked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Authority,
    Everything,
}

fn config(target: &Target) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let system = target.sslrootcert.as_deref() == Some(Path::new("system"));
    let check = match target.sslmode {
        SslMode::VerifyFull => Check::Everything,
        // libpq: the system's authorities vouch for everybody, so that only the name makes a difference.
        _ if system => Check::Everything,
        SslMode::VerifyCa => Check::Authority,
        SslMode::Require if target.sslrootcert.is_some() => Check::Authority,
        _ => Check::Nothing,
    };
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| internal(&error))?;
    let builder = match check {
        Check::Everything => builder.with_root_certificates(roots(target)?),
        Check::Nothing | Check::Authority => {
            let authority = (check == Check::Authority)
                .then(|| {
                    WebPkiServerVerifier::builder_with_provider(Arc::new(roots(target)?), provider.clone())
                        .build()
                        .map_err(|_| settings("sslrootcert holds no certificate"))
                })
                .transpose()?;
            let verifier = AnyName { authority, provider };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    match (&target.sslcert, &target.sslkey) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate, "sslcert")?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|_| settings("sslkey can't be read as a PEM private key"))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|_| settings("sslcert and sslkey do not fit"))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn roots(target: &Target) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let trusted = match target.sslrootcert.as_deref() {
        Some(file) if file != Path::new("system") => certificates(file, "sslrootcert")?,
        _ => rustls_native_certs::load_native_certs().certs,
    };
    let (added, _) = roots.add_parsable_certificates(trusted);
    if added == 0 {
        return Err(settings(
            "there is no certificate to trust: sslrootcert names a file with some",
        ));
    }
    Ok(roots)
}

fn certificates(file: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|_| settings(&format!("{setting} can't be read as PEM certificates")))
}

fn settings(reason: &str) -> Error {
    Error::Unavailable {
        reason: reason.to_owned(),
        source: None,
    }
}

fn internal(error: &rustls::Error) -> Error {
    Error::Unavailable {
        reason: "TLS can't be set up".to_owned(),
        source: Some(std::io::Error::other(error.clone())),
    }
}

/// Lets a certificate pass whatever name it is for: signed by an authority if there is one to ask, by anybody otherwise. The
/// handshake's own signatures are always checked.
#[derive(Debug)]
struct AnyName {
    authority: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authority) = &self.authority else {
            return Ok(ServerCertVerified::assertion());
        };
        match authority.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

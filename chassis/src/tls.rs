//! TLS to a database server, on rustls: whom to trust, and what to say when it fails.

use std::io;
use std::path::{Path, PathBuf};
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

use crate::doctor::Verdict;

/// How strictly the server's certificate is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Not at all: whoever answers is the server.
    Nothing,
    /// That somebody trusted has signed it.
    Authority,
    /// That, and that it is for this host.
    Everything,
}

/// What TLS needs to know of both ends.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// How strictly the server's certificate is checked.
    pub check: Check,
    /// The certificates to trust, as PEM; the system's when absent.
    pub authorities: Option<&'a Path>,
    /// A client certificate and its key, as PEM.
    pub client: Option<(&'a Path, &'a Path)>,
}

/// Why there is no TLS. The text is for the operator, and names no host.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host is nothing that a certificate could be for.
    #[error("TLS: the host is no name that a certificate could have")]
    Name,
    /// A file is no PEM, or can't be read.
    #[error("TLS: {} can't be read as PEM", .0.display())]
    File(PathBuf),
    /// There is nobody to trust.
    #[error("TLS: there is no certificate to trust; the setting sslrootcert names a file with some")]
    Nobody,
    /// The client certificate and its key are no pair.
    #[error("TLS: the client certificate and its key do not fit")]
    Pair,
    /// The certificate is for another host.
    #[error("TLS: the server's certificate is for another host name")]
    OtherName(#[source] io::Error),
    /// Nobody trusted has signed the certificate.
    #[error("TLS: nobody trusted has signed the server's certificate; the setting sslrootcert names who is")]
    UnknownAuthority(#[source] io::Error),
    /// The certificate has expired.
    #[error("TLS: the server's certificate has expired")]
    Expired(#[source] io::Error),
    /// The certificate is not valid yet.
    #[error("TLS: the server's certificate is not valid yet")]
    NotYetValid(#[source] io::Error),
    /// The certificate is wrong in another way.
    #[error("TLS: the server's certificate is not valid")]
    Invalid(#[source] io::Error),
    /// The server ended the handshake.
    #[error("TLS: the server refused the connection; it may want a client certificate")]
    Refused(#[source] io::Error),
    /// What came was no TLS, or nothing.
    #[error("TLS: the handshake failed")]
    Handshake(#[source] io::Error),
    /// rustls can't be set up.
    #[error("TLS can't be set up")]
    SetUp(#[source] rustls::Error),
}

impl Error {
    /// What doctor says of it. A handshake that fails may be one with a server that has no TLS; that is the protocol's to know.
    pub const fn verdict(&self) -> Verdict {
        match self {
            Self::Name | Self::OtherName(_) => Verdict::TlsWrongName,
            Self::File(_) | Self::Nobody | Self::Pair | Self::SetUp(_) => Verdict::TlsFiles,
            Self::UnknownAuthority(_) => Verdict::TlsUnknownAuthority,
            Self::Expired(_) => Verdict::TlsExpired,
            Self::NotYetValid(_) => Verdict::TlsNotYetValid,
            Self::Invalid(_) => Verdict::TlsInvalid,
            Self::Refused(_) => Verdict::TlsRefused,
            Self::Handshake(_) => Verdict::TlsFailed,
        }
    }
}

/// Speaks TLS on a stream whose server expects it. Files are read now, so that a renewed certificate needs no restart.
///
/// # Errors
/// What is wrong with the settings, the server's certificate or the handshake.
pub async fn connect(
    options: &Options<'_>,
    host: &str,
    stream: TcpStream,
) -> Result<TlsStream<TcpStream>, Error> {
    let config = client_config(options)?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::Name)?;
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map_err(of_handshake)
}

/// Why a handshake failed.
pub(crate) fn of_handshake(error: io::Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let kind = match cause {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Error::OtherName
            }
            CertificateError::UnknownIssuer => Error::UnknownAuthority,
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Error::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Error::NotYetValid,
            _ => Error::Invalid,
        },
        Some(rustls::Error::AlertReceived(_)) => Error::Refused,
        _ => Error::Handshake,
    };
    kind(error)
}

/// What rustls needs, for clients that make their connections themselves. Files are read now.
///
/// # Errors
/// What is wrong with the settings.
pub fn client_config(options: &Options<'_>) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(Error::SetUp)?;
    let builder = match options.check {
        Check::Everything => builder.with_root_certificates(roots(options.authorities)?),
        Check::Nothing | Check::Authority => {
            let authority = (options.check == Check::Authority)
                .then(|| {
                    let roots = Arc::new(roots(options.authorities)?);
                    WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
                        .build()
                        .map_err(|_| Error::Nobody)
                })
                .transpose()?;
            let verifier = AnyName { authority, provider };
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    let Some((certificate, key)) = options.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|_| Error::File(key.to_owned()))?;
    builder.with_client_auth_cert(chain, key).map_err(|_| Error::Pair)
}

/// The certificates to trust: those of a PEM file, or the system's.
pub(crate) fn roots(authorities: Option<&Path>) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    let trusted = match authorities {
        Some(file) => certificates(file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    match roots.add_parsable_certificates(trusted) {
        (0, _) => Err(Error::Nobody),
        _ => Ok(roots),
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    CertificateDer::pem_file_iter(file)
        .and_then(Iterator::collect)
        .map_err(|_| Error::File(file.to_owned()))
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

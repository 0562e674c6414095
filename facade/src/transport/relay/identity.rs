//! What the two ends of the relay know each other by: mutual TLS 1.3 with raw public keys (RFC 7250) that are derived from the
//! session keys.
//!
//! Whoever has the session keys can open every session id; being a replica means nothing else. So each end proves that it has them, by
//! signing the handshake with an Ed25519 key pair whose seed is derived from the key in force, and takes the proof by any key of the
//! ring, so that keys can rotate. The public key can't be turned back into the session key.
//!
//! Why not a MAC for each request: statements and their parameters would be readable between nodes, and a recorded request could be
//! sent again. Why not certificates: there would be something to issue, to hand out and to renew, beside the keys that replicas share
//! anyway; and names in a certificate would say nothing here, where every replica may say everything that another may.
//!
//! Sessions of TLS are never resumed: a resumed one would skip the proof, and so outlive the key that it was made with.

use std::sync::Arc;

use mcp_hub_chassis::Lifecycle;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use subtle::{Choice, ConstantTimeEq as _};
use tokio::sync::watch;

use crate::transport::session::keys::KeyRing;

/// What the seeds are derived for: no other use of the session keys has this name, so that one does not give away the other.
const PURPOSE: &str = "mcp-hub relay identity v1";

/// The protocol that is spoken inside; an end that wants another is turned away in the handshake.
const ALPN: &[u8] = b"h2";

/// An Ed25519 private key as PKCS #8 (RFC 8410), up to its seed.
const PKCS8_BEFORE_SEED: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// The identity that is in force, always up to date. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Identity(watch::Receiver<Arc<Ends>>);

impl Identity {
    /// The identity of the keys, followed in a task of `lifecycle`.
    ///
    /// # Errors
    /// TLS can't be set up.
    pub(super) fn follow(keys: &KeyRing, lifecycle: &Lifecycle) -> Result<Self, Error> {
        // Asked for before the keys are read, so that no change falls in between.
        let mut changes = keys.changes();
        let ends = |keys: &KeyRing| Ends::of(keys.derive(PURPOSE).iter().map(|key| key.bytes));
        let (sender, receiver) = watch::channel(Arc::new(ends(keys)?));
        let keys = keys.clone();
        lifecycle.spawn_until_stopped(async move {
            while changes.changed().await.is_ok() {
                match ends(&keys) {
                    Ok(new) => publish(&sender, new),
                    Err(error) => tracing::error!(%error, "the relay keeps its old identity"),
                }
            }
            // The keys never change again.
            sender.closed().await;
        });
        Ok(Self(receiver))
    }

    /// What both ends have to be now. Marks it as seen by [`changed`](Self::changed).
    pub(super) fn now(&mut self) -> Arc<Ends> {
        self.0.borrow_and_update().clone()
    }

    /// Resolves when the identity is another than [`now`](Self::now) last said.
    pub(super) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // It is the last one.
            std::future::pending::<()>().await;
        }
    }
}

/// Tells of a new identity, if it is one: a key that was renamed in its file ends no connection.
fn publish(sender: &watch::Sender<Arc<Ends>>, new: Ends) {
    sender.send_if_modified(|ends| {
        let changed = ends.ring != new.ring;
        if changed {
            *ends = Arc::new(new);
        }
        changed
    });
}

/// Both ends as the keys of one moment make them.
#[derive(Debug)]
pub(super) struct Ends {
    /// For a connection that comes in.
    pub(super) server: Arc<ServerConfig>,
    /// For a connection that goes out.
    pub(super) client: Arc<ClientConfig>,
    ring: Ring,
}

impl Ends {
    /// The ends by seeds, the first of which is the one in force.
    fn of(seeds: impl IntoIterator<Item = [u8; 32]>) -> Result<Self, Error> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let keys: Vec<_> = seeds.into_iter().map(key_pair).collect::<Result<_, _>>()?;
        let own = keys
            .first()
            .ok_or_else(|| Error::General("no key".to_owned()))?
            .clone();
        let ring = Ring(keys.iter().map(|pair| pair.cert[0].to_vec()).collect());
        let verifier = Arc::new(Verifier {
            ring: ring.clone(),
            provider: provider.clone(),
        });

        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .with_client_cert_verifier(verifier.clone())
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own.clone())));
        server.alpn_protocols = vec![ALPN.to_vec()];
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
        client.alpn_protocols = vec![ALPN.to_vec()];
        client.resumption = Resumption::disabled();

        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
            ring,
        })
    }
}

/// The key pair of a seed, with its public key in the place of a certificate.
fn key_pair(seed: [u8; 32]) -> Result<Arc<CertifiedKey>, Error> {
    let pkcs8 = [PKCS8_BEFORE_SEED.as_slice(), seed.as_slice()].concat();
    let key = rustls::crypto::ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8))?;
    let public = key
        .public_key()
        .ok_or_else(|| Error::General("a key without its public half".to_owned()))?;
    let public = CertificateDer::from(public.to_vec());
    Ok(Arc::new(CertifiedKey::new(vec![public], key)))
}

/// The public keys (`SubjectPublicKeyInfo`) that prove somebody to be a replica, the one in force first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ring(Arc<[Vec<u8>]>);

impl Ring {
    /// Whether a public key is one of these, in a time that does not tell which, or how nearly.
    fn has(&self, public: &[u8]) -> bool {
        let found = self.0.iter().fold(Choice::from(0), |found, known| {
            found | known.as_slice().ct_eq(public)
        });
        found.into()
    }
}

/// Takes the other end for a replica when its public key is of the ring and it has signed this handshake with it.
#[derive(Debug)]
struct Verifier {
    ring: Ring,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn check(&self, public: &CertificateDer<'_>) -> Result<(), Error> {
        if self.ring.has(public) {
            return Ok(());
        }
        Err(CertificateError::ApplicationVerificationFailure.into())
    }

    fn check_signature(
        &self,
        message: &[u8],
        public: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let public = SubjectPublicKeyInfoDer::from(public.as_ref());
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &public, signature, algorithms)
    }
}

/// TLS 1.2 is not offered; nothing may pass by it.
fn not_tls13() -> Error {
    Error::General("TLS 1.3 only".to_owned())
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(not_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        public: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, public, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(not_tls13())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        public: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, public, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(super) mod fixed {
    //! Identities of seeds, that a test changes.

    use super::*;

    /// The identity of seeds, and what changes it.
    pub(in crate::transport::relay) struct Changeable(watch::Sender<Arc<Ends>>);

    impl Changeable {
        pub(in crate::transport::relay) fn of(seeds: &[u8]) -> Self {
            Self(watch::Sender::new(Arc::new(ends(seeds))))
        }

        pub(in crate::transport::relay) fn identity(&self) -> Identity {
            Identity(self.0.subscribe())
        }

        pub(in crate::transport::relay) fn change(&self, seeds: &[u8]) {
            publish(&self.0, ends(seeds));
        }
    }

    pub(super) fn ends(seeds: &[u8]) -> Ends {
        Ends::of(seeds.iter().map(|seed| [*seed; 32])).unwrap()
    }
}

#[cfg(test)]
mod tests;

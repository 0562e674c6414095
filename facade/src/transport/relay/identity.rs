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
mod tests {
    use std::io;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::fixed::{Changeable, ends};
    use super::*;

    /// What each end of a connection between them comes to: the bytes that it read, or its error.
    async fn meet(server: Arc<ServerConfig>, client: Arc<ClientConfig>) -> [io::Result<Vec<u8>>; 2] {
        let (near, far) = tokio::io::duplex(16 * 1024);
        let serve = async {
            let mut stream = TlsAcceptor::from(server).accept(far).await?;
            stream.write_all(b"to the client").await?;
            stream.shutdown().await?;
            let mut read = vec![];
            stream.read_to_end(&mut read).await?;
            Ok(read)
        };
        let ask = async {
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let mut stream = TlsConnector::from(client).connect(name, near).await?;
            stream.write_all(b"to the server").await?;
            stream.shutdown().await?;
            let mut read = vec![];
            stream.read_to_end(&mut read).await?;
            Ok(read)
        };
        let (server, client) = tokio::join!(serve, ask);
        [server, client]
    }

    async fn know_each_other(server: &[u8], client: &[u8]) -> bool {
        let [server, client] = meet(ends(server).server, ends(client).client).await;
        match (server, client) {
            (Ok(server), Ok(client)) => {
                assert_eq!(
                    (server.as_slice(), client.as_slice()),
                    (&b"to the server"[..], &b"to the client"[..])
                );
                true
            }
            (server, client) => {
                assert!(server.is_err() && client.is_err(), "{server:?} {client:?}");
                false
            }
        }
    }

    #[tokio::test]
    async fn any_key_of_the_ring_is_a_proof_and_no_other_is() {
        for (server, client, know) in [
            (&[1][..], &[1][..], true),
            (&[1, 2], &[1], true),
            // The steps of a rotation, each half done.
            (&[1], &[1, 2], true),
            (&[1, 2], &[2, 1], true),
            (&[2, 1], &[2], true),
            // A key that is still known on one side only.
            (&[1], &[2, 1], false),
            (&[2, 1], &[1, 2, 3], true),
            (&[1], &[2], false),
            (&[2], &[1], false),
        ] {
            assert_eq!(
                know_each_other(server, client).await,
                know,
                "{server:?} {client:?}"
            );
            assert_eq!(
                know_each_other(client, server).await,
                know,
                "{client:?} {server:?}"
            );
        }
    }

    #[tokio::test]
    async fn the_public_key_alone_is_no_proof() {
        // Knows the public key of the ring, and signs with another key.
        let thief = CertifiedKey::new(
            key_pair([1; 32]).unwrap().cert.clone(),
            key_pair([2; 32]).unwrap().key.clone(),
        );
        let thief = Arc::new(thief);
        let mut client = (*ends(&[1]).client).clone();
        client.client_auth_cert_resolver = Arc::new(AlwaysResolvesClientRawPublicKeys::new(thief.clone()));
        let [server, client] = meet(ends(&[1]).server, Arc::new(client)).await;
        assert!(server.is_err() && client.is_err(), "{server:?} {client:?}");

        let mut server = (*ends(&[1]).server).clone();
        server.cert_resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(thief));
        let [server, client] = meet(Arc::new(server), ends(&[1]).client).await;
        assert!(server.is_err() && client.is_err(), "{server:?} {client:?}");
    }

    #[tokio::test]
    async fn who_says_nothing_of_himself_is_not_let_in() {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Arc::new(Verifier {
            ring: ends(&[1]).ring,
            provider: provider.clone(),
        });
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        client.alpn_protocols = vec![ALPN.to_vec()];
        let [server, client] = meet(ends(&[1]).server, Arc::new(client)).await;
        assert!(server.is_err() && client.is_err(), "{server:?} {client:?}");
    }

    #[tokio::test]
    async fn a_second_connection_proves_itself_anew() {
        let (server, client) = (ends(&[1]), ends(&[1]));
        for _ in 0..2 {
            let (near, far) = tokio::io::duplex(16 * 1024);
            let name = ServerName::try_from("127.0.0.1").unwrap();
            let accept = TlsAcceptor::from(server.server.clone()).accept(far);
            let connect = TlsConnector::from(client.client.clone()).connect(name, near);
            let (accepted, connected) = tokio::join!(accept, connect);
            for kind in [
                accepted.unwrap().get_ref().1.handshake_kind(),
                connected.unwrap().get_ref().1.handshake_kind(),
            ] {
                assert_eq!(kind, Some(rustls::HandshakeKind::Full));
            }
        }
    }

    #[tokio::test]
    async fn it_changes_with_its_keys_and_only_then() {
        let keys = Changeable::of(&[1]);
        let mut identity = keys.identity();
        let before = identity.now();
        keys.change(&[1]);
        assert!(!identity.0.has_changed().unwrap());
        keys.change(&[2, 1]);
        identity.changed().await;
        assert_ne!(identity.now().ring, before.ring);
    }
}

//! Collectors behind TLS, which may want to know who sends.

use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::PrivateKeyDer;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::Lifecycle;

/// A key and the certificate that proves itself, in files.
struct Identity {
    folder: TempDir,
    key: CertifiedKey<rcgen::KeyPair>,
}

impl Identity {
    fn of(name: &str) -> Self {
        let key = generate_simple_self_signed([name.to_owned()]).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("certificate"), key.cert.pem()).expect("written");
        std::fs::write(folder.path().join("key"), key.signing_key.serialize_pem()).expect("written");
        Self { folder, key }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

/// TLS in front of a collector; its address.
async fn secured(
    collector: &Collector,
    server: &Identity,
    client: &Identity,
    lifecycle: &Lifecycle,
) -> String {
    let mut trusted = RootCertStore::empty();
    trusted.add(client.key.cert.der().clone()).expect("a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(trusted), provider.clone())
        .build()
        .expect("a verifier");
    let key = PrivateKeyDer::try_from(server.key.signing_key.serialize_der()).expect("a key");
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![server.key.cert.der().clone()], key)
        .expect("a pair");
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (plain, within) = (collector.address(), lifecycle.clone());
    lifecycle.spawn_until_stopped(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            within.spawn_until_stopped(async move {
                let Ok(mut secret) = acceptor.accept(stream).await else {
                    return;
                };
                let mut plain = TcpStream::connect(plain).await.expect("the collector");
                let _ = copy_bidirectional(&mut secret, &mut plain).await;
            });
        }
    });
    format!("https://localhost:{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn both_ends_prove_themselves_or_nothing_is_sent() {
    let (server, client, other) = (
        Identity::of("localhost"),
        Identity::of("sender"),
        Identity::of("localhost"),
    );
    for protocol in PROTOCOLS {
        let (collector, lifecycle) = (Collector::start().await, Lifecycle::new());
        let endpoint = secured(&collector, &server, &client, &lifecycle).await;
        let environment = |authority: &Identity, sender: &Identity| {
            Environment::default()
                .with("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint)
                .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
                .with("OTEL_EXPORTER_OTLP_TIMEOUT", 3000)
                .with("OTEL_EXPORTER_OTLP_CERTIFICATE", authority.file("certificate"))
                .with(
                    "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
                    sender.file("certificate"),
                )
                .with("OTEL_EXPORTER_OTLP_CLIENT_KEY", sender.file("key"))
        };
        for wrong in [environment(&other, &client), environment(&server, &other)] {
            assert_eq!(wrong.run(&collector).await.len(), 0, "{protocol}: {wrong:?}");
        }
        let right = environment(&server, &client);
        assert_eq!(right.run(&collector).await.len(), 1, "{protocol}");
        // The files of the signal count first.
        let right = environment(&other, &client).with(
            "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE",
            server.file("certificate"),
        );
        assert_eq!(right.run(&collector).await.len(), 2, "{protocol}");
        lifecycle.stop();
    }
}

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

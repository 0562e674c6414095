//! TLS: a trusted certificate for this host, and what is said of others.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::qdrant::v1::ListCollectionsRequest;
use mcp_hub_testing::{Qdrant, QdrantOptions};
use rcgen::{CertifiedKey, generate_simple_self_signed};

use crate::adapter::{Adapter, answer, assert_fault};

async fn list(adapter: &Adapter) -> Result<usize, Fault> {
    let response = adapter
        .client
        .clone()
        .list_collections(ListCollectionsRequest::default())
        .await;
    answer(response).map(|response| response.collections.len())
}

/// A server with a certificate for a name, and the certificate in a file.
pub(crate) async fn server(name: &str) -> Option<(Qdrant, tempfile::NamedTempFile)> {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed([name.to_owned()]).expect("a certificate");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), cert.pem()).expect("writes");
    let options = QdrantOptions {
        tls: Some((cert.pem(), signing_key.serialize_pem())),
        ..QdrantOptions::default()
    };
    Some((Qdrant::start_with(&options).await?, file))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trusted_server_is_used_and_others_are_told() {
    let Some((qdrant, authority)) = server("127.0.0.1").await else {
        return;
    };
    let port = qdrant.port();
    let trusted = format!("sslrootcert = '{}'", authority.path().display());
    let adapter = Adapter::start(&format!("url = 'https://127.0.0.1:{port}'\n{trusted}")).await;
    assert_eq!(list(&adapter).await, Ok(0));
    adapter.serving().await;

    let untrusted = Adapter::start(&format!("url = 'https://127.0.0.1:{port}'")).await;
    assert_fault(
        list(&untrusted).await,
        Reason::DatabaseUnavailable,
        "nobody trusted has signed the server's certificate",
    );
    let other_name = Adapter::start(&format!("url = 'https://localhost:{port}'\n{trusted}")).await;
    let fault = assert_fault(
        list(&other_name).await,
        Reason::DatabaseUnavailable,
        "the server's certificate is for another host name",
    );
    assert!(!format!("{fault:?}").contains("localhost"), "{fault:?}");
    let plain = Adapter::start(&format!("url = 'http://127.0.0.1:{port}'")).await;
    assert_fault(
        list(&plain).await,
        Reason::DatabaseUnavailable,
        "the server speaks TLS: give its address as QDRANT_URL with https://",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_tls_is_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("url = 'https://{}:{}'", qdrant.host(), qdrant.port())).await;
    assert_fault(
        list(&adapter).await,
        Reason::DatabaseUnavailable,
        "the server does not speak TLS here",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_with_tls_fails_no_first_call() {
    let Some((qdrant, authority)) = server("127.0.0.1").await else {
        return;
    };
    let settings = format!(
        "url = 'https://127.0.0.1:{}'\nsslrootcert = '{}'",
        qdrant.port(),
        authority.path().display()
    );
    let adapter = Adapter::start(&settings).await;
    assert_eq!(list(&adapter).await, Ok(0));
    qdrant.stop().await;
    qdrant.start_again().await;
    assert_eq!(list(&adapter).await, Ok(0));
}

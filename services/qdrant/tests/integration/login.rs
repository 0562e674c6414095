//! API keys: which calls bring which, keys in files that change, and what they may do; addresses that lead elsewhere.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::qdrant::v1::qdrant_write_service_client::QdrantWriteServiceClient;
use mcp_hub_proto::qdrant::v1::{CreatePayloadIndexRequest, ListCollectionsRequest, PayloadType};
use mcp_hub_testing::{Qdrant, QdrantOptions, eventually, free_port};
use tonic::Code;

use crate::adapter::{Adapter, SOON, answer, assert_fault};
use crate::fake::{Fake, Reply};

async fn list(adapter: &Adapter) -> Result<usize, Fault> {
    let response = adapter
        .client
        .clone()
        .list_collections(ListCollectionsRequest::default())
        .await;
    answer(response).map(|response| response.collections.len())
}

async fn with_key(key: &str) -> Option<Qdrant> {
    let options = QdrantOptions {
        api_key: Some(key.to_owned()),
        ..QdrantOptions::default()
    };
    Qdrant::start_with(&options).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_told_in_clean_words_and_a_changed_one_needs_no_restart() {
    let Some(qdrant) = with_key("right-key").await else {
        return;
    };
    let none = Adapter::start(&format!("url = '{}'", qdrant.url())).await;
    let reason = "the server wants an API key, and none is set";
    assert_fault(list(&none).await, Reason::DatabaseUnavailable, reason);
    eventually(SOON, async || none.status().await.reason == reason).await;

    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("key");
    std::fs::write(&file, "wrong-key\n").expect("writes");
    let settings = format!("url = '{}'\napi_key_file = '{}'", qdrant.url(), file.display());
    let adapter = Adapter::start(&settings).await;
    let fault = assert_fault(
        list(&adapter).await,
        Reason::DatabaseUnavailable,
        "the server refuses the API key",
    );
    let told = format!("{fault:?} {:?}", adapter.status().await);
    assert!(
        !told.contains("wrong-key") && !told.contains("127.0.0.1"),
        "{told}"
    );

    // The refusal makes it read the file again: the first call with the new key works.
    std::fs::write(&file, "right-key\n").expect("writes");
    assert_eq!(list(&adapter).await, Ok(0));
    adapter.serving().await;

    // A changed file alone is noticed as well: nobody keeps using a key that was taken back.
    std::fs::write(&file, "wrong-key\n").expect("writes");
    eventually(SOON, async || list(&adapter).await.is_err()).await;
    std::fs::write(&file, "right-key\n").expect("writes");
    assert_eq!(list(&adapter).await, Ok(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_key_may_do_beyond_reading_is_told() {
    let Some(qdrant) = with_key("right-key").await else {
        return;
    };
    let told = async |settings: &str| {
        let adapter = Adapter::start(&format!("url = '{}'\n{settings}", qdrant.url())).await;
        eventually(SOON, async || adapter.status().await.posture.first().cloned()).await
    };
    let posture = told("api_key = 'right-key'").await;
    assert!(posture.contains("may change everything"), "{posture}");
    let posture = told("api_key = 'right-key'\nallow_writes = true\nwrite_api_key = 'other'").await;
    assert!(posture.contains("may change everything"), "{posture}");
    let Some(open) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("url = '{}'", open.url())).await;
    let posture = eventually(SOON, async || adapter.status().await.posture.first().cloned()).await;
    assert!(posture.contains("asks nobody for an API key"), "{posture}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_key_is_best_and_the_writing_one_is_for_writes_only() {
    let forbidden = Reply::Status(
        Code::PermissionDenied,
        "Forbidden: Global manage access is required",
    );
    let fake = Fake::start("1.18.0", &[("UpdateAliases", forbidden)]).await;
    let settings = format!(
        "url = '{}'\napi_key = 'reads'\nwrite_api_key = 'writes'\nallow_writes = true",
        fake.url
    );
    let adapter = Adapter::start(&settings).await;
    adapter.serving().await;
    eventually(SOON, async || !fake.seen("UpdateAliases").is_empty()).await;
    assert!(adapter.status().await.posture.is_empty());
    let [probe] = fake.seen("UpdateAliases").try_into().expect("one probe");
    assert!(probe.message.is_empty(), "a change of nothing: {probe:?}");
    list(&adapter).await.expect("a list");
    let index = CreatePayloadIndexRequest {
        collection: "any".to_owned(),
        key: "n".to_owned(),
        r#type: PayloadType::Integer.into(),
    };
    // What comes of it does not matter here.
    let _ = QdrantWriteServiceClient::new(adapter.channel.clone())
        .create_payload_index(index)
        .await;
    for (name, key) in [
        ("List", "reads"),
        ("HealthCheck", "reads"),
        ("UpdateAliases", "reads"),
        ("CreateFieldIndex", "writes"),
    ] {
        let calls = fake.seen(name);
        assert!(!calls.is_empty(), "{name}");
        for call in calls {
            assert_eq!(call.header("api-key"), Some(key), "{name}");
            let agent = call.header("user-agent").unwrap_or_default();
            assert!(agent.starts_with("mcp-hub/test"), "{agent}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_of_rest_is_recognised() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let (rest, closed) = (qdrant.rest_port(), free_port());
    let host = qdrant.host();
    for (settings, reason) in [
        (
            format!("host = '{host}'\nport = {rest}\ngrpc_port = {closed}"),
            format!(
                "Qdrant's REST port {rest} answers but its gRPC port {closed} does not: publish {closed} (docker: -p {closed}:{closed}) \
                 and allow it in the firewall and NetworkPolicy; or set QDRANT_GRPC_PORT"
            ),
        ),
        (
            format!("url = 'http://{host}:{rest}'"),
            format!(
                "port {rest} is Qdrant's REST port, and the adapter needs its gRPC port: set QDRANT_GRPC_PORT"
            ),
        ),
    ] {
        let adapter = Adapter::start(&settings).await;
        let fault = assert_fault(list(&adapter).await, Reason::DatabaseUnavailable, &reason);
        assert!(!format!("{fault:?}").contains(host), "{fault:?}");
        eventually(SOON, async || adapter.status().await.reason.contains(&reason)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_nowhere_is_told_in_clean_words() {
    for (url, reason) in [
        (
            "http://no-such-host.invalid:6334",
            "the host's name can't be looked up",
        ),
        ("http://127.0.0.1:1", "connection refused"),
    ] {
        let adapter = Adapter::start(&format!("url = '{url}'")).await;
        let fault = assert_fault(list(&adapter).await, Reason::DatabaseUnavailable, reason);
        let told = format!("{fault:?}");
        assert!(!told.contains("127.0.0.1") && !told.contains("invalid"), "{told}");
        eventually(SOON, async || adapter.status().await.reason.contains(reason)).await;
    }
}

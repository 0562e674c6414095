//! Qdrant, a real one or the stand-in.

use std::time::Duration;

use mcp_hub_testing::{Qdrant, QdrantOptions, eventually};
use qdrant_client::qdrant::collections_client::CollectionsClient;
use qdrant_client::qdrant::qdrant_client::QdrantClient;
use qdrant_client::qdrant::{
    CreateCollectionBuilder, HealthCheckRequest, ListCollectionsRequest, ListCollectionsResponse,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tonic::metadata::MetadataValue;
use tonic::{Code, Request, Status};

use crate::victim::{ends_with_its_process, refuses};

/// The names of the collections, asked for with this key.
async fn collections(qdrant: &Qdrant, api_key: Option<&str>) -> Result<Vec<String>, Status> {
    let mut request = Request::new(ListCollectionsRequest {});
    if let Some(api_key) = api_key {
        let api_key = MetadataValue::try_from(api_key).expect("a header");
        request.metadata_mut().insert("api-key", api_key);
    }
    let response: ListCollectionsResponse = CollectionsClient::new(qdrant.channel())
        .list(request)
        .await?
        .into_inner();
    Ok(response
        .collections
        .into_iter()
        .map(|collection| collection.name)
        .collect())
}

#[tokio::test]
async fn qdrant_stops_and_starts_again_on_its_ports_with_its_data() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let create = CreateCollectionBuilder::new("kept").build();
    CollectionsClient::new(qdrant.channel())
        .create(create)
        .await
        .expect("it is made");
    qdrant.stop().await;
    assert!(refuses(qdrant.port()) && refuses(qdrant.rest_port()));
    qdrant.start_again().await;
    assert_eq!(collections(&qdrant, None).await.expect("an answer"), ["kept"]);
    qdrant.kill().await;
    assert!(refuses(qdrant.port()) && refuses(qdrant.rest_port()));
    qdrant.start_again().await;
    assert_eq!(collections(&qdrant, None).await.expect("an answer"), ["kept"]);
    let port = qdrant.port();
    drop(qdrant);
    assert!(refuses(port));
}

#[tokio::test]
async fn qdrant_asks_for_its_api_key() {
    let options = QdrantOptions {
        api_key: Some("a-secret".to_owned()),
        ..QdrantOptions::default()
    };
    let Some(qdrant) = Qdrant::start_with(&options).await else {
        return;
    };
    let none: [&str; 0] = [];
    assert_eq!(
        collections(&qdrant, Some("a-secret")).await.expect("an answer"),
        none
    );
    for (api_key, message) in [
        (None, "Must provide an API key or an Authorization bearer token"),
        (Some("another"), "Invalid API key or JWT"),
    ] {
        let refusal = collections(&qdrant, api_key).await.expect_err("no entry");
        assert_eq!(
            (refusal.code(), refusal.message()),
            (Code::Unauthenticated, message)
        );
    }
    let mut client = QdrantClient::new(qdrant.channel());
    let health = client.health_check(HealthCheckRequest {}).await;
    assert_eq!(
        health.expect("free for all").into_inner().title,
        "qdrant - vector search engine"
    );
}

#[tokio::test]
async fn qdrant_takes_a_certificate() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let options = QdrantOptions {
        tls: Some((cert.pem(), signing_key.serialize_pem())),
        ..QdrantOptions::default()
    };
    let Some(qdrant) = Qdrant::start_with(&options).await else {
        return;
    };
    assert!(qdrant.url().starts_with("https://") && qdrant.rest_url().starts_with("https://"));
    collections(&qdrant, None).await.expect("an answer");
    let plain = format!("http://127.0.0.1:{}", qdrant.port());
    let channel = tonic::transport::Endpoint::from_shared(plain)
        .expect("a URL")
        .connect_lazy();
    CollectionsClient::new(channel)
        .list(ListCollectionsRequest {})
        .await
        .expect_err("TLS is a must");
}

#[tokio::test]
async fn a_halted_qdrant_answers_once_it_goes_on() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    let mut client = CollectionsClient::new(qdrant.channel());
    client
        .list(ListCollectionsRequest {})
        .await
        .expect("it is connected");
    qdrant.pause();
    let waiting = tokio::time::timeout(Duration::from_millis(300), client.list(ListCollectionsRequest {}));
    waiting.await.expect_err("no answer");
    qdrant.resume();
    eventually(Duration::from_secs(10), async || {
        collections(&qdrant, None).await.map(drop)
    })
    .await;
}

#[tokio::test]
async fn qdrant_ends_when_its_process_is_killed() {
    let start = async || Qdrant::start().await.map(|server| (server.port(), server));
    ends_with_its_process("qdrant::qdrant_ends_when_its_process_is_killed", start).await;
}

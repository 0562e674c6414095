//! Who may write what: the settings, the API keys, and the service that is not there.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{
    CountRequest, CreateCollectionRequest, DeletePointsRequest, PayloadType, UpdatePayloadRequest,
    UpsertRequest,
};
use mcp_hub_testing::{Qdrant, QdrantOptions};
use serde_json::json;
use tokio_stream::StreamExt as _;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use super::{Writable, numbered};
use crate::adapter::{Adapter, Server, answer, assert_fault, settings, value};

/// The services that reflection shows.
async fn services(adapter: &Adapter) -> Vec<String> {
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut client = ServerReflectionClient::new(adapter.channel.clone());
    let answers = client.server_reflection_info(tokio_stream::once(request)).await;
    let mut answers = answers.expect("reflection").into_inner();
    let answer = answers.next().await.expect("an answer").expect("an answer");
    match answer.message_response {
        Some(MessageResponse::ListServicesResponse(list)) => {
            list.service.into_iter().map(|service| service.name).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_there_is_no_service() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let write = "mcphub.qdrant.v1.QdrantWriteService".to_owned();
    let writer = Writable::of(qdrant).await;
    assert!(services(&writer.adapter).await.contains(&write));
    let reader = Writable {
        adapter: Adapter::of(qdrant).await,
        server: Server::of(qdrant),
    };
    let shown = services(&reader.adapter).await;
    assert!(!shown.contains(&write) && shown.len() > 1, "{shown:?}");
    writer.filled("rights_none", numbered(1)).await;
    let names = ["rights_none"];
    for name in names {
        let upsert = reader.upsert(name, numbered(2)).await;
        assert_eq!(upsert.expect_err("no service").reason, Reason::NotSupported);
        let delete = DeletePointsRequest {
            collection: name.to_owned(),
            ids: vec![value(&json!(1))],
            dry_run: Some(false),
            ..DeletePointsRequest::default()
        };
        assert_eq!(
            reader.delete(delete).await.expect_err("no service").reason,
            Reason::NotSupported
        );
    }
    assert_eq!(reader.server.count("rights_none").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn hidden_collections_are_not_written_either() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let free = Writable::of(qdrant).await;
    for name in ["rights_open", "rights_closed"] {
        free.filled(name, numbered(2)).await;
    }
    free.server.alias("rights_closed", "rights_back_door").await;
    free.server.alias("rights_open", "rights_front_door").await;
    for settings in [
        "deny-collections = ['rights_closed']",
        "allow-collections = ['rights_open', 'rights_back_door']",
    ] {
        let hub = Writable::with(qdrant, settings).await;
        for name in ["rights_closed", "rights_back_door"] {
            let more = hub.upsert(name, json!([{"id": 9, "vector": [1, 1]}])).await;
            assert_fault(more, Reason::ObjectNotFound, "there is no collection");
            let update = UpdatePayloadRequest {
                collection: name.to_owned(),
                ids: vec![value(&json!(1))],
                set: Some(value(&json!({"a": 1}))),
                ..UpdatePayloadRequest::default()
            };
            assert_fault(
                hub.update(update).await,
                Reason::ObjectNotFound,
                "there is no collection",
            );
            let delete = DeletePointsRequest {
                collection: name.to_owned(),
                ids: vec![value(&json!(1))],
                dry_run: Some(false),
                ..DeletePointsRequest::default()
            };
            assert_fault(
                hub.delete(delete).await,
                Reason::ObjectNotFound,
                "there is no collection",
            );
            let index = hub.index(name, "n", PayloadType::Integer).await;
            assert_fault(index, Reason::ObjectNotFound, "there is no collection");
        }
        let create = CreateCollectionRequest {
            collection: "rights_closed".to_owned(),
            ..CreateCollectionRequest::default()
        };
        assert_fault(
            hub.create(create).await,
            Reason::AccessDenied,
            "configuration does not allow",
        );
        hub.upsert("rights_front_door", json!([{"id": 9, "vector": [1, 1]}]))
            .await
            .expect("allowed");
    }
    assert_eq!(free.server.count("rights_closed").await, 2);
    assert_eq!(free.payloads("rights_closed").await[0].1, json!({"n": 1}));
    assert!(free.server.info("rights_closed").await.payload_schema.is_empty());
    assert_eq!(free.server.count("rights_open").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_only_reads_is_told_so() {
    let options = QdrantOptions {
        api_key: Some("the-right-key".to_owned()),
        read_only_api_key: Some("the-reading-key".to_owned()),
        ..QdrantOptions::default()
    };
    let Some(qdrant) = Qdrant::start_with(&options).await else {
        return;
    };
    // The stand-in has one key, or none.
    if !qdrant.is_real() {
        return;
    }
    let start = async |key: &str| {
        let settings = format!("{}\nallow-writes = true\napi-key = '{key}'", settings(&qdrant));
        Writable {
            adapter: Adapter::start(&settings).await,
            server: Server::of(&qdrant),
        }
    };
    let collection = || "reading_key".to_owned();
    let create = CreateCollectionRequest {
        collection: collection(),
        ..CreateCollectionRequest::default()
    };
    let words = json!([{"id": 1, "text": "a tent"}]);
    let owner = start("the-right-key").await;
    owner.create(create.clone()).await.expect("created");
    owner.upsert("reading_key", words.clone()).await.expect("written");

    let hub = start("the-reading-key").await;
    let count = CountRequest {
        collection: collection(),
        ..CountRequest::default()
    };
    let counted = answer(hub.adapter.client.clone().count(count.clone()).await);
    assert_eq!(counted.expect("reads").count, Some(1));
    let ids = vec![value(&json!(1))];
    let update = UpdatePayloadRequest {
        collection: collection(),
        ids: ids.clone(),
        set: Some(value(&json!({"a": 1}))),
        ..UpdatePayloadRequest::default()
    };
    let delete = DeletePointsRequest {
        collection: collection(),
        ids,
        dry_run: Some(false),
        ..DeletePointsRequest::default()
    };
    let another = CreateCollectionRequest {
        collection: "reading_key_2".to_owned(),
        ..create
    };
    let faults = [
        hub.upsert("reading_key", words).await.err(),
        hub.update(update).await.err(),
        hub.delete(delete).await.err(),
        hub.create(another).await.err(),
        hub.index("reading_key", "n", PayloadType::Integer).await.err(),
    ];
    for fault in faults {
        let fault = fault.expect("refused");
        assert_eq!(fault.reason, Reason::AccessDenied, "{fault:?}");
        assert!(
            fault.message.starts_with("the API key may not write this ("),
            "{fault}"
        );
        assert!(
            fault
                .message
                .ends_with("QDRANT_WRITE_API_KEY must be one that may"),
            "{fault}"
        );
        assert!(!fault.message.contains("-key"), "{fault}");
    }
    let counted = answer(hub.adapter.client.clone().count(count).await);
    assert_eq!(counted.expect("reads").count, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_go_with_their_own_key() {
    let options = QdrantOptions {
        api_key: Some("the-right-key".to_owned()),
        ..QdrantOptions::default()
    };
    let Some(qdrant) = Qdrant::start_with(&options).await else {
        return;
    };
    let start = async |keys: &str| {
        let settings = format!("{}\nallow-writes = true\n{keys}", settings(&qdrant));
        Writable {
            adapter: Adapter::start(&settings).await,
            server: Server::of(&qdrant),
        }
    };
    let create = CreateCollectionRequest {
        collection: "keys".to_owned(),
        ..CreateCollectionRequest::default()
    };
    let words = json!([{"text": "a tent"}]);
    let hub = start("api-key = 'wrong-key'\nwrite-api-key = 'the-right-key'").await;
    hub.create(create.clone()).await.expect("by its own key");
    hub.upsert("keys", words.clone()).await.expect("by its own key");
    let hub = start("api-key = 'the-right-key'\nwrite-api-key = 'wrong-key'").await;
    let fault = assert_fault(
        hub.upsert("keys", words.clone()).await,
        Reason::DatabaseUnavailable,
        "refuses the API key",
    );
    assert!(!fault.message.contains("wrong-key"), "{fault}");
    let hub = start("api-key = 'the-right-key'").await;
    hub.upsert("keys", words).await.expect("the one key for both");
    let upsert = UpsertRequest {
        collection: "keys".to_owned(),
        points: vec![],
    };
    assert!(answer(hub.client().upsert(upsert).await).is_err());
}

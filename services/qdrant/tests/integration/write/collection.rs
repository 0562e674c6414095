//! `CreateCollection` and `CreatePayloadIndex`.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{CreateCollectionRequest, Distance, NewVector, PayloadIndex, PayloadType};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant as q;
use qdrant_client::qdrant::PayloadSchemaType::{Bool, Datetime, Float, Geo, Integer, Keyword, Text, Uuid};
use serde_json::json;

use super::{Writable, json as to_json};
use crate::adapter::assert_fault;
use crate::embedding_api::EmbeddingApi;

fn collection(name: &str) -> CreateCollectionRequest {
    CreateCollectionRequest {
        collection: name.to_owned(),
        ..CreateCollectionRequest::default()
    }
}

fn vector(name: &str, size: u32) -> NewVector {
    NewVector {
        name: Some(name.to_owned()),
        size: Some(size),
        ..NewVector::default()
    }
}

fn index(key: &str, kind: PayloadType) -> PayloadIndex {
    PayloadIndex {
        key: key.to_owned(),
        r#type: kind.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_it_is_for_text() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let hub = Writable::with(qdrant, &api.settings("bag-8")).await;
    let done = hub.create(collection("create_text")).await.expect("created");
    assert_eq!(done.collection, "create_text");
    assert_eq!(done.vectors, ["8 cosine", "bm25: sparse"]);
    assert!(done.text_search.starts_with("by meaning"), "{}", done.text_search);
    let info = hub.server.info("create_text").await;
    let metadata = info.config.expect("a configuration").metadata;
    assert_eq!(
        to_json(&metadata["mcp-hub"]),
        json!({"models": {"": "bag-8", "bm25": "qdrant/bm25:english"}})
    );
    hub.upsert("create_text", json!([{"text": "a tent"}]))
        .await
        .expect("written");

    // Another adapter, with another default model, keeps to what the collection says.
    let other = Writable::with(qdrant, &api.settings("bag-16")).await;
    let done = other
        .upsert("create_text", json!([{"text": "a bag"}]))
        .await
        .expect("written");
    assert_eq!(done.embedded, 1);
    assert_eq!(api.seen().last().expect("asked").body["model"], "bag-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_model_it_is_for_words() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    let done = hub.create(collection("create_words")).await.expect("created");
    assert_eq!(done.vectors, ["bm25: sparse"]);
    assert!(done.text_search.starts_with("by words"), "{}", done.text_search);
    let done = hub
        .upsert("create_words", json!([{"text": "a tent"}]))
        .await
        .expect("written");
    assert_eq!(done.embedded, 1);
    let none = CreateCollectionRequest {
        sparse: Some(String::new()),
        ..collection("create_nothing")
    };
    assert_fault(
        hub.create(none).await,
        Reason::ArgumentInvalid,
        "give vectors or sparse",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn vectors_and_indexes_are_as_they_were_wished() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    let request = CreateCollectionRequest {
        vectors: vec![
            NewVector {
                distance: Some(Distance::Manhattan.into()),
                ..vector("image", 3)
            },
            vector("title", 2),
        ],
        sparse: Some("words".to_owned()),
        payload_indexes: vec![
            index("color", PayloadType::Keyword),
            index("size.eu", PayloadType::Integer),
            index("price", PayloadType::Float),
            index("sold", PayloadType::Bool),
            index("added", PayloadType::Datetime),
            index("shop", PayloadType::Geo),
            index("about", PayloadType::Text),
            index("release number", PayloadType::Uuid),
        ],
        ..collection("create_wished")
    };
    let done = hub.create(request).await.expect("created");
    assert_eq!(
        done.vectors,
        ["image: 3 manhattan", "title: 2 cosine", "words: sparse"]
    );
    let info = hub.server.info("create_wished").await;
    let mut indexes: Vec<_> = info
        .payload_schema
        .iter()
        .map(|(key, schema)| (key.as_str(), schema.data_type()))
        .collect();
    indexes.sort_unstable();
    assert_eq!(
        indexes,
        [
            ("\"release number\"", Uuid),
            ("about", Text),
            ("added", Datetime),
            ("color", Keyword),
            ("price", Float),
            ("shop", Geo),
            ("size.eu", Integer),
            ("sold", Bool),
        ]
    );
    let unnamed = CreateCollectionRequest {
        vectors: vec![vector("", 2)],
        sparse: Some(String::new()),
        ..collection("create_unnamed")
    };
    assert_eq!(hub.create(unnamed).await.expect("created").vectors, ["2 cosine"]);
    hub.upsert("create_unnamed", json!([{"vector": [1, 2]}]))
        .await
        .expect("written");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_taken_or_impossible_is_refused() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.create(collection("create_taken")).await.expect("created");
    hub.server.alias("create_taken", "create_alias").await;
    let names = hub.server.names().await;
    let result = hub.create(collection("create_taken")).await;
    assert_fault(
        result,
        Reason::ArgumentInvalid,
        "there is a collection, or an alias of one, named `create_taken`",
    );
    let result = hub.create(collection("create_alias")).await;
    assert_fault(result, Reason::ArgumentInvalid, "named `create_alias`");
    for name in [
        "",
        "..",
        "../create",
        "a/b",
        "a\\b",
        "a\0b",
        "a\nb",
        "a:b",
        &"x".repeat(256),
    ] {
        assert_fault(
            hub.create(collection(name)).await,
            Reason::ArgumentInvalid,
            "collection",
        );
    }
    assert_eq!(hub.server.names().await, names);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_made_once_and_never_replaced() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    let points = (1..=5).map(|n| match n {
        5 => json!({"id": n, "vector": [1, n]}),
        _ => json!({"id": n, "vector": [1, n], "payload": {"color": "red", "deep": {"n": n}}}),
    });
    hub.filled("index_once", points.collect()).await;
    for _ in 0..2 {
        let done = hub
            .index("index_once", "color", PayloadType::Keyword)
            .await
            .expect("there");
        assert_eq!((done.key.as_str(), done.points), ("color", Some(4)));
    }
    let done = hub
        .index("index_once", "\"deep\".n", PayloadType::Integer)
        .await
        .expect("there");
    assert_eq!((done.key.as_str(), done.points), ("deep.n", Some(4)));
    let result = hub.index("index_once", "color", PayloadType::Text).await;
    assert_fault(
        result,
        Reason::StatementInvalid,
        "`color` of `index_once` has an index of type keyword already",
    );
    let result = hub.index("index_once", "\"color\"", PayloadType::Text).await;
    assert_fault(result, Reason::StatementInvalid, "index of type keyword already");
    let schema = hub.server.info("index_once").await.payload_schema;
    assert_eq!(schema["color"].data_type(), q::PayloadSchemaType::Keyword);
    assert_eq!(schema.len(), 2);
    for (key, kind, part) in [
        ("", PayloadType::Keyword, "key"),
        ("a..b", PayloadType::Keyword, "key"),
        ("a", PayloadType::Unspecified, "type is missing"),
    ] {
        assert_fault(
            hub.index("index_once", key, kind).await,
            Reason::ArgumentInvalid,
            part,
        );
    }
    assert_fault(
        hub.index("index_nowhere", "a", PayloadType::Bool).await,
        Reason::ObjectNotFound,
        "index_nowhere",
    );
}

//! Arguments that are wrong.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{SearchMode, SearchRequest};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::{Distance, Modifier};
use serde_json::json;

use super::{search, text, with_model};
use crate::adapter::{Adapter, assert_fault, value};
use crate::embedding_api::EmbeddingApi;
use crate::search_collections::{Collection, TEXT, meaning, named, reviews};

/// A change that makes a request wrong, and what is said of it.
type Case = (fn(&mut SearchRequest), Reason, &'static str);

/// Searches with a request that is right but for a change.
async fn check(adapter: &Adapter, cases: Vec<Case>) {
    for (change, reason, part) in cases {
        let mut request = text("search_wrong", "tent");
        change(&mut request);
        assert_fault(search(adapter, request).await, reason, part);
    }
}

async fn with_collection(qdrant: &Qdrant, api: &EmbeddingApi) -> Adapter {
    static MADE: tokio::sync::OnceCell<()> = tokio::sync::OnceCell::const_new();
    MADE.get_or_init(async || {
        let collection = Collection::new("search_wrong")
            .dense("image", 32, Distance::Cosine)
            .dense("text", TEXT, Distance::Cosine)
            .sparse("plain", Modifier::None);
        collection
            .create(qdrant, reviews(|text| named([("text", meaning(text))])))
            .await;
    })
    .await;
    with_model(qdrant, api, "").await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_go_together_is_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_collection(qdrant, &api).await;
    let wrong = Reason::ArgumentInvalid;
    let cases: Vec<Case> = vec![
        (
            |it| it.query_text = None,
            wrong,
            "give query_text, vector, or like_ids",
        ),
        (
            |it| it.query_text = Some("  ".to_owned()),
            wrong,
            "give query_text",
        ),
        (
            |it| it.query_text = Some("x".repeat(10_001)),
            wrong,
            "10001 characters",
        ),
        (|it| it.vector = Some(value(&json!([1]))), wrong, "give one of"),
        (|it| it.like_ids = vec![value(&json!(1))], wrong, "give one of"),
        (|it| it.like_ids = vec![value(&json!("x"))], wrong, "like_ids"),
        (|it| it.limit = Some(0), wrong, "at least 1"),
        (|it| it.group_by = Some("a..b".to_owned()), wrong, "group_by"),
        (
            |it| it.payload_fields = vec!["a..b".to_owned()],
            wrong,
            "payload_fields",
        ),
        (|it| it.cursor = Some("x".to_owned()), wrong, "not a cursor"),
        (
            |it| {
                it.query_text = None;
                it.vector = Some(value(&json!([1])));
                it.mode = Some(SearchMode::Dense.into());
            },
            wrong,
            "mode is about query_text",
        ),
    ];
    check(&adapter, cases).await;
    let lowered = SearchRequest {
        limit: Some(5_000),
        ..text("search_wrong", "tent")
    };
    let lowered = search(&adapter, lowered).await.expect("clamped");
    assert_eq!(lowered.notices, ["limit was lowered from 5000 to 1000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_collection_does_not_have_is_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_collection(qdrant, &api).await;
    let found = search(&adapter, text("search_wrong", "tent")).await;
    assert_eq!(found.expect("the default model fits text").rows.len(), 5);
    let wrong = Reason::ArgumentInvalid;
    let cases: Vec<Case> = vec![
        (
            |it| it.collection = "search_wrang".to_owned(),
            Reason::ObjectNotFound,
            "search_wrong",
        ),
        (
            |it| it.using = Some("texts".to_owned()),
            Reason::ObjectNotFound,
            "no vector named `texts`",
        ),
        (
            |it| it.using = Some("image".to_owned()),
            wrong,
            "the vector `image` of `search_wrong` has 32 dimensions, the model bag-64 makes 64: bind the collection to its model \
             by QDRANT_COLLECTION_MODELS, or name another vector with using (text, 64)",
        ),
        (
            |it| it.using = Some("plain".to_owned()),
            wrong,
            "no model makes texts into the vector `plain`",
        ),
        (
            |it| it.mode = Some(SearchMode::Sparse.into()),
            wrong,
            "can't be searched by words",
        ),
        (
            |it| it.mode = Some(SearchMode::Hybrid.into()),
            wrong,
            "can't be searched by words",
        ),
    ];
    check(&adapter, cases).await;
}

//! How much is shown, and what comes next.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::qdrant::v1::{SearchMode, SearchRequest};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::{Distance, Modifier};
use serde_json::json;

use super::{ids, row, search, text, vector, with_model};
use crate::adapter::{Adapter, assert_fault, rows, value};
use crate::embedding_api::EmbeddingApi;
use crate::search_collections::{
    Collection, REVIEWS, TEXT, dense, meaning, named, point, reviews, reviews_by_both, sparse, unnamed,
};

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_last_one_ended() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    reviews_by_both(qdrant, "search_pages").await;
    for mode in [SearchMode::Hybrid, SearchMode::Dense] {
        let mut request = SearchRequest {
            limit: Some(10),
            mode: Some(mode.into()),
            ..text("search_pages", "tent pole in rain")
        };
        let whole = search(&adapter, request.clone()).await.expect("works");
        assert!(
            whole.truncated.is_none() && whole.rows.len() == REVIEWS.len(),
            "{whole:?}"
        );
        request.limit = Some(2);
        let mut pages = vec![];
        loop {
            let page = search(&adapter, request.clone()).await.expect("works");
            assert!(page.rows.len() <= 2 && pages.len() < 10, "{mode:?} {pages:?}");
            pages.extend(ids(&page));
            let Some(truncated) = page.truncated else { break };
            assert_eq!(truncated.consistent, Some(false));
            request.cursor = truncated.next_cursor;
        }
        assert_eq!(pages, ids(&whole), "each once, and those of equal rank by id");
    }
    let page = SearchRequest {
        limit: Some(2),
        ..text("search_pages", "tent pole in rain")
    };
    let page = search(&adapter, page).await.expect("works");
    let other = SearchRequest {
        cursor: page.truncated.and_then(|truncated| truncated.next_cursor),
        ..text("search_pages", "another")
    };
    assert_fault(
        search(&adapter, other).await,
        Reason::ArgumentInvalid,
        "belongs to another call",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn matches_are_grouped() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    let collection = Collection::new("search_groups").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let grouped = |limit: u32, size: u32| SearchRequest {
        group_by: Some("product".to_owned()),
        group_size: Some(size),
        limit: Some(limit),
        payload_fields: vec!["stars".to_owned()],
        ..text("search_groups", "tent pole")
    };
    let groups = |result: &ResultSet| -> Vec<String> {
        let column = result.columns.iter().position(|column| column.name == "group");
        let column = column.expect("a group");
        let rows = rows(result).into_iter();
        rows.map(|text| row(&text)[column].as_str().expect("a group").to_owned())
            .collect()
    };
    let one = search(&adapter, grouped(10, 1)).await.expect("works");
    assert_eq!(groups(&one)[0], "tent");
    let mut names = groups(&one);
    names.sort_unstable();
    assert_eq!(names, ["bag", "boots", "tent"]);
    assert!(one.truncated.is_none());

    let three = search(&adapter, grouped(10, 3)).await.expect("works");
    assert_eq!(groups(&three)[..3], ["tent", "tent", "tent"]);
    assert_eq!(three.rows.len(), 6);

    let mut request = grouped(1, 2);
    let mut pages = vec![];
    loop {
        let page = search(&adapter, request.clone()).await.expect("works");
        pages.push(groups(&page));
        let Some(truncated) = page.truncated else { break };
        request.cursor = truncated.next_cursor;
    }
    assert_eq!(pages.len(), 3, "a page for each: {pages:?}");
    assert_eq!(pages[0], ["tent", "tent"]);
    assert_eq!(pages.concat().len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_of_both_searches() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    reviews_by_both(qdrant, "search_groups_of_both").await;
    let grouped = SearchRequest {
        group_by: Some("shop.city".to_owned()),
        group_size: Some(4),
        filter: Some(value(&json!({"stars": {"gte": 2}}))),
        ..text("search_groups_of_both", "tent pole")
    };
    let found = search(&adapter, grouped).await.expect("works");
    let mut best = ids(&found);
    assert_eq!(best.len(), 4, "{found:?}");
    best[..3].sort_unstable();
    assert_eq!(best[..3], [1, 3, 6], "found by both: {found:?}");
    assert!(found.notices[0].contains("score tells ranks"), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vector_is_shown_in_full() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let points = vec![point(1, unnamed(dense(vec![0.125; 1_536])), &json!({}))];
    let collection = Collection::new("search_long").dense("", 1_536, Distance::Dot);
    collection.create(qdrant, points).await;
    let request = SearchRequest {
        like_ids: vec![value(&json!(1))],
        with_vectors: Some(true),
        collection: "search_long".to_owned(),
        ..SearchRequest::default()
    };
    let alone = search(&adapter, request).await.expect("works");
    assert!(alone.rows.is_empty(), "a point is not like itself");
    let request = SearchRequest {
        with_vectors: Some(true),
        ..vector("search_long", &json!(vec![1; 1_536]))
    };
    let found = search(&adapter, request).await.expect("works");
    let shown = row(&rows(&found)[0]);
    assert_eq!(shown[3].as_array().map(Vec::len), Some(1_536), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_asked_for_is_shown() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let points = vec![point(
        1,
        named([("flat", dense(vec![0.1, 3.0])), ("tags", sparse(&[9], &[0.5]))]),
        &json!({"text": "x".repeat(5_000), "shop": {"city": "Basel", "id": 1}, "stars": 5}),
    )];
    let collection = Collection::new("search_shown")
        .dense("flat", 2, Distance::Dot)
        .sparse("tags", Modifier::None);
    collection.create(qdrant, points).await;
    let found = SearchRequest {
        payload_fields: vec!["shop.city".to_owned(), "stars".to_owned()],
        with_vectors: Some(true),
        ..vector("search_shown", &json!([1, 1]))
    };
    let found = search(&adapter, found).await.expect("works");
    assert_eq!(
        rows(&found),
        [
            r#"[1,3.1,{"shop":{"city":"Basel"},"stars":5},{"flat":[0.1,3.0],"tags":{"indices":[9],"values":[0.5]}}]"#
        ]
    );
    let found = search(&adapter, vector("search_shown", &json!([1, 1])))
        .await
        .expect("works");
    let cut = row(&rows(&found)[0]);
    assert_eq!(
        (&cut[2]["stars"], &cut[2]["text"]["len"]),
        (&json!(5), &json!(5000)),
        "{cut}"
    );
}

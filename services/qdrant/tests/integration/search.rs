//! Searches in collections that others made: an unnamed vector, vectors of any name, sparse ones, lists of vectors.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::ResultSet;
use mcp_hub_proto::qdrant::v1::{SearchMode, SearchRequest};
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::{Distance, Modifier};
use serde_json::json;

use crate::adapter::{Adapter, answer, assert_fault, rows, settings, value};
use crate::embedding_api::EmbeddingApi;
use crate::search_collections::{Collection, TEXT, meaning, named, reviews, reviews_by_both, unnamed, words};

mod arguments;
mod given;
mod pages;

pub(crate) async fn search(adapter: &Adapter, request: SearchRequest) -> Result<ResultSet, Fault> {
    let response = answer(adapter.client.clone().search(request).await)?;
    Ok(response.result.expect("a result"))
}

pub(crate) fn text(collection: &str, text: &str) -> SearchRequest {
    SearchRequest {
        collection: collection.to_owned(),
        query_text: Some(text.to_owned()),
        ..SearchRequest::default()
    }
}

fn vector(collection: &str, vector: &serde_json::Value) -> SearchRequest {
    SearchRequest {
        collection: collection.to_owned(),
        vector: Some(value(vector)),
        ..SearchRequest::default()
    }
}

fn row(row: &str) -> serde_json::Value {
    serde_json::from_str(row).expect("JSON")
}

/// The ids of the matches, in order.
pub(crate) fn ids(result: &ResultSet) -> Vec<u64> {
    let rows = rows(result).into_iter();
    rows.map(|text| row(&text)[0].as_u64().expect("an id")).collect()
}

/// The scores of the matches, in order.
fn scores(result: &ResultSet) -> Vec<f64> {
    let rows = rows(result).into_iter();
    rows.map(|text| row(&text)[1].as_f64().expect("a score"))
        .collect()
}

async fn with_model(qdrant: &Qdrant, api: &EmbeddingApi, more: &str) -> Adapter {
    Adapter::start(&format!("{}\n{}{more}", settings(qdrant), api.settings("bag-64"))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_found_in_a_vector_of_any_name() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    let collection = Collection::new("search_unnamed").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let collection = Collection::new("search_named").dense("Ünïcode name", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| named([("Ünïcode name", meaning(text))])))
        .await;
    for collection in ["search_unnamed", "search_named"] {
        let found = search(&adapter, text(collection, "boots leak"))
            .await
            .expect("works");
        let names: Vec<&str> = found.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["id", "score", "payload"]);
        assert_eq!(ids(&found)[0], 5, "{found:?}");
        assert_eq!(found.rows.len(), 5, "the default limit");
        assert!(found.truncated.is_some() && found.notices.is_empty(), "{found:?}");
        // The single as its shortest decimal: 0.70710677 and not 0.7071067690849304.
        let first = row(&rows(&found)[0]);
        assert!(first[1].to_string().len() <= 10, "{first}");
        assert!(
            (first[1].as_f64().expect("a score") - 0.5_f64.sqrt()).abs() < 1e-6,
            "{first}"
        );
        assert_eq!(first[2]["product"], "boots");
        assert_eq!(first[2]["shop"], json!({"city": "Basel", "id": 5}));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_embeddings_words_are_searched_or_it_is_said_what_to_set() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let collection = Collection::new("search_sparse").sparse("words", Modifier::Idf);
    collection
        .create(qdrant, reviews(|text| named([("words", words(text))])))
        .await;
    // "tents" is the same word as "tent", and "in" is none.
    let found = search(&adapter, text("search_sparse", "poles of tents in"))
        .await
        .expect("works");
    let mut found = ids(&found);
    found[..2].sort_unstable();
    assert_eq!(found, [3, 6, 1], "two words before one");

    let collection = Collection::new("search_no_model").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let fault = assert_fault(
        search(&adapter, text("search_no_model", "tent")).await,
        Reason::NotSupported,
        "no embeddings are configured",
    );
    assert!(fault.message.contains("QDRANT_EMBEDDINGS_URL"), "{fault}");

    let none = search(&adapter, text("search_sparse", "aardvark"))
        .await
        .expect("works");
    assert!(none.rows.is_empty());
    let stopwords = search(&adapter, text("search_sparse", "in the"))
        .await
        .expect("works");
    assert!(stopwords.rows.is_empty(), "no words at all");
}

#[tokio::test(flavor = "multi_thread")]
async fn meaning_and_words_are_fused_and_filtered_alike() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    reviews_by_both(qdrant, "search_hybrid").await;
    let found = search(&adapter, text("search_hybrid", "tent pole"))
        .await
        .expect("works");
    let mut first = ids(&found)[..2].to_vec();
    first.sort_unstable();
    assert_eq!(first, [3, 6], "{found:?}");
    assert_eq!(found.notices.len(), 1, "{found:?}");
    assert!(
        found.notices[0].contains("(vector `body`, vector `words`); score tells ranks"),
        "{found:?}"
    );

    let mode = |mode: SearchMode| SearchRequest {
        mode: Some(mode.into()),
        ..text("search_hybrid", "tent pole")
    };
    let dense = search(&adapter, mode(SearchMode::Dense)).await.expect("works");
    assert_eq!(
        (dense.rows.len(), dense.notices.len()),
        (5, 0),
        "each has a meaning"
    );
    let sparse = search(&adapter, mode(SearchMode::Sparse)).await.expect("works");
    assert_eq!(
        (sparse.rows.len(), sparse.notices.len()),
        (3, 0),
        "only three have a word"
    );
    let using = SearchRequest {
        using: Some("words".to_owned()),
        ..text("search_hybrid", "tent pole")
    };
    assert_eq!(ids(&search(&adapter, using).await.expect("works")), ids(&sparse));
    let fused = SearchRequest {
        using: Some("words".to_owned()),
        ..mode(SearchMode::Hybrid)
    };
    assert_eq!(ids(&search(&adapter, fused).await.expect("works")), ids(&found));

    // The best of both are filtered out, in each of the two searches.
    for mode in [
        SearchMode::Auto,
        SearchMode::Dense,
        SearchMode::Sparse,
        SearchMode::Hybrid,
    ] {
        let filtered = SearchRequest {
            filter: Some(value(&json!({"product": "tent", "stars": {"gte": 4}}))),
            mode: Some(mode.into()),
            ..text("search_hybrid", "tent pole broke wind")
        };
        let mut found = ids(&search(&adapter, filtered).await.expect("works"));
        found.sort_unstable();
        assert_eq!(found, [1, 6], "{mode:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_threshold_is_about_similarity() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    reviews_by_both(qdrant, "search_threshold").await;
    let scored = |mode: SearchMode| SearchRequest {
        score_threshold: Some(0.5),
        mode: Some(mode.into()),
        ..text("search_threshold", "boots leak in rain")
    };
    let found = search(&adapter, scored(SearchMode::Auto)).await.expect("works");
    assert_eq!(ids(&found), [5]);
    assert!(
        found.notices[0].starts_with("score_threshold: searched by meaning only"),
        "{found:?}"
    );
    assert_fault(
        search(&adapter, scored(SearchMode::Hybrid)).await,
        Reason::ArgumentInvalid,
        "hybrid scores are ranks",
    );
    let sparse = search(&adapter, scored(SearchMode::Sparse)).await.expect("works");
    assert!(scores(&sparse).iter().all(|score| *score >= 0.5), "{sparse:?}");
    let odd = SearchRequest {
        score_threshold: Some(f64::NAN),
        ..text("search_threshold", "boots")
    };
    assert_fault(
        search(&adapter, odd).await,
        Reason::ArgumentInvalid,
        "not a finite number",
    );
}

//! Searches in collections that others made: an unnamed vector, vectors of any name, sparse ones, lists of vectors.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::data::v1::{ResultSet, Value};
use mcp_hub_proto::qdrant::v1::*;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::{Distance, Modifier};
use serde_json::json;

use crate::adapter::{Adapter, answer, assert_fault, rows, settings, value};
use crate::embedding_api::EmbeddingApi;
use crate::search_collections::{
    Collection, REVIEWS, TEXT, dense, meaning, multi, named, point, reviews, sparse, unnamed, words,
};

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

fn vector(collection: &str, vector: serde_json::Value) -> SearchRequest {
    SearchRequest {
        collection: collection.to_owned(),
        vector: Some(value(&vector)),
        ..SearchRequest::default()
    }
}

fn like(collection: &str, like: &[u64], unlike: &[u64]) -> SearchRequest {
    let ids = |ids: &[u64]| -> Vec<Value> { ids.iter().map(|id| value(&json!(id))).collect() };
    SearchRequest {
        collection: collection.to_owned(),
        like_ids: ids(like),
        unlike_ids: ids(unlike),
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
    let collection = Collection::new("search_hybrid")
        .dense("body", TEXT, Distance::Cosine)
        .sparse("words", Modifier::Idf);
    collection
        .create(
            qdrant,
            reviews(|text| named([("body", meaning(text)), ("words", words(text))])),
        )
        .await;
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
    let collection = Collection::new("search_threshold")
        .dense("body", TEXT, Distance::Cosine)
        .sparse("words", Modifier::Idf);
    collection
        .create(
            qdrant,
            reviews(|text| named([("body", meaning(text)), ("words", words(text))])),
        )
        .await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_distance_is_the_lower_the_better() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let at = |x: f32| unnamed(dense(vec![x, 0.0]));
    let points = (1..=4_u8)
        .map(|x| point(x.into(), at(x.into()), json!({})))
        .collect();
    let collection = Collection::new("search_euclid").dense("", 2, Distance::Euclid);
    collection.create(qdrant, points).await;
    let near = SearchRequest {
        score_threshold: Some(2.5),
        ..vector("search_euclid", json!([0, 0]))
    };
    let found = search(&adapter, near).await.expect("works");
    assert_eq!((ids(&found), scores(&found)), (vec![1, 2], vec![1.0, 2.0]));
    assert_eq!(
        found.notices,
        ["score is a distance (euclid): the lower the better"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_given_vector_goes_where_it_fits() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let all = |x: f32| {
        named([
            ("flat", dense(vec![x, 1.0])),
            ("solid", dense(vec![x, 0.0, 1.0])),
            ("tokens", multi(&[&[x, 1.0, 0.0, 0.0], &[0.0, 0.0, 1.0, 0.0]])),
            ("tags", sparse(&[7, 4_000_000_000], &[x, 1.0])),
        ])
    };
    let points = vec![point(1, all(-1.0), json!({})), point(2, all(3.0), json!({}))];
    let collection = Collection::new("search_vectors")
        .dense("flat", 2, Distance::Dot)
        .dense("solid", 3, Distance::Cosine)
        .multi("tokens", 4)
        .sparse("tags", Modifier::None);
    collection.create(qdrant, points).await;
    for (given, expected) in [
        (json!([1, 0]), vec![(2, 3.0), (1, -1.0)]),
        (json!([0, 0, 1]), vec![(1, 0.707_106_77), (2, 0.316_227_76)]),
        (
            json!([[0, 1, 0, 0], [0, 0, 1, 0]]),
            vec![(1, 1.707_106_8), (2, 1.316_227_8)],
        ),
        (json!([0, 0, 2, 0]), vec![(1, 1.0), (2, 1.0)]),
        (
            json!({"indices": [4_000_000_000_u64, 7], "values": [0.5, 1]}),
            vec![(2, 3.5), (1, -0.5)],
        ),
    ] {
        let found = search(&adapter, vector("search_vectors", given.clone())).await;
        let found = found.unwrap_or_else(|fault| panic!("{given}: {fault}"));
        let mut matches: Vec<(u64, f64)> = ids(&found).into_iter().zip(scores(&found)).collect();
        if expected[0].1 == expected[1].1 {
            matches.sort_by_key(|(id, _)| *id);
        }
        for ((id, score), (expected_id, expected_score)) in matches.iter().zip(&expected) {
            assert_eq!(id, expected_id, "{given}: {matches:?}");
            assert!((score - expected_score).abs() < 1e-5, "{given}: {matches:?}");
        }
        assert_eq!(matches.len(), 2, "{given}");
    }
    let wrong = |using: Option<&str>, given: serde_json::Value| SearchRequest {
        using: using.map(str::to_owned),
        ..vector("search_vectors", given)
    };
    for (request, reason, part) in [
        (
            wrong(None, json!([1, 2, 3, 4, 5])),
            Reason::ArgumentInvalid,
            "dense with 5 dimensions; there are: flat (2), solid (3)",
        ),
        (
            wrong(Some("flat"), json!([1, 2, 3])),
            Reason::ArgumentInvalid,
            "flat (2) is not",
        ),
        (
            wrong(Some("solids"), json!([1, 2, 3])),
            Reason::ObjectNotFound,
            "no vector named `solids`",
        ),
        (
            wrong(None, json!([0, 0, 0])),
            Reason::ArgumentInvalid,
            "all zeros",
        ),
        (
            wrong(None, json!(["a"])),
            Reason::ArgumentInvalid,
            "item 0 is no number",
        ),
        (wrong(None, json!([])), Reason::ArgumentInvalid, "empty"),
        (
            wrong(None, json!({"indices": [1, 1], "values": [1, 2]})),
            Reason::ArgumentInvalid,
            "stands twice",
        ),
    ] {
        assert_fault(search(&adapter, request).await, reason, part);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_found_by_points() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let mut points = reviews(|text| named([("body", meaning(text))]));
    points.push(point(7, named([]), json!({"text": "no vector"})));
    let collection = Collection::new("search_like").dense("body", TEXT, Distance::Cosine);
    collection.create(qdrant, points).await;
    let found = search(&adapter, like("search_like", &[3], &[]))
        .await
        .expect("works");
    // 1 and 3 share "the tent" and "in"; 6 shares "tent" and "pole".
    assert!(
        ids(&found)[..2].contains(&1) && !ids(&found).contains(&3),
        "{found:?}"
    );
    let found = search(&adapter, like("search_like", &[3], &[1]))
        .await
        .expect("works");
    assert!(!ids(&found).contains(&1) && ids(&found)[0] == 6, "{found:?}");
    let fault = assert_fault(
        search(&adapter, like("search_like", &[3, 77], &[78])).await,
        Reason::ObjectNotFound,
        "`search_like` has no point 77, 78",
    );
    assert_eq!(fault.metadata.get("field"), None);
    let found = search(&adapter, like("search_like", &[3, 7], &[]))
        .await
        .expect("works");
    assert_eq!(
        found.notices,
        ["point 7 has no vector `body` and counts for nothing"]
    );
    assert_fault(
        search(&adapter, like("search_like", &[7], &[])).await,
        Reason::ArgumentInvalid,
        "point 7 has no vector `body`: name another",
    );
    assert_fault(
        search(&adapter, like("search_like", &[3], &[3])).await,
        Reason::ArgumentInvalid,
        "point 3 stands in like_ids and in unlike_ids",
    );
    assert_fault(
        search(&adapter, like("search_like", &vec![1; 101], &[])).await,
        Reason::ArgumentInvalid,
        "at most 100",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_found_that_are_unlike_others() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let collection = Collection::new("search_unlike").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let unlike = search(&adapter, like("search_unlike", &[], &[3])).await;
    let unlike = unlike.expect("works");
    let found = ids(&unlike);
    // 4 shares no word with it, 1 the most.
    assert_eq!(
        (found.len(), found.first(), found.last()),
        (5, Some(&4), Some(&1)),
        "{unlike:?}"
    );
    assert!(unlike.notices[0].contains("how unlike"), "{unlike:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_last_one_ended() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    let collection = Collection::new("search_pages")
        .dense("body", TEXT, Distance::Cosine)
        .sparse("words", Modifier::Idf);
    collection
        .create(
            qdrant,
            reviews(|text| named([("body", meaning(text)), ("words", words(text))])),
        )
        .await;
    let whole = SearchRequest {
        limit: Some(10),
        ..text("search_pages", "tent pole in rain")
    };
    let whole = search(&adapter, whole).await.expect("works");
    assert!(
        whole.truncated.is_none() && whole.rows.len() == REVIEWS.len(),
        "{whole:?}"
    );
    let mut request = SearchRequest {
        limit: Some(2),
        ..text("search_pages", "tent pole in rain")
    };
    let mut pages = vec![];
    loop {
        let page = search(&adapter, request.clone()).await.expect("works");
        assert!(page.rows.len() <= 2);
        pages.extend(ids(&page));
        let Some(truncated) = page.truncated else { break };
        assert_eq!(truncated.consistent, Some(false));
        request.cursor = truncated.next_cursor;
    }
    let (mut all, mut expected) = (pages.clone(), ids(&whole));
    all.sort_unstable();
    expected.sort_unstable();
    assert_eq!(all, expected, "each once: {pages:?}");
    let other = SearchRequest {
        query_text: Some("another".to_owned()),
        ..request
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
async fn only_what_is_asked_for_is_shown() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let points = vec![point(
        1,
        named([("flat", dense(vec![0.1, 3.0])), ("tags", sparse(&[9], &[0.5]))]),
        json!({"text": "x".repeat(5_000), "shop": {"city": "Basel", "id": 1}, "stars": 5}),
    )];
    let collection = Collection::new("search_shown")
        .dense("flat", 2, Distance::Dot)
        .sparse("tags", Modifier::None);
    collection.create(qdrant, points).await;
    let found = SearchRequest {
        payload_fields: vec!["shop.city".to_owned(), "stars".to_owned()],
        with_vectors: Some(true),
        ..vector("search_shown", json!([1, 1]))
    };
    let found = search(&adapter, found).await.expect("works");
    assert_eq!(
        rows(&found),
        [
            r#"[1,3.1,{"shop":{"city":"Basel"},"stars":5},{"flat":[0.1,3.0],"tags":{"indices":[9],"values":[0.5]}}]"#
        ]
    );
    let found = search(&adapter, vector("search_shown", json!([1, 1])))
        .await
        .expect("works");
    let cut = row(&rows(&found)[0]);
    assert_eq!(
        (&cut[2]["stars"], &cut[2]["text"]["len"]),
        (&json!(5), &json!(5000)),
        "{cut}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_arguments_are_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let adapter = with_model(qdrant, &api, "").await;
    let collection = Collection::new("search_wrong")
        .dense("image", 32, Distance::Cosine)
        .dense("text", TEXT, Distance::Cosine)
        .sparse("plain", Modifier::None);
    collection
        .create(qdrant, reviews(|text| named([("text", meaning(text))])))
        .await;
    let with = |change: fn(&mut SearchRequest)| {
        let mut request = text("search_wrong", "tent");
        change(&mut request);
        request
    };
    assert_eq!(
        search(&adapter, text("search_wrong", "tent"))
            .await
            .expect("text fits")
            .rows
            .len(),
        5
    );
    for (request, reason, part) in [
        (
            with(|it| it.query_text = None),
            Reason::ArgumentInvalid,
            "give query_text, vector, or like_ids",
        ),
        (
            with(|it| it.query_text = Some("  ".to_owned())),
            Reason::ArgumentInvalid,
            "give query_text",
        ),
        (
            with(|it| it.vector = Some(value(&json!([1])))),
            Reason::ArgumentInvalid,
            "give one of",
        ),
        (
            with(|it| it.like_ids = vec![value(&json!(1))]),
            Reason::ArgumentInvalid,
            "give one of",
        ),
        (
            with(|it| it.like_ids = vec![value(&json!("x"))]),
            Reason::ArgumentInvalid,
            "like_ids",
        ),
        (
            with(|it| it.query_text = Some("x".repeat(10_001))),
            Reason::ArgumentInvalid,
            "10001 characters",
        ),
        (
            with(|it| it.collection = "search_wrang".to_owned()),
            Reason::ObjectNotFound,
            "search_wrong",
        ),
        (
            with(|it| it.using = Some("texts".to_owned())),
            Reason::ObjectNotFound,
            "no vector named `texts`",
        ),
        (
            with(|it| it.using = Some("image".to_owned())),
            Reason::ArgumentInvalid,
            "the vector `image` of `search_wrong` has 32 dimensions, the model bag-64 makes 64: bind the collection to its model by \
             QDRANT_COLLECTION_MODELS, or name another vector with using (text, 64)",
        ),
        (
            with(|it| it.using = Some("plain".to_owned())),
            Reason::ArgumentInvalid,
            "no model makes texts into the vector `plain`",
        ),
        (
            with(|it| it.mode = Some(SearchMode::Sparse.into())),
            Reason::ArgumentInvalid,
            "can't be searched by words",
        ),
        (
            with(|it| it.mode = Some(SearchMode::Hybrid.into())),
            Reason::ArgumentInvalid,
            "can't be searched by words",
        ),
        (
            with(|it| {
                it.query_text = None;
                it.vector = Some(value(&json!([1])));
                it.mode = Some(SearchMode::Dense.into());
            }),
            Reason::ArgumentInvalid,
            "mode is about query_text",
        ),
        (
            with(|it| it.limit = Some(0)),
            Reason::ArgumentInvalid,
            "at least 1",
        ),
        (
            with(|it| it.group_by = Some("a..b".to_owned())),
            Reason::ArgumentInvalid,
            "group_by",
        ),
        (
            with(|it| it.cursor = Some("x".to_owned())),
            Reason::ArgumentInvalid,
            "not a cursor",
        ),
    ] {
        assert_fault(search(&adapter, request).await, reason, part);
    }
    let lowered = search(&adapter, with(|it| it.limit = Some(5_000)))
        .await
        .expect("clamped");
    assert_eq!(lowered.notices, ["limit was lowered from 5000 to 1000"]);
}

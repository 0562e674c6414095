//! Models that are asked, that fail, and that are bound to vectors: over real HTTP, or from a directory.

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1::{SearchMode, SearchRequest};
use mcp_hub_qdrant::embedding::{Embeddings, Purpose};
use mcp_hub_testing::{Qdrant, eventually};
use qdrant_client::qdrant::{Distance, Modifier};

use crate::adapter::{Adapter, SOON, assert_fault, config, settings};
use crate::embedding_api::{EmbeddingApi, bag};
use crate::search::{ids, search, text};
use crate::search_collections::{Collection, TEXT, meaning, named, reviews, reviews_by_both, unnamed, words};

mod local;

async fn with(qdrant: &Qdrant, api: &EmbeddingApi, model: &str, more: &str) -> Adapter {
    Adapter::start(&format!("{}\n{}{more}", settings(qdrant), api.settings(model))).await
}

fn by(mode: SearchMode, collection: &str) -> SearchRequest {
    SearchRequest {
        mode: Some(mode.into()),
        ..text(collection, "tent pole")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_failure_of_the_endpoint_is_told() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    reviews_by_both(qdrant, "embedding_failures").await;
    for (model, reason, part, retry) in [
        (
            "unauthorized",
            Reason::EmbeddingsUnavailable,
            "QDRANT_EMBEDDINGS_API_KEY must be set",
            None,
        ),
        (
            "busy",
            Reason::EmbeddingsUnavailable,
            "is too busy (429): slow down",
            Some(7),
        ),
        (
            "broken",
            Reason::EmbeddingsUnavailable,
            "failed (500): out of memory at ***",
            Some(2),
        ),
        (
            "too-long",
            Reason::ArgumentInvalid,
            "does not take the text (400): maximum context",
            None,
        ),
        (
            "few",
            Reason::EmbeddingsUnavailable,
            "made 0 vectors of 1 texts",
            None,
        ),
        (
            "nan",
            Reason::EmbeddingsUnavailable,
            "not a list of vectors",
            None,
        ),
        ("huge", Reason::EmbeddingsUnavailable, "too large", None),
        (
            "redirect",
            Reason::EmbeddingsUnavailable,
            "redirect (307), which is not followed",
            None,
        ),
        ("gone", Reason::EmbeddingsUnavailable, "has no model gone", None),
        (
            "bag-32",
            Reason::ArgumentInvalid,
            "has 64 dimensions, the model bag-32 makes 32",
            None,
        ),
    ] {
        let adapter = with(qdrant, &api, model, "embeddings-api-key = 'sk-verysecret'\n").await;
        let fault = assert_fault(
            search(&adapter, by(SearchMode::Dense, "embedding_failures")).await,
            reason,
            part,
        );
        assert_eq!(fault.retry_after, retry.map(Duration::from_secs), "{model}");
        assert!(
            !fault.message.contains("secret") && !fault.message.contains("127.0.0.1"),
            "{fault}"
        );
        // Words are Qdrant's own matter.
        let sparse = search(&adapter, by(SearchMode::Sparse, "embedding_failures")).await;
        assert_eq!(sparse.expect("works").rows.len(), 3, "{model}");
    }
    assert_eq!(api.followed(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_down_leaves_words() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    reviews_by_both(qdrant, "embedding_down").await;
    // Nothing listens there.
    let nowhere = "embeddings-url = 'http://127.0.0.1:1/v1'\nembeddings-model = 'bag-64'";
    let adapter = Adapter::start(&format!("{}\n{nowhere}", settings(qdrant))).await;
    let fault = assert_fault(
        search(&adapter, by(SearchMode::Dense, "embedding_down")).await,
        Reason::EmbeddingsUnavailable,
        "the embeddings endpoint can't be reached",
    );
    assert!(!fault.message.contains("127.0.0.1"), "{fault}");
    let found = search(&adapter, by(SearchMode::Auto, "embedding_down"))
        .await
        .expect("words");
    assert_eq!(found.rows.len(), 3);
    assert_eq!(
        found.notices,
        ["the embeddings endpoint can't be reached; searched by words only"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_model_that_does_not_fit_leaves_words() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    reviews_by_both(qdrant, "embedding_misfit").await;
    let adapter = with(qdrant, &api, "bag-32", "").await;
    let auto = SearchRequest {
        limit: Some(2_000),
        ..by(SearchMode::Auto, "embedding_misfit")
    };
    let found = search(&adapter, auto).await.expect("words");
    assert_eq!(found.rows.len(), 3);
    assert_eq!(found.notices, ["limit was lowered from 2000 to 1000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_does_not_answer_is_left_at_the_limit() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let collection = Collection::new("embedding_slow").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let adapter = with(qdrant, &api, "slow", "embeddings-timeout-ms = 300\n").await;
    assert_fault(
        search(&adapter, text("embedding_slow", "tent")).await,
        Reason::EmbeddingsUnavailable,
        "did not answer within 300 ms (QDRANT_EMBEDDINGS_TIMEOUT_MS)",
    );
    eventually(SOON, async || (api.abandoned() == 1).then_some(())).await;

    let adapter = with(qdrant, &api, "slow", "").await;
    let short = SearchRequest {
        timeout_ms: Some(300),
        ..text("embedding_slow", "tent")
    };
    assert_fault(
        search(&adapter, short).await,
        Reason::StatementTimedOut,
        "longer than 300 ms",
    );
    eventually(SOON, async || (api.abandoned() == 2).then_some(())).await;

    // A caller that goes away takes its request along.
    let before = api.seen().len();
    let call = adapter.lifecycle.spawn({
        let mut client = adapter.client.clone();
        async move { client.search(text("embedding_slow", "tent")).await }
    });
    eventually(SOON, async || (api.seen().len() > before).then_some(())).await;
    call.abort();
    eventually(SOON, async || (api.abandoned() == 3).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_gets_what_the_settings_say() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let collection = Collection::new("embedding_settings").dense("", TEXT, Distance::Cosine);
    collection
        .create(qdrant, reviews(|text| unnamed(meaning(text))))
        .await;
    let folder = tempfile::tempdir().expect("a folder");
    let key = folder.path().join("key");
    std::fs::write(&key, "first\n").expect("writes");
    let more = format!(
        "embeddings-api-key-file = '{}'\nembeddings-dimensions = 64\nembeddings-query-prefix = 'query: '\n\
         embeddings-document-prefix = 'passage: '\n",
        key.display()
    );
    let adapter = with(qdrant, &api, "bag-100", &more).await;
    search(&adapter, text("embedding_settings", "tent"))
        .await
        .expect("works");
    let seen = api.seen();
    assert_eq!(seen.len(), 1, "the dimensions are known");
    assert_eq!(seen[0].texts, ["query: tent"]);
    assert_eq!(seen[0].authorization, "Bearer first");
    assert_eq!(seen[0].body["dimensions"], 64);
    assert_eq!(seen[0].body["encoding_format"], "float");
    std::fs::write(&key, "second").expect("writes");
    search(&adapter, text("embedding_settings", "tent"))
        .await
        .expect("works");
    assert_eq!(api.seen()[1].authorization, "Bearer second", "without a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_texts_go_in_several_requests() {
    let api = EmbeddingApi::start().await;
    let more = "embeddings-batch = 5\nembeddings-document-prefix = 'passage: '";
    let settings = config(&format!("{}{more}", api.settings("bag-64"))).embedding;
    let embeddings = Embeddings::open(&settings).await.expect("settings");
    let model = embeddings.default_model().expect("a model").clone();
    let texts: Vec<String> = (0..38).map(|number| format!("word{number}")).collect();
    let made = embeddings
        .embed(&model, Purpose::Document, &texts)
        .await
        .expect("works");
    let expected = texts.iter().map(|text| bag(&format!("passage: {text}"), 64));
    assert_eq!(made, expected.collect::<Vec<_>>(), "in their order");
    let mut sizes: Vec<usize> = api.seen().iter().map(|seen| seen.texts.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [3, 5, 5, 5, 5, 5, 5, 5]);
    assert_eq!(
        embeddings.known_dimensions(&model),
        Some(64),
        "without asking for it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_endpoint_gets_a_few_requests_at_a_time() {
    let api = EmbeddingApi::start().await;
    let more = "embeddings-batch = 1\nembeddings-concurrency = 2\nembeddings-timeout-ms = 1000";
    let settings = config(&format!("{}{more}", api.settings("slow"))).embedding;
    let embeddings = Embeddings::open(&settings).await.expect("settings");
    let model = embeddings.default_model().expect("a model").clone();
    let texts: Vec<String> = (0..20).map(|number| format!("word{number}")).collect();
    let fault = embeddings.embed(&model, Purpose::Document, &texts).await;
    let fault = fault.expect_err("no answer");
    assert!(fault.message.contains("did not answer within 1000 ms"), "{fault}");
    assert_eq!(api.seen().len(), 2, "the others waited, and were not sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn dimensions_are_asked_once() {
    let api = EmbeddingApi::start().await;
    let settings = config(&api.settings("bag-16")).embedding;
    let embeddings = Embeddings::open(&settings).await.expect("settings");
    let model = embeddings.default_model().expect("a model").clone();
    assert_eq!(embeddings.known_dimensions(&model), None);
    let (one, other) = tokio::join!(embeddings.dimensions(&model), embeddings.dimensions(&model));
    assert_eq!((one, other), (Ok(16), Ok(16)));
    assert_eq!(embeddings.dimensions(&model).await, Ok(16));
    assert_eq!(api.seen().len(), 1);
    let broken = "broken".parse().expect("a name");
    for asked in 2..4 {
        embeddings
            .dimensions(&broken)
            .await
            .expect_err("a failure is not kept");
        assert_eq!(api.seen().len(), asked);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_is_bound_to_its_model() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let two = |name: &str| {
        Collection::new(name)
            .dense("body", TEXT, Distance::Cosine)
            .dense("title", TEXT, Distance::Cosine)
    };
    let points = || reviews(|text| named([("body", meaning(text)), ("title", meaning("same"))]));
    two("embedding_unbound").create(qdrant, points()).await;
    two("embedding_bound").create(qdrant, points()).await;
    let more = "collection-models = ['embedding_bound/body=bag-64']\n";
    let adapter = with(qdrant, &api, "bag-64", more).await;
    assert_fault(
        search(&adapter, text("embedding_unbound", "tent")).await,
        Reason::ArgumentInvalid,
        "several vectors could be meant: name one with using (body (64), title (64))",
    );
    let found = search(&adapter, text("embedding_bound", "boots leak in rain"))
        .await
        .expect("the bound one");
    assert_eq!(ids(&found)[0], 5);

    // The metadata of a collection says which model, and the settings go before it.
    two("embedding_metadata")
        .model("body", "bag-64")
        .create(qdrant, points())
        .await;
    let adapter = with(qdrant, &api, "bag-32", "").await;
    let found = search(&adapter, text("embedding_metadata", "boots leak in rain"))
        .await
        .expect("the bound one");
    assert_eq!(ids(&found)[0], 5);
    let adapter = with(
        qdrant,
        &api,
        "bag-32",
        "collection-models = ['embedding_metadata/body=bag-16']\n",
    )
    .await;
    assert_fault(
        search(&adapter, text("embedding_metadata", "boots")).await,
        Reason::ArgumentInvalid,
        "the model bag-16 makes 16: QDRANT_COLLECTION_MODELS binds it to a model that does not fit",
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn words_have_the_language_of_their_binding() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let collection = Collection::new("embedding_language").sparse("words", Modifier::None);
    collection
        .create(qdrant, reviews(|text| named([("words", words(text))])))
        .await;
    let adapter = Adapter::of(qdrant).await;
    assert_fault(
        search(&adapter, text("embedding_language", "boot")).await,
        Reason::NotSupported,
        "QDRANT_COLLECTION_MODELS can say so",
    );
    let of = async |language: &str| {
        let more = format!("collection-models = ['embedding_language=qdrant/bm25:{language}']");
        let adapter = Adapter::start(&format!("{}\n{more}", settings(qdrant))).await;
        search(&adapter, text("embedding_language", "boots"))
            .await
            .expect("works")
            .rows
            .len()
    };
    assert_eq!(of("english").await, 2, "kept and searched as \"boot\"");
    assert_eq!(of("none").await, 0, "\"boots\" is not what was kept");
}

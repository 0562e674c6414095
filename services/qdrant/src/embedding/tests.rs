use mcp_hub_chassis::config::Sources;

use super::*;

async fn open(text: &str) -> Result<Embeddings, Error> {
    let config = Sources::file(text.parse().expect("TOML"))
        .load()
        .expect("settings");
    Embeddings::open(&config).await
}

fn model(text: &str) -> Model {
    text.parse().expect(text)
}

#[test]
fn a_model_is_known_by_its_name() {
    for (text, expected) in [
        (" all-minilm:latest ", "all-minilm:latest"),
        (
            "sentence-transformers/all-MiniLM-L6-v2",
            "sentence-transformers/all-MiniLM-L6-v2",
        ),
        ("Qdrant/BM25", "qdrant/bm25"),
        ("qdrant/bm25:German", "qdrant/bm25:german"),
    ] {
        assert_eq!(model(text).to_string(), expected);
    }
    for text in ["", " ", "a\nb", "qdrant/bm25x", "qdrant/bm25:", "qdrant/bm25:x"] {
        assert!(text.parse::<Model>().is_err(), "{text:?}");
    }
    assert!("m".repeat(257).parse::<Model>().is_err());
}

#[tokio::test]
async fn a_model_needs_a_setting() {
    let none = open("").await.expect("no settings");
    assert_eq!(none.default_model(), None);
    let fault = none.has(&model("all-minilm")).expect_err("no endpoint");
    assert_eq!(fault.reason, Reason::NotSupported);
    assert!(
        fault.message.contains("QDRANT_EMBEDDINGS_URL must be set"),
        "{fault}"
    );
    assert_eq!(none.has(&model("qdrant/bm25")), Ok(()), "the server makes them");

    let error = open("collection-models = ['reviews=all-minilm']")
        .await
        .expect_err("no endpoint");
    assert!(
        error.to_string().contains("QDRANT_EMBEDDINGS_URL must be set"),
        "{error}"
    );
    let error = open("embeddings-model = 'all-minilm'")
        .await
        .expect_err("no endpoint");
    assert!(
        error.to_string().contains("QDRANT_EMBEDDINGS_URL must be set"),
        "{error}"
    );

    let one =
        open("embeddings-url = 'http://127.0.0.1:1'\nembeddings-model = 'a'\nembeddings-dimensions = 5")
            .await
            .expect("settings");
    assert_eq!(one.default_model(), Some(&model("a")));
    assert_eq!(
        (
            one.known_dimensions(&model("a")),
            one.known_dimensions(&model("b"))
        ),
        (Some(5), None)
    );
    assert_eq!(one.has(&model("b")), Ok(()), "the endpoint may have it");
}

#[cfg(not(feature = "local-embeddings"))]
#[tokio::test]
async fn a_directory_needs_a_build_with_the_feature() {
    let error = open("embeddings-dir = '/models/potion'")
        .await
        .expect_err("no feature");
    assert!(
        error.to_string().contains("--features local-embeddings"),
        "{error}"
    );
}

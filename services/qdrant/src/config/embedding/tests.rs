use mcp_hub_chassis::config::Sources;

use super::*;

fn config(text: &str) -> Result<EmbeddingConfig, mcp_hub_chassis::config::Error> {
    Sources::file(text.parse().expect("TOML")).load()
}

fn check(text: &str) -> Result<(), String> {
    let config = config(text).expect("parses");
    config.check().map_err(|error| error.to_string())
}

#[test]
fn bindings_are_read() {
    let config = config(
        "collection-models = ['reviews=all-minilm', ' docs/title = qdrant/bm25:German ', 'a/b/c=x=org/model:7b']",
    );
    let bound: Vec<String> = config
        .expect("parses")
        .collection_models
        .iter()
        .map(|bound| format!("{} {:?} {}", bound.collection, bound.vector, bound.model))
        .collect();
    assert_eq!(
        bound,
        [
            "reviews None all-minilm",
            "docs Some(\"title\") qdrant/bm25:german",
            "a Some(\"b/c=x\") org/model:7b"
        ]
    );
}

#[test]
fn wrong_bindings_are_told() {
    for (text, part) in [
        ("reviews", "collection=model"),
        ("=model", "collection=model"),
        ("docs/=model", "collection=model"),
        ("reviews=", "1 to 256 characters"),
        ("reviews=qdrant/bm25:klingon", "klingon"),
        ("reviews=qdrant/bm25-x", "no model"),
    ] {
        let error = config(&format!("collection-models = ['{text}']")).expect_err(text);
        assert!(error.to_string().contains(part), "{text}: {error}");
    }
}

#[test]
fn settings_that_can_never_work_are_refused() {
    let url = "embeddings-url = 'http://h/v1'";
    assert_eq!(check(""), Ok(()));
    assert_eq!(check(&format!("{url}\nembeddings-model = 'm'")), Ok(()));
    assert_eq!(check(&format!("{url}\ncollection-models = ['c=m']")), Ok(()));
    for (text, part) in [
        (url.to_owned(), "needs QDRANT_EMBEDDINGS_MODEL"),
        (
            format!("{url}\ncollection-models = ['c=m', 'c/v=m', 'c=qdrant/bm25', 'c=n']"),
            "binds a vector of c to two models",
        ),
        (
            format!("{url}\ncollection-models = ['c=qdrant/bm25']"),
            "needs QDRANT_EMBEDDINGS_MODEL",
        ),
        (
            format!("{url}\nembeddings-model = 'qdrant/bm25'"),
            "is for dense vectors",
        ),
        (
            format!("{url}\nembeddings-model = ' '"),
            "QDRANT_EMBEDDINGS_MODEL: the name",
        ),
        (
            format!("{url}\ncollection-models = ['c=m']\nembeddings-query-prefix = 'query: '"),
            "which is not set",
        ),
        (
            format!(
                "{url}\nembeddings-model = 'm'\nembeddings-api-key = 'k'\nembeddings-api-key-file = '/k'"
            ),
            "not both",
        ),
        (
            "embeddings-api-key = 'secret'".to_owned(),
            "QDRANT_EMBEDDINGS_API_KEY needs QDRANT_EMBEDDINGS_URL",
        ),
        (
            "embeddings-dimensions = 3".to_owned(),
            "QDRANT_EMBEDDINGS_DIMENSIONS needs",
        ),
    ] {
        let why = check(&text).expect_err(part);
        assert!(why.contains(part) && !why.contains("secret"), "{text}: {why}");
    }
}

use mcp_hub_chassis::config::Sources;

use super::*;

fn endpoint(text: &str) -> Endpoint {
    let text = format!("embeddings-url = 'http://h/v1'\nembeddings-model = 'm'\n{text}");
    let config = Sources::file(text.parse().expect("TOML"))
        .load()
        .expect("settings");
    Endpoint::new(&config)
        .expect("settings that work")
        .expect("an endpoint")
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[test]
fn the_url_is_that_of_the_api_or_of_its_method() {
    for (text, expected) in [
        (
            "http://localhost:11434/v1",
            "http://localhost:11434/v1/embeddings",
        ),
        (
            "http://localhost:11434/v1/",
            "http://localhost:11434/v1/embeddings",
        ),
        ("http://h:8080", "http://h:8080/embeddings"),
        ("https://h/v1/embeddings", "https://h/v1/embeddings"),
        ("https://h/v1/embeddings/", "https://h/v1/embeddings"),
        (
            "https://h/openai/embeddings?api-version=2024-10-21",
            "https://h/openai/embeddings?api-version=2024-10-21",
        ),
        (" http://[::1]:80/v1#x ", "http://[::1]/v1/embeddings"),
    ] {
        assert_eq!(url_of(text).expect(text).as_str(), expected);
    }
    for text in ["localhost:11434/v1", "h", "ftp://h/v1", "http://", ""] {
        assert!(url_of(text).is_err(), "{text}");
    }
}

#[test]
fn a_request_has_no_more_texts_and_characters_than_the_settings_say() {
    let endpoint = endpoint("embeddings-batch = 2\nembeddings-batch-characters = 1000");
    let long = "ä".repeat(600);
    let batches = endpoint
        .batches("", &texts(&["a", "b", "c", &long, "d", &long]))
        .expect("fit");
    let sizes: Vec<usize> = batches.iter().map(Vec::len).collect();
    assert_eq!(sizes, [2, 2, 2], "by number; by characters they fit");
    let batches = endpoint.batches("", &texts(&[&long, &long])).expect("fit");
    assert_eq!(batches.len(), 2, "by characters");
    assert_eq!(
        endpoint.batches("p: ", &texts(&["a"])).expect("fits"),
        [texts(&["p: a"])]
    );
    let fault = endpoint
        .batches("query: ", &texts(&[&"x".repeat(995)]))
        .expect_err("the prefix counts");
    assert_eq!(fault.reason, Reason::ArgumentInvalid);
    assert!(fault.message.contains("1002 characters"), "{fault}");
}

#[test]
fn dimensions_are_asked_of_the_default_model_only() {
    let endpoint = endpoint("embeddings-dimensions = 256");
    assert_eq!(endpoint.dimensions("m"), Some(256));
    assert_eq!(endpoint.dimensions("another"), None);
}

#[test]
fn what_is_wrong_with_the_settings_is_told_without_the_url() {
    for (text, part) in [
        ("embeddings-url = 'secret.example:1/v1'", "http:// or https://"),
        (
            "embeddings-url = 'http://secret.example/v1'\nembeddings-sslrootcert = '/x'",
            "needs a QDRANT_EMBEDDINGS_URL with https://",
        ),
        (
            "embeddings-url = 'https://secret.example/v1'\nembeddings-sslrootcert = '/does/not/exist'",
            "can't be read as PEM",
        ),
    ] {
        let text = format!("embeddings-model = 'm'\n{text}");
        let config = Sources::file(text.parse().expect("TOML"))
            .load()
            .expect("settings");
        let Err(error) = Endpoint::new(&config) else {
            panic!("{text} works")
        };
        let message = error.to_string();
        assert!(message.contains(part) && !message.contains("secret"), "{message}");
    }
}

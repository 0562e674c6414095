use super::*;

fn refusal(status: u16, retry_after: Option<u64>, body: &str) -> Fault {
    let refusal = Refusal {
        status: StatusCode::from_u16(status).expect("a status"),
        retry_after: retry_after.map(Duration::from_secs),
    };
    refusal.fault(
        "m",
        body.as_bytes(),
        &["sk-topsecret", "embeddings.internal", "h"],
    )
}

#[test]
fn vectors_stand_in_the_order_of_the_texts() {
    let body = br#"{"object": "list", "model": "m", "usage": {}, "data": [
        {"object": "embedding", "index": 1, "embedding": [0.5, 2]},
        {"object": "embedding", "index": 0, "embedding": [1e-3, -1]}]}"#;
    assert_eq!(vectors(body, 2), Ok(vec![vec![0.001, -1.0], vec![0.5, 2.0]]));
    let without = br#"{"data": [{"embedding": [1]}, {"embedding": [2]}]}"#;
    assert_eq!(vectors(without, 2), Ok(vec![vec![1.0], vec![2.0]]));
}

#[test]
fn an_answer_that_is_none_is_told() {
    for (body, part) in [
        (
            r#"{"data": [{"index": 0, "embedding": [1]}]}"#,
            "1 vectors of 2 texts",
        ),
        (
            r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 0, "embedding": [2]}]}"#,
            "which vector is of which text",
        ),
        (
            r#"{"data": [{"index": 0, "embedding": [1]}, {"index": 2, "embedding": [2]}]}"#,
            "which vector is of which text",
        ),
        (
            r#"{"data": [{"embedding": [NaN]}, {"embedding": [1]}]}"#,
            "not a list of vectors",
        ),
        (
            r#"{"data": [{"embedding": "AACAPw=="}, {"embedding": [1]}]}"#,
            "not a list of vectors",
        ),
        (r#"{"error": "x"}"#, "not a list of vectors"),
        ("<html>", "not a list of vectors"),
        ("", "not a list of vectors"),
    ] {
        let fault = vectors(body.as_bytes(), 2).expect_err(body);
        assert_eq!(
            (fault.reason, fault.retry_after),
            (Reason::EmbeddingsUnavailable, None)
        );
        assert!(fault.message.contains(part), "{body}: {fault}");
    }
}

#[test]
fn vectors_belong_together_and_are_finite() {
    assert_eq!(check("m", &[vec![1.0, 2.0], vec![3.0, 4.0]], Some(2)), Ok(()));
    for (vectors, asked, part) in [
        (vec![vec![1.0], vec![1.0, 2.0]], None, "different sizes"),
        (vec![vec![]], None, "different sizes"),
        (vec![vec![1.0]], Some(2), "asked for 2 dimensions"),
        (vec![vec![f32::INFINITY]], None, "not finite"),
        (vec![vec![f32::NAN]], None, "not finite"),
    ] {
        let fault = check("m", &vectors, asked).expect_err(part);
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[test]
fn a_refusal_says_which_setting_or_when_to_try_again() {
    let secret = r#"{"error": {"message": "Incorrect API key provided: sk-topsecret."}}"#;
    let fault = refusal(401, None, secret);
    assert_eq!(
        (fault.reason, fault.retry_after),
        (Reason::EmbeddingsUnavailable, None)
    );
    assert!(fault.message.contains("QDRANT_EMBEDDINGS_API_KEY"), "{fault}");
    assert!(!fault.message.contains("secret"), "{fault}");

    let fault = refusal(
        404,
        None,
        r#"{"error": "model 'm' not found, try pulling it first"}"#,
    );
    assert!(
        fault
            .message
            .ends_with("(404): model 'm' not found, try pulling it first"),
        "{fault}"
    );

    let fault = refusal(400, None, r#"{"detail": "too many tokens"}"#);
    assert_eq!(fault.reason, Reason::ArgumentInvalid);
    assert!(
        fault
            .message
            .ends_with("does not take the text (400): too many tokens"),
        "{fault}"
    );

    let fault = refusal(429, Some(7), "<html>slow down at 10.0.0.1</html>");
    assert_eq!(fault.retry_after, Some(Duration::from_secs(7)));
    assert_eq!(fault.message, "the embeddings endpoint is too busy (429)");
    assert_eq!(refusal(429, Some(1_000_000), "").retry_after, Some(LONGEST_WAIT));

    let fault = refusal(503, None, "");
    assert_eq!(fault.message, "the embeddings endpoint failed (503)");
    assert!(fault.retry_after.is_some());

    let fault = refusal(302, None, "");
    assert!(
        fault.message.contains("redirect") && fault.retry_after.is_none(),
        "{fault}"
    );
}

#[test]
fn the_endpoints_words_are_short_and_hold_no_secrets() {
    let body = r#"{"message": "sk-topsecret at\nembeddings.internal:8080 or http://10.0.0.1/x \u0000hm h"}"#;
    let fault = refusal(418, None, body);
    assert!(
        fault.message.ends_with("(418): *** at *** or *** hm h"),
        "{fault}"
    );
    let long = format!(r#"{{"error": {{"message": "{}"}}}}"#, "ä".repeat(5_000));
    let fault = refusal(500, None, &long);
    assert_eq!(fault.message.matches('ä').count(), QUOTED);
    assert!(fault.message.ends_with('…'), "{fault}");
}

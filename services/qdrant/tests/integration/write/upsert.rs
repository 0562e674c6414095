//! `Upsert`: what comes in is what is stored, once.

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::qdrant::v1::{CreateCollectionRequest, GetPointsRequest};
use mcp_hub_testing::{Qdrant, eventually};
use qdrant_client::qdrant as q;
use serde_json::json;

use super::{Writable, id, payload, two_dimensions, upsert};
use crate::adapter::{SOON, answer, assert_fault, shown, value};
use crate::embedding_api::{EmbeddingApi, bag};

/// The dense vector of a name; the unnamed one's name is empty.
#[expect(deprecated, reason = "servers before 1.16 send only this field")]
fn dense(point: &q::RetrievedPoint, name: &str) -> Vec<f32> {
    use q::vectors_output::VectorsOptions;
    let output = match point.vectors.clone().and_then(|vectors| vectors.vectors_options) {
        Some(VectorsOptions::Vector(vector)) if name.is_empty() => vector,
        Some(VectorsOptions::Vectors(mut named)) => match named.vectors.remove(name) {
            Some(vector) => vector,
            None => return vec![],
        },
        _ => return vec![],
    };
    match output.vector {
        Some(q::vector_output::Vector::Dense(dense)) => dense.data,
        _ => output.data,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_stored_as_they_were_given() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.server.create(two_dimensions("upsert_given")).await;
    let uuid = "550e8400-e29b-41d4-a716-446655440000";
    let points = json!([
        {"id": 7, "vector": [1, 2.5], "payload": {"a": 1, "b": 1.5, "c": null, "d": [true, {"e": "ä"}], "f": "2026-01-01T00:00:00Z"}},
        {"id": uuid, "vector": {"": [3, 4]}},
        {"id": 18_446_744_073_709_551_615_u64.to_string(), "vector": [5, 6], "payload": {}},
    ]);
    let done = hub.upsert("upsert_given", points.clone()).await.expect("written");
    let ids: Vec<String> = done.ids.iter().map(shown).collect();
    assert_eq!(ids, ["7", &format!("\"{uuid}\""), "\"18446744073709551615\""]);
    assert_eq!(done.embedded, 0);
    let stored = hub.server.all("upsert_given").await;
    let mut written: Vec<_> = stored
        .iter()
        .map(|point| (id(point), dense(point, ""), payload(point)))
        .collect();
    written.sort_by(|left, right| left.0.cmp(&right.0));
    assert_eq!(
        written,
        [
            ("18446744073709551615".to_owned(), vec![5.0, 6.0], json!({})),
            (uuid.to_owned(), vec![3.0, 4.0], json!({})),
            ("7".to_owned(), vec![1.0, 2.5], points[0]["payload"].clone()),
        ]
    );

    // The same id again replaces the point, payload and all.
    let again = json!([{"id": 7, "vector": [9, 9], "payload": {"z": 1}}]);
    hub.upsert("upsert_given", again).await.expect("written");
    assert_eq!(hub.server.count("upsert_given").await, 3);
    let stored = hub.server.all("upsert_given").await;
    let seven = stored.iter().find(|point| id(point) == "7").expect("there");
    assert_eq!(
        (dense(seven, ""), payload(seven)),
        (vec![9.0, 9.0], json!({"z": 1}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_point_without_an_id_is_written_once() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.server.create(two_dimensions("upsert_once")).await;
    let point = |n: u32| json!({"vector": [1, n], "payload": {"n": 1, "m": {"x": 1, "y": [2]}}});
    let first = hub
        .upsert("upsert_once", json!([point(1), point(1), point(2)]))
        .await
        .expect("written");
    assert_eq!(first.ids[0], first.ids[1]);
    assert_ne!(first.ids[0], first.ids[2]);
    // Another process has another order of keys.
    let again = hub
        .upsert("upsert_once", json!([point(1)]))
        .await
        .expect("written");
    assert_eq!(again.ids[0], first.ids[0]);
    assert_eq!(hub.server.count("upsert_once").await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_wrong_point_means_that_none_is_written() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.server.create(two_dimensions("upsert_none")).await;
    let good = json!({"id": 1, "vector": [1, 2]});
    for (wrong, part) in [
        (
            json!({"id": 2, "vector": [1, 2, 3]}),
            "points[1].vector: the unnamed vector has 2 dimensions, and this vector has 3",
        ),
        (json!({"id": 2, "vector": ["a", 2]}), "points[1].vector"),
        (
            json!({"id": 2, "vector": {"nope": [1, 2]}}),
            "has no vector \"nope\"",
        ),
        (json!({"id": -2, "vector": [1, 2]}), "points[1].id"),
        (
            json!({"id": 1, "vector": [1, 2]}),
            "points[1].id is that of points[0]",
        ),
        (
            json!({"id": 2, "vector": [1, 2], "payload": "x"}),
            "points[1].payload",
        ),
        (json!({"id": 2}), "points[1] has no vector: give text"),
        (
            json!({"id": 2, "text": "words"}),
            "points[1].text can't become a vector",
        ),
        (
            json!({"id": 2, "vector": [1, 2], "text": "a", "payload": {"text": "b"}}),
            "points[1].payload",
        ),
    ] {
        let result = hub.upsert("upsert_none", json!([good, wrong])).await;
        assert_fault(result, Reason::ArgumentInvalid, part);
    }
    assert_fault(
        hub.upsert("upsert_none", json!([])).await,
        Reason::ArgumentInvalid,
        "1 to 1000 points",
    );
    assert_fault(
        hub.upsert("upsert_nowhere", json!([good])).await,
        Reason::ObjectNotFound,
        "upsert_nowhere",
    );
    assert_fault(
        hub.upsert("", json!([good])).await,
        Reason::ArgumentInvalid,
        "collection is missing",
    );
    assert_eq!(hub.server.count("upsert_none").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_contract_carries_arrives_at_its_bounds() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.server.create(two_dimensions("upsert_bounds")).await;
    let many: Vec<_> = (1..=1000)
        .map(|n| json!({"id": n, "vector": [1, n], "payload": {"t": "x".repeat(7_000)}}))
        .collect();
    hub.upsert("upsert_bounds", json!(many))
        .await
        .expect("a thousand points of seven kilobytes");
    assert_eq!(hub.server.count("upsert_bounds").await, 1000);
    let heavy: Vec<_> = (1..=1000)
        .map(|n| json!({"id": n, "vector": [1, n], "payload": {"t": "x".repeat(9_000)}}))
        .collect();
    assert_fault(
        hub.upsert("upsert_bounds", json!(heavy)).await,
        Reason::ArgumentInvalid,
        "at most 8 MiB",
    );
    let nested = |depth: usize| (0..depth).fold(json!(1), |inner, _| json!({"k": inner}));
    let point = |depth| json!([{"id": 1, "vector": [1, 1], "payload": {"deep": nested(depth)}}]);
    hub.upsert("upsert_bounds", point(25))
        .await
        .expect("as deep as anybody needs");
    // An internal caller may send JSON as text, which can be deeper than messages can.
    let document = |depth| {
        let mut request = upsert("upsert_bounds", &json!([{"id": 2, "vector": [1, 1]}]));
        let text = json!({"deep": nested(depth)}).to_string();
        request.points[0].payload = Some(Value {
            kind: Some(Kind::Json(text)),
        });
        request
    };
    answer(hub.client().upsert(document(31)).await).expect("as deep as the server takes");
    let get = GetPointsRequest {
        collection: "upsert_bounds".to_owned(),
        ids: vec![value(&json!(2))],
        ..GetPointsRequest::default()
    };
    let got = answer(hub.adapter.client.clone().get_points(get).await);
    assert_eq!(got.expect("and back").result.expect("a table").rows.len(), 1);
    let result = answer(hub.client().upsert(document(32)).await);
    assert_fault(result, Reason::ArgumentInvalid, "nested more than 32 levels deep");
    let fault = hub
        .upsert("upsert_bounds", point(200))
        .await
        .expect_err("too deep");
    assert_ne!(fault.reason, Reason::DatabaseUnavailable, "{fault:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn texts_become_the_vectors_that_are_not_given() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let hub = Writable::with(qdrant, &api.settings("bag-64")).await;
    let create = CreateCollectionRequest {
        collection: "upsert_texts".to_owned(),
        ..CreateCollectionRequest::default()
    };
    hub.create(create).await.expect("created");
    let before = api.seen().len();
    let points = json!([
        {"id": 1, "text": "a warm tent", "payload": {"n": 1}},
        {"id": 2, "text": "a light bag", "vector": {"": bag("a warm tent", 64)}},
        {"id": 3, "vector": {"": bag("something else", 64)}, "payload": {"text": "kept, but not embedded"}},
    ]);
    let done = hub.upsert("upsert_texts", points).await.expect("written");
    assert_eq!(
        done.embedded, 2,
        "the first by both models, the second by words only"
    );
    let asked: Vec<Vec<String>> = api.seen()[before..]
        .iter()
        .map(|seen| seen.texts.clone())
        .collect();
    assert_eq!(asked, [["a warm tent"]]);
    let stored = hub.server.all("upsert_texts").await;
    assert_eq!(payload(&stored[0]), json!({"n": 1, "text": "a warm tent"}));
    assert_eq!(payload(&stored[1]), json!({"text": "a light bag"}));
    for (point, text) in [
        (&stored[0], "a warm tent"),
        (&stored[1], "a warm tent"),
        (&stored[2], "something else"),
    ] {
        let vector = dense(point, "");
        let product: f32 = vector
            .iter()
            .zip(bag(text, 64))
            .map(|(left, right)| left * right)
            .sum();
        assert!((product - 1.0).abs() < 1e-4, "{text}: {vector:?}");
    }
    // Found by words where it was embedded by words.
    let query = q::QueryPoints {
        collection_name: "upsert_texts".to_owned(),
        query: Some(q::Query {
            variant: Some(q::query::Variant::Nearest(q::VectorInput {
                variant: Some(q::vector_input::Variant::Document(q::Document {
                    text: "bag".to_owned(),
                    model: "qdrant/bm25".to_owned(),
                    ..q::Document::default()
                })),
            })),
        }),
        using: Some("bm25".to_owned()),
        ..q::QueryPoints::default()
    };
    let found = hub
        .server
        .points
        .clone()
        .query(query)
        .await
        .expect("found")
        .into_inner()
        .result;
    let ids: Vec<_> = found.into_iter().map(|point| point.id).collect();
    assert_eq!(ids, [Some(2.into())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_or_does_not_fit_writes_nothing() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let hub = Writable::with(qdrant, &api.settings("bag-3")).await;
    hub.server.create(two_dimensions("upsert_misfit")).await;
    let result = hub.upsert("upsert_misfit", json!([{"text": "a"}])).await;
    let fault = assert_fault(
        result,
        Reason::ArgumentInvalid,
        "points[0].text can't become a vector",
    );
    assert!(
        fault.message.contains("2 dimensions") && fault.message.contains("bag-3 makes 3"),
        "{fault}"
    );
    // Who brings the vector needs no model.
    hub.upsert("upsert_misfit", json!([{"id": 1, "text": "a", "vector": [1, 2]}]))
        .await
        .expect("written");
    assert_eq!(hub.server.count("upsert_misfit").await, 1);

    let down = "embeddings-url = 'http://127.0.0.1:1'\nembeddings-model = 'down'\nembeddings-dimensions = 2";
    let hub = Writable::with(qdrant, down).await;
    let result = hub
        .upsert(
            "upsert_misfit",
            json!([{"id": 2, "vector": [1, 1]}, {"id": 3, "text": "a"}]),
        )
        .await;
    let fault = result.expect_err("nobody embeds");
    assert_eq!(fault.reason, Reason::EmbeddingsUnavailable, "{fault:?}");
    assert!(!fault.message.contains("127.0.0.1"), "{fault}");
    assert_eq!(hub.server.count("upsert_misfit").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_hangs_is_left_in_time() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let api = EmbeddingApi::start().await;
    let more = format!("{}embeddings-dimensions = 2", api.settings("slow"));
    let hub = Writable::with(qdrant, &more).await;
    hub.server.create(two_dimensions("upsert_slow")).await;
    let mut request = tonic::Request::new(upsert("upsert_slow", &json!([{"text": "a"}])));
    request.set_timeout(Duration::from_secs(1));
    let result = answer(hub.client().upsert(request).await);
    let fault = assert_fault(
        result,
        Reason::StatementTimedOut,
        "the texts were not embedded within",
    );
    assert!(fault.message.ends_with("(nothing was changed)"), "{fault}");
    eventually(SOON, async || api.abandoned() == 1).await;
    assert_eq!(hub.server.count("upsert_slow").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_may_be_as_large_as_the_contract_s_largest_message() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let hub = Writable::of(qdrant).await;
    hub.server.create(two_dimensions("upsert_large")).await;
    let points = json!([{"id": 1, "vector": [1, 1], "payload": {"t": "x".repeat(6 << 20)}}]);
    hub.upsert("upsert_large", points).await.expect("six megabytes");
    let huge = json!([{"id": 1, "vector": [1, 1], "payload": {"t": "x".repeat(17 << 20)}}]);
    let result = answer(hub.client().upsert(upsert("upsert_large", &huge)).await);
    assert!(result.is_err());
    assert_eq!(hub.server.count("upsert_large").await, 1);
}

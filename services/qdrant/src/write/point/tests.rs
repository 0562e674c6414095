use mcp_hub_proto::data::v1::{Entry, List};
use qdrant_client::qdrant::point_id::PointIdOptions;
use serde_json::json;

use super::*;
use crate::binding::tests::shape;

/// JSON as the facade sends it.
fn given(json: &serde_json::Value) -> Given {
    use serde_json::Value as Json;
    value::of(match json {
        Json::Null => Form::Null(0),
        Json::Bool(value) => Form::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Form::Int(number),
            None => Form::Double(number.as_f64().expect("a double")),
        },
        Json::String(text) => Form::Text(text.clone()),
        Json::Array(items) => Form::List(List {
            values: items.iter().map(given).collect(),
            lower_bounds: vec![],
        }),
        Json::Object(entries) => Form::Map(Map {
            entries: entries
                .iter()
                .map(|(key, item)| Entry {
                    key: key.clone(),
                    value: Some(given(item)),
                })
                .collect(),
        }),
    })
}

fn points(json: &serde_json::Value) -> Vec<pb::Point> {
    let points = json.as_array().expect("a list").iter();
    let points = points.map(|point| pb::Point {
        id: point.get("id").map(given),
        text: point
            .get("text")
            .map(|text| text.as_str().expect("text").to_owned()),
        vector: point.get("vector").map(given),
        payload: point.get("payload").map(given),
    });
    points.collect()
}

/// An unnamed vector of two dimensions and words.
fn unnamed() -> Shape {
    shape(&[("", 2)], &[("bm25", true)], HashMap::new())
}

/// Two named vectors and words.
fn named() -> Shape {
    shape(&[("image", 3), ("title", 2)], &[("bm25", true)], HashMap::new())
}

fn one(json: &serde_json::Value, shape: &Shape) -> Draft {
    read(&points(&json!([json])), shape).expect("fine").remove(0)
}

/// The names of the vectors that a point is sent with, and the kinds of these.
fn sent(draft: Draft) -> Vec<(String, &'static str)> {
    use qdrant::vector::Vector as V;
    let kind = |vector: &qdrant::Vector| match vector.vector {
        Some(V::Dense(_)) => "dense",
        Some(V::Sparse(_)) => "sparse",
        Some(V::MultiDense(_)) => "multi",
        _ => "other",
    };
    let vectors = PointStruct::from(draft).vectors.expect("vectors").vectors_options;
    let mut sent = match vectors.expect("a form") {
        VectorsOptions::Vector(vector) => vec![("alone".to_owned(), kind(&vector))],
        VectorsOptions::Vectors(named) => named
            .vectors
            .iter()
            .map(|(name, vector)| (name.clone(), kind(vector)))
            .collect(),
    };
    sent.sort();
    sent
}

#[test]
fn a_vector_goes_where_it_belongs() {
    let sparse = json!({"indices": [7, 1], "values": [1, 2]});
    for (shape, vector, expected) in [
        (unnamed(), json!([1, 2]), &[("alone", "dense")][..]),
        (unnamed(), json!({"": [1, 2]}), &[("alone", "dense")]),
        (
            unnamed(),
            json!({"": [1, 2], "bm25": sparse}),
            &[("", "dense"), ("bm25", "sparse")],
        ),
        (unnamed(), sparse.clone(), &[("bm25", "sparse")]),
        (named(), json!({"title": [1, 2]}), &[("title", "dense")]),
        (named(), sparse.clone(), &[("bm25", "sparse")]),
        (named(), json!({}), &[]),
        (
            shape(&[("values", 2)], &[], HashMap::new()),
            json!({"values": [1, 2]}),
            &[("values", "dense")],
        ),
        (
            shape(&[("a", 2)], &[], HashMap::new()),
            json!([1, 2]),
            &[("a", "dense")],
        ),
    ] {
        let draft = one(&json!({"id": 1, "vector": vector}), &shape);
        assert_eq!(draft.check(&shape, ""), Ok(()));
        let sent = sent(draft);
        let sent: Vec<(&str, &str)> = sent.iter().map(|(name, kind)| (name.as_str(), *kind)).collect();
        assert_eq!(sent, expected, "{vector}");
    }
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    for (shape, point, field, part) in [
        (
            unnamed(),
            json!({"vector": [1]}),
            "points[1].vector",
            "the unnamed vector has 2 dimensions, and this vector has 1",
        ),
        (
            unnamed(),
            json!({"vector": [[1, 2]]}),
            "points[1].vector",
            "is a dense one, and this is a multi vector",
        ),
        (
            unnamed(),
            json!({"vector": {"x": [1, 2]}}),
            "points[1].vector",
            "has no vector \"x\"; it has: the unnamed one (2), bm25 (sparse)",
        ),
        (
            unnamed(),
            json!({"vector": {"bm25": [1, 2]}}),
            "points[1].vector.bm25",
            "is a sparse one, and this is a dense vector",
        ),
        (
            unnamed(),
            json!({"vector": ["a"]}),
            "points[1].vector",
            "item 0 is no number",
        ),
        (
            named(),
            json!({"vector": [1, 2]}),
            "points[1].vector",
            "several vectors, so name the one that is meant",
        ),
        (
            shape(&[("a", 2)], &[], HashMap::new()),
            json!({"vector": {"indices": [1], "values": [1]}}),
            "points[1].vector",
            "this is a sparse vector, and `reviews` has a (2)",
        ),
        (
            shape(&[], &[], HashMap::new()),
            json!({"vector": [1]}),
            "points[1].vector",
            "no vectors at all",
        ),
        (
            unnamed(),
            json!({"vector": [1, 2], "payload": [1]}),
            "points[1].payload",
            "a JSON object is needed",
        ),
        (unnamed(), json!({"text": " \n"}), "points[1].text", "empty"),
        (
            unnamed(),
            json!({"text": "a", "payload": {"text": "b"}}),
            "points[1].payload",
            "its `text` is another one",
        ),
        (
            unnamed(),
            json!({"id": -1, "text": "a"}),
            "points[1].id",
            "an id is",
        ),
        (
            unnamed(),
            json!({"id": 5, "text": "a"}),
            "points[1].id",
            "is that of points[0]",
        ),
    ] {
        let first = match shape.vectors.as_slice() {
            [] => json!({"id": 5}),
            _ => json!({"id": 5, "vector": {}}),
        };
        let fault = read(&points(&json!([first, point])), &shape).expect_err(part);
        assert_eq!(fault.metadata["field"], field, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
    }
}

#[test]
fn a_point_that_is_given_twice_is_one() {
    let twice = points(&json!([{"text": "a"}, {"text": "a"}, {"payload": {"text": "a"}, "text": "a"}]));
    let drafts = read(&twice, &unnamed()).expect("the same");
    assert_eq!(drafts[0].id, drafts[1].id);
    assert_eq!(drafts[0].id, drafts[2].id);
    let ids = points(&json!([
        {"id": "550E8400E29B41D4A716446655440000", "text": "a"},
        {"id": "550e8400-e29b-41d4-a716-446655440000", "text": "b"},
    ]));
    assert!(read(&ids, &unnamed()).is_err(), "two spellings of one id");
    let given = one(&json!({"text": "a"}), &unnamed()).id;
    let Some(PointIdOptions::Uuid(uuid)) = given.point_id_options else {
        panic!("no UUID: {given:?}");
    };
    let ids = points(&json!([{"id": uuid, "text": "b"}, {"text": "a"}]));
    assert!(read(&ids, &unnamed()).is_err(), "the id of another one");
}

#[test]
fn a_text_is_kept_and_wants_the_vectors_that_are_not_given() {
    let draft = one(
        &json!({"text": "a", "payload": {"n": 1}, "vector": {"title": [1, 2]}}),
        &named(),
    );
    assert!(draft.wants("image") && draft.wants("bm25") && !draft.wants("title"));
    assert_eq!(draft.payload[TEXT].as_str().map(String::as_str), Some("a"));
    assert_eq!(draft.payload.len(), 2);
    let silent = one(&json!({"payload": {"text": "a"}}), &named());
    assert!(!silent.wants("bm25"), "a payload's text is nothing to embed");
}

#[test]
fn a_point_without_a_vector_is_meant_or_refused() {
    for (point, part) in [
        (
            json!({"id": 1, "payload": {"text": "a"}}),
            "points[0] has no vector: give text",
        ),
        (
            json!({"id": 1, "text": "a"}),
            "points[0].text can't become a vector of `reviews`: text search is not possible",
        ),
    ] {
        let shape = unnamed();
        let fault = one(&point, &shape).check(&shape, "not possible").expect_err(part);
        assert!(fault.message.starts_with(part), "{fault}");
    }
    let shape = shape(&[], &[], HashMap::new());
    assert_eq!(one(&json!({"id": 1}), &shape).check(&shape, ""), Ok(()));
}

#[test]
fn a_call_has_bounds() {
    let fault = read(&[], &unnamed()).expect_err("none");
    assert!(fault.message.contains("give 1 to 1000 points"), "{fault}");
    let many = vec![pb::Point::default(); MOST_POINTS + 1];
    assert!(read(&many, &unnamed()).is_err());
    let large = json!({"text": "x".repeat(MOST_BYTES / 2)});
    let fault = read(&points(&json!([large, large])), &unnamed()).expect_err("too large");
    assert!(fault.message.contains("a call takes at most 8 MiB"), "{fault}");
}

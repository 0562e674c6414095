//! Filters in both forms, on real points.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::qdrant::v1::ScrollRequest;
use mcp_hub_testing::Qdrant;
use qdrant_client::qdrant::FieldType;
use serde_json::{Value as Json, json};

use crate::adapter::{Adapter, Server, answer, assert_fault, value};

/// What a shop sells; the ids are 1, 2 and so on.
fn products() -> Vec<Json> {
    vec![
        json!({"color": "red", "size": 38, "price": 10, "title": "big red tent", "sold": "2024-01-31T12:00:00Z",
            "tags": ["a", "b"], "shop": {"city": "Berlin"}, "at": {"lon": 13.4, "lat": 52.5},
            "parts": [{"name": "pole", "count": 2}, {"name": "peg", "count": 8}], "in stock": true}),
        json!({"color": "blue", "size": 39, "price": 10.0, "title": "tent of blue", "sold": "2024-02-01T00:00:00+01:00",
            "tags": [], "shop": {"city": "Paris"}, "at": {"lon": 2.35, "lat": 48.85},
            "parts": [{"name": "pole", "count": 8}], "in stock": false}),
        json!({"color": "red", "size": 40, "price": 19.99, "title": "boots", "sold": null, "tags": ["b"], "shop": null}),
        json!({"color": ["red", "green"], "size": 41, "price": 20, "title": "a big bag", "flag": true}),
        json!({"color": "grün", "size": 9_007_199_254_740_993_i64, "price": -5}),
    ]
}

async fn ids(adapter: &Adapter, collection: &str, filter: &Json) -> Vec<u64> {
    let request = ScrollRequest {
        collection: collection.to_owned(),
        filter: Some(value(filter)),
        payload_fields: vec!["color".to_owned()],
        ..ScrollRequest::default()
    };
    let response = answer(adapter.client.clone().scroll(request).await);
    let result = response
        .unwrap_or_else(|fault| panic!("{filter}: {fault:?}"))
        .result;
    let rows = result.expect("a result").rows;
    let ids = rows.iter().map(|row| match row.values[0].kind {
        Some(Kind::Uint(id)) => id,
        ref other => panic!("{other:?} is no number"),
    });
    ids.collect()
}

/// Filters, and the products that they match.
const FILTERS: &[(&str, &[u64])] = &[
    ("{}", &[1, 2, 3, 4, 5]),
    (r#"{"color": "red"}"#, &[1, 3, 4]),
    (r#"{"color": "red", "size": 38}"#, &[1]),
    (r#"{"color": "grün"}"#, &[5]),
    (r#"{"color": ["blue", "green"]}"#, &[2, 4]),
    (r#"{"size": [38, 41]}"#, &[1, 4]),
    (r#"{"size": {"in": [38, 41]}}"#, &[1, 4]),
    (r#"{"size": 9007199254740993}"#, &[5]),
    // A number is a number, however it is written.
    (r#"{"price": 10}"#, &[1, 2]),
    (r#"{"price": 10.0}"#, &[1, 2]),
    (r#"{"price": [10, 20]}"#, &[1, 2, 4]),
    (r#"{"price": {"gte": 10, "lt": 20}}"#, &[1, 2, 3]),
    (r#"{"price": {"$gt": 10}}"#, &[3, 4]),
    (r#"{"price": {"lt": 0}}"#, &[5]),
    (r#"{"sold": {"gte": "2024-01-31T23:00:00Z"}}"#, &[2]),
    (r#"{"sold": {"lt": "2024-01-31T22:59:59.999Z"}}"#, &[1]),
    (r#"{"sold": {"gt": "2024-01-31", "lte": "2024-02-01"}}"#, &[1, 2]),
    (r#"{"sold": null}"#, &[3]),
    (r#"{"sold": {"exists": true}}"#, &[1, 2]),
    (r#"{"sold": {"exists": false}}"#, &[3, 4, 5]),
    (r#"{"tags": "b"}"#, &[1, 3]),
    (r#"{"tags": {"exists": false}}"#, &[2, 4, 5]),
    (r#"{"tags": {"values_count": 2}}"#, &[1]),
    (r#"{"tags": {"values_count": {"gte": 1}}}"#, &[1, 3]),
    (r#"{"title": {"text": "tent"}}"#, &[1, 2]),
    (r#"{"title": {"text": "big"}}"#, &[1, 4]),
    (r#"{"flag": true}"#, &[4]),
    (r#"{"in stock": false}"#, &[2]),
    (r#"{"shop.city": "Berlin"}"#, &[1]),
    (r#"{"shop": null}"#, &[3]),
    (r#"{"color": {"not": "red"}}"#, &[2, 5]),
    (r#"{"color": {"not": ["red", "blue"]}}"#, &[5]),
    (r#"{"color": {"$nin": ["red", "blue"]}}"#, &[5]),
    (r#"{"price": {"not": {"gte": 10}}}"#, &[5]),
    (r#"{"$or": [{"color": "blue"}, {"size": 41}]}"#, &[2, 4]),
    (
        r#"{"$or": [{"color": "red", "size": 38}, {"color": "blue"}], "price": 10}"#,
        &[1, 2],
    ),
    (r#"{"$not": {"color": "red"}}"#, &[2, 5]),
    (r#"{"$not": {"color": "red", "size": 38}}"#, &[2, 3, 4, 5]),
    (r#"{"$nor": [{"color": "red"}, {"color": "blue"}]}"#, &[5]),
    (r#"{"$and": [{"color": "red"}, {"$ids": [3, "4", 99]}]}"#, &[3, 4]),
    (r#"{"parts[].name": "pole", "parts[].count": 8}"#, &[1, 2]),
    (r#"{"parts[]": {"name": "pole", "count": 8}}"#, &[2]),
    (r#"{"parts[0].name": "pole"}"#, &[1, 2]),
    (
        r#"{"at": {"geo_radius": {"center": {"lon": 13.4, "lat": 52.5}, "radius": 10000}}}"#,
        &[1],
    ),
    (
        r#"{"at": {"geo_bounding_box": {"top_left": {"lon": 2.0, "lat": 49.0}, "bottom_right": {"lon": 3.0, "lat": 48.0}}}}"#,
        &[2],
    ),
    (
        r#"{"at": {"geo_polygon": {"exterior": [{"lon": 13, "lat": 52}, {"lon": 14, "lat": 52}, {"lon": 14, "lat": 53}, {"lon": 13, "lat": 53}, {"lon": 13, "lat": 52}]}}}"#,
        &[1],
    ),
    (r#"{"$has_vector": ""}"#, &[1, 2, 3, 4, 5]),
    (
        r#"{"must": [{"key": "color", "match": {"value": "red"}}], "must_not": {"key": "size", "match": {"value": 38}}}"#,
        &[3, 4],
    ),
    (
        r#"{"should": [{"key": "color", "match": {"any": ["blue"]}}, {"key": "price", "range": {"gt": 19}}]}"#,
        &[2, 3, 4],
    ),
    (
        r#"{"must": [{"key": "color", "match": {"except": ["red"]}}]}"#,
        &[2, 4, 5],
    ),
    (
        r#"{"min_should": {"min_count": 2, "conditions": [{"key": "color", "match": {"value": "red"}}, {"key": "price", "range": {"gte": 10}}, {"key": "flag", "match": {"value": true}}]}}"#,
        &[1, 3, 4],
    ),
    (
        r#"{"must": [{"nested": {"key": "parts", "filter": {"must": [{"key": "name", "match": {"value": "pole"}}, {"key": "count", "match": {"value": 8}}]}}}]}"#,
        &[2],
    ),
    (
        r#"{"must": [{"is_empty": {"key": "tags"}}, {"has_id": [2, 4]}]}"#,
        &[2, 4],
    ),
    (
        r#"{"must": [{"color": "red"}, {"key": "sold", "range": {"lt": "2025-01-01"}}]}"#,
        &[1],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_form_finds_what_it_says_with_and_without_an_index() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    let server = Server::of(qdrant);
    let (bare, indexed) = ("filter_bare", "filter_indexed");
    server.with_payloads(bare, &products()).await;
    server.with_payloads(indexed, &products()).await;
    for (key, kind) in [
        ("color", FieldType::Keyword),
        ("size", FieldType::Integer),
        ("price", FieldType::Float),
        ("sold", FieldType::Datetime),
        ("title", FieldType::Text),
        ("at", FieldType::Geo),
        ("\"in stock\"", FieldType::Bool),
    ] {
        server.index(indexed, key, kind).await;
    }
    for (filter, expected) in FILTERS {
        let filter: Json = serde_json::from_str(filter).expect(filter);
        for collection in [bare, indexed] {
            assert_eq!(
                ids(&adapter, collection, &filter).await,
                *expected,
                "{collection}: {filter}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_comes_before_any_answer() {
    let Some(qdrant) = Qdrant::shared().await else {
        return;
    };
    let adapter = Adapter::of(qdrant).await;
    Server::of(qdrant)
        .with_payloads("filter_wrong", &products())
        .await;
    let request = ScrollRequest {
        collection: "filter_wrong".to_owned(),
        filter: Some(value(&json!({"price": {"above": 5}}))),
        ..ScrollRequest::default()
    };
    let fault = assert_fault(
        answer(adapter.client.clone().scroll(request).await),
        Reason::ArgumentInvalid,
        "a key inside an object is written \"price.above\"",
    );
    assert_eq!(fault.metadata["field"], "filter");
}

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
    let geo = json!({"center": {"lon": 13.4, "lat": 52.5}, "radius": 10_000});
    let paris = json!({"top_left": {"lon": 2.0, "lat": 49.0}, "bottom_right": {"lon": 3.0, "lat": 48.0}});
    let berlin = json!({"exterior": [{"lon": 13, "lat": 52}, {"lon": 14, "lat": 52}, {"lon": 14, "lat": 53}, {"lon": 13, "lat": 53}, {"lon": 13, "lat": 52}]});
    for (filter, expected) in [
        (json!({}), &[1, 2, 3, 4, 5][..]),
        (json!({"color": "red"}), &[1, 3, 4]),
        (json!({"color": "red", "size": 38}), &[1]),
        (json!({"color": "grün"}), &[5]),
        (json!({"color": ["blue", "green"]}), &[2, 4]),
        (json!({"size": [38, 41]}), &[1, 4]),
        (json!({"size": {"in": [38, 41]}}), &[1, 4]),
        (json!({"size": 9_007_199_254_740_993_i64}), &[5]),
        // A number is a number, however it is written.
        (json!({"price": 10}), &[1, 2]),
        (json!({"price": 10.0}), &[1, 2]),
        (json!({"price": [10, 20]}), &[1, 2, 4]),
        (json!({"price": {"gte": 10, "lt": 20}}), &[1, 2, 3]),
        (json!({"price": {"$gt": 10}}), &[3, 4]),
        (json!({"price": {"lt": 0}}), &[5]),
        (json!({"sold": {"gte": "2024-01-31T23:00:00Z"}}), &[2]),
        (json!({"sold": {"lt": "2024-01-31T22:59:59.999Z"}}), &[1]),
        (
            json!({"sold": {"gt": "2024-01-31", "lte": "2024-02-01"}}),
            &[1, 2],
        ),
        (json!({"sold": null}), &[3]),
        (json!({"sold": {"exists": true}}), &[1, 2]),
        (json!({"sold": {"exists": false}}), &[3, 4, 5]),
        (json!({"tags": "b"}), &[1, 3]),
        (json!({"tags": {"exists": false}}), &[2, 4, 5]),
        (json!({"tags": {"values_count": 2}}), &[1]),
        (json!({"tags": {"values_count": {"gte": 1}}}), &[1, 3]),
        (json!({"title": {"text": "tent"}}), &[1, 2]),
        (json!({"title": {"text": "big"}}), &[1, 4]),
        (json!({"flag": true}), &[4]),
        (json!({"in stock": false}), &[2]),
        (json!({"shop.city": "Berlin"}), &[1]),
        (json!({"shop": null}), &[3]),
        (json!({"color": {"not": "red"}}), &[2, 5]),
        (json!({"color": {"not": ["red", "blue"]}}), &[5]),
        (json!({"color": {"$nin": ["red", "blue"]}}), &[5]),
        (json!({"price": {"not": {"gte": 10}}}), &[5]),
        (json!({"$or": [{"color": "blue"}, {"size": 41}]}), &[2, 4]),
        (
            json!({"$or": [{"color": "red", "size": 38}, {"color": "blue"}], "price": 10}),
            &[1, 2],
        ),
        (json!({"$not": {"color": "red"}}), &[2, 5]),
        (json!({"$not": {"color": "red", "size": 38}}), &[2, 3, 4, 5]),
        (json!({"$nor": [{"color": "red"}, {"color": "blue"}]}), &[5]),
        (
            json!({"$and": [{"color": "red"}, {"$ids": [3, "4", 99]}]}),
            &[3, 4],
        ),
        (json!({"parts[].name": "pole", "parts[].count": 8}), &[1, 2]),
        (json!({"parts[]": {"name": "pole", "count": 8}}), &[2]),
        (json!({"parts[0].name": "pole"}), &[1, 2]),
        (json!({"at": {"geo_radius": geo}}), &[1]),
        (json!({"at": {"geo_bounding_box": paris}}), &[2]),
        (json!({"at": {"geo_polygon": berlin}}), &[1]),
        (json!({"$has_vector": ""}), &[1, 2, 3, 4, 5]),
        (
            json!({"must": [{"key": "color", "match": {"value": "red"}}], "must_not": {"key": "size", "match": {"value": 38}}}),
            &[3, 4],
        ),
        (
            json!({"should": [{"key": "color", "match": {"any": ["blue"]}}, {"key": "price", "range": {"gt": 19}}]}),
            &[2, 3, 4],
        ),
        (
            json!({"must": [{"key": "color", "match": {"except": ["red"]}}]}),
            &[2, 4, 5],
        ),
        (
            json!({"min_should": {"min_count": 2, "conditions": [{"key": "color", "match": {"value": "red"}},
            {"key": "price", "range": {"gte": 10}}, {"key": "flag", "match": {"value": true}}]}}),
            &[1, 3, 4],
        ),
        (
            json!({"must": [{"nested": {"key": "parts", "filter": {"must": [{"key": "name", "match": {"value": "pole"}},
            {"key": "count", "match": {"value": 8}}]}}}]}),
            &[2],
        ),
        (
            json!({"must": [{"is_empty": {"key": "tags"}}, {"has_id": [2, 4]}]}),
            &[2, 4],
        ),
        (
            json!({"must": [{"color": "red"}, {"key": "sold", "range": {"lt": "2025-01-01"}}]}),
            &[1],
        ),
    ] {
        for collection in [bare, indexed] {
            assert_eq!(
                ids(&adapter, collection, &filter).await,
                expected,
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

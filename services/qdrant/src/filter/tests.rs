use std::fmt::Write as _;

use mcp_hub_proto::data::v1::value::Kind;
use proptest::prelude::*;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::{
    CollectionInfo, PayloadIndexParams, PayloadSchemaInfo, PayloadSchemaType, TextIndexParams,
};

use super::*;

/// A collection with an index on `i`, `f`, `t`, `k`, `w` (words) and `p` (phrases), each of its type.
fn shape(points: u64) -> Shape {
    let index = |kind: PayloadSchemaType, phrases: bool| PayloadSchemaInfo {
        data_type: kind.into(),
        params: phrases.then(|| PayloadIndexParams {
            index_params: Some(IndexParams::TextIndexParams(TextIndexParams {
                phrase_matching: Some(true),
                ..TextIndexParams::default()
            })),
        }),
        points: None,
    };
    let indexes = [
        ("i", index(PayloadSchemaType::Integer, false)),
        ("f", index(PayloadSchemaType::Float, false)),
        ("t", index(PayloadSchemaType::Datetime, false)),
        ("k", index(PayloadSchemaType::Keyword, false)),
        ("w", index(PayloadSchemaType::Text, false)),
        ("p", index(PayloadSchemaType::Text, true)),
    ];
    let info = CollectionInfo {
        points_count: Some(points),
        payload_schema: indexes.map(|(key, index)| (key.to_owned(), index)).into(),
        ..CollectionInfo::default()
    };
    Shape::of("c".into(), vec![], &info)
}

fn json(text: &str) -> Value {
    Value {
        kind: Some(Kind::Json(text.to_owned())),
    }
}

fn read(text: &str) -> Result<Option<Filter>, String> {
    parse(Some(&json(text)), &shape(10), &mut vec![]).map_err(|fault| {
        assert_eq!(fault.metadata["field"], "filter");
        fault.message
    })
}

fn filter(text: &str) -> Filter {
    read(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .unwrap_or_else(|| panic!("{text} is no filter"))
}

/// The small form, and the same in Qdrant's own.
const FORMS: &[(&str, &str)] = &[
    (
        r#"{"color": "red", "sold": true}"#,
        r#"{"must": [{"key": "color", "match": {"value": "red"}}, {"key": "sold", "match": {"value": true}}]}"#,
    ),
    (
        r#"{"color": ["red", "blue"]}"#,
        r#"{"must": {"key": "color", "match": {"any": ["red", "blue"]}}}"#,
    ),
    // An integer is an integer where the index says so, and any equal number elsewhere.
    (r#"{"i": 5}"#, r#"{"key": "i", "match": {"value": 5}}"#),
    (r#"{"i": 5.0}"#, r#"{"key": "i", "match": {"value": 5}}"#),
    (r#"{"i": [5, 6]}"#, r#"{"key": "i", "match": {"any": [5, 6]}}"#),
    (r#"{"f": 5}"#, r#"{"key": "f", "range": {"gte": 5, "lte": 5}}"#),
    (
        r#"{"size": 5}"#,
        r#"{"key": "size", "range": {"gte": 5, "lte": 5}}"#,
    ),
    (
        r#"{"size": [5, 6]}"#,
        r#"{"must": [{"should": [{"key": "size", "range": {"gte": 5, "lte": 5}}, {"key": "size", "range": {"gte": 6, "lte": 6}}]}]}"#,
    ),
    (
        r#"{"size": 9007199254740993}"#,
        r#"{"key": "size", "match": {"value": 9007199254740993}}"#,
    ),
    (r#"{"a": null}"#, r#"{"is_null": {"key": "a"}}"#),
    (
        r#"{"price": {"gte": 10, "lt": 20.5}}"#,
        r#"{"must": [{"key": "price", "range": {"gte": 10, "lt": 20.5}}]}"#,
    ),
    (
        r#"{"price": {"$gte": 10, "$lt": 20.5}}"#,
        r#"{"key": "price", "range": {"gte": 10, "lt": 20.5}}"#,
    ),
    (
        r#"{"price": {">": 10}}"#,
        r#"{"key": "price", "range": {"gt": 10}}"#,
    ),
    (
        r#"{"t": {"gt": "2024-01-31"}}"#,
        r#"{"key": "t", "range": {"gt": "2024-01-31T00:00:00Z"}}"#,
    ),
    (
        r#"{"t": "2024-01-31"}"#,
        r#"{"key": "t", "range": {"gte": "2024-01-31", "lte": "2024-01-31"}}"#,
    ),
    (
        r#"{"title": {"text": "big tent"}}"#,
        r#"{"key": "title", "match": {"text": "big tent"}}"#,
    ),
    (
        r#"{"p": {"phrase": "big tent"}}"#,
        r#"{"key": "p", "match": {"phrase": "big tent"}}"#,
    ),
    (r#"{"a": {"exists": false}}"#, r#"{"is_empty": {"key": "a"}}"#),
    (
        r#"{"a": {"$exists": true}}"#,
        r#"{"must": [{"must_not": [{"is_empty": {"key": "a"}}]}]}"#,
    ),
    (
        r#"{"color": {"not": ["red", "blue"]}}"#,
        r#"{"must": [{"must_not": [{"key": "color", "match": {"any": ["red", "blue"]}}]}]}"#,
    ),
    (
        r#"{"color": {"$nin": ["red"]}}"#,
        r#"{"must": [{"must_not": [{"key": "color", "match": {"any": ["red"]}}]}]}"#,
    ),
    (
        r#"{"price": {"$not": {"$gt": 5}}}"#,
        r#"{"must": [{"must_not": [{"key": "price", "range": {"gt": 5}}]}]}"#,
    ),
    (
        r#"{"color": {"$ne": "red"}}"#,
        r#"{"must": [{"must_not": [{"key": "color", "match": {"value": "red"}}]}]}"#,
    ),
    (
        r#"{"tags": {"values_count": {"gte": 2}}}"#,
        r#"{"key": "tags", "values_count": {"gte": 2}}"#,
    ),
    (
        r#"{"$or": [{"a": "x"}, {"b": "y", "c": "z"}]}"#,
        r#"{"must": [{"should": [{"key": "a", "match": {"value": "x"}},
            {"must": [{"key": "b", "match": {"value": "y"}}, {"key": "c", "match": {"value": "z"}}]}]}]}"#,
    ),
    (
        r#"{"$not": {"a": "x"}}"#,
        r#"{"must": [{"must_not": [{"key": "a", "match": {"value": "x"}}]}]}"#,
    ),
    (
        r#"{"$and": [{"a": "x"}, {"must": [{"key": "b", "match": {"value": "y"}}]}]}"#,
        r#"{"must": [{"must": [{"key": "a", "match": {"value": "x"}}, {"key": "b", "match": {"value": "y"}}]}]}"#,
    ),
    (
        r#"{"$ids": [1, "2", "F47AC10B-58CC-4372-A567-0E02B2C3D479"]}"#,
        r#"{"has_id": [1, 2, "f47ac10b58cc4372a5670e02b2c3d479"]}"#,
    ),
    (r#"{"$has_vector": "image"}"#, r#"{"has_vector": "image"}"#),
    (
        r#"{"a[].b": "x", "c d": "y"}"#,
        r#"{"must": [{"key": "a[].b", "match": {"value": "x"}}, {"key": "\"c d\"", "match": {"value": "y"}}]}"#,
    ),
    (
        r#"{"a[]": {"b": "x", "c": {"gt": 5}}}"#,
        r#"{"nested": {"key": "a", "filter": {"must": [{"key": "b", "match": {"value": "x"}}, {"key": "c", "range": {"gt": 5}}]}}}"#,
    ),
    (
        r#"{"at": {"geo_radius": {"center": {"lon": 13.4, "lat": 52.5}, "radius": 1000}}}"#,
        r#"{"key": "at", "geo_radius": {"center": {"lon": 13.4, "lat": 52.5}, "radius": 1000}}"#,
    ),
    (
        r#"{"color": {"match": {"value": "red"}}, "price": {"range": {"lt": 5}}}"#,
        r#"{"must": [{"key": "color", "match": {"value": "red"}}, {"key": "price", "range": {"lt": 5}}]}"#,
    ),
];

#[test]
fn the_small_form_means_what_qdrants_own_says() {
    for (small, own) in FORMS {
        assert_eq!(filter(small), filter(own), "{small}");
    }
}

#[test]
fn qdrants_own_form_is_whole() {
    let whole = filter(
        r#"{
            "must": [
                {"key": "a", "match": {"except": ["x"]}},
                {"key": "at", "geo_bounding_box": {"top_left": {"lon": 1, "lat": 2}, "bottom_right": {"lon": 2, "lat": 1}}},
                {"key": "at", "geo_polygon": {"exterior": {"points": [
                    {"lon": 0, "lat": 0}, {"lon": 1, "lat": 0}, {"lon": 1, "lat": 1}, {"lon": 0, "lat": 0}]}}},
                {"key": "b", "is_empty": false},
                {"key": "b", "is_null": true}
            ],
            "should": {"key": "t", "range": {"lte": "2024-01-31T12:00:00+01:00"}},
            "must_not": [{"key": "w", "match": {"text_any": "a b"}}],
            "min_should": {"conditions": [{"has_id": [1]}], "min_count": 1}
        }"#,
    );
    assert_eq!(
        (whole.must.len(), whole.should.len(), whole.must_not.len()),
        (5, 1, 1)
    );
    assert_eq!(whole.min_should.map(|min| min.min_count), Some(1));
}

#[test]
fn a_payload_key_may_be_called_like_a_word_of_qdrants() {
    assert_eq!(
        filter(r#"{"must": "x"}"#),
        filter(r#"{"key": "must", "match": {"value": "x"}}"#)
    );
    assert_eq!(
        filter(r#"{"key": "x"}"#),
        filter(r#"{"key": "key", "match": {"value": "x"}}"#)
    );
}

#[test]
fn nothing_is_no_filter() {
    for text in ["{}", "null", r#"{"must": []}"#] {
        assert_eq!(read(text), Ok(None), "{text}");
    }
    assert_eq!(parse(None, &shape(10), &mut vec![]), Ok(None));
    let text = Value {
        kind: Some(Kind::Text(r#"{"a": "x"}"#.to_owned())),
    };
    let from_text = parse(Some(&text), &shape(10), &mut vec![]).expect("JSON in a text");
    assert_eq!(from_text, Some(filter(r#"{"a": "x"}"#)));
}

#[test]
fn a_mistake_says_where_it_is_and_what_would_be_right() {
    let deep = format!("{}{}{}", r#"{"$not": "#.repeat(20), r#"{"a": 1}"#, "}".repeat(20));
    let mut told = String::new();
    for text in [
        r#"{"price": {"above": 5}}"#,
        r#"{"price": {}}"#,
        r#"{"price": {"gt": true}}"#,
        r#"{"price": {"gt": "cheap"}}"#,
        r#"{"price": {"gt": 9007199254740993}}"#,
        r#"{"price": {"gt": 1, "$gt": 2}}"#,
        r#"{"color": []}"#,
        r#"{"color": [["red"]]}"#,
        r#"{"color": {"in": "red"}}"#,
        r#"{"color": {"exists": "no"}}"#,
        r#"{"title": {"text": ""}}"#,
        r#"{"w": {"phrase": "a b"}}"#,
        r#"{"tags": {"values_count": -1}}"#,
        r#"{"a": 9223372036854775808}"#,
        r#"{"a": 1, "a": 2}"#,
        r#"{"$all": []}"#,
        r#"{"$or": {"a": 1}}"#,
        r#"{"$or": []}"#,
        r#"{"$ids": [-1]}"#,
        r#"{"$ids": ["x"]}"#,
        r#"{".a": 1}"#,
        r#"{"at": {"geo_radius": {"center": {"lon": 200, "lat": 0}, "radius": 5}}}"#,
        r#"{"at": {"geo_radius": {"lon": 2, "lat": 0}}}"#,
        r#"{"must": [{"key": "a", "match": {"value": 1.5}}]}"#,
        r#"{"must": [{"key": "a", "match": {"any": ["x", 1]}}]}"#,
        r#"{"must": [{"key": "a", "match": {"value": 1}, "range": {"gt": 1}}]}"#,
        r#"{"must": [{"key": "a", "matches": {"value": 1}}]}"#,
        r#"{"must": [{"key": "a", "range": {"above": 1}}]}"#,
        r#"{"must": [{"key": "a", "match": {"value": "x"}}], "color": "red"}"#,
        r#"{"min_should": {"conditions": []}}"#,
        r#"{"must": [5]}"#,
        r#"{"nested": {"key": "a", "filter": {"b": {"above": 1}}}}"#,
        r#"[{"a": 1}]"#,
        r#""red""#,
        &deep,
    ] {
        let error = read(text).expect_err(text);
        let text = text.split_at(text.len().min(110)).0;
        writeln!(told, "{text}\n    {error}").expect("a string");
    }
    insta::assert_snapshot!(told);
}

#[test]
fn a_scan_of_many_points_is_told() {
    let notices = |points, text: &str| {
        let mut notices = vec![];
        parse(Some(&json(text)), &shape(points), &mut notices).expect(text);
        notices
    };
    assert_eq!(
        notices(
            1_000_000,
            r#"{"i": 1, "color": "red", "$or": [{"size": 5}, {"color": "blue"}]}"#
        ),
        [r#"no index on "color", "size": the filter looks at every point"#]
    );
    assert!(notices(10, r#"{"color": "red"}"#).is_empty());
    assert!(notices(1_000_000, r#"{"i": 1}"#).is_empty());
}

#[test]
fn a_filter_is_bounded_in_size() {
    let many = format!("{{\"$ids\": [{}]}}", vec!["1"; 10_001].join(","));
    assert!(read(&many).expect_err("too many").contains("more than 10000"));
}

/// Words of both forms and values of all kinds, in any wrong order.
fn any_json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value as Json;
    let words = prop::sample::select(vec![
        "must",
        "should",
        "must_not",
        "min_should",
        "conditions",
        "min_count",
        "key",
        "match",
        "value",
        "any",
        "except",
        "text",
        "phrase",
        "range",
        "gt",
        "gte",
        "lt",
        "lte",
        "nested",
        "filter",
        "has_id",
        "has_vector",
        "is_empty",
        "is_null",
        "values_count",
        "geo_radius",
        "geo_bounding_box",
        "geo_polygon",
        "center",
        "radius",
        "lon",
        "lat",
        "top_left",
        "bottom_right",
        "exterior",
        "points",
        "$or",
        "$and",
        "$not",
        "$nor",
        "$ids",
        "$has_vector",
        "not",
        "in",
        "nin",
        "ne",
        "eq",
        "exists",
        "$gt",
        "a",
        "a[]",
        "a.b",
        "i",
        "f",
        "t",
        "w",
        "",
        ".",
        "\"",
    ]);
    let leaf = prop_oneof![
        Just(Json::Null),
        proptest::arbitrary::any::<bool>().prop_map(Json::from),
        proptest::arbitrary::any::<i64>().prop_map(Json::from),
        proptest::arbitrary::any::<u64>().prop_map(Json::from),
        proptest::arbitrary::any::<f64>().prop_map(Json::from),
        words.clone().prop_map(Json::from),
        prop::sample::select(vec!["2024-01-31", "-9999-01-01", "2024-01-31T25:00:00Z"]).prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Json::from),
            prop::collection::vec((words.clone(), inner), 0..5).prop_map(|entries| entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_json_makes_it_panic(json in any_json()) {
        let value = self::json(&json.to_string());
        if let Err(fault) = parse(Some(&value), &shape(10), &mut vec![]) {
            prop_assert!(fault.message.starts_with("filter"), "{}", fault.message);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".*") {
        let value = Value { kind: Some(Kind::Text(text)) };
        let _ = parse(Some(&value), &shape(10), &mut vec![]);
    }

    #[test]
    fn no_key_makes_it_panic(text in ".*") {
        if let Ok(once) = key(&text) {
            prop_assert_eq!(key(&once), Ok(once.clone()), "what Qdrant reads stays as it is");
        }
    }
}

//! Parameters from JSON values, for every type of Cypher.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Temporal, TemporalKind, Value, Vector};
use mcp_hub_testing::Neo4j;
use serde_json::json;

use crate::adapter::{Adapter, assert_fault, request, rows};

#[tokio::test(flavor = "multi_thread")]
async fn values_arrive_as_what_they_are() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for (value, kind, expected) in [
        (json!(null), "NULL", "null"),
        (json!(true), "BOOLEAN", "true"),
        (json!(42), "INTEGER", "42"),
        (
            json!(9_007_199_254_740_993_i64),
            "INTEGER",
            "\"9007199254740993\"",
        ),
        (json!(1.5), "FLOAT", "1.5"),
        (json!(3.0), "FLOAT", "3.0"),
        (json!("é'\"\\😀"), "STRING", r#""é'\"\\😀""#),
        (json!([1, null, "a", [2.5]]), "LIST", r#"[1,null,"a",[2.5]]"#),
        (json!({"a": null}), "MAP", r#"{"a":null}"#),
        (
            json!({"a": {"$date": "2024-02-29"}, "b": 1}),
            "MAP",
            r#"{"a":"2024-02-29","b":1}"#,
        ),
        (json!({"$date": "2024-02-29"}), "DATE", "\"2024-02-29\""),
        (json!({"$date": "-0044-03-15"}), "DATE", "\"-0044-03-15\""),
        (
            json!({"$localtime": "12:34:56.789012345"}),
            "LOCAL TIME",
            "\"12:34:56.789012345\"",
        ),
        (
            json!({"$time": "12:34+05:30"}),
            "ZONED TIME",
            "\"12:34:00+05:30\"",
        ),
        (
            json!({"$localdatetime": "2024-02-29 12:34:56"}),
            "LOCAL DATETIME",
            "\"2024-02-29T12:34:56\"",
        ),
        (
            json!({"$datetime": "2024-01-01T10:00:00.123456789Z"}),
            "ZONED DATETIME",
            "\"2024-01-01T10:00:00.123456789Z\"",
        ),
        (
            json!({"$datetime": "2024-10-27T02:30:00+01:00[Europe/Paris]"}),
            "ZONED DATETIME",
            "\"2024-10-27T02:30:00+01:00[Europe/Paris]\"",
        ),
        (
            json!({"$datetime": "2024-07-01T10:00[America/New_York]"}),
            "ZONED DATETIME",
            "\"2024-07-01T10:00:00-04:00[America/New_York]\"",
        ),
        (
            json!({"$duration": "P1Y2M3DT4H38M26.789S"}),
            "DURATION",
            "\"P14M3DT16706.789S\"",
        ),
        (json!({"$duration": "PT-0.5S"}), "DURATION", "\"PT-0.5S\""),
        (
            json!({"$point": {"srid": 4326, "lon": 2.35, "lat": 48}}),
            "POINT",
            r#"{"srid":4326,"lon":2.35,"lat":48.0}"#,
        ),
        (
            json!({"$point": {"longitude": 2.35, "latitude": 48, "height": 3}}),
            "POINT",
            r#"{"srid":4979,"lon":2.35,"lat":48.0,"height":3.0}"#,
        ),
        (
            json!({"$point": {"x": 1, "y": 2}}),
            "POINT",
            r#"{"srid":7203,"x":1.0,"y":2.0}"#,
        ),
        (
            json!({"$point": {"srid": 9157, "x": 1, "y": 2, "z": 3}}),
            "POINT",
            r#"{"srid":9157,"x":1.0,"y":2.0,"z":3.0}"#,
        ),
        (json!({"$bytes": "3q0="}), "LIST", r#"{"$bytes":"3q0=","len":2}"#),
        (
            json!({"$bytes": "3q0=", "len": 2}),
            "LIST",
            r#"{"$bytes":"3q0=","len":2}"#,
        ),
    ] {
        let result = adapter
            .query_with("return $v as v, valueType($v) as t", json!({"v": value}))
            .await;
        let result = result.unwrap_or_else(|fault| panic!("{value}: {fault:?}"));
        let row = &rows(&result)[0];
        assert!(
            row.starts_with(&format!("[{expected},\"{kind}")),
            "{value}: {row}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_callers_have_the_contract_s_own_forms() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let temporal = |kind: TemporalKind, text: &str| {
        Kind::Temporal(Temporal {
            kind: kind.into(),
            text: text.to_owned(),
        })
    };
    let vector = Kind::Vector(Vector {
        values: vec![0.5, 1.5],
        dimensions: 2,
    });
    for (form, expected) in [
        (Kind::Uint(7), "7"),
        (Kind::Number("12".to_owned()), "12"),
        (Kind::Number("1.50".to_owned()), "1.5"),
        (Kind::Double(f64::INFINITY), "\"Infinity\""),
        (
            Kind::Json(r#"{"a": [1, 2.5, null]}"#.to_owned()),
            r#"{"a":[1,2.5,null]}"#,
        ),
        (temporal(TemporalKind::Date, "2024-02-29"), "\"2024-02-29\""),
        (temporal(TemporalKind::Duration, "P1M"), "\"P1M\""),
        (vector, "[0.5,1.5]"),
    ] {
        let mut asked = request("return $v as v", &json!({}));
        asked.params.insert(
            "v".to_owned(),
            Value {
                kind: Some(form.clone()),
            },
        );
        let result = adapter
            .ask(asked)
            .await
            .unwrap_or_else(|fault| panic!("{form:?}: {fault:?}"));
        assert_eq!(rows(&result), [format!("[{expected}]")], "{form:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_answer_showed_can_be_sent_back() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for (expression, marker) in [
        (
            "datetime('2024-01-01T10:00:00.123456789+01:00[Europe/Paris]')",
            "$datetime",
        ),
        ("datetime('-999999999-01-01T00:00:00Z')", "$datetime"),
        ("date('+12024-01-01')", "$date"),
        ("duration('P-1M2DT-0.000000001S')", "$duration"),
        ("time('12:34:56.7-18:00')", "$time"),
        ("localtime('00:00')", "$localtime"),
        ("localdatetime('1969-12-31T23:59:59.999999999')", "$localdatetime"),
        ("point({latitude: 48.85, longitude: 2.35, height: -1})", "$point"),
    ] {
        let shown = rows(
            &adapter
                .query(&format!("return {expression} as v"))
                .await
                .expect("works"),
        );
        let shown: serde_json::Value = serde_json::from_str(&shown[0]).expect("JSON");
        let params = json!({"v": {marker: shown[0]}});
        let result = adapter
            .query_with(&format!("return $v = {expression} as same"), params)
            .await;
        let result = result.unwrap_or_else(|fault| panic!("{shown}: {fault:?}"));
        assert_eq!(rows(&result), ["[true]"], "{expression} as {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_is_named() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    for (value, part) in [
        (json!({"$date": "2024-02-30"}), "is no date"),
        (json!({"$date": 20_240_101}), "$date needs text"),
        (
            json!({"$datetime": "2024-01-01T10:00:00"}),
            "without one it is $localdatetime",
        ),
        (json!({"$time": "10:00"}), "without one it is $localtime"),
        (json!({"$duration": "1 day"}), "P1Y2M3DT4H5M6.7S"),
        (json!({"$point": [1, 2]}), "$point needs"),
        (json!({"$point": {"srid": 1, "x": 1, "y": 2}}), "$point needs"),
        (
            json!({"$point": {"x": 1, "y": 2, "w": 3}}),
            "\"w\" is none of them",
        ),
        (json!({"$bytes": "!"}), "base64"),
        (json!({"$bytes": "3q0=", "len": 5000}), "was cut"),
        (json!({"$vector": {"dim": 3, "head": [1]}}), "was cut"),
        (
            json!({"$node": "4:x:1", "labels": [], "props": {}}),
            "elementId(n) = $id",
        ),
        (json!([1, {"a": {"$date": "x"}}]), "is no date"),
    ] {
        let result = adapter.query_with("return $v as v", json!({"v": value})).await;
        let fault = assert_fault(result, Reason::ArgumentInvalid, part);
        assert_eq!(fault.metadata["field"], "params.v", "{value}");
        assert!(fault.message.starts_with("params.v: "), "{fault:?}");
    }
    let fault = assert_fault(
        adapter
            .query_with("return $there + $missing as v", json!({"there": 1}))
            .await,
        Reason::ArgumentInvalid,
        "missing",
    );
    assert_eq!(fault.metadata["field"], "params");
    // As some write it; and one too many is no mistake.
    let result = adapter
        .query_with("return $a as v", json!({"$a": 1, "b": 2}))
        .await;
    assert_eq!(rows(&result.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_never_read_as_cypher() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::of(neo4j).await;
    let evil = "') detach delete n //";
    let result = adapter
        .query_with("return $v + '' as v", json!({"v": evil}))
        .await
        .expect("works");
    assert_eq!(rows(&result), [format!("[\"{evil}\"]")]);
}

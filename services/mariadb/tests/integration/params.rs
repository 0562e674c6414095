//! Real bind parameters from JSON values, and from the exact values of gRPC callers.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Bytes, Temporal, TemporalKind, Value, Vector};
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_testing::MariaDb;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, rows};

#[tokio::test(flavor = "multi_thread")]
async fn values_arrive_as_what_they_are() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    for (sql, params, expected) in [
        ("? + 1", json!([41]), "42"),
        ("?", json!([9_007_199_254_740_993_i64]), "\"9007199254740993\""),
        ("?", json!([i64::MIN]), "\"-9223372036854775808\""),
        ("?", json!([0.1]), "0.1"),
        ("? + ?", json!([0.1, 0.2]), "0.30000000000000004"),
        ("?", json!(["é'\"\\ 😀"]), r#""é'\"\\ 😀""#),
        ("concat(?, ?)", json!(["a", 1]), "\"a1\""),
        ("? is null", json!([null]), "1"),
        ("if(?, 'yes', 'no')", json!([true]), "\"yes\""),
        (
            "cast(? as date) + interval 1 day",
            json!(["2024-02-28"]),
            "\"2024-02-29\"",
        ),
        ("date '2024-01-31' > ?", json!(["2024-01-30"]), "1"),
        ("cast(? as decimal(10,2))", json!(["1.5"]), "\"1.50\""),
        (
            "json_unquote(json_extract(?, '$.a[1].b'))",
            json!([{"a": [1, {"b": "x"}]}]),
            "\"x\"",
        ),
        ("json_length(?)", json!([[1, 2, 3]]), "3"),
        ("hex(?)", json!([{"$bytes": "3q0=", "len": 2}]), "\"DEAD\""),
        (
            "json_extract(?, '$[0]') > 0",
            json!([{"$json": "[12345678901234567890]"}]),
            "1",
        ),
        ("'?' = ?", json!(["?"]), "1"),
        ("? in (?, ?)", json!([2, 1, 2]), "1"),
    ] {
        let result = adapter.query_with(&format!("select {sql}"), params.clone()).await;
        let result = result.unwrap_or_else(|fault| panic!("{sql} {params}: {fault:?}"));
        let shown = rows(&result)[0].replace("{\"$json\":", "").replace("}]", "]");
        assert!(
            shown == format!("[{expected}]") || rows(&result)[0] == format!("[{expected}]"),
            "{sql} {params}: {shown}, not {expected}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn exact_values_stay_exact() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("exact").await;
    let url = mariadb.url_of("exact");
    Server::of(&url)
        .run(&[
            "create table t (d decimal(65,30), u bigint unsigned, b varbinary(10), s timestamp(6) null, dt datetime(6), t time(6), da date)",
            "set sql_mode = ''; set time_zone = '+00:00'; insert into t values (12345678901234567890123456789012345.123456789012345678901234567890, \
             18446744073709551615, x'00ff', '2024-07-01 10:00:00.5', '2024-07-01 12:00:00', '-25:00:00', '2024-02-29')",
        ])
        .await;
    let adapter = Adapter::of(&url).await;
    let temporal = |kind: TemporalKind, text: &str| {
        Kind::Temporal(Temporal {
            kind: kind.into(),
            text: text.to_owned(),
        })
    };
    for (column, kind) in [
        // As a double it would also be equal to its neighbours.
        (
            "d",
            Kind::Number("12345678901234567890123456789012345.12345678901234567890123456789".to_owned()),
        ),
        ("u", Kind::Uint(u64::MAX)),
        (
            "b",
            Kind::Bytes(Bytes {
                data: vec![0, 255],
                length: 2,
            }),
        ),
        (
            "s",
            temporal(TemporalKind::ZonedDateTime, "2024-07-01T12:00:00.5+02:00"),
        ),
        ("dt", temporal(TemporalKind::DateTime, "2024-07-01T12:00:00")),
        ("t", temporal(TemporalKind::Time, "-25:00:00")),
        ("da", temporal(TemporalKind::Date, "2024-02-29")),
    ] {
        let result = adapter
            .ask(QueryRequest {
                sql: format!("select count(*) from t where {column} = ?"),
                params: vec![Value {
                    kind: Some(kind.clone()),
                }],
                ..QueryRequest::default()
            })
            .await
            .expect("works");
        assert_eq!(rows(&result), ["[1]"], "{column} {kind:?}");
    }
    let result = adapter
        .ask(QueryRequest {
            sql: "select count(*) from t where d = ?".to_owned(),
            params: vec![Value {
                kind: Some(Kind::Number(
                    "12345678901234567890123456789012345.123456789012345678901234567891".to_owned(),
                )),
            }],
            ..QueryRequest::default()
        })
        .await
        .expect("works");
    assert_eq!(rows(&result), ["[0]"], "the last digit counts");
    let vector = Kind::Vector(Vector {
        values: vec![1.0, -0.5],
        dimensions: 2,
    });
    let result = adapter
        .ask(QueryRequest {
            sql: "select hex(?)".to_owned(),
            params: vec![Value { kind: Some(vector) }],
            ..QueryRequest::default()
        })
        .await
        .expect("works");
    assert_eq!(rows(&result), ["[\"0000803F000000BF\"]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_count_and_a_value_that_does_not_fit_are_named() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    for (sql, params, field, part) in [
        (
            "?",
            json!([]),
            "params",
            "has 1 parameter (?), and params has 0 values",
        ),
        (
            "?, ?",
            json!([1]),
            "params",
            "has 2 parameters (?), and params has 1 value",
        ),
        (
            "1",
            json!([1]),
            "params",
            "has 0 parameters (?), and params has 1 value",
        ),
        ("?, ?", json!([1, {"$cut": "x", "len": 5}]), "params[1]", "cut"),
    ] {
        let result = adapter.query_with(&format!("select {sql}"), params.clone()).await;
        let fault = assert_fault(result, Reason::ArgumentInvalid, part);
        assert_eq!(fault.metadata["field"], field, "{sql} {params}");
        assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_never_read_as_sql() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    let evil = "'; drop table x; -- \\' \" `";
    let result = adapter
        .query_with("select concat(?, '')", json!([evil]))
        .await
        .expect("works");
    assert_eq!(rows(&result), [json!([evil]).to_string()]);
}

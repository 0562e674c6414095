//! Real bind parameters from JSON values, for every kind of type.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_testing::Postgres;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, rows};

/// Types of the test's own.
const TYPES: &[&str] = &[
    "create extension if not exists hstore",
    "create extension if not exists citext",
    "create type color as enum ('red', 'light green')",
    "create domain positive as int check (value > 0)",
    "create type pair as (n int, label text)",
];

#[tokio::test(flavor = "multi_thread")]
async fn values_take_the_type_that_the_statement_wants() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server.create_database("params").await;
    let url = postgres.url_of("params");
    Server::of(&url).run(TYPES).await;
    let adapter = Adapter::of(&url).await;
    for (sql, params, expected) in [
        ("$1::int2 + 1", json!([41]), "42"),
        (
            "$1::int8",
            json!([9_007_199_254_740_993_i64]),
            "\"9007199254740993\"",
        ),
        ("$1::int4", json!(["42"]), "42"),
        ("$1::int4", json!([3.0]), "3"),
        ("$1::float8", json!([0.1]), "0.1"),
        ("$1::numeric", json!([1.5]), "\"1.5\""),
        ("$1::numeric", json!(["1.50"]), "\"1.50\""),
        ("$1::bool and $2", json!([true, false]), "false"),
        ("$1::text", json!([42]), "\"42\""),
        ("$1 || 'x'", json!(["é'\"\\"]), r#""é'\"\\x""#),
        ("$1::color", json!(["light green"]), "\"light green\""),
        ("$1::citext = 'ABC'", json!(["abc"]), "true"),
        ("$1::positive", json!([5]), "5"),
        ("$1::xml", json!(["<a/>"]), "\"<a/>\""),
        (
            "$1::jsonb -> 'a' -> 1",
            json!([{"a": [1, {"b": null}]}]),
            r#"{"b": null}"#,
        ),
        ("$1::jsonb", json!(["{\"a\": 1}"]), r#"{"a": 1}"#),
        ("$1::jsonb", json!(["plain"]), "\"plain\""),
        (
            "$1::json",
            json!([9_007_199_254_740_993_i64]),
            r#"{"$json":"9007199254740993"}"#,
        ),
        (
            "$1::uuid",
            json!(["A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11"]),
            "\"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11\"",
        ),
        ("$1::date + 1", json!(["2024-02-28"]), "\"2024-02-29\""),
        (
            "$1::timestamptz",
            json!(["2024-01-01T10:00:00+02:00"]),
            "\"2024-01-01T08:00:00Z\"",
        ),
        ("$1::interval * 2", json!(["PT1H"]), "\"PT2H\""),
        ("$1::time", json!(["10:00"]), "\"10:00:00\""),
        ("$1::bytea", json!(["\\xdead"]), r#"{"$bytes":"3q0=","len":2}"#),
        (
            "$1::bytea",
            json!([{"$bytes": "3q0=", "len": 2}]),
            r#"{"$bytes":"3q0=","len":2}"#,
        ),
        ("$1::inet <<= $2::cidr", json!(["10.1.2.3", "10.0.0.0/8"]), "true"),
        ("$1::int4[]", json!([[1, null, 3]]), "[1,null,3]"),
        ("5 = any($1::int[])", json!([[4, 5]]), "true"),
        (
            "$1::text[]",
            json!([[["a,b", "\""], ["", "NULL"]]]),
            r#"[["a,b","\""],["","NULL"]]"#,
        ),
        ("$1::color[]", json!([["red"]]), r#"["red"]"#),
        ("$1::jsonb[]", json!([[{"a": 1}, [2]]]), r#"[{"a": 1},[2]]"#),
        (
            "$1::pair",
            json!([{"n": 1, "label": "a \"b\""}]),
            r#"{"n":1,"label":"a \"b\""}"#,
        ),
        (
            "$1::pair[]",
            json!([[{"n": 1}, null]]),
            r#"[{"n":1,"label":null},null]"#,
        ),
        ("$1::hstore -> 'a'", json!([{"a": "x", "b": null}]), "\"x\""),
        ("$1::int4range @> $2::int", json!(["[1,5)", 4]), "true"),
        (
            "$1::int4multirange",
            json!([["[1,3)", "[7,9)"]]),
            r#"["[1,3)","[7,9)"]"#,
        ),
        ("$1::point", json!(["(1,2)"]), "\"(1,2)\""),
        ("$1::regclass", json!(["pg_class"]), "\"pg_class\""),
        ("$1::int is null", json!([null]), "true"),
        ("$2::int - $1::int", json!([1, 3]), "2"),
    ] {
        let result = adapter.query_with(&format!("select {sql}"), params.clone()).await;
        let result = result.unwrap_or_else(|fault| panic!("{sql} {params}: {fault:?}"));
        assert_eq!(rows(&result), [format!("[{expected}]")], "{sql} {params}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_does_not_fit_is_named() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    for (sql, params, field, part) in [
        (
            "$1::int",
            json!([1.5]),
            "params[0]",
            "int4: 1.5 is no whole number",
        ),
        (
            "$1::int + $2::int",
            json!([1, "x"]),
            "params[1]",
            "invalid input syntax for type integer",
        ),
        ("$1::date", json!([20_240_101]), "params[0]", "date"),
        ("$1::date", json!(["2024-02-30"]), "params[0]", "out of range"),
        ("$1::int[]", json!([5]), "params[0]", "give a list"),
        (
            "$1::text",
            json!([{"a": 1}]),
            "params[0]",
            "a list or an object does not fit",
        ),
        (
            "$1::int",
            json!([]),
            "params",
            "has 1 parameter, and params has 0 values",
        ),
        (
            "$1::int",
            json!([1, 2]),
            "params",
            "has 1 parameter, and params has 2 values",
        ),
        (
            "1",
            json!([1]),
            "params",
            "has 0 parameters, and params has 1 value",
        ),
        (
            "$1::text",
            json!(["a\u{0}b"]),
            "params[0]",
            "invalid byte sequence",
        ),
    ] {
        let result = adapter.query_with(&format!("select {sql}"), params.clone()).await;
        let fault = assert_fault(result, Reason::ArgumentInvalid, part);
        assert_eq!(fault.metadata["field"], field, "{sql} {params}");
    }
    let fault = assert_fault(
        adapter.query_with("select $1", json!([{"a": 1}])).await,
        Reason::ArgumentInvalid,
        "text",
    );
    assert_eq!(fault.metadata["field"], "params[0]");
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_never_read_as_sql() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let evil = "'; drop table x; --";
    let result = adapter
        .query_with("select $1 || ''", json!([evil]))
        .await
        .expect("works");
    assert_eq!(rows(&result), [format!("[\"{evil}\"]")]);
}

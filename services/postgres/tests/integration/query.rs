//! Reads: results, limits, paging, errors.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::TruncationReason;
use mcp_hub_proto::postgres::v1::QueryRequest;
use mcp_hub_testing::Postgres;
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, column_types, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_has_columns_and_rows() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let result = adapter
        .query("select 1 as a, 'x' as a, null::numeric as b")
        .await
        .expect("works");
    assert_eq!(rows(&result), [r#"[1,"x",null]"#]);
    assert_eq!(column_types(&result), ["int4", "text", "numeric"]);
    let names: Vec<&str> = result.columns.iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["a", "a", "b"], "duplicate names survive");
    assert!(result.truncated.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_read_works() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    for (sql, expected) in [
        ("values (1), (2)", vec!["[1]", "[2]"]),
        ("with t as (select 5 as n) table t", vec!["[5]"]),
        ("show standard_conforming_strings", vec![r#"["on"]"#]),
        ("explain (costs off) select 1", vec![r#"["Result"]"#]),
        ("select 1 where false", vec![]),
        ("select", vec!["[]"]),
        ("select 1;", vec!["[1]"]),
        (" -- a comment\n select /* another */ 1 ; -- the end", vec!["[1]"]),
    ] {
        let result = adapter
            .query(sql)
            .await
            .unwrap_or_else(|fault| panic!("{sql}: {fault:?}"));
        assert_eq!(rows(&result), expected, "{sql}");
    }
    let result = adapter.query("select 1 as n where false").await.expect("works");
    assert_eq!(column_types(&result), ["int4"], "no rows still have columns");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_query_pages() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let mut request = QueryRequest {
        sql: "select generate_series($1::bigint, 1000000000000)".to_owned(),
        params: vec![crate::adapter::value(&json!(1))],
        limit: Some(3),
        ..QueryRequest::default()
    };
    for page in [
        ["[1]", "[2]", "[3]"],
        ["[4]", "[5]", "[6]"],
        ["[7]", "[8]", "[9]"],
    ] {
        let result = adapter.ask(request.clone()).await.expect("a page");
        assert_eq!(rows(&result), page);
        let truncated = result.truncated.expect("there are more");
        assert_eq!(truncated.reason(), TruncationReason::Rows);
        assert_eq!(truncated.consistent, Some(false));
        request.cursor = truncated.next_cursor;
    }
    request.params = vec![crate::adapter::value(&json!(2))];
    let fault = assert_fault(
        adapter.ask(request).await,
        Reason::ArgumentInvalid,
        "another call",
    );
    assert_eq!(fault.metadata["field"], "cursor");
    Server::of(postgres.url()).stops_running("1000000000000").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_just_full_is_the_last() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let request = QueryRequest {
        sql: "select n from generate_series(1, 3) n".to_owned(),
        limit: Some(3),
        ..QueryRequest::default()
    };
    let result = adapter.ask(request).await.expect("a page");
    assert_eq!(result.rows.len(), 3);
    assert!(result.truncated.is_none(), "{:?}", result.truncated);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_stops_at_its_size_and_goes_on() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let mut request = QueryRequest {
        sql: "select n, repeat('x', 1500) from generate_series(1, 100000) n".to_owned(),
        limit: Some(10_000),
        ..QueryRequest::default()
    };
    let result = adapter.ask(request.clone()).await.expect("a page");
    let first = result.rows.len();
    assert!((30..60).contains(&first), "{first}");
    let truncated = result.truncated.expect("there are more");
    assert_eq!(truncated.reason(), TruncationReason::Bytes);
    request.cursor = truncated.next_cursor;
    let result = adapter.ask(request).await.expect("the next page");
    assert!(rows(&result)[0].starts_with(&format!("[{},", first + 1)));
    Server::of(postgres.url()).stops_running("repeat").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_clamped_and_said() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let request = QueryRequest {
        sql: "select 1".to_owned(),
        limit: Some(20_000),
        timeout_ms: Some(90_000),
        ..QueryRequest::default()
    };
    let result = adapter.ask(request.clone()).await.expect("works");
    assert_eq!(
        result.notices,
        [
            "limit was lowered from 20000 to 10000",
            "timeout_ms was lowered from 90000 to 55000"
        ]
    );
    let zero = QueryRequest {
        limit: Some(0),
        ..request
    };
    assert_fault(adapter.ask(zero).await, Reason::ArgumentInvalid, "limit");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_has_its_place_and_a_hint() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    let fault = assert_fault(
        adapter.query("select 'ä', no_such_column").await,
        Reason::StatementInvalid,
        "no_such_column",
    );
    assert_eq!(fault.metadata["sqlstate"], "42703");
    assert_eq!(fault.metadata["position"], "13", "in characters, not in bytes");
    let fault = assert_fault(
        adapter
            .query("select 1 / (n - 2) from generate_series(1, 3) n")
            .await,
        Reason::StatementInvalid,
        "division by zero",
    );
    assert_eq!(fault.metadata["sqlstate"], "22012");
    let fault = assert_fault(
        adapter.query("select lenght('a')").await,
        Reason::StatementInvalid,
        "lenght",
    );
    assert!(
        fault.metadata["hint"].contains("explicit type casts"),
        "{fault:?}"
    );
    // The session is as good as before.
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_s_warnings_are_told() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    Server::of(postgres.url())
        .run(&["create or replace function warns() returns int language plpgsql as $$ begin raise warning 'careful'; return 1; end $$"])
        .await;
    let result = adapter.query("select warns()").await.expect("works");
    assert_eq!(result.notices, ["the server said: careful"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_databases_are_asked_by_name() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server.create_database("second").await;
    let adapter = Adapter::start(&format!("url = '{}'\ndatabases = ['second']", postgres.url())).await;
    let ask = async |database: &str| {
        adapter
            .ask(QueryRequest {
                sql: "select current_database()".to_owned(),
                database: Some(database.to_owned()),
                ..QueryRequest::default()
            })
            .await
    };
    assert_eq!(rows(&ask("second").await.expect("works")), [r#"["second"]"#]);
    assert_eq!(rows(&ask("postgres").await.expect("works")), [r#"["postgres"]"#]);
    let fault = assert_fault(ask("secnd").await, Reason::ObjectNotFound, "postgres, second");
    assert_eq!(fault.metadata["did_you_mean"], "second");
    assert_fault(ask("template1").await, Reason::ObjectNotFound, "can't be asked");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_been_meant_is_told() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    Server::of(postgres.url()).create_database("meant").await;
    let url = postgres.url_of("meant");
    Server::of(&url)
        .run(&[
            "create table customers (id int, full_name text)",
            "create schema secret",
            "create table secret.customer_cards (id int)",
            "create schema shop",
            "create table shop.\"Order Items\" (id int)",
        ])
        .await;
    let adapter = Adapter::start(&format!("url = '{url}'\ndeny_schemas = ['secret']")).await;
    for (sql, expected) in [
        ("select * from custmers", Some("customers")),
        ("select * from \"order items\"", Some("shop.Order Items")),
        ("select c.fulname from customers c", Some("full_name")),
        ("select * from zzzzzzzz", None),
    ] {
        let fault = assert_fault(
            adapter.query(sql).await,
            Reason::StatementInvalid,
            "does not exist",
        );
        assert_eq!(
            fault.metadata.get("did_you_mean").map(String::as_str),
            expected,
            "{sql}"
        );
    }
}

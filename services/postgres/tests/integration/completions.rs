//! Names for those who type: of databases, schemas and tables.

use std::collections::HashMap;
use std::time::Instant;

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::completion::v1::completion_service_client::CompletionServiceClient;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use mcp_hub_testing::Postgres;

use crate::adapter::{Adapter, SOON, Server, assert_fault};

pub(crate) async fn complete(
    adapter: &Adapter,
    argument: &str,
    value: &str,
    others: &[(&str, &str)],
) -> Result<CompleteResponse, Fault> {
    let others = others
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let request = CompleteRequest {
        uri_template: "{schema}/{table}".to_owned(),
        argument: argument.to_owned(),
        value: value.to_owned(),
        arguments: others.collect::<HashMap<_, _>>(),
        ..CompleteRequest::default()
    };
    let mut client = CompletionServiceClient::new(adapter.channel.clone());
    let response = client.complete(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn values(adapter: &Adapter, argument: &str, value: &str, others: &[(&str, &str)]) -> Vec<String> {
    complete(adapter, argument, value, others)
        .await
        .expect("completes")
        .values
}

async fn url_of(postgres: &Postgres, name: &str, statements: &[&str]) -> String {
    Server::of(postgres.url()).create_database(name).await;
    let url = postgres.url_of(name);
    Server::of(&url).run(statements).await;
    url
}

const TABLES: &[&str] = &[
    "create schema shop",
    "create schema \"Šhop_Archive\"",
    "create schema vault",
    "create table shop.orders (at date) partition by range (at)",
    "create table shop.orders_2023 partition of shop.orders for values from ('2023-01-01') to ('2024-01-01')",
    "create table shop.order_items (a int)",
    "create view shop.\"Order%Totals\" as select 1 as a",
    "create materialized view shop.order_days as select 1 as a",
    "create table \"Šhop_Archive\".\"Ördrar\" (a int)",
    "create table \"Šhop_Archive\".orders (a int)",
    "create table vault.orders_secret (a int)",
    "create extension pg_buffercache",
];

#[tokio::test(flavor = "multi_thread")]
async fn names_begin_with_what_was_typed_in_any_case() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let url = url_of(postgres, "completions_shop", TABLES).await;
    let adapter = Adapter::start(&format!("url = '{url}'\ndeny_schemas = ['vault']")).await;
    assert_eq!(
        values(&adapter, "schema", "", &[]).await,
        ["public", "shop", "Šhop_Archive"]
    );
    assert_eq!(values(&adapter, "schema", "šHOP", &[]).await, ["Šhop_Archive"]);
    assert_eq!(values(&adapter, "schema", "SH", &[]).await, ["shop"]);
    assert_eq!(values(&adapter, "schema", "vau", &[]).await, [""; 0]);
    let all = ["Order%Totals", "order_days", "order_items", "orders"];
    assert_eq!(
        values(&adapter, "table", "ORDER", &[("schema", "shop")]).await,
        all
    );
    assert_eq!(
        values(&adapter, "table", "order", &[]).await,
        all,
        "each name once"
    );
    assert_eq!(values(&adapter, "table", "ö", &[]).await, ["Ördrar"]);
    // Nothing is a pattern here, and nothing leaves its quotes.
    assert_eq!(values(&adapter, "table", "order%", &[]).await, ["Order%Totals"]);
    for typed in ["order_", "ord_r", "%", "'", "\\", "a\0b"] {
        let expected: &[&str] = if typed == "order_" {
            &["order_days", "order_items"]
        } else {
            &[]
        };
        assert_eq!(values(&adapter, "table", typed, &[]).await, expected, "{typed:?}");
    }
    for other in ["vault", "nowhere", "a\0b"] {
        assert_eq!(
            values(&adapter, "table", "", &[("schema", other)]).await,
            [""; 0],
            "{other:?}"
        );
    }
    for unknown in ["sql", "question", "", "Table"] {
        assert_eq!(values(&adapter, unknown, "", &[]).await, [""; 0], "{unknown:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_those_of_the_database_that_was_chosen() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let url = url_of(postgres, "completions_one", &["create table here (a int)"]).await;
    url_of(
        postgres,
        "completions_two",
        &["create schema two", "create table two.there (a int)"],
    )
    .await;
    let adapter = Adapter::start(&format!(
        "url = '{url}'\ndatabases = ['completions_two', 'completions_one']"
    ))
    .await;
    assert_eq!(
        values(&adapter, "database", "COMP", &[]).await,
        ["completions_one", "completions_two"]
    );
    assert_eq!(values(&adapter, "database", "postgres", &[]).await, [""; 0]);
    let two = ("database", "completions_two");
    assert_eq!(values(&adapter, "schema", "t", &[two]).await, ["two"]);
    assert_eq!(values(&adapter, "table", "", &[two]).await, ["there"]);
    assert_eq!(values(&adapter, "table", "", &[]).await, ["here"]);
    // Half a name is no failure.
    assert_eq!(
        values(&adapter, "table", "", &[("database", "completions_t")]).await,
        [""; 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_role_may_not_read_is_not_offered() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let url = url_of(postgres, "completions_rights", TABLES).await;
    Server::of(&url)
        .run(&[
            "drop role if exists completions_clerk",
            "create role completions_clerk login",
            "grant usage on schema shop to completions_clerk",
            "grant select on shop.order_items to completions_clerk",
        ])
        .await;
    let adapter = Adapter::of(&url.replace("postgres@", "completions_clerk@")).await;
    assert_eq!(values(&adapter, "schema", "", &[]).await, ["public", "shop"]);
    assert_eq!(values(&adapter, "table", "", &[]).await, ["order_items"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_are_enough_and_come_at_once() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let many = "do $$ begin for n in 1..1200 loop execute format('create table t%s (a int)', lpad(n::text, 4, '0')); end loop; end $$";
    let url = url_of(postgres, "completions_many", &[many]).await;
    let adapter = Adapter::of(&url).await;
    values(&adapter, "schema", "", &[]).await;
    let begun = Instant::now();
    for typed in ["", "t", "T", "t0", "t00"] {
        let response = complete(&adapter, "table", typed, &[]).await.expect("completes");
        // `t00` is 99 tables.
        let expected = if typed == "t00" { (99, false) } else { (100, true) };
        assert_eq!((response.values.len(), response.has_more), expected, "{typed}");
        assert_eq!(response.values[0], "t0001");
    }
    assert!(begun.elapsed() < SOON / 5, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_database_only_the_settings_complete() {
    let adapter = Adapter::start("url = 'postgres://nobody@127.0.0.1:1/gone'\ndatabases = ['other']").await;
    assert_eq!(values(&adapter, "database", "", &[]).await, ["gone", "other"]);
    let failed = complete(&adapter, "table", "", &[]).await;
    assert_fault(failed, Reason::DatabaseUnavailable, "can't be used");
}

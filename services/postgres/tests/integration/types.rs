//! Every type of PostgreSQL as an answer shows it: the golden file of types.

use std::fmt::Write as _;

use mcp_hub_testing::Postgres;

use crate::adapter::{Adapter, Server, column_types, rows};

/// Types of the test's own, made before its database is asked for the first time.
const TYPES: &[&str] = &[
    "create extension if not exists hstore",
    "create extension if not exists citext",
    "create extension if not exists ltree",
    "create extension if not exists cube",
    "create extension if not exists isn",
    "create extension if not exists seg",
    "create type color as enum ('red', 'light green')",
    "create domain positive as int check (value > 0)",
    "create domain positives as positive[]",
    "create type point3 as (x int8, \"odd \"\"name\" text, tags text[])",
    "create type nested as (p point3, \"when\" timestamptz, paint color)",
    "create type alone as (single int)",
    "create type nothing as ()",
    "create domain place as nested",
    "create type floats as range (subtype = float8)",
    "create table things (id int, price numeric(10,2))",
    "insert into things values (1, 2.50)",
];

/// One expression a line.
const EXPRESSIONS: &str = include_str!("types.sql");

#[tokio::test(flavor = "multi_thread")]
async fn every_type_has_its_form() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    Server::of(postgres.url()).create_database("types").await;
    let url = postgres.url_of("types");
    Server::of(&url).run(TYPES).await;
    let adapter = Adapter::of(&url).await;
    let mut golden = String::new();
    for expression in EXPRESSIONS.lines() {
        if expression.is_empty() || expression.starts_with("--") {
            writeln!(golden, "{expression}").expect("a String");
            continue;
        }
        let result = adapter.query(&format!("select {expression}")).await;
        let result = result.unwrap_or_else(|fault| panic!("{expression}: {fault:?}"));
        let (kind, row) = (column_types(&result)[0], &rows(&result)[0]);
        let json = &row[1..row.len() - 1];
        writeln!(golden, "{expression}\n    {kind}  {json}").expect("a String");
        // The first time a type was looked up after the rows, now it is known before: it must make no difference.
        let again = adapter
            .query(&format!("select {expression}"))
            .await
            .expect("works");
        assert_eq!(rows(&again), rows(&result), "{expression}");
    }
    insta::assert_snapshot!("types", golden);
}

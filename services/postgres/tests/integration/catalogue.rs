//! Databases, tables, descriptions, search.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::postgres::v1::*;
use mcp_hub_testing::Postgres;

use crate::adapter::{Adapter, Server};

mod search;
mod visibility;

/// A database of the test's own with some of everything.
async fn shop(postgres: &Postgres, name: &str) -> (Adapter, Server) {
    Server::of(postgres.url()).create_database(name).await;
    let url = postgres.url_of(name);
    let server = Server::of(&url);
    server
        .run(&[
            "create schema shop",
            "comment on schema shop is 'The web shop'",
            "create type shop.status as enum ('new', 'paid', 'sent')",
            "create domain shop.amount as numeric(10,2) not null check (value >= 0)",
            "create table shop.customers (
               id bigint generated always as identity primary key, email text not null unique,
               name text, created timestamptz not null default now())",
            "comment on table shop.customers is 'Who buys'",
            "comment on column shop.customers.email is 'Where the invoice goes'",
            "create table shop.orders (
               id int primary key, customer bigint not null references shop.customers on delete cascade,
               status shop.status not null default 'new', states shop.status[], total shop.amount,
               twice numeric generated always as (id * 2) stored, note text check (length(note) < 100),
               unique (customer, id))",
            "create index orders_note on shop.orders (lower(note)) where note is not null",
            "create table shop.items (
               order_id int, customer bigint, sku text,
               constraint items_order foreign key (customer, order_id) references shop.orders (customer, id) on delete set null)",
            "create view shop.open_orders as select id, total from shop.orders where status = 'new'",
            "create materialized view shop.totals as select customer, sum(total::numeric) as total from shop.orders group by 1",
            "create table shop.events (at date not null, kind text, primary key (at, kind)) partition by range (at)",
            "create table shop.events_2023 partition of shop.events for values from ('2023-01-01') to ('2024-01-01')",
            "create table shop.events_2024 partition of shop.events for values from ('2024-01-01') to ('2025-01-01')",
            "create function shop.total_of(customer bigint) returns numeric language sql stable as 'select 1.0'",
            "comment on function shop.total_of is 'What a customer paid'",
            "create function shop.noted() returns trigger language plpgsql as 'begin return new; end'",
            "create trigger note_it before insert on shop.orders for each row execute function shop.noted()",
            "create sequence shop.numbers",
            // An extension's own view, function and type are not the application's.
            "create extension pg_buffercache",
            "create extension citext schema shop",
            "create table \"My-DB table\" (\"select\" int primary key, \"Ünï.code\" text, \"a\"\"b\" int)",
            "create table \"my.dotted\" (a int)",
            "insert into shop.customers (email) select 'a' || n from generate_series(1, 250) n",
            "insert into shop.events select date '2023-06-01' + n, 'x' from generate_series(1, 300) n",
            "analyze",
        ])
        .await;
    (Adapter::of(&url).await, server)
}

async fn list(adapter: &Adapter, request: ListTablesRequest) -> Result<ListTablesResponse, Fault> {
    let response = adapter.client.clone().list_tables(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn describe(
    adapter: &Adapter,
    table: &str,
    schema: Option<&str>,
) -> Result<DescribeTableResponse, Fault> {
    let request = DescribeTableRequest {
        table_name: table.to_owned(),
        schema: schema.map(str::to_owned),
        database: None,
    };
    let response = adapter.client.clone().describe_table(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn search(adapter: &Adapter, pattern: &str, kinds: &[ObjectKind]) -> SearchObjectsResponse {
    let request = SearchObjectsRequest {
        pattern: pattern.to_owned(),
        kinds: kinds.iter().map(|kind| *kind as i32).collect(),
        ..SearchObjectsRequest::default()
    };
    adapter
        .client
        .clone()
        .search_objects(request)
        .await
        .expect("finds")
        .into_inner()
}

fn names(tables: &[Table]) -> Vec<String> {
    tables
        .iter()
        .map(|table| format!("{}.{}", table.schema, table.name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_say_which_can_be_asked() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server.create_database("catalogue_second").await;
    server.create_database("catalogue_third").await;
    server
        .run(&["comment on database catalogue_second is 'the second'"])
        .await;
    let adapter = Adapter::start(&format!(
        "url = '{}'\ndatabases = ['catalogue_second']",
        postgres.url()
    ))
    .await;
    let response = adapter
        .client
        .clone()
        .list_databases(ListDatabasesRequest {})
        .await
        .expect("lists");
    let databases = response.into_inner().databases;
    let of = |name: &str| {
        databases
            .iter()
            .find(|database| database.name == name)
            .expect(name)
            .clone()
    };
    assert!(of("postgres").connected && of("postgres").queryable);
    let second = of("catalogue_second");
    assert!(!second.connected && second.queryable);
    assert_eq!(
        (
            second.owner.as_str(),
            second.encoding.as_str(),
            second.comment.as_str()
        ),
        ("postgres", "UTF8", "the second")
    );
    assert!(second.size_bytes > Some(1_000_000));
    assert!(!of("catalogue_third").queryable);
    assert!(
        databases
            .iter()
            .all(|database| !database.name.starts_with("template"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_without_partitions_and_the_system_s_own() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = shop(postgres, "catalogue_list").await;
    let all = list(&adapter, ListTablesRequest::default()).await.expect("lists");
    assert_eq!(
        names(&all.tables),
        [
            "public.My-DB table",
            "public.my.dotted",
            "shop.customers",
            "shop.events",
            "shop.items",
            "shop.open_orders",
            "shop.orders",
            "shop.totals"
        ]
    );
    assert_eq!((all.next_cursor, all.notices.len()), (None, 0));
    let of = |name: &str| all.tables.iter().find(|table| table.name == name).expect(name);
    assert_eq!(
        (of("customers").r#type.as_str(), of("customers").estimated_rows),
        ("table", Some(250))
    );
    assert_eq!(of("customers").comment, "Who buys");
    assert_eq!(
        (of("events").r#type.as_str(), of("events").estimated_rows),
        ("partitioned table", Some(300))
    );
    assert_eq!(
        (
            of("open_orders").r#type.as_str(),
            of("open_orders").estimated_rows
        ),
        ("view", None)
    );
    assert_eq!(of("totals").r#type, "materialized view");
    assert_eq!(of("items").estimated_rows, Some(0), "analyzed and empty");
    server.run(&["create table shop.fresh (a int)"]).await;
    let fresh = ListTablesRequest {
        pattern: Some("FRESH".to_owned()),
        ..ListTablesRequest::default()
    };
    assert_eq!(
        list(&adapter, fresh).await.expect("lists").tables[0].estimated_rows,
        None,
        "never analyzed"
    );

    for (schema, pattern, expected) in [
        (
            Some("shop"),
            Some("ORDER"),
            vec!["shop.open_orders", "shop.orders"],
        ),
        (None, Some("%order_"), vec!["shop.open_orders", "shop.orders"]),
        (None, Some("open_o"), vec!["shop.open_orders"]),
        (None, Some("order%"), vec!["shop.orders"]),
        (None, Some("\\"), vec![]),
        (
            Some("public"),
            None,
            vec!["public.My-DB table", "public.my.dotted"],
        ),
        (Some("pg_catalog"), Some("pg_am"), vec!["pg_catalog.pg_am"]),
    ] {
        let request = ListTablesRequest {
            schema: schema.map(str::to_owned),
            pattern: pattern.map(str::to_owned),
            limit: Some(5),
            ..ListTablesRequest::default()
        };
        let found = list(&adapter, request).await.expect("lists");
        assert_eq!(
            names(&found.tables)[..expected.len()],
            expected,
            "{schema:?} {pattern:?}"
        );
    }
    let wrong = ListTablesRequest {
        schema: Some("shpo".to_owned()),
        ..ListTablesRequest::default()
    };
    let fault = list(&adapter, wrong).await.expect_err("no such schema");
    assert_eq!(
        (fault.reason, fault.metadata["did_you_mean"].as_str()),
        (Reason::ObjectNotFound, "shop")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_tables_page_quickly() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    Server::of(postgres.url()).create_database("catalogue_many").await;
    let url = postgres.url_of("catalogue_many");
    let server = Server::of(&url);
    server
        .run(&[
            "do $$ begin for n in 1..600 loop execute format('create table t_%s (a int, b text)', n); end loop; end $$",
            "create table parts (a int) partition by list (a)",
            "do $$ begin for n in 1..200 loop execute format('create table part_%s partition of parts for values in (%s)', n, n); end loop; end $$",
        ])
        .await;
    let adapter = Adapter::of(&url).await;
    adapter.serving().await;
    let mut request = ListTablesRequest {
        limit: Some(250),
        ..ListTablesRequest::default()
    };
    let mut seen = Vec::new();
    let begun = Instant::now();
    loop {
        let page = list(&adapter, request.clone()).await.expect("a page");
        seen.extend(names(&page.tables));
        // A table that comes or goes elsewhere moves nothing.
        server
            .run(&[
                "drop table if exists t_1",
                "create table if not exists aa_new (a int)",
            ])
            .await;
        request.cursor = page.next_cursor;
        if request.cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 601);
    let mut sorted = seen.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(seen, sorted, "in order, each once");
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());

    let clamped = ListTablesRequest {
        limit: Some(5000),
        ..ListTablesRequest::default()
    };
    let clamped = list(&adapter, clamped).await.expect("lists");
    assert_eq!(clamped.notices, ["limit was lowered from 5000 to 1000"]);
    let first = list(
        &adapter,
        ListTablesRequest {
            limit: Some(1),
            ..ListTablesRequest::default()
        },
    )
    .await
    .expect("lists");
    let foreign = ListTablesRequest {
        pattern: Some("x".to_owned()),
        cursor: first.next_cursor,
        ..ListTablesRequest::default()
    };
    let fault = list(&adapter, foreign).await.expect_err("a foreign cursor");
    assert_eq!(
        (fault.reason, fault.metadata["field"].as_str()),
        (Reason::ArgumentInvalid, "cursor")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_description_has_everything() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = shop(postgres, "catalogue_describe").await;
    let orders = describe(&adapter, "orders", Some("shop"))
        .await
        .expect("describes");
    insta::assert_debug_snapshot!(orders);
    let customers = describe(&adapter, "shop.customers", None)
        .await
        .expect("describes");
    assert_eq!(customers.primary_key, ["id"]);
    assert_eq!(customers.columns[0].generated, "always");
    assert_eq!(customers.columns[1].comment, "Where the invoice goes");
    assert_eq!(customers.columns[3].default, "now()");
    assert_eq!(customers.estimated_rows, Some(250));
    let keys: Vec<_> = customers
        .referenced_by
        .iter()
        .map(|key| (key.table.as_str(), key.on_delete.as_str()))
        .collect();
    assert_eq!(keys, [("shop.orders", "cascade")]);
    let view = describe(&adapter, "open_orders", None).await.expect("describes");
    assert_eq!((view.schema.as_str(), view.r#type.as_str()), ("shop", "view"));
    assert!(
        view.definition.contains("SELECT") && view.columns.iter().all(|column| column.nullable.is_none())
    );
    let events = describe(&adapter, "events", Some("shop"))
        .await
        .expect("describes");
    assert_eq!(
        (events.partition_key.as_str(), events.partitions),
        ("RANGE (at)", Some(2))
    );
    assert_eq!(events.primary_key, ["at", "kind"]);

    server
        .run(&["create schema other", "create table other.customers (a int)"])
        .await;
    let fault = describe(&adapter, "customers", None)
        .await
        .expect_err("two of them");
    assert_eq!(fault.metadata["did_you_mean"], "other.customers,shop.customers");
    server.run(&["create table customers (a int)"]).await;
    assert_eq!(
        describe(&adapter, "customers", None)
            .await
            .expect("the search path decides")
            .schema,
        "public"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_works_and_a_wrong_one_is_helped() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _server) = shop(postgres, "catalogue_names").await;
    for (table, schema) in [
        ("My-DB table", None),
        ("public.My-DB table", None),
        ("My-DB table", Some("public")),
        ("\"My-DB table\"", None),
        ("public.\"My-DB table\"", None),
    ] {
        let described = describe(&adapter, table, schema).await.expect(table);
        let columns: Vec<&str> = described
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(columns, ["select", "Ünï.code", "a\"b"]);
        assert_eq!(described.primary_key, ["select"]);
    }
    for table in ["my.dotted", "public.my.dotted"] {
        assert_eq!(
            describe(&adapter, table, None).await.expect(table).name,
            "my.dotted"
        );
    }
    assert_eq!(
        describe(&adapter, "pg_class", None)
            .await
            .expect("a system table")
            .schema,
        "pg_catalog"
    );
    for (table, schema, expected) in [
        ("ordres", Some("shop"), "shop.orders"),
        ("shop.ordres", None, "shop.orders"),
        ("Customers", None, "shop.customers"),
        ("orders", Some("public"), "shop.orders"),
        ("my-db table", None, "My-DB table"),
    ] {
        let fault = describe(&adapter, table, schema).await.expect_err(table);
        assert_eq!(fault.reason, Reason::ObjectNotFound);
        let first = fault.metadata["did_you_mean"].split(',').next();
        assert_eq!(first, Some(expected), "{table}");
    }
    let fault = describe(&adapter, "x'; drop table q; --", None)
        .await
        .expect_err("no such table");
    assert_eq!(
        (fault.reason, fault.metadata.get("did_you_mean")),
        (Reason::ObjectNotFound, None)
    );
    let fault = describe(&adapter, "", None).await.expect_err("empty");
    assert_eq!(fault.metadata["field"], "table_name");
}

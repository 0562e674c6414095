//! The catalogue as a model sees it.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::mariadb::v1::*;
use mcp_hub_testing::MariaDb;

use crate::adapter::{Adapter, Server};

mod search;
mod visibility;

/// A small shop with all that a description can have, in a database of the test's own.
async fn shop(mariadb: &MariaDb, name: &str) -> (Adapter, Server) {
    Server::of(mariadb.url()).create_database(name).await;
    let url = mariadb.url_of(name);
    let server = Server::of(&url);
    server
        .run(&[
            "create table customers (
               id int unsigned primary key auto_increment,
               email varchar(200) not null comment 'Where the invoice goes',
               name varchar(100) character set latin1 default 'it''s me',
               joined datetime default current_timestamp on update current_timestamp,
               profile json,
               constraint mail unique (email)) comment 'Who buys'",
            "create table orders (
               id bigint unsigned primary key auto_increment,
               customer_id int unsigned not null,
               state enum('open', 'it''s paid') not null default 'open',
               total decimal(10, 2) default 0.00,
               doubled decimal(11, 2) generated always as (total * 2) stored,
               title varchar(200) generated always as (concat('order ', state)) virtual,
               note text,
               flags bit(3) default b'101',
               key customer_state (customer_id, state),
               key note_start (note(20)),
               key total_down (total desc),
               fulltext key words (note),
               constraint positive check (total >= 0),
               constraint buyer foreign key (customer_id) references customers (id) on delete cascade)
             comment 'What they bought'",
            "create table parts (
               order_id bigint unsigned, line int, primary key (order_id, line),
               constraint of_order foreign key (order_id) references orders (id))",
            "create view open_orders as select id, total from orders where state = 'open'",
            "create table events (at date not null, kind int not null, primary key (at, kind))
               partition by range (year(at)) (partition old values less than (2020), partition rest values less than maxvalue)",
            "create table `My-DB table` (`select` int primary key, `Ünï.code` int, `a``b` int)",
            "create table `my.dotted` (a int)",
            "insert into customers (email) values ('a@example.com'), ('b@example.com')",
            "analyze table customers",
        ])
        .await;
    if server.is_mariadb().await {
        server
            .run(&[
                "create table prices (price int) with system versioning",
                "create sequence numbers",
            ])
            .await;
    }
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
    database: Option<&str>,
) -> Result<DescribeTableResponse, Fault> {
    let request = DescribeTableRequest {
        table_name: table.to_owned(),
        database: database.map(str::to_owned),
    };
    let response = adapter.client.clone().describe_table(request).await;
    Ok(response
        .map_err(|status| Fault::from_status(&status))?
        .into_inner())
}

async fn search(
    adapter: &Adapter,
    pattern: &str,
    kinds: &[ObjectKind],
    database: Option<&str>,
) -> SearchObjectsResponse {
    let request = SearchObjectsRequest {
        pattern: pattern.to_owned(),
        kinds: kinds.iter().map(|kind| i32::from(*kind)).collect(),
        database: database.map(str::to_owned),
        ..SearchObjectsRequest::default()
    };
    let response = adapter.client.clone().search_objects(request).await;
    response.expect("finds").into_inner()
}

fn names(tables: &[Table]) -> Vec<String> {
    tables
        .iter()
        .map(|table| format!("{} {}.{}", table.r#type, table.database, table.name))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn databases_are_listed_without_the_system_s() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue_databases").await;
    let response = adapter
        .client
        .clone()
        .list_databases(ListDatabasesRequest {})
        .await;
    let databases = response.expect("lists").into_inner().databases;
    let found = databases
        .iter()
        .find(|database| database.name == "catalogue_databases")
        .expect("is listed");
    assert!(found.connected && found.queryable);
    assert_eq!(found.character_set, "utf8mb4");
    assert_eq!(found.tables, Some(if server.is_mariadb().await { 9 } else { 7 }));
    assert!(found.size_bytes.expect("is small") > 16_384, "{found:?}");
    for system in ["mysql", "information_schema", "performance_schema", "sys"] {
        assert!(
            databases.iter().all(|database| database.name != system),
            "{system}"
        );
    }
    assert!(databases.is_sorted_by_key(|database| &database.name));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_are_listed_with_what_they_are() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue_tables").await;
    let all = list(&adapter, ListTablesRequest::default()).await.expect("lists");
    let of = |name: &str| {
        all.tables
            .iter()
            .find(|table| table.name == name)
            .expect("is listed")
    };
    assert_eq!(of("customers").estimated_rows, Some(2));
    assert_eq!(of("customers").comment, "Who buys");
    assert_eq!(
        (
            of("open_orders").estimated_rows,
            of("open_orders").comment.as_str()
        ),
        (None, "")
    );
    let mut expected = vec![
        "table catalogue_tables.My-DB table",
        "table catalogue_tables.customers",
        "table catalogue_tables.events",
        "table catalogue_tables.my.dotted",
        "view catalogue_tables.open_orders",
        "table catalogue_tables.orders",
        "table catalogue_tables.parts",
    ];
    if server.is_mariadb().await {
        expected.insert(4, "sequence catalogue_tables.numbers");
        expected.push("system versioned table catalogue_tables.prices");
    }
    assert_eq!(names(&all.tables), expected);
    for (pattern, expected) in [
        ("ORDER", "open_orders orders"),
        ("order_", "orders"),
        ("%s", "customers events open_orders orders parts"),
        ("my-db", "My-DB table"),
        ("nothing", ""),
    ] {
        let request = ListTablesRequest {
            pattern: Some(pattern.to_owned()),
            ..ListTablesRequest::default()
        };
        let found = list(&adapter, request).await.expect("lists").tables;
        let found: Vec<_> = found
            .iter()
            .map(|table| table.name.as_str())
            .filter(|name| !["prices", "numbers"].contains(name))
            .collect();
        assert_eq!(found.join(" "), expected, "{pattern}");
    }
    let nowhere = ListTablesRequest {
        database: Some("catalogue_tabels".to_owned()),
        ..ListTablesRequest::default()
    };
    let fault = list(&adapter, nowhere).await.expect_err("no such database");
    assert_eq!(fault.reason, Reason::ObjectNotFound);
    assert!(
        fault.metadata["did_you_mean"]
            .split(',')
            .any(|name| name == "catalogue_tables"),
        "{fault:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_tables_page_quickly() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    Server::of(mariadb.url()).create_database("catalogue_many").await;
    let url = mariadb.url_of("catalogue_many");
    let server = Server::of(&url);
    for number in 0..600 {
        server
            .run(&[&format!("create table t_{number} (a int) engine = myisam")])
            .await;
    }
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
    assert_eq!(seen.len(), 600);
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
async fn columns_are_described_as_sql_would_define_them() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue_describe").await;
    let is_mariadb = server.is_mariadb().await;
    let orders = describe(&adapter, "orders", None).await.expect("describes");
    assert_eq!(
        (orders.engine.as_str(), orders.comment.as_str()),
        ("InnoDB", "What they bought")
    );
    assert_eq!(orders.primary_key, ["id"]);
    let columns: Vec<String> = orders
        .columns
        .iter()
        .map(|column| {
            let null = if column.nullable == Some(true) {
                "null"
            } else {
                "not null"
            };
            format!(
                "{} {} {null} [{}] [{}]",
                column.name, column.r#type, column.default, column.generated
            )
            // The servers write the same expressions in their own way.
            .replace("bigint(20)", "bigint")
            .replace("int(10)", "int")
            .replace("_utf8mb4'order '", "'order '")
        })
        .collect();
    assert_eq!(
        columns,
        [
            "id bigint unsigned not null [] [auto_increment]",
            "customer_id int unsigned not null [] []",
            "state enum('open','it''s paid') not null ['open'] []",
            "total decimal(10,2) null [0.00] []",
            if is_mariadb {
                "doubled decimal(11,2) null [] [stored (`total` * 2)]"
            } else {
                "doubled decimal(11,2) null [] [stored ((`total` * 2))]"
            },
            "title varchar(200) null [] [virtual (concat('order ',`state`))]",
            "note text null [] []",
            "flags bit(3) null [b'101'] []",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_described_in_both_directions() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue_keys").await;
    let is_mariadb = server.is_mariadb().await;
    let orders = describe(&adapter, "orders", None).await.expect("describes");
    assert_eq!(orders.primary_key, ["id"]);
    let indexes: Vec<String> = orders
        .indexes
        .iter()
        .map(|index| format!("{} ({}) {}", index.name, index.columns.join(", "), index.r#type))
        .collect();
    assert_eq!(
        indexes,
        [
            "customer_state (customer_id, state) ",
            "note_start (note(20)) ",
            "total_down (total desc) ",
            "words (note) fulltext",
        ]
    );
    let foreign = |keys: &[ForeignKey]| -> Vec<String> {
        let lines = keys.iter().map(|key| {
            format!(
                "{}: {} -> {} {} {}",
                key.name,
                key.columns.join(","),
                key.table,
                key.referenced_columns.join(","),
                key.on_delete
            )
        });
        lines.collect()
    };
    assert_eq!(
        foreign(&orders.foreign_keys),
        ["buyer: customer_id -> catalogue_keys.customers id cascade"]
    );
    assert_eq!(
        foreign(&orders.referenced_by),
        ["of_order: order_id -> catalogue_keys.parts id "]
    );
    assert_eq!(
        orders.checks,
        [if is_mariadb {
            "`total` >= 0"
        } else {
            "(`total` >= 0)"
        }]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_table_is_described() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue_kinds").await;
    let is_mariadb = server.is_mariadb().await;
    let customers = describe(&adapter, "catalogue_kinds.customers", None)
        .await
        .expect("describes");
    let column = |name: &str| {
        customers
            .columns
            .iter()
            .find(|column| column.name == name)
            .expect("is there")
    };
    assert_eq!(column("email").comment, "Where the invoice goes");
    let name = column("name");
    assert_eq!(
        (name.default.as_str(), name.character_set.as_str()),
        ("'it''s me'", "latin1")
    );
    assert_eq!(column("profile").r#type, "json");
    assert!(customers.checks.is_empty(), "{:?}", customers.checks);
    let joined = column("joined").default.to_lowercase();
    assert!(
        joined.starts_with("current_timestamp") && joined.contains(" on update current_timestamp"),
        "{joined}"
    );
    assert_eq!(customers.estimated_rows, Some(2));
    assert!(customers.indexes[0].unique);

    let view = describe(&adapter, "open_orders", None).await.expect("describes");
    assert_eq!((view.r#type.as_str(), view.engine.as_str()), ("view", ""));
    assert!(
        view.definition.contains("select") && view.definition.contains("open"),
        "{}",
        view.definition
    );
    let events = describe(&adapter, "events", None).await.expect("describes");
    assert_eq!(
        events.partitioning,
        "range (year(`at`)) (old values less than (2020), rest values less than (MAXVALUE))"
    );
    assert_eq!(events.primary_key, ["at", "kind"]);
    if is_mariadb {
        let prices = describe(&adapter, "prices", None).await.expect("describes");
        assert_eq!(prices.r#type, "system versioned table");
        let numbers = describe(&adapter, "numbers", None).await.expect("describes");
        assert_eq!(numbers.r#type, "sequence");
    } else {
        server
            .run(&["create table ideas (a int, key low ((a + 1)), key hidden (a) invisible)"])
            .await;
        let ideas = describe(&adapter, "ideas", None).await.expect("describes");
        let low = ideas
            .indexes
            .iter()
            .find(|index| index.name == "low")
            .expect("is there");
        assert_eq!(low.columns, ["((`a` + 1))"]);
        assert!(
            ideas
                .indexes
                .iter()
                .any(|index| index.name == "hidden" && index.ignored)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_works_and_a_wrong_one_is_helped() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "catalogue-names").await;
    for (table, database) in [
        ("My-DB table", None),
        ("catalogue-names.My-DB table", None),
        ("My-DB table", Some("catalogue-names")),
        ("`My-DB table`", None),
        ("`catalogue-names`.`My-DB table`", None),
        ("catalogue-names.`My-DB table`", None),
    ] {
        let described = describe(&adapter, table, database).await.expect(table);
        let columns: Vec<&str> = described
            .columns
            .iter()
            .map(|column| column.name.as_str())
            .collect();
        assert_eq!(columns, ["select", "Ünï.code", "a`b"]);
        assert_eq!(described.primary_key, ["select"]);
    }
    for table in ["my.dotted", "catalogue-names.my.dotted"] {
        assert_eq!(
            describe(&adapter, table, None).await.expect(table).name,
            "my.dotted"
        );
    }
    let tables = describe(&adapter, "tables", Some("information_schema"))
        .await
        .expect("a system view");
    assert_eq!(tables.r#type, "view");
    for (table, database, expected) in [
        ("ordres", None, "orders"),
        ("catalogue-names.ordres", None, "orders"),
        ("ordres", Some("catalogue-names"), "orders"),
        ("Customers", None, "customers"),
        ("my-db table", None, "My-DB table"),
    ] {
        let fault = describe(&adapter, table, database).await.expect_err(table);
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
    // Elsewhere it is found, too, unless there are two.
    let elsewhere = Adapter::of(&mariadb.url_of("information_schema")).await;
    server.create_database("catalogue_names_2").await;
    server
        .run(&["create table catalogue_names_2.`only here` (a int)"])
        .await;
    let found = describe(&elsewhere, "only here", None)
        .await
        .expect("there is one");
    assert_eq!(found.database, "catalogue_names_2");
    server
        .run(&["create table `catalogue-names`.`only here` (a int)"])
        .await;
    let fault = describe(&elsewhere, "only here", None)
        .await
        .expect_err("there are two");
    assert_eq!(
        fault.metadata["did_you_mean"],
        "catalogue-names.only here,catalogue_names_2.only here"
    );
    assert_eq!(
        describe(&adapter, "only here", None)
            .await
            .expect("the connected one counts")
            .database,
        "catalogue-names"
    );
}

//! The catalogue: lists, descriptions, search, plans.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::sqlite::v1::{
    DescribeTableRequest, DescribeTableResponse, ExplainQueryRequest, ListTablesRequest, ListTablesResponse,
    ObjectKind, SearchObjectsRequest,
};

use crate::harness::{Adapter, run};

async fn list(adapter: &Adapter, request: ListTablesRequest) -> ListTablesResponse {
    adapter
        .reader()
        .list_tables(request)
        .await
        .expect("answers")
        .into_inner()
}

async fn describe(adapter: &Adapter, name: &str) -> Result<DescribeTableResponse, Fault> {
    let request = DescribeTableRequest {
        table_name: name.to_owned(),
    };
    match adapter.reader().describe_table(request).await {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => Err(Fault::from_status(&status)),
    }
}

const ODD: &str = r#"
    create table "select" ("from" integer primary key, "a ""quoted"" name" text not null default 'x''y', ünïcödé);
    create table plain (a, b int, primary key (a, b)) without rowid;
    create table child (
        id integer primary key desc, x text unique, "select_id" references "select", a, b,
        s generated always as (a || b) stored, v int as (b * 2),
        foreign key (a, b) references plain (a, b) on delete set null,
        foreign key (id) references child (id) on delete cascade);
    create index "odd index" on child (a desc, lower(x), "b") where a is not null;
    create unique index both on child (a, b);
    create view "a view" as select 1 as one, x from child;
    create trigger watch after insert on child begin select 1; end;
    create virtual table words using fts5 (body, title);
    create virtual table box using rtree (id, x0, x1);
    insert into plain values (1, 2), (3, 4);"#;

#[tokio::test]
async fn tables_are_listed_with_counts_and_without_insides() {
    let adapter = Adapter::on(ODD).await;
    let response = list(&adapter, ListTablesRequest::default()).await;
    let tables: Vec<_> = response
        .tables
        .iter()
        .map(|table| (table.name.as_str(), table.r#type.as_str(), table.estimated_rows))
        .collect();
    assert_eq!(
        tables,
        [
            ("a view", "view", None),
            ("box", "virtual table", Some(0)),
            ("child", "table", Some(0)),
            ("plain", "table", Some(2)),
            ("select", "table", Some(0)),
            ("words", "virtual table", Some(0)),
        ]
    );
    let response = list(
        &adapter,
        ListTablesRequest {
            pattern: Some("L_I".to_owned()),
            ..Default::default()
        },
    )
    .await;
    assert_eq!(
        response
            .tables
            .iter()
            .map(|table| table.name.as_str())
            .collect::<Vec<_>>(),
        ["plain"]
    );
}

#[tokio::test]
async fn a_long_list_is_paged() {
    use std::fmt::Write as _;

    let mut sql = "begin;".to_owned();
    for number in 0..1_100 {
        write!(sql, "create table t{number:04} (a);").expect("writes");
    }
    let adapter = Adapter::on(&format!("{sql} commit")).await;
    let mut request = ListTablesRequest {
        limit: Some(2_000),
        ..Default::default()
    };
    let first = list(&adapter, request.clone()).await;
    assert_eq!(
        (first.tables.len(), first.notices.as_slice()),
        (
            1_000,
            ["limit was lowered from 2000 to 1000".to_owned()].as_slice()
        )
    );
    request.cursor = first.next_cursor;
    let second = list(&adapter, request.clone()).await;
    assert_eq!(
        (
            second.tables.len(),
            second.tables[0].name.as_str(),
            second.next_cursor
        ),
        (100, "t1000", None)
    );
    request.pattern = Some("other".to_owned());
    let fault = Fault::from_status(
        &adapter
            .reader()
            .list_tables(request)
            .await
            .expect_err("a foreign cursor"),
    );
    assert_eq!(fault.metadata["field"], "cursor");
}

#[tokio::test]
async fn counting_gives_way_to_the_statistics_when_it_takes_too_long() {
    let adapter = Adapter::on(
        "create table big (x); insert into big with recursive n(i) as (select 1 union all select i + 1 from n)
            select i from n limit 300000;
        create table small (x); insert into small values (1); create index i on small (x); analyze",
    )
    .await;
    // However fast the machine, the statistics are what is left when the count is cut; here both say the same.
    for name in ["big", "small"] {
        let described = describe(&adapter, name).await.expect("is there");
        let listed = list(
            &adapter,
            ListTablesRequest {
                pattern: Some(name.to_owned()),
                ..Default::default()
            },
        )
        .await;
        assert_eq!(described.estimated_rows, listed.tables[0].estimated_rows);
        assert_eq!(
            described.estimated_rows,
            Some(if name == "big" { 300_000 } else { 1 })
        );
    }
}

#[tokio::test]
async fn a_table_is_described_in_full() {
    let adapter = Adapter::on(ODD).await;
    for name in ["child", "select", "plain", "a view", "words"] {
        let mut described = describe(&adapter, name).await.expect("is there");
        described.definition = described.definition.chars().take(30).collect();
        insta::assert_debug_snapshot!(name.replace(' ', "_"), described);
    }
    // Names are found as SQLite finds them.
    assert_eq!(describe(&adapter, "CHILD").await.expect("is there").name, "child");
    assert_eq!(
        describe(&adapter, "main.child").await.expect("is there").name,
        "child"
    );
}

#[tokio::test]
async fn a_table_that_is_not_there_is_not_found_and_the_nearest_is_named() {
    let adapter = Adapter::on_sample().await;
    let fault = describe(&adapter, "order").await.expect_err("is not there");
    assert_eq!(fault.reason, Reason::ObjectNotFound);
    assert_eq!(
        fault.message,
        "there is no table or view \"order\": did you mean orders or order_items or order_totals?"
    );
    assert_eq!(fault.metadata["did_you_mean"], "orders,order_items,order_totals");
    let fault = describe(&adapter, "zzzzzz'; --").await.expect_err("is not there");
    assert!(
        fault.message.ends_with("list_tables shows what there is"),
        "{fault}"
    );
}

#[tokio::test]
async fn objects_are_found_by_a_part_of_their_name() {
    let adapter = Adapter::on(ODD).await;
    let search = async |pattern: &str, kinds: &[ObjectKind], limit| {
        let request = SearchObjectsRequest {
            pattern: pattern.to_owned(),
            kinds: kinds.iter().map(|kind| (*kind).into()).collect(),
            limit,
        };
        let response = adapter
            .reader()
            .search_objects(request)
            .await
            .expect("answers")
            .into_inner();
        let found: Vec<_> = response
            .objects
            .iter()
            .map(|object| {
                format!(
                    "{:?} {} {} {}",
                    object.kind(),
                    object.name,
                    object.table,
                    object.detail
                )
                .trim_end()
                .to_owned()
            })
            .collect();
        (found, response.more)
    };
    assert_eq!(
        search("select", &[], None).await.0,
        ["Table select", "Column select_id child"]
    );
    assert_eq!(search("ÜNÏ", &[], None).await.0, ["Column ünïcödé select"]);
    assert_eq!(
        search("", &[ObjectKind::Index, ObjectKind::Trigger], None)
            .await
            .0,
        ["Index both child", "Index odd index child", "Trigger watch child"]
    );
    assert_eq!(
        search("x", &[ObjectKind::Column], Some(1)).await,
        (vec!["Column x a view TEXT".to_owned()], true)
    );
    assert_eq!(
        search("words_", &[], None).await.0,
        Vec::<String>::new(),
        "shadow tables are an inside"
    );
}

#[tokio::test]
async fn a_plan_is_a_tree_with_findings() {
    let adapter = Adapter::on_sample().await;
    let explain = async |sql: &str| {
        let request = ExplainQueryRequest {
            sql: sql.to_owned(),
            params: vec![],
        };
        adapter
            .reader()
            .explain_query(request)
            .await
            .map(tonic::Response::into_inner)
    };
    let response = explain(" ; select c.name, (select max(total_cents) from order_totals t where t.customer_id = c.id) from customers c order by c.birth_date;")
        .await
        .expect("explains");
    insta::assert_snapshot!(format!(
        "{}\n\n{}",
        response.plan.join("\n"),
        response.findings.join("\n")
    ));
    let response = explain("select * from customers where id = 3")
        .await
        .expect("explains");
    assert_eq!(
        response.plan,
        ["SEARCH customers USING INTEGER PRIMARY KEY (rowid=?)"]
    );
    assert_eq!(response.findings, Vec::<String>::new());
    let fault = Fault::from_status(&explain("explain select 1").await.expect_err("twice"));
    assert_eq!(fault.metadata["hint"], "pass the statement itself");
    let fault = Fault::from_status(&explain("select * from nowhere").await.expect_err("no table"));
    assert_eq!(
        (fault.reason, fault.metadata["position"].as_str()),
        (Reason::StatementInvalid, "15")
    );
}

#[tokio::test]
async fn a_virtual_table_of_an_unknown_module_spoils_nothing() {
    let adapter = Adapter::on("create table t (a)").await;
    run(
        &adapter.path(),
        "pragma writable_schema = on;
        insert into sqlite_schema values ('table', 'alien', 'alien', 0, 'create virtual table alien using spaceship (a)')",
    );
    let tables = list(&adapter, ListTablesRequest::default()).await.tables;
    assert_eq!(
        tables.iter().map(|table| table.name.as_str()).collect::<Vec<_>>(),
        ["alien", "t"]
    );
    let fault = adapter.query("select * from alien").await.expect_err("unknown");
    assert_eq!(
        (fault.reason, fault.message.as_str()),
        (Reason::StatementInvalid, "no such module: spaceship")
    );
    adapter.query("select * from t").await.expect("answers");
}

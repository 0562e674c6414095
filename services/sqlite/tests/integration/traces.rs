//! A call's way to the file, as its trace shows it: names, parents, what is told of each step, and never a value.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::trace::attribute;
use mcp_hub_proto::sqlite::v1::sqlite_write_service_client::SqliteWriteServiceClient;
use mcp_hub_proto::sqlite::v1::{
    DescribeTableRequest, ExplainQueryRequest, FollowQueryRequest, QueryRequest, StreamQueryRequest,
};
use mcp_hub_testing::eventually;
use mcp_hub_testing::traces::{self, Caller};
use tokio_stream::StreamExt as _;

use crate::harness::{Adapter, SOON, statements};

/// What no span may hold: it stands in literals, rows and errors of the statements here.
const SECRET: &str = "5eCr3t";

const QUERY: &str = "mcphub.sqlite.v1.SqliteService/Query";

fn query(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

async fn shop(connections: u32) -> Adapter {
    traces::record();
    let sql = format!(
        "create table customers (id integer primary key);
         create table orders (id integer primary key, note text unique, customer int references customers deferrable initially deferred);
         insert into orders (id, note) with recursive n(i) as (select 1 union all select i + 1 from n limit 300)
             select i, '{SECRET}' || i from n"
    );
    Adapter::on_with(&sql, |config| {
        config.pool_size = Some(connections);
        config.allow_writes = true;
    })
    .await
}

#[tokio::test]
async fn the_way_of_a_query() {
    let adapter = shop(1).await;
    let sql = format!(
        "select o.id, note from orders o left join customers c on c.id = customer where note <> '{SECRET}'"
    );
    let caller = Caller::new();
    adapter
        .reader()
        .query(caller.request(query(&sql)))
        .await
        .expect("answers");
    let server = caller.ended(QUERY).await;
    assert_eq!(server.parent_span_id, caller.span_id());
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteService/Query
      internal acquire connection connected=true
      internal guard
      client SELECT orders customers rows=100 truncated=true [first row]
    ");
    caller.assert_hides(SECRET);

    let caller = Caller::new();
    adapter
        .reader()
        .query(caller.request(query("select id from orders where id < 3")))
        .await
        .expect("answers");
    insta::assert_snapshot!(caller.tree_after(&[QUERY]).await, @r"
    server mcphub.sqlite.v1.SqliteService/Query
      internal acquire connection
      internal guard
      client SELECT orders rows=2 [first row]
    ");
    let statement = caller.span("SELECT orders").expect("ended");
    let told = |name: &str| traces::told(&statement, name);
    assert_eq!(told(attribute::DB_SYSTEM_NAME).as_deref(), Some("sqlite"));
    assert_eq!(told(attribute::DB_NAMESPACE).as_deref(), Some("the shop.db"));
    assert_eq!(told(attribute::DB_OPERATION_NAME).as_deref(), Some("SELECT"));
    assert_eq!(told(attribute::DB_COLLECTION_NAME).as_deref(), Some("orders"));
    assert_eq!(
        told(attribute::DB_QUERY_SUMMARY).as_deref(),
        Some("SELECT orders")
    );
    assert_eq!(told(attribute::DB_QUERY_TEXT), None);
    assert_eq!(told(attribute::SERVER_ADDRESS), None);
    // Two rows of a number, as protobuf.
    assert_eq!(told(attribute::DB_RESPONSE_BYTES).as_deref(), Some("8"));
    // Nothing of where the file is.
    let folder = adapter.path().parent().expect("a folder").display().to_string();
    assert!(!format!("{:?}", caller.spans()).contains(&folder));
}

#[tokio::test]
async fn what_fails_is_seen_where_it_fails() {
    let adapter = shop(1).await;
    for (sql, failed, reason, code) in [
        (
            format!("select nope, '{SECRET}' from orders"),
            "SELECT orders",
            "STATEMENT_INVALID",
            Some("1"),
        ),
        (
            format!("select '{SECRET}"),
            "SELECT",
            "STATEMENT_INVALID",
            Some("1"),
        ),
        (
            format!("select abs(-9223372036854775808), '{SECRET}' from orders"),
            "SELECT orders",
            "STATEMENT_INVALID",
            Some("1"),
        ),
        (
            format!("delete from orders where note = '{SECRET}'"),
            "guard",
            "WRITE_NOT_ALLOWED",
            None,
        ),
        (
            format!("select 1; select '{SECRET}'"),
            "guard",
            "STATEMENT_INVALID",
            None,
        ),
    ] {
        let caller = Caller::new();
        adapter
            .reader()
            .query(caller.request(query(&sql)))
            .await
            .expect_err("fails");
        caller.ended(QUERY).await;
        let span = caller
            .span(failed)
            .unwrap_or_else(|names| panic!("{sql}: {names}"));
        let told = |name: &str| traces::told(&span, name);
        assert_eq!(told(attribute::ERROR_TYPE).as_deref(), Some(reason), "{sql}");
        assert_eq!(told(attribute::DB_RESPONSE_STATUS_CODE).as_deref(), code, "{sql}");
        caller.assert_hides(SECRET);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_seen_where_it_was_looked_for() {
    traces::record();
    let adapter = Adapter::on_nothing().await;
    let caller = Caller::new();
    adapter
        .reader()
        .query(caller.request(query("select 1")))
        .await
        .expect_err("no file");
    insta::assert_snapshot!(caller.tree_after(&[QUERY]).await, @r"
    server mcphub.sqlite.v1.SqliteService/Query error=DATABASE_UNAVAILABLE
      internal acquire connection connected=true error=DATABASE_UNAVAILABLE
    ");
}

#[tokio::test]
async fn callers_that_go_away_and_those_that_wait_are_seen() {
    let adapter = shop(1).await;
    let forever = "with recursive n(i) as (select 1 union select i + 1 from n) select max(i) from n, orders";
    let (gone, waits) = (Caller::new(), Caller::new());
    let mut reader = adapter.reader();
    let hog = Lifecycle::new().spawn({
        let mut reader = adapter.reader();
        let request = gone.request(query(forever));
        async move { reader.query(request).await }
    });
    eventually(SOON, || async {
        let pool = adapter.status().await.pool.expect("a pool");
        pool.open - pool.idle == 1
    })
    .await;
    let request = QueryRequest {
        timeout_ms: Some(300),
        ..query("select 1")
    };
    reader.query(waits.request(request)).await.expect_err("busy");
    hog.abort();
    waits.ended(QUERY).await;
    let acquire = waits.span("acquire connection").expect("ended");
    assert_eq!(
        traces::told(&acquire, attribute::ERROR_TYPE).as_deref(),
        Some("DATABASE_BUSY")
    );
    let waited = traces::took(&acquire);
    assert!(waited.as_millis() >= 290, "{waited:?}");

    let statement = gone.ended("SELECT orders").await;
    assert_eq!(
        traces::told(&statement, attribute::ERROR_TYPE).as_deref(),
        Some("CANCELLED")
    );
}

#[tokio::test]
async fn each_statement_of_a_write_is_seen_and_its_commit() {
    let adapter = shop(1).await;
    let execute = "mcphub.sqlite.v1.SqliteWriteService/Execute";
    let caller = Caller::new();
    let request = statements(&[
        &format!("insert into customers values (7) returning '{SECRET}'"),
        &format!("update orders set note = '{SECRET}' where id = 7"),
    ]);
    let mut writer = SqliteWriteServiceClient::new(adapter.channel());
    writer.execute(caller.request(request)).await.expect("writes");
    insta::assert_snapshot!(caller.tree_after(&[execute]).await, @r"
    server mcphub.sqlite.v1.SqliteWriteService/Execute
      internal acquire connection connected=true
      client BEGIN
      internal guard
      client INSERT customers rows=1 [first row]
      internal guard
      client UPDATE orders
      client COMMIT
    ");
    caller.assert_hides(SECRET);

    // SQLite does not hold foreign keys unless it is told to; a unique index it does.
    let caller = Caller::new();
    let request = statements(&[&format!("update orders set note = '{SECRET}1' where id = 2")]);
    writer.execute(caller.request(request)).await.expect_err("fails");
    insta::assert_snapshot!(caller.tree_after(&[execute]).await, @r"
    server mcphub.sqlite.v1.SqliteWriteService/Execute error=STATEMENT_INVALID
      internal acquire connection connected=true
      client BEGIN
      internal guard
      client UPDATE orders code=2067 error=STATEMENT_INVALID
      client ROLLBACK
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test]
async fn streams_and_followed_calls_are_seen_to_their_end() {
    let adapter = shop(1).await;
    let caller = Caller::new();
    let request = StreamQueryRequest {
        sql: "select * from orders".to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter.reader().stream_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.next().await.is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.sqlite.v1.SqliteService/StreamQuery"]).await, @r"
    server mcphub.sqlite.v1.SqliteService/StreamQuery
      internal acquire connection connected=true
      internal guard
      client SELECT orders rows=300 [first row]
    ");
    caller.assert_hides(SECRET);

    let caller = Caller::new();
    let request = FollowQueryRequest {
        query: Some(query("select note from orders")),
    };
    let stream = adapter.reader().follow_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.next().await.is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.sqlite.v1.SqliteService/FollowQuery"]).await, @r"
    server mcphub.sqlite.v1.SqliteService/FollowQuery
      internal acquire connection
      internal guard
      client SELECT orders rows=100 truncated=true [first row]
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test]
async fn our_own_statements_have_names_of_their_own() {
    let adapter = shop(1).await;
    let caller = Caller::new();
    let request = DescribeTableRequest {
        table_name: "orders".to_owned(),
    };
    adapter
        .reader()
        .describe_table(caller.request(request))
        .await
        .expect("describes");
    insta::assert_snapshot!(caller.tree_after(&["mcphub.sqlite.v1.SqliteService/DescribeTable"]).await, @r"
    server mcphub.sqlite.v1.SqliteService/DescribeTable
      internal acquire connection connected=true
      client SELECT sqlite_schema
      client SELECT
    ");

    let caller = Caller::new();
    let request = ExplainQueryRequest {
        sql: format!("select * from orders where note = '{SECRET}'"),
        ..ExplainQueryRequest::default()
    };
    adapter
        .reader()
        .explain_query(caller.request(request))
        .await
        .expect("explains");
    insta::assert_snapshot!(caller.tree_after(&["mcphub.sqlite.v1.SqliteService/ExplainQuery"]).await, @r"
    server mcphub.sqlite.v1.SqliteService/ExplainQuery
      internal acquire connection
      internal guard
      client EXPLAIN orders rows=1
    ");
    caller.assert_hides(SECRET);
}

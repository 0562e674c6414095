//! A call's way to the file, as its trace shows it: names, parents, what is told of each step, and never a value.

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::trace::attribute;
use mcp_hub_proto::sqlite::v1::sqlite_write_service_client::SqliteWriteServiceClient;
use mcp_hub_proto::sqlite::v1::{
    DescribeTableRequest, ExplainQueryRequest, FollowQueryRequest, QueryRequest, StreamQueryRequest,
};
use mcp_hub_testing::eventually;
use mcp_hub_testing::traces::{self, Caller, SpanData, attribute as value_of};
use tokio_stream::StreamExt as _;
use tonic::Request;

use crate::harness::{Adapter, SOON, statements};

/// What no span may hold: it stands in literals, rows and errors of the statements here.
const SECRET: &str = "5eCr3t";

const QUERY: &str = "mcphub.sqlite.v1.SqliteService/Query";

/// A request in the trace of a caller.
fn traced<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let traceparent = caller.traceparent().parse().expect("a header");
    request.metadata_mut().insert("traceparent", traceparent);
    request
}

fn query(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

/// Waits until a span has ended; that of the server ends with the call.
async fn ended(caller: &Caller, name: &str) -> SpanData {
    eventually(SOON, || async { caller.span(name) }).await
}

/// Asserts that nothing that a span shows holds a value.
#[track_caller]
fn assert_no_value(caller: &Caller) {
    let spans = caller.spans();
    assert!(!spans.is_empty());
    assert!(!format!("{spans:?}").contains(SECRET), "{spans:#?}");
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
        .query(traced(&caller, query(&sql)))
        .await
        .expect("answers");
    let server = ended(&caller, QUERY).await;
    assert_eq!(server.parent_span_id, caller.span_id());
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteService/Query
      internal acquire connection connected=true
      internal guard
      client SELECT orders customers rows=100 truncated=true [first row]
    ");
    assert_no_value(&caller);

    let caller = Caller::new();
    adapter
        .reader()
        .query(traced(&caller, query("select id from orders where id < 3")))
        .await
        .expect("answers");
    ended(&caller, QUERY).await;
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteService/Query
      internal acquire connection
      internal guard
      client SELECT orders rows=2 [first row]
    ");
    let statement = caller.span("SELECT orders").expect("ended");
    let told = |name: &str| value_of(&statement, name).map(|value| value.to_string());
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
            .query(traced(&caller, query(&sql)))
            .await
            .expect_err("fails");
        ended(&caller, QUERY).await;
        let span = caller
            .span(failed)
            .unwrap_or_else(|names| panic!("{sql}: {names}"));
        let told = |name: &str| value_of(&span, name).map(|value| value.to_string());
        assert_eq!(told(attribute::ERROR_TYPE).as_deref(), Some(reason), "{sql}");
        assert_eq!(told(attribute::DB_RESPONSE_STATUS_CODE).as_deref(), code, "{sql}");
        assert_no_value(&caller);
    }
}

#[tokio::test]
async fn a_file_that_is_not_there_is_seen_where_it_was_looked_for() {
    traces::record();
    let adapter = Adapter::on_nothing().await;
    let caller = Caller::new();
    adapter
        .reader()
        .query(traced(&caller, query("select 1")))
        .await
        .expect_err("no file");
    ended(&caller, QUERY).await;
    insta::assert_snapshot!(caller.tree(), @r"
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
        let request = traced(&gone, query(forever));
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
    reader.query(traced(&waits, request)).await.expect_err("busy");
    hog.abort();
    ended(&waits, QUERY).await;
    let acquire = waits.span("acquire connection").expect("ended");
    let reason = value_of(&acquire, attribute::ERROR_TYPE).map(|value| value.to_string());
    assert_eq!(reason.as_deref(), Some("DATABASE_BUSY"));
    let waited = acquire
        .end_time
        .duration_since(acquire.start_time)
        .expect("a time");
    assert!(waited.as_millis() >= 290, "{waited:?}");

    let statement = ended(&gone, "SELECT orders").await;
    let reason = value_of(&statement, attribute::ERROR_TYPE).map(|value| value.to_string());
    assert_eq!(reason.as_deref(), Some("CANCELLED"));
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
    writer.execute(traced(&caller, request)).await.expect("writes");
    ended(&caller, execute).await;
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteWriteService/Execute
      internal acquire connection connected=true
      client BEGIN
      internal guard
      client INSERT customers rows=1 [first row]
      internal guard
      client UPDATE orders
      client COMMIT
    ");
    assert_no_value(&caller);

    // SQLite does not hold foreign keys unless it is told to; a unique index it does.
    let caller = Caller::new();
    let request = statements(&[&format!("update orders set note = '{SECRET}1' where id = 2")]);
    writer.execute(traced(&caller, request)).await.expect_err("fails");
    ended(&caller, execute).await;
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteWriteService/Execute error=STATEMENT_INVALID
      internal acquire connection connected=true
      client BEGIN
      internal guard
      client UPDATE orders code=2067 error=STATEMENT_INVALID
      client ROLLBACK
    ");
    assert_no_value(&caller);
}

#[tokio::test]
async fn streams_and_followed_calls_are_seen_to_their_end() {
    let adapter = shop(1).await;
    let caller = Caller::new();
    let request = StreamQueryRequest {
        sql: "select * from orders".to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter.reader().stream_query(traced(&caller, request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.next().await.is_some() {}
    ended(&caller, "mcphub.sqlite.v1.SqliteService/StreamQuery").await;
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteService/StreamQuery
      internal acquire connection connected=true
      internal guard
      client SELECT orders rows=300 [first row]
    ");
    assert_no_value(&caller);

    let caller = Caller::new();
    let request = FollowQueryRequest {
        query: Some(query("select note from orders")),
    };
    let stream = adapter.reader().follow_query(traced(&caller, request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.next().await.is_some() {}
    ended(&caller, "mcphub.sqlite.v1.SqliteService/FollowQuery").await;
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteService/FollowQuery
      internal acquire connection
      internal guard
      client SELECT orders rows=100 truncated=true [first row]
    ");
    assert_no_value(&caller);
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
        .describe_table(traced(&caller, request))
        .await
        .expect("describes");
    ended(&caller, "mcphub.sqlite.v1.SqliteService/DescribeTable").await;
    insta::assert_snapshot!(caller.tree(), @r"
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
        .explain_query(traced(&caller, request))
        .await
        .expect("explains");
    ended(&caller, "mcphub.sqlite.v1.SqliteService/ExplainQuery").await;
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.sqlite.v1.SqliteService/ExplainQuery
      internal acquire connection
      internal guard
      client EXPLAIN orders rows=1
    ");
    assert_no_value(&caller);
}

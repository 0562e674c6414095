//! A call's way to the database, as its trace shows it: names, parents, what is told of each step, and never a value.

use mcp_hub_chassis::trace::attribute;
use mcp_hub_proto::postgres::v1::postgres_write_service_client::PostgresWriteServiceClient;
use mcp_hub_proto::postgres::v1::*;
use mcp_hub_testing::Postgres;
use mcp_hub_testing::traces::{self, Caller};

use crate::adapter::{Adapter, Server, value};

/// What no span may hold: it stands in literals, parameters, rows and errors of the statements here.
const SECRET: &str = "5eCr3t";

const QUERY: &str = "mcphub.postgres.v1.PostgresService/Query";

/// What ends behind a call.
const RELEASE: &str = "release connection";

fn query(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

/// A database of the test's own, an adapter in front of it. With one connection a probe can't take it from a call that then has to make one.
async fn shop(postgres: &Postgres, name: &str, settings: &str) -> (Adapter, Server) {
    traces::record();
    Server::of(postgres.url()).create_database(name).await;
    let url = postgres.url_of(name);
    let server = Server::of(&url);
    let rows = format!("insert into orders select n, '{SECRET}' || n from generate_series(1, 300) n");
    server
        .run(&[
            "create table customers (id int primary key)",
            "create table orders (id int primary key, note text unique, customer int references customers deferrable initially deferred)",
            &rows.replace("orders select", "orders (id, note) select"),
        ])
        .await;
    (
        Adapter::start(&format!("url = '{url}'\nallow_writes = true\n{settings}")).await,
        server,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_a_query() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_query", "pool_size = 1").await;
    let sql = format!(
        "select o.id, note from orders o left join customers c on c.id = customer where note <> '{SECRET}' and o.id < $1"
    );
    let asked = |rows: i64| QueryRequest {
        params: vec![value(&rows.into())],
        ..query(&sql)
    };
    // Login and probes are over.
    adapter.serving().await;
    let caller = Caller::new();
    let answer = adapter
        .client
        .clone()
        .query(caller.request(asked(1000)))
        .await
        .expect("answers");
    assert_eq!(answer.into_inner().result.expect("a result").rows.len(), 100);
    let server = caller.ended(QUERY).await;
    assert_eq!(server.parent_span_id, caller.span_id());
    insta::assert_snapshot!(caller.tree(), @r"
    server mcphub.postgres.v1.PostgresService/Query
      internal guard
      internal acquire connection
      client SELECT orders customers rows=100 truncated=true [first row]
    ");
    let statement = caller.span("SELECT orders customers").expect("ended");
    let told = |name: &str| traces::told(&statement, name);
    assert_eq!(told(attribute::DB_SYSTEM_NAME).as_deref(), Some("postgresql"));
    assert_eq!(told(attribute::DB_NAMESPACE).as_deref(), Some("traced_query"));
    assert_eq!(told(attribute::DB_OPERATION_NAME).as_deref(), Some("SELECT"));
    assert_eq!(
        told(attribute::DB_QUERY_SUMMARY).as_deref(),
        Some("SELECT orders customers")
    );
    assert_eq!(told(attribute::DB_QUERY_TEXT), None);
    assert_eq!(told(attribute::DB_COLLECTION_NAME), None, "there are two");
    assert_eq!(told(attribute::SERVER_ADDRESS).as_deref(), Some(postgres.host()));
    assert_eq!(told(attribute::SERVER_PORT), Some(postgres.port().to_string()));
    let bytes: i64 = told(attribute::DB_RESPONSE_BYTES)
        .expect("told")
        .parse()
        .expect("a number");
    // Each row has a number, and the secret with the same number behind it.
    assert!((100 * 10..100 * 30).contains(&bytes), "{bytes}");
    caller.assert_hides(SECRET);
    assert!(server.start_time <= statement.start_time && statement.end_time <= server.end_time);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_call_makes_a_connection() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_login", "").await;
    adapter.serving().await;
    // All connections that there are, and one more: at least one has to be made.
    let callers: Vec<Caller> = (0..3).map(|_| Caller::new()).collect();
    let calls = callers.iter().map(|caller| {
        let (mut client, request) = (
            adapter.client.clone(),
            caller.request(query("select pg_sleep(0.3), id from orders limit 1")),
        );
        adapter
            .lifecycle
            .spawn(async move { client.query(request).await })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("no panic").expect("answers");
    }
    let mut trees = vec![];
    for caller in &callers {
        caller.ended(QUERY).await;
        trees.push(caller.tree());
    }
    let made: Vec<&String> = trees
        .iter()
        .filter(|tree| tree.contains("connected=true"))
        .collect();
    assert!(!made.is_empty(), "{trees:#?}");
    insta::assert_snapshot!(made[0], @r"
    server mcphub.postgres.v1.PostgresService/Query
      internal guard
      internal acquire connection connected=true
        client SELECT rows=1 [first row]
      client SELECT orders rows=1 [first row]
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_has_its_code_and_no_message() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_failure", "pool_size = 1").await;
    adapter.serving().await;
    let caller = Caller::new();
    let failed = adapter
        .client
        .clone()
        .query(caller.request(query("select not_e from orders")))
        .await;
    failed.expect_err("fails");
    insta::assert_snapshot!(caller.tree_after(&[QUERY]).await, @r"
    server mcphub.postgres.v1.PostgresService/Query error=STATEMENT_INVALID
      internal guard
      internal acquire connection
      client SELECT orders code=42703 error=STATEMENT_INVALID
      internal acquire connection
      client SELECT pg_attribute rows=3 [first row]
      client ROLLBACK
    ");
    // The server quotes the value in its message.
    let caller = Caller::new();
    let cast = format!("select note::int from orders where note = '{SECRET}1'");
    let failed = adapter.client.clone().query(caller.request(query(&cast))).await;
    assert!(failed.expect_err("fails").message().contains(SECRET));
    caller.ended(QUERY).await;
    let statement = caller.span("SELECT orders").expect("ended");
    assert_eq!(
        traces::told(&statement, attribute::DB_RESPONSE_STATUS_CODE).as_deref(),
        Some("22P02")
    );
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guard_refuses_goes_no_further() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_guard", "").await;
    for sql in [
        format!("delete from orders where note = '{SECRET}'"),
        format!("select '{SECRET}"),
    ] {
        let caller = Caller::new();
        let refused = adapter.client.clone().query(caller.request(query(&sql))).await;
        refused.expect_err("refused");
        caller.ended(QUERY).await;
        let guard = caller.span("guard").expect("ended");
        assert!(traces::told(&guard, attribute::ERROR_TYPE).is_some());
        assert_eq!(caller.spans().len(), 2, "{}", caller.tree());
        caller.assert_hides(SECRET);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_is_seen_in_the_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = shop(postgres, "traced_cancel", "pool_size = 1").await;
    adapter.serving().await;
    let caller = Caller::new();
    let request = caller.request(query("select id, pg_sleep(60) from orders /* traced cancel */"));
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request).await });
    server.runs("traced cancel").await;
    call.abort();
    caller.ended(RELEASE).await;
    caller.ended(QUERY).await;
    let statement = caller.span("SELECT orders").expect("ended");
    assert_eq!(
        traces::told(&statement, attribute::ERROR_TYPE).as_deref(),
        Some("CANCELLED")
    );
    server.stops_running("traced cancel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_connection_is_seen() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, server) = shop(postgres, "traced_wait", "pool_size = 1").await;
    adapter.serving().await;
    let occupying = Caller::new();
    let request = occupying.request(query("select pg_sleep(60) /* traced wait */"));
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request).await });
    server.runs("traced wait").await;
    let caller = Caller::new();
    let impatient = QueryRequest {
        timeout_ms: Some(300),
        ..query("select id from orders")
    };
    let busy = adapter.client.clone().query(caller.request(impatient)).await;
    busy.expect_err("busy");
    call.abort();
    caller.ended(QUERY).await;
    let acquire = caller.span("acquire connection").expect("ended");
    assert_eq!(
        traces::told(&acquire, attribute::ERROR_TYPE).as_deref(),
        Some("DATABASE_BUSY")
    );
    let waited = traces::took(&acquire);
    assert!(waited.as_millis() >= 300, "{waited:?}");
    let metrics = mcp_hub_chassis::metrics::text();
    let timeouts = metrics.lines().find(|line| {
        line.starts_with("db_client_connection_timeouts_total") && line.contains("test/traced_wait\"")
    });
    assert!(timeouts.is_some_and(|line| line.ends_with(" 1")), "{timeouts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_seen_where_it_was_looked_for() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    traces::record();
    let adapter = Adapter::of(postgres.url()).await;
    adapter.query("select 1").await.expect("works");
    postgres.stop().await;
    let caller = Caller::new();
    adapter
        .client
        .clone()
        .query(caller.request(query("select 1")))
        .await
        .expect_err("down");
    insta::assert_snapshot!(caller.tree_after(&[QUERY]).await, @r"
    server mcphub.postgres.v1.PostgresService/Query error=DATABASE_UNAVAILABLE
      internal guard
      internal acquire connection connected=true error=DATABASE_UNAVAILABLE
    ");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_a_write_is_seen_and_its_commit() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_write", "").await;
    let execute = "mcphub.postgres.v1.PostgresWriteService/Execute";
    let statement = |sql: &str| Statement {
        sql: sql.to_owned(),
        params: vec![],
    };
    let request = |second: &str| ExecuteRequest {
        statements: vec![
            statement(&format!("insert into customers values (7) returning '{SECRET}'")),
            statement(second),
        ],
        ..ExecuteRequest::default()
    };
    let mut client = PostgresWriteServiceClient::new(adapter.channel.clone());
    let caller = Caller::new();
    let sql = format!("update orders set note = '{SECRET}' where id = 7");
    client
        .execute(caller.request(request(&sql)))
        .await
        .expect("writes");
    insta::assert_snapshot!(caller.tree_after(&[execute]).await, @r"
    server mcphub.postgres.v1.PostgresWriteService/Execute
      internal guard
      internal acquire connection connected=true
        client SELECT rows=1 [first row]
      client SELECT rows=1 [first row]
      client INSERT customers rows=1 [first row]
      client UPDATE orders
      client COMMIT
    ");
    caller.assert_hides(SECRET);

    // The foreign key is looked at when all is done.
    let caller = Caller::new();
    let stranger = "2047114711"; // Long enough not to be in an id or a time of a span by chance.
    let wrong = format!("update orders set customer = {stranger} where id = 8");
    let request = ExecuteRequest {
        statements: vec![statement(&wrong)],
        ..ExecuteRequest::default()
    };
    client.execute(caller.request(request)).await.expect_err("fails");
    insta::assert_snapshot!(caller.tree_after(&[execute]).await, @r"
    server mcphub.postgres.v1.PostgresWriteService/Execute error=STATEMENT_INVALID
      internal guard
      internal acquire connection
      client SELECT rows=1 [first row]
      client UPDATE orders
      client COMMIT code=23503 error=STATEMENT_INVALID
    ");
    caller.assert_hides(stranger);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_followed_calls_are_seen_to_their_end() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_stream", "pool_size = 1").await;
    adapter.serving().await;
    let caller = Caller::new();
    let request = StreamQueryRequest {
        sql: "select * from orders".to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter.client.clone().stream_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("a batch").is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.postgres.v1.PostgresService/StreamQuery"]).await, @r"
    server mcphub.postgres.v1.PostgresService/StreamQuery
      internal guard
      internal acquire connection
      client SELECT orders rows=300 [first row]
    ");
    caller.assert_hides(SECRET);

    let caller = Caller::new();
    let request = FollowQueryRequest {
        query: Some(query("select note from orders")),
    };
    let stream = adapter.client.clone().follow_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("progress").is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.postgres.v1.PostgresService/FollowQuery"]).await, @r"
    server mcphub.postgres.v1.PostgresService/FollowQuery
      internal guard
      internal acquire connection
      client SELECT orders rows=100 truncated=true [first row]
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_statements_have_names_of_their_own() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let (adapter, _) = shop(postgres, "traced_catalogue", "pool_size = 1").await;
    adapter.serving().await;
    let caller = Caller::new();
    let request = DescribeTableRequest {
        table_name: "orders".to_owned(),
        ..DescribeTableRequest::default()
    };
    adapter
        .client
        .clone()
        .describe_table(caller.request(request))
        .await
        .expect("describes");
    caller
        .ended("mcphub.postgres.v1.PostgresService/DescribeTable")
        .await;
    // The transaction ends behind the call.
    insta::assert_snapshot!(caller.tree_after(&[RELEASE]).await, @r"
    server mcphub.postgres.v1.PostgresService/DescribeTable
      internal acquire connection
      client SELECT pg_class rows=1 [first row]
      internal release connection
    ");

    let caller = Caller::new();
    let request = ExplainQueryRequest {
        sql: format!("select * from orders where note = '{SECRET}' and id = $1"),
        ..ExplainQueryRequest::default()
    };
    adapter
        .client
        .clone()
        .explain_query(caller.request(request))
        .await
        .expect("explains");
    insta::assert_snapshot!(caller.tree_after(&["mcphub.postgres.v1.PostgresService/ExplainQuery", RELEASE]).await, @r"
    server mcphub.postgres.v1.PostgresService/ExplainQuery
      internal guard
      internal acquire connection
      client SET
      client PREPARE orders
      client SAVEPOINT
      client EXPLAIN orders rows=1 [first row]
      client DEALLOCATE
      internal release connection
    ");
    caller.assert_hides(SECRET);
}

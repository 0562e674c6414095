//! A call's way to the server, as its trace shows it: names, parents, what is told of each step, and never a value.

use mcp_hub_chassis::trace::attribute;
use mcp_hub_proto::mariadb::v1::mariadb_write_service_client::MariadbWriteServiceClient;
use mcp_hub_proto::mariadb::v1::*;
use mcp_hub_testing::traces::{self, Caller};
use mcp_hub_testing::{MariaDb, eventually};

use crate::adapter::{Adapter, SOON, Server, value};

/// What no span may hold: it stands in literals, parameters, rows and errors of the statements here.
const SECRET: &str = "5eCr3t";

const QUERY: &str = "mcphub.mariadb.v1.MariadbService/Query";

/// What ends behind a call.
const RELEASE: &str = "release connection";

pub(crate) fn query(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

/// A database of the test's own, an adapter in front of it that has logged in.
async fn shop(mariadb: &MariaDb, name: &str, settings: &str) -> (Adapter, Server) {
    traces::record();
    let server = Server::of(mariadb.url());
    server.create_database(name).await;
    server
        .run(&[
            &format!("create table {name}.customers (id int primary key)"),
            &format!("create table {name}.orders (id int primary key, note varchar(40) unique)"),
            &format!("insert into {name}.orders with recursive r (n) as (select 1 union all select n + 1 from r where n < 300) select n, concat('{SECRET}', n) from r"),
        ])
        .await;
    let url = format!(
        "url = '{}'\ndatabase = '{name}'\nallow_writes = true",
        mariadb.url()
    );
    let adapter = Adapter::start(&format!("{url}\n{settings}")).await;
    adapter.serving().await;
    (adapter, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_a_query() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "traced_query", "pool_size = 1").await;
    let sql = format!(
        "select o.id, o.note from orders o left join customers c on c.id = o.id where o.note <> '{SECRET}' and o.id < ?"
    );
    let asked = QueryRequest {
        params: vec![value(&1000.into())],
        ..query(&sql)
    };
    let is_mariadb = server.is_mariadb().await;
    // What the tables of its columns are, this asks once a minute.
    adapter.ask(asked.clone()).await.expect("answers");
    adapter.at_rest().await;
    let caller = Caller::new();
    let answer = adapter.client.clone().query(caller.request(asked)).await;
    let answer = answer.expect("answers").into_inner().result.expect("a result");
    assert_eq!(answer.rows.len(), 100);
    insta::assert_snapshot!(caller.tree_after(&[QUERY, RELEASE]).await, @r"
    server mcphub.mariadb.v1.MariadbService/Query
      internal guard
      internal acquire connection
      client BEGIN rows=0
      client SELECT orders customers rows=100 truncated=true [first row]
      client SHOW WARNINGS rows=0
      internal release connection
        client ROLLBACK rows=0
    ");
    let statement = caller.span("SELECT orders customers").expect("ended");
    let told = |name: &str| traces::told(&statement, name);
    let system = if is_mariadb { "mariadb" } else { "mysql" };
    assert_eq!(told(attribute::DB_SYSTEM_NAME).as_deref(), Some(system));
    assert_eq!(told(attribute::DB_NAMESPACE).as_deref(), Some("traced_query"));
    assert_eq!(told(attribute::DB_OPERATION_NAME).as_deref(), Some("SELECT"));
    assert_eq!(
        told(attribute::DB_QUERY_SUMMARY).as_deref(),
        Some("SELECT orders customers")
    );
    assert_eq!(told(attribute::DB_QUERY_TEXT), None);
    assert_eq!(told(attribute::DB_COLLECTION_NAME), None, "there are two");
    assert!(told(attribute::SERVER_ADDRESS).is_some_and(|host| mariadb.url().contains(&host)));
    assert!(told(attribute::SERVER_PORT).is_some_and(|port| mariadb.url().contains(&format!(":{port}"))));
    let bytes: i64 = told(attribute::DB_RESPONSE_BYTES)
        .expect("told")
        .parse()
        .expect("a number");
    // Each row has a number of four bytes, and the secret with the same number behind it.
    assert!((100 * 10..100 * 20).contains(&bytes), "{bytes}");
    caller.assert_hides(SECRET);
    let server = caller.span(QUERY).expect("ended");
    assert_eq!(server.parent_span_id, caller.span_id());
    assert!(server.start_time <= statement.start_time && statement.end_time <= server.end_time);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_has_its_code_and_no_message() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _) = shop(mariadb, "traced_failure", "pool_size = 1").await;
    let caller = Caller::new();
    let failed = adapter
        .client
        .clone()
        .query(caller.request(query("select not_e from orders")))
        .await;
    failed.expect_err("fails");
    let lines = caller.tree_after(&[QUERY]).await;
    // What comes behind it is the look-up of names that may have been meant.
    let until = "client SELECT orders code=1054 error=STATEMENT_INVALID\n";
    assert!(lines.contains(until), "{lines}");
    assert!(
        lines.contains("client SELECT information_schema.columns rows=2 [first row]\n"),
        "{lines}"
    );
    assert!(
        lines.starts_with("server mcphub.mariadb.v1.MariadbService/Query error=STATEMENT_INVALID\n"),
        "{lines}"
    );
    // The server quotes the value in its message.
    let caller = Caller::new();
    let wrong = format!("select id from orders where note = '{SECRET}' frm");
    let failed = adapter.client.clone().query(caller.request(query(&wrong))).await;
    let message = failed.expect_err("fails").message().to_owned();
    assert!(message.contains("near 'frm' at line 1"), "{message}");
    let statement = caller.ended("SELECT orders").await;
    assert_eq!(
        traces::told(&statement, attribute::DB_RESPONSE_STATUS_CODE).as_deref(),
        Some("1064")
    );
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guard_refuses_goes_no_further() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _) = shop(mariadb, "traced_guard", "").await;
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
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "traced_cancel", "").await;
    let caller = Caller::new();
    let request = caller.request(query("select /* traced cancel */ id, sleep(60) from orders"));
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request).await });
    server.runs("traced cancel").await;
    call.abort();
    caller.ended(RELEASE).await;
    caller.ended(QUERY).await;
    let statement = caller.ended("SELECT orders").await;
    assert_eq!(
        traces::told(&statement, attribute::ERROR_TYPE).as_deref(),
        Some("CANCELLED")
    );
    server.stops_running("traced cancel").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_is_seen_as_one() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _) = shop(mariadb, "traced_timeout", "").await;
    let caller = Caller::new();
    let impatient = QueryRequest {
        timeout_ms: Some(200),
        ..query("select id, sleep(60) from orders")
    };
    let failed = adapter.client.clone().query(caller.request(impatient)).await;
    failed.expect_err("times out");
    let statement = caller.ended("SELECT orders").await;
    assert_eq!(
        traces::told(&statement, attribute::ERROR_TYPE).as_deref(),
        Some("STATEMENT_TIMED_OUT")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_connection_is_seen() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "traced_wait", "pool_size = 1").await;
    let occupying = Caller::new();
    let request = occupying.request(query("select /* traced wait */ sleep(60)"));
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
    insta::assert_snapshot!(caller.tree_after(&[QUERY]).await, @r"
    server mcphub.mariadb.v1.MariadbService/Query error=DATABASE_BUSY
      internal guard
      internal acquire connection error=DATABASE_BUSY
    ");
    let acquire = caller.span("acquire connection").expect("ended");
    let waited = traces::took(&acquire);
    assert!(waited.as_millis() >= 300, "{waited:?}");
    let metrics = mcp_hub_chassis::metrics::text();
    let timeouts = metrics
        .lines()
        .find(|line| line.starts_with("db_client_connection_timeouts_total") && line.contains("\"test\""));
    // The tests of this process share the name of the pool.
    assert!(timeouts.is_some_and(|line| !line.ends_with(" 0")), "{timeouts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_seen_where_it_was_looked_for() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    traces::record();
    let adapter = Adapter::of(mariadb.url()).await;
    adapter.query("select 1").await.expect("works");
    mariadb.stop().await;
    eventually(SOON, async || {
        let caller = Caller::new();
        let call = adapter
            .client
            .clone()
            .query(caller.request(query("select 1")))
            .await;
        call.expect_err("down");
        caller.ended(QUERY).await;
        // The first calls may still meet sessions that have died.
        let expected = "\
            server mcphub.mariadb.v1.MariadbService/Query error=DATABASE_UNAVAILABLE\n  \
              internal guard\n  \
              internal acquire connection connected=true error=DATABASE_UNAVAILABLE\n";
        let lines = caller.tree();
        if lines == expected { Ok(()) } else { Err(lines) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_statement_of_a_write_is_seen_and_its_commit() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _) = shop(mariadb, "traced_write", "").await;
    let execute = "mcphub.mariadb.v1.MariadbWriteService/Execute";
    let statement = |sql: &str| Statement {
        sql: sql.to_owned(),
        params: vec![],
    };
    let mut client = MariadbWriteServiceClient::new(adapter.channel.clone());
    let caller = Caller::new();
    let request = ExecuteRequest {
        statements: vec![
            statement("insert into customers select id + 1000 from orders where id < 3"),
            statement(&format!("update orders set note = '{SECRET}' where id = 7")),
        ],
        ..ExecuteRequest::default()
    };
    client.execute(caller.request(request)).await.expect("writes");
    insta::assert_snapshot!(caller.tree_after(&[execute]).await, @r"
    server mcphub.mariadb.v1.MariadbWriteService/Execute
      internal guard
      internal acquire connection connected=true
      client BEGIN rows=0
      client SELECT information_schema.tables rows=0
      client INSERT customers orders rows=0
      client SHOW WARNINGS rows=0
      client UPDATE orders rows=0
      client SHOW WARNINGS rows=0
      client COMMIT rows=0
    ");
    caller.assert_hides(SECRET);

    let caller = Caller::new();
    let request = ExecuteRequest {
        statements: vec![
            statement("insert into customers values (1)"),
            statement(&format!("insert into orders values (8, '{SECRET}8')")),
        ],
        ..ExecuteRequest::default()
    };
    client.execute(caller.request(request)).await.expect_err("fails");
    insta::assert_snapshot!(caller.tree_after(&[execute, RELEASE]).await, @r"
    server mcphub.mariadb.v1.MariadbWriteService/Execute error=STATEMENT_INVALID
      internal guard
      internal acquire connection
      client BEGIN rows=0
      client SELECT information_schema.tables rows=0
      client INSERT customers rows=0
      client SHOW WARNINGS rows=0
      client INSERT orders code=1062 error=STATEMENT_INVALID
      internal release connection
        client ROLLBACK rows=0
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_followed_calls_are_seen_to_their_end() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, _) = shop(mariadb, "traced_stream", "pool_size = 1").await;
    let caller = Caller::new();
    let request = StreamQueryRequest {
        sql: "select id from orders".to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter.client.clone().stream_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("a batch").is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.mariadb.v1.MariadbService/StreamQuery", RELEASE]).await, @r"
    server mcphub.mariadb.v1.MariadbService/StreamQuery
      internal guard
      internal acquire connection
      client BEGIN rows=0
      client SELECT orders rows=300 [first row]
      client SHOW WARNINGS rows=0
      internal release connection
        client ROLLBACK rows=0
    ");
    caller.assert_hides(SECRET);

    adapter.at_rest().await;
    let caller = Caller::new();
    let request = FollowQueryRequest {
        query: Some(query("select id from orders")),
    };
    let stream = adapter.client.clone().follow_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("progress").is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.mariadb.v1.MariadbService/FollowQuery", RELEASE]).await, @r"
    server mcphub.mariadb.v1.MariadbService/FollowQuery
      internal guard
      internal acquire connection
      client BEGIN rows=0
      client SELECT orders rows=100 truncated=true [first row]
      client SHOW WARNINGS rows=0
      internal release connection
        client ROLLBACK rows=0
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_statements_have_names_of_their_own() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let (adapter, server) = shop(mariadb, "traced_catalogue", "pool_size = 1").await;
    let caller = Caller::new();
    let request = ListTablesRequest {
        pattern: Some("orders".to_owned()),
        ..ListTablesRequest::default()
    };
    adapter
        .client
        .clone()
        .list_tables(caller.request(request))
        .await
        .expect("lists");
    let lines = caller
        .tree_after(&["mcphub.mariadb.v1.MariadbService/ListTables"])
        .await;
    // Other tests have databases as well.
    let names: Vec<&str> = lines
        .lines()
        .filter_map(|line| line.split(" rows=").next())
        .collect();
    assert_eq!(
        names,
        [
            "server mcphub.mariadb.v1.MariadbService/ListTables",
            "  internal acquire connection",
            "  client BEGIN",
            "  client SELECT information_schema.schemata",
            "  client SELECT information_schema.tables",
            "  client SELECT information_schema.tables",
            "  client ROLLBACK",
        ]
    );

    let caller = Caller::new();
    let request = ExplainQueryRequest {
        sql: format!("select * from orders where note = '{SECRET}' and id = 7"),
        ..ExplainQueryRequest::default()
    };
    adapter
        .client
        .clone()
        .explain_query(caller.request(request))
        .await
        .expect("explains");
    let lines = caller
        .tree_after(&["mcphub.mariadb.v1.MariadbService/ExplainQuery"])
        .await;
    assert!(
        lines.contains("  client EXPLAIN orders rows=1 [first row]\n"),
        "{lines}"
    );
    caller.assert_hides(SECRET);
    drop(server);
}

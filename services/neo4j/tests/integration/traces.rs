//! A call's way to the server, as its trace shows it: names, parents, what is told of each step, and never a value.

use mcp_hub_chassis::trace::attribute;
use mcp_hub_proto::neo4j::v1::neo4j_write_service_client::Neo4jWriteServiceClient;
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::traces::{self, Caller};
use mcp_hub_testing::{Neo4j, eventually};

use crate::adapter::{Adapter, SOON, Server, request as asked, settings};

mod retry;

/// What no span may hold: it stands in literals, parameters, rows and errors of the statements here.
const SECRET: &str = "5eCr3t";

const QUERY: &str = "mcphub.neo4j.v1.Neo4jService/Query";

/// What ends behind a call.
const RELEASE: &str = "release connection";

fn query(cypher: &str) -> QueryRequest {
    QueryRequest {
        cypher: cypher.to_owned(),
        ..QueryRequest::default()
    }
}

/// An adapter in front of the server that has logged in, and nodes of this label with secrets in them.
async fn graph(neo4j: &Neo4j, label: &str, more: &str) -> (Adapter, Server) {
    traces::record();
    let server = Server::of(neo4j);
    server
        .run(&[
            &format!("MATCH (n:{label}) DETACH DELETE n"),
            &format!("UNWIND range(1, 300) AS n CREATE (:{label} {{n: n, note: '{SECRET}' + n}})"),
        ])
        .await;
    let adapter = Adapter::start(&format!("{}\nallow_writes = true\n{more}", settings(neo4j))).await;
    adapter.serving().await;
    (adapter, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_of_a_query() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, _) = graph(neo4j, "TracedQuery", "pool_size = 1").await;
    let cypher =
        format!("MATCH (n:TracedQuery) WHERE n.note <> '{SECRET}' AND n.n < $most RETURN n.n, n.note");
    let caller = Caller::new();
    let request = caller.request(asked(&cypher, &serde_json::json!({"most": 1000})));
    let answer = adapter.client.clone().query(request).await;
    let answer = answer.expect("answers").into_inner().result.expect("a result");
    assert_eq!(answer.rows.len(), 100);
    insta::assert_snapshot!(caller.tree_after(&[QUERY, RELEASE]).await, @r"
    server mcphub.neo4j.v1.Neo4jService/Query
      internal guard
      internal acquire connection
      client MATCH TracedQuery rows=100 truncated=true [first row]
      internal release connection
    ");
    let statement = caller.span("MATCH TracedQuery").expect("ended");
    let told = |name: &str| traces::told(&statement, name);
    assert_eq!(told(attribute::DB_SYSTEM_NAME).as_deref(), Some("neo4j"));
    assert_eq!(told(attribute::DB_OPERATION_NAME).as_deref(), Some("MATCH"));
    assert_eq!(
        told(attribute::DB_QUERY_SUMMARY).as_deref(),
        Some("MATCH TracedQuery")
    );
    assert_eq!(
        told(attribute::DB_COLLECTION_NAME).as_deref(),
        Some("TracedQuery")
    );
    assert_eq!(told(attribute::DB_QUERY_TEXT), None);
    assert!(told(attribute::SERVER_ADDRESS).is_some_and(|host| neo4j.url().contains(&host)));
    assert!(told(attribute::SERVER_PORT).is_some_and(|port| neo4j.url().contains(&format!(":{port}"))));
    let bytes: i64 = told(attribute::DB_RESPONSE_BYTES)
        .expect("told")
        .parse()
        .expect("a number");
    assert!((100 * 10..100 * 30).contains(&bytes), "{bytes}");
    caller.assert_hides(SECRET);
    let server = caller.span(QUERY).expect("ended");
    assert_eq!(server.parent_span_id, caller.span_id());
    assert!(server.start_time <= statement.start_time && statement.end_time <= server.end_time);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_shows_the_trace_of_what_runs() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = graph(neo4j, "TracedTold", "").await;
    let caller = Caller::new();
    let endless =
        "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) /* traced told */";
    let request = caller.request(query(endless));
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request).await });
    let shown = eventually(SOON, async || {
        let rows = server
            .rows(
                "SHOW TRANSACTIONS YIELD metaData, currentQuery WHERE currentQuery CONTAINS 'traced told' \
                 AND metaData.app = 'mcp-hub/test' RETURN metaData.traceparent",
            )
            .await;
        rows.first()?.text(0).map(str::to_owned)
    })
    .await;
    call.abort();
    let statement = caller.ended("UNWIND").await;
    let expected = format!("00-{}-{}-01", caller.trace_id(), statement.span_context.span_id());
    assert_eq!(shown, expected);
    caller.ended(QUERY).await;
    caller.ended(RELEASE).await;
    assert_eq!(
        traces::told(&statement, attribute::ERROR_TYPE).as_deref(),
        Some("CANCELLED")
    );
    server.stops_running("traced told").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_fails_has_its_code_and_no_message() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, _) = graph(neo4j, "TracedFailure", "pool_size = 1").await;
    let caller = Caller::new();
    let wrong = format!("MATCH (n:TracedFailure) WHERE n.note = '{SECRET}' RETURN m");
    let failed = adapter.client.clone().query(caller.request(query(&wrong))).await;
    failed.expect_err("fails");
    insta::assert_snapshot!(caller.tree_after(&[QUERY, RELEASE]).await, @r"
    server mcphub.neo4j.v1.Neo4jService/Query error=STATEMENT_INVALID
      internal guard
      internal acquire connection
      client MATCH TracedFailure code=Neo.ClientError.Statement.SyntaxError error=STATEMENT_INVALID
      internal release connection
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_guard_refuses_goes_no_further() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, _) = graph(neo4j, "TracedGuard", "").await;
    for cypher in [
        format!("MATCH (n:TracedGuard) SET n.note = '{SECRET}'"),
        format!("RETURN '{SECRET}"),
    ] {
        let caller = Caller::new();
        let refused = adapter.client.clone().query(caller.request(query(&cypher))).await;
        refused.expect_err("refused");
        caller.ended(QUERY).await;
        let guard = caller.span("guard").expect("ended");
        assert!(traces::told(&guard, attribute::ERROR_TYPE).is_some());
        assert_eq!(caller.spans().len(), 2, "{}", caller.tree());
        caller.assert_hides(SECRET);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_for_a_connection_and_a_time_out_are_seen() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, server) = graph(neo4j, "TracedWait", "pool_size = 1").await;
    let endless =
        "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) /* traced wait */";
    let occupying = Caller::new();
    let request = occupying.request(QueryRequest {
        timeout_ms: Some(2_000),
        ..query(endless)
    });
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request).await });
    server.runs("traced wait").await;
    let caller = Caller::new();
    let impatient = QueryRequest {
        timeout_ms: Some(300),
        ..query("MATCH (n:TracedWait) RETURN n")
    };
    let busy = adapter.client.clone().query(caller.request(impatient)).await;
    busy.expect_err("busy");
    insta::assert_snapshot!(caller.tree_after(&[QUERY]).await, @r"
    server mcphub.neo4j.v1.Neo4jService/Query error=DATABASE_BUSY
      internal guard
      internal acquire connection error=DATABASE_BUSY
    ");
    let acquire = caller.span("acquire connection").expect("ended");
    let waited = traces::took(&acquire);
    assert!(waited.as_millis() >= 300, "{waited:?}");
    call.await.expect("no panic").expect_err("times out");
    let statement = occupying.ended("UNWIND").await;
    assert_eq!(
        traces::told(&statement, attribute::ERROR_TYPE).as_deref(),
        Some("STATEMENT_TIMED_OUT")
    );
    let metrics = mcp_hub_chassis::metrics::text();
    let timeouts = metrics
        .lines()
        .find(|line| line.starts_with("db_client_connection_timeouts_total") && line.contains("\"test\""));
    // The tests of this process share the name of the pool.
    assert!(timeouts.is_some_and(|line| !line.ends_with(" 0")), "{timeouts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_seen_where_it_was_looked_for() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    traces::record();
    let adapter = Adapter::start(&format!("{}\npool_size = 1", settings(&neo4j))).await;
    adapter.query("return 1").await.expect("works");
    neo4j.stop().await;
    eventually(SOON, async || {
        let caller = Caller::new();
        let call = adapter
            .client
            .clone()
            .query(caller.request(query("return 1")))
            .await;
        call.expect_err("down");
        caller.ended(QUERY).await;
        // The first calls may still meet connections that have died.
        let expected = "\
            server mcphub.neo4j.v1.Neo4jService/Query error=DATABASE_UNAVAILABLE\n  \
              internal guard\n  \
              internal acquire connection connected=true error=DATABASE_UNAVAILABLE\n";
        let lines = caller.tree();
        if lines == expected { Ok(()) } else { Err(lines) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_seen_with_its_commit() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, _) = graph(neo4j, "TracedWrite", "").await;
    let execute = "mcphub.neo4j.v1.Neo4jWriteService/Execute";
    let mut client = Neo4jWriteServiceClient::new(adapter.channel.clone());
    let caller = Caller::new();
    let request = ExecuteRequest {
        cypher: format!("MATCH (n:TracedWrite {{n: 7}}) SET n.note = '{SECRET}'"),
        ..ExecuteRequest::default()
    };
    client.execute(caller.request(request)).await.expect("writes");
    insta::assert_snapshot!(caller.tree_after(&[execute]).await, @r"
    server mcphub.neo4j.v1.Neo4jWriteService/Execute
      internal guard
      internal acquire connection connected=true
      client RETURN rows=1 [first row]
      client SET TracedWrite rows=0
      client COMMIT rows=0
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_followed_calls_are_seen_to_their_end() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, _) = graph(neo4j, "TracedStream", "pool_size = 1").await;
    let caller = Caller::new();
    let request = StreamQueryRequest {
        cypher: "MATCH (n:TracedStream) RETURN n.note".to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter.client.clone().stream_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("a batch").is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.neo4j.v1.Neo4jService/StreamQuery", RELEASE]).await, @r"
    server mcphub.neo4j.v1.Neo4jService/StreamQuery
      internal guard
      internal acquire connection
      client MATCH TracedStream rows=300 [first row]
      internal release connection
    ");
    caller.assert_hides(SECRET);

    let caller = Caller::new();
    let request = FollowQueryRequest {
        query: Some(query("MATCH (n:TracedStream) RETURN n.note")),
    };
    let stream = adapter.client.clone().follow_query(caller.request(request)).await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("progress").is_some() {}
    insta::assert_snapshot!(caller.tree_after(&["mcphub.neo4j.v1.Neo4jService/FollowQuery", RELEASE]).await, @r"
    server mcphub.neo4j.v1.Neo4jService/FollowQuery
      internal guard
      internal acquire connection
      client MATCH TracedStream rows=100 truncated=true [first row]
      internal release connection
    ");
    caller.assert_hides(SECRET);
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_statements_have_names_of_their_own() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let (adapter, _) = graph(neo4j, "TracedCatalogue", "pool_size = 1").await;
    let caller = Caller::new();
    let request = ExplainQueryRequest {
        cypher: format!("MATCH (n:TracedCatalogue {{note: '{SECRET}'}}) RETURN n"),
        ..ExplainQueryRequest::default()
    };
    adapter
        .client
        .clone()
        .explain_query(caller.request(request))
        .await
        .expect("explains");
    insta::assert_snapshot!(caller.tree_after(&["mcphub.neo4j.v1.Neo4jService/ExplainQuery", RELEASE]).await, @r"
    server mcphub.neo4j.v1.Neo4jService/ExplainQuery
      internal guard
      internal acquire connection
      client EXPLAIN TracedCatalogue rows=0
      internal release connection
    ");
    caller.assert_hides(SECRET);

    let caller = Caller::new();
    let request = SchemaRequest {
        labels: vec!["TracedCatalogue".to_owned()],
        ..SchemaRequest::default()
    };
    adapter
        .client
        .clone()
        .schema(caller.request(request))
        .await
        .expect("shows");
    caller.ended("mcphub.neo4j.v1.Neo4jService/Schema").await;
    for name in [
        "SHOW INDEXES",
        "SHOW CONSTRAINTS",
        "SHOW PROCEDURES",
        "CALL db.stats.retrieve",
    ] {
        caller.span(name).expect(name);
    }
    caller.assert_hides(SECRET);
}

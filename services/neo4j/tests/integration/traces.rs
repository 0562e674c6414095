//! A call's way to the server, as its trace shows it: names, parents, what is told of each step, and never a value.

use mcp_hub_chassis::trace::attribute;
use mcp_hub_proto::neo4j::v1::neo4j_write_service_client::Neo4jWriteServiceClient;
use mcp_hub_proto::neo4j::v1::*;
use mcp_hub_testing::traces::{self, Caller, SpanData, attribute as value_of};
use mcp_hub_testing::{Neo4j, eventually};
use opentelemetry::trace::SpanId;
use tonic::Request;

use crate::adapter::{Adapter, SOON, Server, request as asked, settings};

/// What no span may hold: it stands in literals, parameters, rows and errors of the statements here.
const SECRET: &str = "5eCr3t";

const QUERY: &str = "mcphub.neo4j.v1.Neo4jService/Query";

/// A request in the trace of a caller.
fn traced<T>(caller: &Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let traceparent = caller.traceparent().parse().expect("a header");
    request.metadata_mut().insert("traceparent", traceparent);
    request
}

fn query(cypher: &str) -> QueryRequest {
    QueryRequest {
        cypher: cypher.to_owned(),
        ..QueryRequest::default()
    }
}

/// The trace of a call as lines: kind, name, what is told, indented below the parent, in the order of their beginnings.
fn tree(caller: &Caller) -> String {
    let mut spans = caller.spans();
    spans.sort_by_key(|span| span.start_time);
    let mut lines = String::new();
    write(&spans, caller.span_id(), 0, &mut lines);
    assert_eq!(
        lines.lines().count(),
        spans.len(),
        "a span without its parent: {spans:#?}"
    );
    lines
}

fn write(spans: &[SpanData], parent: SpanId, depth: usize, lines: &mut String) {
    for span in spans.iter().filter(|span| span.parent_span_id == parent) {
        let told = [
            ("connected", attribute::POOL_CONNECTED),
            ("rows", attribute::DB_RESPONSE_RETURNED_ROWS),
            ("truncated", attribute::DB_RESPONSE_TRUNCATED),
            ("code", attribute::DB_RESPONSE_STATUS_CODE),
            ("error", attribute::ERROR_TYPE),
            ("retry", attribute::RETRY),
        ];
        let told = told
            .into_iter()
            .filter_map(|(short, name)| Some(format!(" {short}={}", value_of(span, name)?)));
        let told: String = told
            .chain(span.events.iter().map(|event| format!(" [{}]", event.name)))
            .collect();
        let kind = format!("{:?}", span.span_kind).to_lowercase();
        lines.extend([format!("{}{kind} {}{told}\n", "  ".repeat(depth), span.name)]);
        write(spans, span.span_context.span_id(), depth + 1, lines);
    }
}

/// Waits until a span has ended; that of the server ends with the call.
async fn ended(caller: &Caller, name: &str) -> SpanData {
    eventually(SOON, async || caller.span(name)).await
}

/// Waits until the call and all that cleans up behind it are over, and returns its trace.
async fn whole(caller: &Caller, name: &str) -> String {
    ended(caller, name).await;
    ended(caller, "release connection").await;
    tree(caller)
}

/// Asserts that nothing that a span shows holds a value.
#[track_caller]
fn assert_no_value(caller: &Caller) {
    let spans = caller.spans();
    assert!(!spans.is_empty());
    let shown = format!("{spans:?}");
    assert!(!shown.contains(SECRET), "{spans:#?}");
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
    let request = traced(&caller, asked(&cypher, &serde_json::json!({"most": 1000})));
    let answer = adapter.client.clone().query(request).await;
    let answer = answer.expect("answers").into_inner().result.expect("a result");
    assert_eq!(answer.rows.len(), 100);
    insta::assert_snapshot!(whole(&caller, QUERY).await, @r"
    server mcphub.neo4j.v1.Neo4jService/Query
      internal guard
      internal acquire connection
      client MATCH TracedQuery rows=100 truncated=true [first row]
      internal release connection
    ");
    let statement = caller.span("MATCH TracedQuery").expect("ended");
    let told = |name: &str| value_of(&statement, name).map(|value| value.to_string());
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
    assert_no_value(&caller);
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
    let request = traced(&caller, query(endless));
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
    let statement = ended(&caller, "UNWIND").await;
    let expected = format!("00-{}-{}-01", caller.trace_id(), statement.span_context.span_id());
    assert_eq!(shown, expected);
    ended(&caller, QUERY).await;
    ended(&caller, "release connection").await;
    let reason = value_of(&statement, attribute::ERROR_TYPE);
    assert_eq!(
        reason.map(|reason| reason.to_string()).as_deref(),
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
    let failed = adapter.client.clone().query(traced(&caller, query(&wrong))).await;
    failed.expect_err("fails");
    insta::assert_snapshot!(whole(&caller, QUERY).await, @r"
    server mcphub.neo4j.v1.Neo4jService/Query error=STATEMENT_INVALID
      internal guard
      internal acquire connection
      client MATCH TracedFailure code=Neo.ClientError.Statement.SyntaxError error=STATEMENT_INVALID
      internal release connection
    ");
    assert_no_value(&caller);
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
        let refused = adapter
            .client
            .clone()
            .query(traced(&caller, query(&cypher)))
            .await;
        refused.expect_err("refused");
        ended(&caller, QUERY).await;
        let guard = caller.span("guard").expect("ended");
        assert!(value_of(&guard, attribute::ERROR_TYPE).is_some());
        assert_eq!(caller.spans().len(), 2, "{}", tree(&caller));
        assert_no_value(&caller);
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
    let request = traced(
        &occupying,
        QueryRequest {
            timeout_ms: Some(2_000),
            ..query(endless)
        },
    );
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
    let busy = adapter.client.clone().query(traced(&caller, impatient)).await;
    busy.expect_err("busy");
    ended(&caller, QUERY).await;
    insta::assert_snapshot!(tree(&caller), @r"
    server mcphub.neo4j.v1.Neo4jService/Query error=DATABASE_BUSY
      internal guard
      internal acquire connection error=DATABASE_BUSY
    ");
    let acquire = caller.span("acquire connection").expect("ended");
    let waited = acquire
        .end_time
        .duration_since(acquire.start_time)
        .expect("a time");
    assert!(waited.as_millis() >= 300, "{waited:?}");
    call.await.expect("no panic").expect_err("times out");
    let statement = ended(&occupying, "UNWIND").await;
    let reason = value_of(&statement, attribute::ERROR_TYPE);
    assert_eq!(
        reason.map(|reason| reason.to_string()).as_deref(),
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
            .query(traced(&caller, query("return 1")))
            .await;
        call.expect_err("down");
        ended(&caller, QUERY).await;
        // The first calls may still meet connections that have died.
        let expected = "\
            server mcphub.neo4j.v1.Neo4jService/Query error=DATABASE_UNAVAILABLE\n  \
              internal guard\n  \
              internal acquire connection connected=true error=DATABASE_UNAVAILABLE\n";
        let lines = tree(&caller);
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
    client.execute(traced(&caller, request)).await.expect("writes");
    ended(&caller, execute).await;
    insta::assert_snapshot!(tree(&caller), @r"
    server mcphub.neo4j.v1.Neo4jWriteService/Execute
      internal guard
      internal acquire connection connected=true
      client RETURN rows=1 [first row]
      client SET TracedWrite rows=0
      client COMMIT rows=0
    ");
    assert_no_value(&caller);
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
    let stream = adapter
        .client
        .clone()
        .stream_query(traced(&caller, request))
        .await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("a batch").is_some() {}
    insta::assert_snapshot!(whole(&caller, "mcphub.neo4j.v1.Neo4jService/StreamQuery").await, @r"
    server mcphub.neo4j.v1.Neo4jService/StreamQuery
      internal guard
      internal acquire connection
      client MATCH TracedStream rows=300 [first row]
      internal release connection
    ");
    assert_no_value(&caller);

    let caller = Caller::new();
    let request = FollowQueryRequest {
        query: Some(query("MATCH (n:TracedStream) RETURN n.note")),
    };
    let stream = adapter
        .client
        .clone()
        .follow_query(traced(&caller, request))
        .await;
    let mut stream = stream.expect("a stream").into_inner();
    while stream.message().await.expect("progress").is_some() {}
    insta::assert_snapshot!(whole(&caller, "mcphub.neo4j.v1.Neo4jService/FollowQuery").await, @r"
    server mcphub.neo4j.v1.Neo4jService/FollowQuery
      internal guard
      internal acquire connection
      client MATCH TracedStream rows=100 truncated=true [first row]
      internal release connection
    ");
    assert_no_value(&caller);
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
        .explain_query(traced(&caller, request))
        .await
        .expect("explains");
    insta::assert_snapshot!(whole(&caller, "mcphub.neo4j.v1.Neo4jService/ExplainQuery").await, @r"
    server mcphub.neo4j.v1.Neo4jService/ExplainQuery
      internal guard
      internal acquire connection
      client EXPLAIN TracedCatalogue rows=0
      internal release connection
    ");
    assert_no_value(&caller);

    let caller = Caller::new();
    let request = SchemaRequest {
        labels: vec!["TracedCatalogue".to_owned()],
        ..SchemaRequest::default()
    };
    adapter
        .client
        .clone()
        .schema(traced(&caller, request))
        .await
        .expect("shows");
    ended(&caller, "mcphub.neo4j.v1.Neo4jService/Schema").await;
    for name in [
        "SHOW INDEXES",
        "SHOW CONSTRAINTS",
        "SHOW PROCEDURES",
        "CALL db.stats.retrieve",
    ] {
        caller.span(name).expect(name);
    }
    assert_no_value(&caller);
}

/// The first statement on a connection that has died, and the second on a new one.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_on_a_dead_connection_is_seen() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    traces::record();
    let uri = neo4j.url().replace("bolt://", "neo4j://");
    let login = format!("user = '{}'\npassword = '{}'", neo4j.user(), neo4j.password());
    let adapter = Adapter::start(&format!("uri = '{uri}'\n{login}\npool_size = 1")).await;
    adapter.serving().await;
    let caller = Caller::new();
    let call = adapter
        .client
        .clone()
        .query(traced(&caller, query("return 1")))
        .await;
    call.expect("answers");
    let lines = whole(&caller, QUERY).await;
    assert!(lines.contains("  client RETURN rows=1 [first row]\n"), "{lines}");
}

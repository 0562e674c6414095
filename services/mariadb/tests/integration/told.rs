//! The server is told the trace: where its operator looks for it, and without a price for statements that come again.

use std::time::{Duration, Instant};

use mcp_hub_proto::mariadb::v1::mariadb_write_service_client::MariadbWriteServiceClient;
use mcp_hub_proto::mariadb::v1::{ExecuteRequest, Statement};
use mcp_hub_testing::traces::{self, Caller};
use mcp_hub_testing::{MariaDb, eventually};

use crate::adapter::{Adapter, SOON, Server};
use crate::traces::query;

const QUERY: &str = "mcphub.mariadb.v1.MariadbService/Query";

#[tokio::test(flavor = "multi_thread")]
async fn the_list_of_processes_shows_the_trace() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    traces::record();
    let server = Server::of(mariadb.url());
    let adapter = Adapter::of(mariadb.url()).await;
    let caller = Caller::new();
    let request = caller.request(query("select /* told */ sleep(60) -- the end"));
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request).await });
    let running = eventually(SOON, async || {
        let running = server.running("told").await;
        (!running.is_empty()).then_some(running)
    })
    .await;
    call.abort();
    let statement = caller.ended("SELECT").await;
    let expected = format!(
        "\n/*traceparent='00-{}-{}-01'*/",
        caller.trace_id(),
        statement.span_context.span_id()
    );
    assert!(running[0].ends_with(&expected), "{running:?} {expected}");
}

/// The server's general log has the trace of each transaction, and a statement that comes again is prepared once.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_comes_again_is_prepared_once() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    traces::record();
    let server = Server::of(mariadb.url());
    server
        .run(&["set global log_output = 'TABLE'", "set global general_log = 1"])
        .await;
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    adapter.serving().await;
    let logged = async |command: &str, part: &str| -> usize {
        let sql = format!(
            "select count(*) from mysql.general_log where command_type = '{command}' and argument like '/* mcp-hub/test */%{part}%'"
        );
        server.value(&sql).await.parse().expect("a number")
    };
    let mut callers = vec![];
    for _ in 0..10 {
        let caller = Caller::new();
        let request = caller.request(query("select 42 as again"));
        adapter.client.clone().query(request).await.expect("answers");
        caller.ended(QUERY).await;
        callers.push(caller);
    }
    // The first has the trace in it; the second is prepared without.
    assert_eq!(logged("Prepare", "as again").await, 2);
    assert_eq!(logged("Execute", "as again").await, 10);
    for caller in callers {
        let begin = caller.span("BEGIN").expect("ended");
        let part = format!("00-{}-{}-01", caller.trace_id(), begin.span_context.span_id());
        let sql = format!(
            "select count(*) from mysql.general_log where command_type = 'Query' and argument like '%{part}%'"
        );
        assert_ne!(server.value(&sql).await, "0", "{part}");
    }
}

/// The server keeps the text of a routine for good: a trace in it would stay there.
#[tokio::test(flavor = "multi_thread")]
async fn no_trace_stays_in_a_definition() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    traces::record();
    let server = Server::of(mariadb.url());
    server.create_database("told_definition").await;
    let adapter = Adapter::start(&format!("url = '{}'\nallow_writes = true", mariadb.url())).await;
    let mut client = MariadbWriteServiceClient::new(adapter.channel.clone());
    let caller = Caller::new();
    let request = ExecuteRequest {
        statements: vec![Statement {
            sql: "create procedure told_definition.p() select 1".to_owned(),
            params: vec![],
        }],
        ..ExecuteRequest::default()
    };
    client.execute(caller.request(request)).await.expect("creates");
    let body = server
        .value("select routine_definition from information_schema.routines where routine_schema = 'told_definition'")
        .await;
    assert_eq!(body, "select 1");
    // But it is in the trace.
    caller.ended("CREATE PROCEDURE told_definition.p").await;
}

/// What it would cost to put another comment behind each statement: run by hand, in a process of its own.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, and wants a quiet machine"]
#[expect(clippy::print_stdout, reason = "the figure is what it is run for")]
async fn the_price_of_a_comment_that_changes() {
    const CALLS: u32 = 400;
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    adapter.serving().await;
    let prepared = async || -> u64 {
        let sql = "select variable_value from information_schema.global_status where variable_name = 'COM_STMT_PREPARE'";
        server.value(sql).await.parse().expect("a number")
    };
    let (mut fixed, mut changing) = (Duration::ZERO, Duration::ZERO);
    let mut counts = [0, 0];
    for round in 0..5 {
        let before = prepared().await;
        let begun = Instant::now();
        for _ in 0..CALLS {
            adapter.query("select 42 as again").await.expect("answers");
        }
        fixed += begun.elapsed();
        let between = prepared().await;
        let begun = Instant::now();
        for call in 0..CALLS {
            let sql = format!("select /* {round} {call} */ 42 as again");
            adapter.query(&sql).await.expect("answers");
        }
        changing += begun.elapsed();
        counts[0] += between - before;
        counts[1] += prepared().await - between;
    }
    let ratio = changing.as_secs_f64() / fixed.as_secs_f64();
    println!("fixed {fixed:?}, changing {changing:?}: {ratio:.2} times; prepared {counts:?}");
}

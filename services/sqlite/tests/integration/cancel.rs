//! The end of statements: time limits, callers that go away, many at once.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::sqlite::v1::{QueryRequest, StreamQueryRequest};
use mcp_hub_testing::eventually;
use tokio_stream::StreamExt as _;

use crate::harness::{Adapter, SOON};

/// Statements that run for ever without a row: in SQLite's machine, in a join, and inside one step of it.
const FOREVER: [&str; 3] = [
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n",
    "select count(*) from big a, big b, big c, big d where a.x + b.x + c.x + d.x < 0",
    "select count(*) from big a, big b, big c, big d",
];

async fn with_big_table(connections: u32) -> Adapter {
    let sql = "create table big (x); insert into big with recursive n(i) as (select 1 union all select i + 1 from n)
        select i from n limit 20000";
    Adapter::on_with(sql, |config| config.pool_size = Some(connections)).await
}

async fn in_use(adapter: &Adapter) -> u32 {
    let pool = adapter.status().await.pool.expect("a pool");
    pool.open - pool.idle
}

#[tokio::test]
async fn a_statement_ends_at_its_time_limit() {
    let adapter = with_big_table(1).await;
    for sql in FOREVER {
        let request = QueryRequest {
            sql: sql.to_owned(),
            timeout_ms: Some(200),
            ..QueryRequest::default()
        };
        let started = Instant::now();
        let fault = adapter.ask(request).await.expect_err("too slow");
        assert_eq!(
            (fault.reason, fault.metadata["timeout_ms"].as_str()),
            (Reason::StatementTimedOut, "200"),
            "{sql}"
        );
        assert!(
            started.elapsed() < Duration::from_millis(1_500),
            "{:?}",
            started.elapsed()
        );
        assert_eq!(adapter.value("select 1").await, Kind::Int(1));
    }
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_its_statement_along() {
    let adapter = with_big_table(1).await;
    for sql in FOREVER {
        let request = QueryRequest {
            sql: sql.to_owned(),
            ..QueryRequest::default()
        };
        let call = tokio::time::timeout(Duration::from_millis(300), adapter.ask(request));
        assert!(call.await.is_err(), "it should still run");
        let left = Instant::now();
        // There is one connection only: this waits for it.
        assert_eq!(adapter.value("select 1").await, Kind::Int(1));
        assert!(
            left.elapsed() < Duration::from_secs(1),
            "{sql}: {:?}",
            left.elapsed()
        );
    }
}

#[tokio::test]
async fn a_callers_deadline_ends_the_statement_as_well() {
    let adapter = with_big_table(1).await;
    let mut request = tonic::Request::new(QueryRequest {
        sql: FOREVER[0].to_owned(),
        ..QueryRequest::default()
    });
    request.set_timeout(Duration::from_millis(200));
    let started = Instant::now();
    assert!(adapter.reader().query(request).await.is_err());
    assert_eq!(adapter.value("select 1").await, Kind::Int(1));
    assert!(started.elapsed() < Duration::from_millis(1_500));
}

#[tokio::test]
async fn a_stream_waits_for_its_receiver_and_ends_with_it() {
    let adapter = with_big_table(1).await;
    let endless = "select a.x, hex(randomblob(500)) from big a, big b";
    let request = StreamQueryRequest {
        sql: endless.to_owned(),
        ..StreamQueryRequest::default()
    };
    let mut stream = adapter
        .reader()
        .stream_query(request)
        .await
        .expect("starts")
        .into_inner();
    stream.next().await.expect("goes on").expect("a batch");
    assert_eq!(in_use(&adapter).await, 1);
    drop(stream);
    eventually(Duration::from_secs(1), || async { in_use(&adapter).await == 0 }).await;

    // Dropped before its first row.
    let request = StreamQueryRequest {
        sql: FOREVER[0].to_owned(),
        ..StreamQueryRequest::default()
    };
    let stream = adapter
        .reader()
        .stream_query(request)
        .await
        .expect("starts")
        .into_inner();
    drop(stream);
    eventually(Duration::from_secs(1), || async { in_use(&adapter).await == 0 }).await;
}

#[tokio::test]
async fn a_stream_ends_at_its_callers_deadline() {
    let adapter = with_big_table(1).await;
    for sql in FOREVER {
        let mut request = tonic::Request::new(StreamQueryRequest {
            sql: sql.to_owned(),
            ..StreamQueryRequest::default()
        });
        request.set_timeout(Duration::from_millis(300));
        // The answer's head comes at once; the client here does not enforce its deadline on what follows.
        let mut stream = adapter
            .reader()
            .stream_query(request)
            .await
            .expect("starts")
            .into_inner();
        let status = stream.next().await.expect("an end").expect_err("too slow");
        assert_eq!(
            mcp_hub_chassis::Fault::from_status(&status).reason,
            Reason::StatementTimedOut,
            "{sql}"
        );
    }
    assert_eq!(adapter.value("select 1").await, Kind::Int(1));
}

#[tokio::test]
async fn when_all_connections_are_busy_a_call_waits_and_is_then_told_to_try_again() {
    let adapter = with_big_table(2).await;
    let hog = || {
        let mut reader = adapter.reader();
        async move {
            let request = QueryRequest {
                sql: FOREVER[0].to_owned(),
                ..QueryRequest::default()
            };
            let _ = reader.query(request).await;
        }
    };
    let hogs = async { tokio::join!(hog(), hog()) };
    let calls = async {
        eventually(SOON, || async { in_use(&adapter).await == 2 }).await;
        let fault = adapter.query("select 1").await.expect_err("busy");
        assert_eq!(fault.reason, Reason::DatabaseBusy);
        assert!(fault.retry_after.is_some());
        // The status page and the health do not wait for them.
        assert_eq!(adapter.status().await.reason, "");
    };
    tokio::select! {
        _ = hogs => panic!("they should run for ever"),
        () = calls => {}
    }
    assert_eq!(adapter.value("select 1").await, Kind::Int(1));
}

#[tokio::test]
async fn many_callers_share_few_connections() {
    let adapter = with_big_table(2).await;
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..100_i64 {
        let mut reader = adapter.reader();
        calls.spawn(async move {
            let sql = format!("select {number}, count(*) from big where x > {number}");
            let request = QueryRequest {
                sql,
                ..QueryRequest::default()
            };
            let result = reader
                .query(request)
                .await
                .expect("answers")
                .into_inner()
                .result
                .expect("a result");
            let values: Vec<_> = result.rows[0]
                .values
                .iter()
                .map(|value| value.kind.clone())
                .collect();
            assert_eq!(
                values,
                [Some(Kind::Int(number)), Some(Kind::Int(20_000 - number))]
            );
        });
    }
    while let Some(outcome) = calls.join_next().await {
        outcome.expect("no panic");
    }
    let pool = adapter.status().await.pool.expect("a pool");
    assert_eq!((pool.max, pool.open, pool.waiting), (2, pool.idle, 0));
}

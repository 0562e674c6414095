//! However a call ends, nothing of it keeps running on the server.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::postgres::v1::QueryRequest;
use mcp_hub_testing::{Postgres, eventually};
use tonic::Request;

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

/// Statements that do not end: waiting, computing, recursing. (A `generate_series` in FROM writes all its rows to a file first, and
/// the server needs its time to remove gigabytes of that: here it stands in the SELECT list, where it makes one row after the other.)
const ENDLESS: &[&str] = &[
    "select pg_sleep(60)",
    "select count(*) from (select generate_series(1, 1000000000000)) n",
    "select count(*) from generate_series(1, 100000) a, generate_series(1, 100000) b, generate_series(1, 100000) c",
    "with recursive t as (select 1 as n union all select n + 1 from t) select count(*) from t",
];

fn request(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_ends_the_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    for (number, sql) in ENDLESS.iter().enumerate() {
        let sql = format!("{sql} /* time-out {number} */");
        let begun = Instant::now();
        let result = adapter
            .ask(QueryRequest {
                timeout_ms: Some(300),
                ..request(&sql)
            })
            .await;
        let fault = assert_fault(result, Reason::StatementTimedOut, "300 ms");
        assert_eq!(fault.metadata["timeout_ms"], "300");
        assert!(
            begun.elapsed() < Duration::from_millis(1500),
            "{:?}",
            begun.elapsed()
        );
        server.stops_running(&format!("time-out {number}")).await;
    }
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_ends_the_statement() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    for (number, sql) in ENDLESS.iter().enumerate() {
        let sql = format!("{sql} /* disconnect {number} */");
        let mut client = adapter.client.clone();
        let asked = request(&sql);
        let call = adapter.lifecycle.spawn(async move { client.query(asked).await });
        server.runs(&format!("disconnect {number}")).await;
        // Dropping the call resets its stream, which is what a disconnect and a cancel come to.
        call.abort();
        server.stops_running(&format!("disconnect {number}")).await;
    }
    // The sessions go back to the pool and work.
    eventually(SOON, async || {
        let pool = adapter.status().await.pool.expect("a pool");
        (pool.open == pool.idle).then_some(())
    })
    .await;
    let result = adapter.query("select 1").await.expect("works");
    assert_eq!(rows(&result), ["[1]"]);
    assert!(
        result.notices.is_empty(),
        "what cleaning up made the server say: {:?}",
        result.notices
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_deadline_counts() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    let mut call = Request::new(request("select pg_sleep(60) /* deadline */"));
    call.set_timeout(Duration::from_secs(3));
    let begun = Instant::now();
    let status = adapter.client.clone().query(call).await.expect_err("fails");
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    // The statement's own time-out comes before the deadline, so that the answer says what happened.
    let fault = Fault::from_status(&status);
    assert_eq!(fault.reason, Reason::StatementTimedOut);
    assert_eq!(fault.metadata.get("timeout_ms").map(String::as_str), Some("2800"));
    server.stops_running("deadline").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_nobody_wants_are_not_made() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(postgres.url()).await;
    let begun = Instant::now();
    let result = adapter
        .query("select generate_series(1, 1000000000000) /* capped */")
        .await
        .expect("works");
    assert_eq!(result.rows.len(), 100);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.stops_running("capped").await;
    // Rows so long that the answer is full long before they are all here: the rest is cancelled.
    let result = adapter
        .ask(QueryRequest {
            limit: Some(10_000),
            ..request("select repeat('x', 2000), pg_sleep(case when n > 60 then 1 else 0 end) from generate_series(1, 10000) n /* long rows */")
        })
        .await
        .expect("works");
    assert!(result.truncated.is_some());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.stops_running("long rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_says_so_and_recovers() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", postgres.url())).await;
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request("select pg_sleep(60) /* occupies */")).await });
    server.runs("occupies").await;
    let result = adapter
        .ask(QueryRequest {
            timeout_ms: Some(200),
            ..request("select 1")
        })
        .await;
    let fault = assert_fault(result, Reason::DatabaseBusy, "try again");
    assert!(fault.retry_after.is_some());
    // A full pool is no outage.
    assert_eq!(adapter.serving().await.reason, "");
    call.abort();
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

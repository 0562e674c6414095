//! However a call ends, nothing of it keeps running on the server.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_testing::{MariaDb, eventually};
use tonic::Request;

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

/// Statements that do not end: waiting, computing, and computing inside. The mark is for those who look for them on the server; the
/// guard takes comments off the ends.
const ENDLESS: &[&str] = &[
    "select /* MARK */ sleep(60)",
    "select /* MARK */ count(*) from many.n a, many.n b, many.n c, many.n d where sin(a.n + b.n + c.n + d.n) > 2",
    "select /* MARK */ a.n from many.n a where a.n > (select max(sin(b.n + c.n + d.n)) + 1000 from many.n b, many.n c, many.n d)",
];

fn request(sql: &str) -> QueryRequest {
    QueryRequest {
        sql: sql.to_owned(),
        ..QueryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_ends_the_statement() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    for (number, sql) in ENDLESS.iter().enumerate() {
        let sql = sql.replace("MARK", &format!("time-out {number}"));
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
            "{sql}: {:?}",
            begun.elapsed()
        );
        server.stops_running(&format!("time-out {number}")).await;
    }
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_ends_the_statement() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    for (number, sql) in ENDLESS.iter().enumerate() {
        let sql = sql.replace("MARK", &format!("disconnect {number}"));
        let mut client = adapter.client.clone();
        let asked = request(&sql);
        let call = adapter.lifecycle.spawn(async move { client.query(asked).await });
        server.runs(&format!("disconnect {number}")).await;
        // Dropping the call resets its stream, which is what a disconnect and a cancel come to.
        call.abort();
        server.stops_running(&format!("disconnect {number}")).await;
    }
    adapter.at_rest().await;
    let result = adapter.query("select 1").await.expect("works");
    assert_eq!(rows(&result), ["[1]"]);
    assert!(
        result.notices.is_empty(),
        "what cleaning up made the server say: {:?}",
        result.notices
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_never_hits_the_next_statement() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    let connection = "select connection_id()";
    let first = rows(&adapter.query(connection).await.expect("works"));
    let mut kept = 0;
    for round in 0..20 {
        // The caller gives up so early that the kill comes about when the statement ends by itself; on a slow machine it may even have
        // its answer.
        let patience = Duration::from_millis(30 + 3 * round);
        let _ = tokio::time::timeout(patience, adapter.query("select sleep(0.1)")).await;
        for _ in 0..3 {
            let result = adapter.query(connection).await.expect("works");
            kept += usize::from(rows(&result) == first);
        }
    }
    // A session that was killed is used again: that is what the race is about.
    assert!(kept > 0, "no session survived");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_deadline_counts() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let mut call = Request::new(request("select /* deadline */ sleep(60)"));
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
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    let many = "from many.n a, many.n b, many.n c, many.n d";
    let begun = Instant::now();
    let result = adapter
        .query(&format!("select /* capped */ a.n {many}"))
        .await
        .expect("works");
    assert_eq!(result.rows.len(), 100);
    // A LIMIT of its own is stronger than ours, so the rest of these is killed.
    let result = adapter
        .query(&format!("select /* limited */ a.n {many} limit 1000000000000"))
        .await
        .expect("works");
    assert_eq!(result.rows.len(), 100);
    assert!(result.truncated.is_some());
    server.stops_running("limited").await;
    // Rows so long that the answer is full long before they are all here.
    let result = adapter
        .ask(QueryRequest {
            limit: Some(10_000),
            ..request("select /* long rows */ repeat('x', 2000), sleep(if(n > 60, 1, 0)) from many.n order by n limit 10000")
        })
        .await
        .expect("works");
    assert!(result.truncated.is_some());
    server.stops_running("long rows").await;
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_says_so_and_recovers() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 1", mariadb.url())).await;
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request("select /* occupies */ sleep(60)")).await });
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

#[tokio::test(flavor = "multi_thread")]
async fn somebody_else_s_kill_is_told() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.make_many().await;
    let adapter = Adapter::of(mariadb.url()).await;
    for (kill, reason) in [
        ("kill query", Reason::Cancelled),
        ("kill", Reason::DatabaseUnavailable),
    ] {
        let mut client = adapter.client.clone();
        let asked = request(
            "select /* victim */ count(*) from many.n a, many.n b, many.n c, many.n d where sin(a.n + b.n + c.n + d.n) > 2",
        );
        let call = adapter.lifecycle.spawn(async move { client.query(asked).await });
        let id = eventually(SOON, async || server.connection_of("victim").await).await;
        server.run(&[&format!("{kill} {id}")]).await;
        let status = call.await.expect("no panic").expect_err("fails");
        assert_eq!(Fault::from_status(&status).reason, reason, "{kill}: {status:?}");
        assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
    }
}

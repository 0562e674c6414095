//! However a call ends, nothing of it keeps running on the server.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::neo4j::v1::QueryRequest;
use mcp_hub_testing::{Neo4j, eventually};
use tonic::Request;

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

/// Statements that do not end: making rows, counting them, sorting them, walking. (A single expression that computes for ever can't be
/// ended: the server looks between rows only. See `an_expression_without_end_costs_one_connection`.)
const ENDLESS: &[&str] = &[
    "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c)",
    "unwind range(1, 1000000) as a unwind range(1, 1000000) as b with a, b where a + b < 0 return a, b",
    "unwind range(1, 1000000000) as n with n order by n desc limit 10 return n",
    "match (a) with collect(a) as all unwind range(1, 10000000) as n unwind all as a with a, n where n < 0 return a",
];

fn request(cypher: &str) -> QueryRequest {
    QueryRequest {
        cypher: cypher.to_owned(),
        ..QueryRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_out_ends_the_statement() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    for (number, cypher) in ENDLESS.iter().enumerate() {
        let cypher = format!("{cypher} /* time-out {number} */");
        let begun = Instant::now();
        let result = adapter
            .ask(QueryRequest {
                timeout_ms: Some(300),
                ..request(&cypher)
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
    assert_eq!(rows(&adapter.query("return 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_ends_the_statement() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    for (number, cypher) in ENDLESS.iter().enumerate() {
        let cypher = format!("{cypher} /* disconnect {number} */");
        let mut client = adapter.client.clone();
        let asked = request(&cypher);
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
    let result = adapter.query("return 1").await.expect("works");
    assert_eq!(rows(&result), ["[1]"]);
    assert!(
        result.notices.is_empty(),
        "what cleaning up made the server say: {:?}",
        result.notices
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_caller_s_deadline_counts() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    let mut call = Request::new(request(
        "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) /* deadline */",
    ));
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
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::of(neo4j).await;
    let begun = Instant::now();
    let result = adapter
        .query("unwind range(1, 10000000000) as n return n /* capped */")
        .await
        .expect("works");
    assert_eq!(result.rows.len(), 100);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.stops_running("capped").await;
    // Rows so long that the answer is full long before they are all here: the rest is cancelled.
    let result = adapter
        .ask(QueryRequest {
            limit: Some(10_000),
            ..request("unwind range(1, 1000000000) as n return reduce(t = '', i in range(1, 200) | t + 'xxxxxxxxxx') as t, n /* long rows */")
        })
        .await
        .expect("works");
    assert!(result.truncated.is_some());
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    server.stops_running("long rows").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_says_so_and_recovers() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let server = Server::of(neo4j);
    let adapter = Adapter::start(&format!("{}\npool_size = 1", crate::adapter::settings(neo4j))).await;
    let mut client = adapter.client.clone();
    let call = adapter
        .lifecycle
        .spawn(async move { client.query(request("unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) /* occupies */")).await });
    server.runs("occupies").await;
    let result = adapter
        .ask(QueryRequest {
            timeout_ms: Some(200),
            ..request("return 1")
        })
        .await;
    let fault = assert_fault(result, Reason::DatabaseBusy, "try again");
    assert!(fault.retry_after.is_some());
    // A full pool is no outage.
    assert_eq!(adapter.serving().await.reason, "");
    call.abort();
    assert_eq!(rows(&adapter.query("return 1").await.expect("works")), ["[1]"]);
}

/// The server looks between rows whether it is to end, and an expression has none. It computes to its end, whoever asks it not to.
#[tokio::test(flavor = "multi_thread")]
async fn an_expression_without_end_costs_one_connection() {
    let Some(neo4j) = Neo4j::shared().await else {
        return;
    };
    let adapter = Adapter::start(&format!("{}\npool_size = 1", crate::adapter::settings(neo4j))).await;
    // Some seconds, so that the server is free again afterwards.
    let cypher = "return reduce(s = 0, i in range(1, 200000000) | s + i) as s /* expression */";
    let result = adapter
        .ask(QueryRequest {
            timeout_ms: Some(200),
            ..request(cypher)
        })
        .await;
    assert_fault(result, Reason::StatementTimedOut, "200 ms");
    // Its connection is given up, so that the next call is served although the server still computes.
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("works")),
        ["[1]"]
    );
    let server = Server::of(neo4j);
    eventually(Duration::from_mins(1), async || {
        server.running("expression").await.is_empty()
    })
    .await;
}

//! The database goes and comes back: the adapter lives, says so, and no first call fails afterwards.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::adapter::v1::State;
use mcp_hub_testing::{Neo4j, eventually};

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_at_the_start_is_used_when_it_comes() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    neo4j.stop().await;
    let adapter = Adapter::of(&neo4j).await;
    let fault = assert_fault(
        adapter.query("return 1 as n").await,
        Reason::DatabaseUnavailable,
        "connection refused",
    );
    assert!(fault.retry_after.is_some());
    assert!(
        !format!("{fault:?}").contains(&neo4j.port().to_string()),
        "{fault:?}"
    );
    eventually(SOON, async || {
        adapter.status().await.reason == "connection refused"
    })
    .await;
    assert_eq!(adapter.status().await.state(), State::Unavailable);
    neo4j.start_again().await;
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("the first call")),
        ["[1]"]
    );
    let status = adapter.serving().await;
    assert_eq!((status.product.as_str(), status.reason.as_str()), ("Neo4j", ""));
    assert!(
        status
            .product_version
            .starts_with(|digit: char| digit.is_ascii_digit())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_first_call_fails_after_an_orderly_restart() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let adapter = Adapter::of(&neo4j).await;
    for _ in 0..2 {
        fill_the_pool(&adapter).await;
        neo4j.stop().await;
        neo4j.start_again().await;
        assert_eq!(
            rows(&adapter.query("return 1 as n").await.expect("the first call")),
            ["[1]"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_queries_run_is_told_and_survived() {
    let Some(neo4j) = Neo4j::start().await else {
        return;
    };
    let adapter = Adapter::of(&neo4j).await;
    fill_the_pool(&adapter).await;
    let mut client = adapter.client.clone();
    let call = adapter.lifecycle.spawn(async move {
        let cypher =
            "unwind range(1, 10000000000) as n with n % 7 as n, count(*) as c return sum(c) /* crashes */"
                .to_owned();
        client
            .query(mcp_hub_proto::neo4j::v1::QueryRequest {
                cypher,
                ..Default::default()
            })
            .await
    });
    Server::of(&neo4j).runs("crashes").await;
    neo4j.kill().await;
    let status = call.await.expect("no panic").expect_err("fails");
    let fault = mcp_hub_chassis::Fault::from_status(&status);
    assert_eq!(fault.reason, Reason::DatabaseUnavailable, "{fault:?}");
    neo4j.start_again().await;
    assert_eq!(
        rows(&adapter.query("return 1 as n").await.expect("the first call")),
        ["[1]"]
    );
}

/// Has the adapter open as many sessions as it may.
async fn fill_the_pool(adapter: &Adapter) {
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let mut client = adapter.client.clone();
            adapter.lifecycle.spawn(async move {
                let cypher = "unwind range(1, 100000) as n return count(*)".to_owned();
                client
                    .query(mcp_hub_proto::neo4j::v1::QueryRequest {
                        cypher,
                        ..Default::default()
                    })
                    .await
            })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("works");
    }
}

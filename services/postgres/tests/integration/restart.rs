//! The database goes and comes back: the adapter lives, says so, and no first call fails afterwards.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::adapter::v1::State;
use mcp_hub_testing::{PgBouncer, Postgres, eventually};

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_at_the_start_is_used_when_it_comes() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    postgres.stop().await;
    let adapter = Adapter::of(postgres.url()).await;
    let fault = assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "connection refused",
    );
    assert!(fault.retry_after.is_some());
    assert!(
        !format!("{fault:?}").contains(&postgres.port().to_string()),
        "{fault:?}"
    );
    eventually(SOON, async || {
        adapter.status().await.reason == "connection refused"
    })
    .await;
    assert_eq!(adapter.status().await.state(), State::Unavailable);
    postgres.start_again().await;
    assert_eq!(
        rows(&adapter.query("select 1").await.expect("the first call")),
        ["[1]"]
    );
    let status = adapter.serving().await;
    assert_eq!(
        (status.product.as_str(), status.reason.as_str()),
        ("PostgreSQL", "")
    );
    assert!(
        status
            .product_version
            .starts_with(|digit: char| digit.is_ascii_digit())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_first_call_fails_after_an_orderly_restart() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    for _ in 0..3 {
        fill_the_pool(&adapter).await;
        postgres.stop().await;
        postgres.start_again().await;
        assert_eq!(
            rows(&adapter.query("select 1").await.expect("the first call")),
            ["[1]"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_queries_run_is_told_and_survived() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let adapter = Adapter::of(postgres.url()).await;
    fill_the_pool(&adapter).await;
    let mut client = adapter.client.clone();
    let call = adapter.lifecycle.spawn(async move {
        let sql = "select pg_sleep(60) /* crashes */".to_owned();
        client
            .query(mcp_hub_proto::postgres::v1::QueryRequest {
                sql,
                ..Default::default()
            })
            .await
    });
    Server::of(postgres.url()).runs("crashes").await;
    postgres.kill().await;
    let status = call.await.expect("no panic").expect_err("fails");
    let fault = mcp_hub_chassis::Fault::from_status(&status);
    assert_eq!(fault.reason, Reason::DatabaseUnavailable, "{fault:?}");
    postgres.start_again().await;
    assert_eq!(
        rows(&adapter.query("select 1").await.expect("the first call")),
        ["[1]"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_behind_a_pooler_is_survived() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(&postgres).await else {
        return;
    };
    let adapter = Adapter::of(&pooler.url()).await;
    fill_the_pool(&adapter).await;
    postgres.stop().await;
    postgres.start_again().await;
    let result = adapter.query("select 1").await.expect("the first call");
    assert_eq!(rows(&result), ["[1]"]);
}

/// Has the adapter open as many sessions as it may.
async fn fill_the_pool(adapter: &Adapter) {
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let mut client = adapter.client.clone();
            adapter.lifecycle.spawn(async move {
                let sql = "select pg_sleep(0.05)".to_owned();
                client
                    .query(mcp_hub_proto::postgres::v1::QueryRequest {
                        sql,
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

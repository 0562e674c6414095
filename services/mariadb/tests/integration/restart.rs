//! The server goes and comes back: the adapter lives, says so, and no first call fails afterwards.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::adapter::v1::State;
use mcp_hub_proto::mariadb::v1::QueryRequest;
use mcp_hub_testing::{MariaDb, eventually};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::adapter::{Adapter, SOON, Server, assert_fault, rows};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_is_used_when_it_comes() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    mariadb.stop().await;
    let adapter = Adapter::of(mariadb.url()).await;
    let fault = assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "connection refused",
    );
    assert!(fault.retry_after.is_some());
    assert!(
        !format!("{fault:?}").contains(&mariadb.port().to_string()),
        "{fault:?}"
    );
    eventually(SOON, async || {
        adapter.status().await.reason == "connection refused"
    })
    .await;
    assert_eq!(adapter.status().await.state(), State::Unavailable);
    mariadb.start_again().await;
    assert_eq!(
        rows(&adapter.query("select 1").await.expect("the first call")),
        ["[1]"]
    );
    let status = adapter.serving().await;
    assert_eq!((status.product.as_str(), status.reason.as_str()), ("MariaDB", ""));
    assert!(
        status
            .product_version
            .starts_with(|digit: char| digit.is_ascii_digit())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_first_call_fails_after_an_orderly_restart() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    for _ in 0..3 {
        fill_the_pool(&adapter).await;
        mariadb.stop().await;
        mariadb.start_again().await;
        assert_eq!(
            rows(&adapter.query("select 1").await.expect("the first call")),
            ["[1]"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_while_queries_run_is_told_and_survived() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let adapter = Adapter::of(mariadb.url()).await;
    fill_the_pool(&adapter).await;
    let mut client = adapter.client.clone();
    let call = adapter.lifecycle.spawn(async move {
        let sql = "select sleep(60), 'crashes'".to_owned();
        client
            .query(QueryRequest {
                sql,
                ..QueryRequest::default()
            })
            .await
    });
    Server::of(mariadb.url()).runs("crashes").await;
    mariadb.kill().await;
    let status = call.await.expect("no panic").expect_err("fails");
    let fault = mcp_hub_chassis::Fault::from_status(&status);
    assert_eq!(fault.reason, Reason::DatabaseUnavailable, "{fault:?}");
    mariadb.start_again().await;
    assert_eq!(
        rows(&adapter.query("select 1").await.expect("the first call")),
        ["[1]"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_the_server_closed_are_replaced() {
    let Some(mariadb) = MariaDb::start().await else {
        return;
    };
    let server = Server::of(mariadb.url());
    server.create_user("idler").await;
    let adapter = Adapter::start(&format!(
        "url = '{}'",
        mariadb.address().url_as("idler", "idler", "")
    ))
    .await;
    fill_the_pool(&adapter).await;
    server.run(&["kill user 'idler'@'%'"]).await;
    for _ in 0..3 {
        assert_eq!(
            rows(&adapter.query("select 1").await.expect("the first call")),
            ["[1]"]
        );
    }
}

/// A way to the server that can fall silent without closing anything, as a network does.
struct Way {
    port: u16,
    open: watch::Sender<bool>,
}

impl Way {
    async fn to(adapter: &mcp_hub_chassis::Lifecycle, port: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let own = listener.local_addr().expect("an address").port();
        let (open, is_open) = watch::channel(true);
        let tasks = adapter.clone();
        adapter.spawn_until_stopped(async move {
            while let Ok((mut inner, _)) = listener.accept().await {
                let mut is_open = is_open.clone();
                is_open.mark_unchanged();
                tasks.spawn_until_stopped(async move {
                    let mut outer = TcpStream::connect(("127.0.0.1", port)).await.expect("connects");
                    // What was open when it fell silent stays silent for good.
                    tokio::select! {
                        _ = copy_bidirectional(&mut inner, &mut outer) => {}
                        _ = is_open.changed() => std::future::pending().await,
                    }
                });
            }
        });
        Self { port: own, open }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_vanished_without_a_word_costs_seconds_and_no_call() {
    let Some(mariadb) = MariaDb::shared().await else {
        return;
    };
    let lifecycle = mcp_hub_chassis::Lifecycle::new();
    let way = Way::to(&lifecycle, mariadb.port()).await;
    let settings = format!(
        "host = '127.0.0.1'\nport = {}\nuser = 'root'\npassword = 'testpassword'\npool_size = 2",
        way.port
    );
    let adapter = Adapter::start(&settings).await;
    adapter.serving().await;
    fill_the_pool(&adapter).await;
    way.open.send_replace(false);
    let begun = Instant::now();
    assert_eq!(
        rows(&adapter.query("select 1").await.expect("the first call")),
        ["[1]"]
    );
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    lifecycle.stop();
}

/// Has the adapter open as many sessions as it may.
async fn fill_the_pool(adapter: &Adapter) {
    let calls: Vec<_> = (0..4)
        .map(|_| {
            let mut client = adapter.client.clone();
            adapter.lifecycle.spawn(async move {
                let sql = "select sleep(0.05)".to_owned();
                client
                    .query(QueryRequest {
                        sql,
                        ..QueryRequest::default()
                    })
                    .await
            })
        })
        .collect();
    for call in calls {
        call.await.expect("no panic").expect("works");
    }
}

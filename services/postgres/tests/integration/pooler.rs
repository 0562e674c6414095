//! Behind PgBouncer in transaction mode.

use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::postgres::v1::QueryRequest;
use mcp_hub_testing::{PgBouncer, Postgres};
use serde_json::json;

use crate::adapter::{Adapter, Server, assert_fault, rows, value};

async fn pooler() -> Option<(&'static Postgres, PgBouncer)> {
    let postgres = Postgres::shared().await?;
    Some((postgres, PgBouncer::in_front_of(postgres).await?))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_adapters_share_the_server_s_sessions() {
    let Some((postgres, pooler)) = pooler().await else {
        return;
    };
    let url = pooler.url_of("pooled");
    Server::of(postgres.url()).create_database("pooled").await;
    Server::of(&postgres.url_of("pooled"))
        .run(&[
            "create extension if not exists hstore",
            "create type color as enum ('red')",
        ])
        .await;
    let (one, other) = (Adapter::of(&url).await, Adapter::of(&url).await);
    for round in 0..20 {
        for adapter in [&one, &other] {
            let result = adapter
                .query_with("select $1::int + 1, 'red'::color, 'a=>1'::hstore", json!([round]))
                .await;
            let result = result.unwrap_or_else(|fault| panic!("round {round}: {fault:?}"));
            assert_eq!(rows(&result), [format!(r#"[{},"red",{{"a":"1"}}]"#, round + 1)]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_do_not_meet() {
    let Some((_, pooler)) = pooler().await else { return };
    let adapter = Adapter::start(&format!("url = '{}'\npool_size = 8", pooler.url())).await;
    let calls = (0..40).map(|number| {
        let mut client = adapter.client.clone();
        adapter.lifecycle.spawn(async move {
            let request = QueryRequest {
                sql: format!("select $1::int, {number} from generate_series(1, 3)"),
                params: vec![value(&number.into())],
                limit: Some(2),
                ..QueryRequest::default()
            };
            (number, client.query(request).await)
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let (number, response) = call.await.expect("no panic");
        let result = response.expect("works").into_inner().result.expect("a result");
        assert_eq!(rows(&result), vec![format!("[{number},{number}]"); 2]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_hold_and_do_not_stay() {
    let Some((postgres, pooler)) = pooler().await else {
        return;
    };
    let adapter = Adapter::of(&pooler.url()).await;
    let settings = "select current_setting('transaction_read_only'), current_setting('statement_timeout'), '1 day'::interval";
    let result = adapter.query(settings).await.expect("works");
    assert_eq!(rows(&result), [r#"["on","30s","P1D"]"#]);
    // Another client of the pooler gets the server's session as it was.
    let observer = Server::of(&pooler.url());
    for setting in ["lock_timeout", "IntervalStyle"] {
        let direct = Server::of(postgres.url())
            .value(&format!(
                "select boot_val from pg_settings where name = '{setting}'"
            ))
            .await;
        let reset = observer
            .value(&format!(
                "select reset_val from pg_settings where name = '{setting}'"
            ))
            .await;
        assert_eq!(reset, direct, "{setting}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn locks_of_a_session_are_given_back() {
    let Some((postgres, pooler)) = pooler().await else {
        return;
    };
    let server = Server::of(postgres.url());
    server
        .run(&["create or replace function locks(n int) returns int language plpgsql as $$ begin perform pg_advisory_lock(n); return n; end $$"])
        .await;
    for (url, number) in [(pooler.url(), 4711), (postgres.url().to_owned(), 4712)] {
        let adapter = Adapter::of(&url).await;
        adapter
            .query(&format!("select locks({number})"))
            .await
            .expect("works");
        let held = server
            .value(&format!(
                "select count(*) from pg_locks where locktype = 'advisory' and objid = {number}"
            ))
            .await;
        assert_eq!(held, "0", "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn paging_time_outs_and_disconnects_work() {
    let Some((postgres, pooler)) = pooler().await else {
        return;
    };
    let server = Server::of(postgres.url());
    let adapter = Adapter::of(&pooler.url()).await;
    let mut request = QueryRequest {
        sql: "select generate_series(1, 1000000000000) /* through the pooler */".to_owned(),
        limit: Some(2),
        ..QueryRequest::default()
    };
    let first = adapter.ask(request.clone()).await.expect("a page");
    request.cursor = first.truncated.expect("more").next_cursor;
    assert_eq!(rows(&adapter.ask(request).await.expect("a page")), ["[3]", "[4]"]);

    let slow = QueryRequest {
        sql: "select pg_sleep(60) /* pooled time-out */".to_owned(),
        timeout_ms: Some(300),
        ..QueryRequest::default()
    };
    assert_fault(
        adapter.ask(slow.clone()).await,
        Reason::StatementTimedOut,
        "300 ms",
    );
    server.stops_running("pooled time-out").await;

    let mut client = adapter.client.clone();
    let call = adapter.lifecycle.spawn(async move {
        let sql = "select pg_sleep(60) /* pooled disconnect */".to_owned();
        let request = QueryRequest {
            sql,
            ..QueryRequest::default()
        };
        client.query(request).await
    });
    server.runs("pooled disconnect").await;
    call.abort();
    server.stops_running("pooled disconnect").await;
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_is_said_not_to_be_there_is_explained() {
    let Some((_, pooler)) = pooler().await else { return };
    let adapter = Adapter::start(&format!("url = '{}'\npooler = 'none'", pooler.url())).await;
    assert_fault(
        adapter.query("select 1").await,
        Reason::DatabaseUnavailable,
        "POSTGRES_POOLER=none",
    );
    let adapter = Adapter::start(&format!("url = '{}'\npooler = 'transaction'", pooler.url())).await;
    assert_eq!(rows(&adapter.query("select 1").await.expect("works")), ["[1]"]);
}

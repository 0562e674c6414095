//! A PostgreSQL that joins, is down, comes up, or is wrong.

use std::time::Duration;

use mcp_hub_e2e::{Door, Session, get};
use mcp_hub_testing::{PgBouncer, Postgres, eventually};
use serde_json::{Value, json};

use crate::hub::{Hub, rows, text};

const PASSWORD: &str = "correct-horse-battery";

#[tokio::test]
async fn it_joins_when_its_host_is_set() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let port = postgres.port().to_string();
    let environment = [
        ("POSTGRES_HOST", postgres.host()),
        ("POSTGRES_PORT", &*port),
        ("POSTGRES_USER", "postgres"),
    ];
    let hub = Hub::start(&[], &environment).await;
    assert!(hub.banner.contains("PostgreSQL"), "{}", hub.banner);
    let Some(mut session) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    let result = session
        .call(
            "postgres_query",
            json!({"sql": "select 9007199254740993::int8, null, 'žluť'"}),
        )
        .await;
    assert_eq!(rows(&result), [json!(["9007199254740993", null, "žluť"])]);
    session.close().await;
}

#[tokio::test]
async fn through_a_pooler_in_transaction_mode_sessions_do_not_mix() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let Some(pooler) = PgBouncer::in_front_of(postgres).await else {
        return;
    };
    let hub = Hub::start(&[], &[("POSTGRES_URL", &pooler.url())]).await;
    let Some(mut one) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    let Some(mut two) = Session::typescript(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    for number in 0..10 {
        let arguments = json!({"sql": "select $1::int + 1", "params": [number]});
        let (first, second) = tokio::join!(
            one.call("postgres_query", arguments.clone()),
            two.call("postgres_query", arguments)
        );
        assert_eq!(
            (rows(&first), rows(&second)),
            (vec![json!([number + 1])], vec![json!([number + 1])])
        );
    }
    one.close().await;
    two.close().await;
}

#[tokio::test]
async fn one_that_is_down_is_listed_with_the_reason_and_joins_when_it_is_up() {
    let Some(postgres) = Postgres::start().await else {
        return;
    };
    postgres.stop().await;
    let url = format!(
        "postgres://postgres:{PASSWORD}@127.0.0.1:{}/postgres",
        postgres.port()
    );
    let hub = Hub::start(&["--sample"], &[("POSTGRES_URL", &url)]).await;
    let line = hub
        .banner
        .lines()
        .find(|line| line.trim_start().starts_with("postgres"))
        .expect("it is listed");
    assert!(line.contains("unavailable"), "{}", hub.banner);
    assert!(
        hub.banner.contains("refused") || hub.banner.contains("refuses"),
        "the reason: {}",
        hub.banner
    );
    assert_eq!(get(hub.port, "/readyz").await.expect("an answer"), 200);

    let Some(mut session) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    // The other database is not disturbed.
    let others = session.call("sqlite_query", json!({"sql": "select 1"})).await;
    assert_eq!(rows(&others), [json!([1])]);
    let down = session.call("postgres_query", json!({"sql": "select 1"})).await;
    assert_eq!(down["isError"], true, "{down}");
    for secret in [PASSWORD, "127.0.0.1", &postgres.port().to_string()] {
        assert!(!down.to_string().contains(secret), "{secret} in {down}");
    }

    postgres.start_again().await;
    let mut session = Some(session);
    let answer = eventually(Duration::from_secs(20), async || {
        let result = session
            .as_mut()
            .expect("a session")
            .call("postgres_query", json!({"sql": "select 2"}))
            .await;
        if result["isError"] == true {
            Err(text(&result).to_owned())
        } else {
            Ok(result)
        }
    })
    .await;
    assert_eq!(rows(&answer), [json!([2])]);
    session.take().expect("a session").close().await;
}

#[tokio::test]
async fn one_that_is_wrong_is_listed_with_the_reason() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let url = format!(
        "postgres://postgres:{PASSWORD}@127.0.0.1:{}/no_such_database",
        postgres.port()
    );
    let hub = Hub::start(&[], &[("POSTGRES_URL", &url)]).await;
    assert!(
        hub.banner.contains("unavailable") && hub.banner.contains("no_such_database"),
        "{}",
        hub.banner
    );
    assert!(
        !hub.process.output().contains(PASSWORD),
        "{}",
        hub.process.output()
    );

    let Some(mut session) = Session::python(&Door::HttpLegacy(hub.url("/mcp"))).await else {
        return;
    };
    let report: Value =
        serde_json::from_str(text(&session.call("list_services", json!({})).await)).expect("JSON");
    assert!(report.to_string().contains("no_such_database"), "{report}");
    assert!(!report.to_string().contains(PASSWORD), "{report}");
    session.close().await;
}

#[tokio::test]
async fn a_client_that_dies_takes_its_statement_along() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let hub = Hub::start(&[], &[("POSTGRES_URL", postgres.url())]).await;
    let Some(mut watcher) = Session::python(&Door::HttpLegacy(hub.url("/mcp"))).await else {
        return;
    };
    for (number, door) in [
        Door::Sse(hub.url("/sse")),
        Door::Http(hub.url("/mcp")),
        Door::HttpLegacy(hub.url("/mcp")),
    ]
    .iter()
    .enumerate()
    {
        let Some(mut dying) = Session::python(door).await else {
            return;
        };
        let sql = format!("select 'call number {number}' from pg_sleep(50)");
        dying.begin("postgres_query", json!({"sql": sql})).await;
        let running = json!({
            "sql": "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like $1",
            "params": [format!("%call number {number}%")],
        });
        eventually(Duration::from_secs(10), async || {
            rows(&watcher.call("postgres_query", running.clone()).await) == [json!([1])]
        })
        .await;
        // SIGKILL: the client says nothing any more.
        drop(dying);
        eventually(Duration::from_secs(2), async || {
            rows(&watcher.call("postgres_query", running.clone()).await) == [json!([0])]
        })
        .await;
    }
    watcher.close().await;
}

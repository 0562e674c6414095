//! A PostgreSQL that joins, is down, comes up, or is wrong.

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::{PgBouncer, Postgres};
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::hub::{Hub, count, rows, text};
use crate::promises::{self, SQL, Subject};

const PASSWORD: &str = "correct-horse-battery";

fn subject(environment: Vec<(&'static str, String)>) -> Subject<'static> {
    Subject {
        key: "postgres",
        environment,
        asking: SQL,
        secrets: vec![PASSWORD.to_owned(), "127.0.0.1".to_owned()],
    }
}

#[tokio::test]
async fn it_joins_when_its_host_is_set() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let subject = subject(vec![
        ("POSTGRES_HOST", postgres.host().to_owned()),
        ("POSTGRES_PORT", postgres.port().to_string()),
        ("POSTGRES_USER", "postgres".to_owned()),
    ]);
    let statement = "select 9007199254740993::int8, null, 'žluť'";
    let row = json!(["9007199254740993", null, "žluť"]);
    promises::it_joins(&subject, "PostgreSQL", statement, row).await;
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
    let subject = subject(vec![("POSTGRES_URL", url)]);
    promises::one_that_is_down_joins_when_it_is_up(&subject, async || postgres.start_again().await).await;
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
    let subject = subject(vec![("POSTGRES_URL", postgres.url().to_owned())]);
    let hub = Hub::start(&[], &[("POSTGRES_URL", postgres.url())]).await;
    let Some(watcher) = Session::python(&Door::HttpLegacy(hub.url("/mcp"))).await else {
        return;
    };
    let watcher = Mutex::new(watcher);
    let running = async |mark: &str| {
        let question = json!({
            "sql": "select count(*) from pg_stat_activity where state = 'active' and pid <> pg_backend_pid() and query like $1",
            "params": [format!("%{mark}%")],
        });
        let answer = watcher.lock().await.call("postgres_query", question).await;
        count(&rows(&answer))
    };
    let statement = |mark: &str| format!("select '{mark}' from pg_sleep(50)");
    promises::a_client_that_dies_takes_its_statement_along(&subject, statement, running).await;
    watcher.into_inner().close().await;
}

#[tokio::test]
async fn what_is_in_it_is_offered_to_people_as_well() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let settings = [
        ("POSTGRES_URL", postgres.url()),
        ("POSTGRES_ALLOW_WRITES", "true"),
        ("POSTGRES_ALLOW_SCHEMAS", "offered"),
    ];
    let hub = Hub::start(&[], &settings).await;
    let Some(mut session) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    let statements = json!({"statements": [
        {"sql": "create schema offered"},
        {"sql": "create table offered.\"a/b\" (id int primary key)"},
        {"sql": "create table offered.orders (id int, other int references offered.\"a/b\")"},
    ]});
    let made = session.call("postgres_execute", statements).await;
    assert_eq!(made["structuredContent"]["committed"], true, "{made}");
    assert!(
        session.list_changed("resources", 10).await,
        "the list of resources has changed"
    );

    let list = session.ask("resources/list", json!({})).await;
    let addresses: Vec<&str> = list["resources"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|resource| resource["uri"].as_str())
        .collect();
    assert_eq!(
        addresses,
        [
            "mcphub://postgres/offered/a%2Fb",
            "mcphub://postgres/offered/orders"
        ]
    );
    for (address, name) in addresses.iter().zip(["a/b", "orders"]) {
        let read = session.ask("resources/read", json!({"uri": address})).await;
        let contents = &read["contents"][0];
        assert_eq!(contents["mimeType"], "application/json", "{read}");
        let resource: Value = serde_json::from_str(contents["text"].as_str().expect("a text")).expect("JSON");
        let arguments = json!({"schema": "offered", "table_name": name});
        let described = session.call("postgres_describe_table", arguments).await;
        assert_eq!(resource, described["structuredContent"], "{address}");
    }
    let typed = json!({
        "ref": {"type": "ref/resource", "uri": "mcphub://postgres/{schema}/{table}"},
        "argument": {"name": "table", "value": "OR"},
        "context": {"arguments": {"schema": "offered"}},
    });
    let completed = session.ask("completion/complete", typed).await;
    assert_eq!(
        completed["completion"]["values"],
        json!(["orders"]),
        "{completed}"
    );

    let explore = json!({"name": "postgres_explore", "arguments": {"schema": "offered"}});
    let prompt = session.ask("prompts/get", explore).await;
    let text = prompt["messages"][0]["content"]["text"].as_str().expect("a text");
    assert!(
        text.contains("\"offered.orders\": table; \"other -> offered.a/b\""),
        "{text}"
    );
    let slow =
        json!({"name": "postgres_explain_slow_query", "arguments": {"sql": "select * from offered.orders"}});
    let prompt = session.ask("prompts/get", slow).await;
    let text = prompt["messages"][0]["content"]["text"].as_str().expect("a text");
    assert!(text.contains("Seq Scan on orders"), "{text}");

    let waiting = json!({"sql": "select pg_sleep(2.5)", "timeout_ms": 100_000});
    let (answer, steps) = session.call_with_progress("postgres_query", waiting).await;
    assert_eq!(rows(&answer), [json!([""])]);
    assert!(
        steps.iter().any(|step| step.total == Some(100.0)
            && step.message.as_deref() == Some("1 s: waiting for the database")),
        "{steps:?}"
    );
    session.close().await;
}

#[tokio::test]
async fn two_in_the_settings_file_are_two_services() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let settings = [
        format!("url = \"{}\"", postgres.url()),
        format!("url = \"{}\"", postgres.url_of("template1")),
    ];
    let databases = [json!(["postgres"]), json!(["template1"])];
    let settings = [&*settings[0], &*settings[1]];
    promises::two_of_a_kind_are_two_services(
        "postgres",
        SQL,
        settings,
        "select current_database()::text",
        databases,
    )
    .await;
}

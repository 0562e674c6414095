//! The measurements in small: that they come to figures. What the figures are is nothing for a test.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use mcp_hub_testing::Postgres;
use serde_json::Value;
use tokio::process::Command;

/// Far more than either takes.
const DEADLINE: Duration = Duration::from_mins(2);

/// Runs the program, and gives the JSON that it printed.
async fn measure(arguments: &[&str]) -> Value {
    let output = run(arguments).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"))
}

async fn run(arguments: &[&str]) -> std::process::Output {
    let program = env!("CARGO_BIN_EXE_mcp-hub-bench");
    let facade = Path::new(program).with_file_name("mcp-hub-facade");
    assert!(
        facade.is_file(),
        "{} is not built: cargo build --workspace",
        facade.display()
    );
    let mut command = Command::new(program);
    command
        .args(arguments)
        .arg("--json")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    tokio::time::timeout(DEADLINE, command.output())
        .await
        .expect("it ends by itself")
        .expect("it starts")
}

#[tokio::test]
async fn idle_streams_are_held_counted_and_let_go() {
    let report = measure(&["idle-streams", "--streams", "40", "--idle", "1"]).await;
    let rounds = report["rounds"].as_array().expect("rounds");
    assert_eq!(rounds.len(), 2);
    for (round, held) in rounds.iter().zip(["streams", "connections"]) {
        assert_eq!((&round["held"], &round["count"]), (&held.into(), &40.into()));
        assert_eq!(round["opening"]["count"], 40, "{round}");
        assert_eq!(round["answering"]["count"], 40, "{round}");
        assert!(round["idle"]["rss_kib"].as_u64() > Some(1024), "{round}");
    }
}

/// Held by those that make tables: each looks whether its own is gone.
static TABLES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

#[tokio::test]
async fn a_select_is_asked_every_way() {
    let _alone = TABLES.lock().await;
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let report = measure(&[
        "select",
        "--url",
        postgres.url(),
        "--clients",
        "2",
        "--seconds",
        "1",
        "--slice",
        "100",
        "--rows",
        "1000",
    ])
    .await;
    let ways = report["rounds"][0]["ways"].as_array().expect("ways");
    let names: Vec<&str> = ways.iter().filter_map(|way| way["way"].as_str()).collect();
    assert_eq!(names, ["direct", "adapter", "streamable-http", "legacy-sse"]);
    for way in ways {
        assert!(way["latency"]["count"].as_u64() >= Some(20), "{way}");
        assert!(way["rate_ratio"]["median"].as_f64() > Some(0.0), "{way}");
    }
    // Its table is gone.
    let left = tables(postgres).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn a_traced_select_is_measured_next_to_one_without_traces() {
    let _alone = TABLES.lock().await;
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let report = measure(&[
        "tracing",
        "--url",
        postgres.url(),
        "--clients",
        "2",
        "--seconds",
        "1",
        "--slice",
        "100",
        "--rows",
        "1000",
    ])
    .await;
    let hubs = report["rounds"][0]["hubs"].as_array().expect("hubs");
    let modes: Vec<&str> = hubs.iter().filter_map(|hub| hub["mode"].as_str()).collect();
    assert_eq!(modes, ["off", "ids", "tenth", "all", "all-but-database"]);
    let sent = |index: usize| hubs[index]["sent_bytes_per_call"].as_f64().expect("a number");
    assert_eq!((sent(0), sent(1)), (0.0, 0.0));
    // Every call has several spans, or they are not all sent.
    assert!(
        sent(3) > 1000.0 && sent(4) > 1000.0 && sent(2) < sent(3) / 2.0,
        "{report:#}"
    );
    for hub in hubs {
        assert!(hub["calls"].as_u64() >= Some(5), "{hub}");
        assert!(hub["cpu_ratio"].as_f64() > Some(0.0), "{hub}");
    }
    let left = tables(postgres).await;
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn what_can_not_be_measured_is_said() {
    let output = run(&["select", "--url", "postgres://nobody@127.0.0.1:1/x"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("connecting to PostgreSQL"), "{said}");

    let output = run(&["idle-streams", "--programs", "/nonexistent"]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(said.contains("cargo xtask bench"), "{said}");
}

async fn tables(postgres: &Postgres) -> Vec<String> {
    let (client, connection) = tokio_postgres::connect(postgres.url(), tokio_postgres::NoTls)
        .await
        .expect("PostgreSQL answers");
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let _ = connection.await;
    });
    let sql = "select relname::text from pg_class where relname like 'mcp_hub_bench%'";
    let rows = client.query(sql, &[]).await.expect("a list");
    rows.iter().map(|row| row.get(0)).collect()
}

//! `mcp-hub up`: what it serves, what it refuses, how it ends.

use std::net::TcpListener;
use std::time::Duration;

use mcp_hub_testing::{eventually, free_port};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{DEADLINE, Hub, Program, query, run};

/// A statement that runs until it is stopped.
const ENDLESS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

fn sample(folder: &tempfile::TempDir, name: &str) -> String {
    let path = folder.path().join(name);
    mcp_hub_sqlite::sample::create(&path).expect("a sample database");
    path.display().to_string()
}

#[tokio::test]
async fn a_call_is_answered_over_http() {
    let hub = Hub::start(&[], &[]).await;
    let answer = hub
        .post(&query(1, "sqlite_query", "select 1 as one, 'ä' as two"))
        .await;
    let rows = &answer["result"]["structuredContent"]["rows"];
    assert_eq!(*rows, json!([[1, "ä"]]), "{answer}");
}

#[tokio::test]
async fn the_settings_file_names_databases() {
    let folder = tempfile::tempdir().expect("a folder");
    let orders = sample(&folder, "orders.db");
    let notes = sample(&folder, "notes.db");
    let file = format!(
        "[database.orders]\nkind = 'sqlite'\npath = '{orders}'\nallow_writes = true\ndescription = 'web shop orders'\n\
         [database.notes]\nkind = 'sqlite'\n"
    );
    std::fs::write(folder.path().join("mcp-hub.toml"), file).expect("written");
    // Where the second one is stands in the environment.
    let hub = Hub::start_in(folder, &[], &[("NOTES_PATH", &notes)]).await;
    let tools = hub.names_of_tools().await;
    for name in ["orders_query", "orders_execute", "notes_query", "list_services"] {
        assert!(tools.iter().any(|tool| tool == name), "no {name}: {tools:?}");
    }
    for name in ["sqlite_query", "notes_execute"] {
        assert!(!tools.iter().any(|tool| tool == name), "{name}: {tools:?}");
    }
    assert!(
        hub.program.stdout().contains("web shop orders"),
        "{}",
        hub.program.stdout()
    );
    for tool in ["orders_query", "notes_query"] {
        let answer = hub
            .post(&query(1, tool, "select count(*) > 0 from customers"))
            .await;
        assert_eq!(
            answer["result"]["structuredContent"]["rows"],
            json!([[1]]),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_wrong_settings_file_is_one_sentence() {
    for (text, expected) in [
        ("prot = 8000", r#"unknown setting "prot"; known are: "#),
        (
            "[databases.x]\nkind = 'sqlite'",
            "mcp-hub.toml has an unknown table [databases]",
        ),
        (
            "[database.x]\nkind = 'oracle'",
            "mcp-hub.toml says of [database.x]: it needs a kind, one of: mariadb, mysql, neo4j, postgres, qdrant, sqlite",
        ),
        (
            "[database.x]\nkind = 'sqlite'\nfile = 'x'",
            r#"mcp-hub.toml says of [database.x]: unknown setting "file"; known are: path, "#,
        ),
        ("[database.X-1]\nkind = 'sqlite'\npath = 'x'", "X-1"),
        ("port = ", "mcp-hub.toml is not valid TOML"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("mcp-hub.toml"), text).expect("written");
        let exit = Program::start_in(folder, &["up", "--port", "0"], &[])
            .ended()
            .await;
        assert!(!exit.status.success(), "{text}");
        assert!(exit.stderr.contains(expected), "{text}: {}", exit.stderr);
    }
}

#[tokio::test]
async fn a_database_that_is_down_stops_nothing() {
    // One that refuses connections, and one that never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    for port in [free_port(), silent.local_addr().expect("an address").port()] {
        a_database_is_down_at(&port.to_string()).await;
    }
}

async fn a_database_is_down_at(port: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = sample(&folder, "own.db");
    let hub = Hub::start_in(
        folder,
        &["--sample"],
        &[
            ("POSTGRES_HOST", "127.0.0.1"),
            ("POSTGRES_PORT", port),
            ("SQLITE_PATH", &file),
        ],
    )
    .await;
    let banner = hub.program.stdout();
    let line = |key: &str| {
        let start = format!("  {key} ");
        banner
            .lines()
            .find(|line| line.starts_with(&start))
            .unwrap_or_else(|| panic!("no {key}:\n{banner}"))
    };
    assert!(line("postgres").contains("unavailable"), "{banner}");
    assert!(
        line("sqlite").contains("serving") && line("sample").contains("serving"),
        "{banner}"
    );
    // No caller learns where the database is.
    assert!(!banner.contains(port), "{banner}");

    let answer = hub.post(&query(1, "postgres_query", "select 1")).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    for tool in ["sqlite_query", "sample_query"] {
        let answer = hub.post(&query(1, tool, "select 1")).await;
        assert_eq!(
            answer["result"]["structuredContent"]["rows"],
            json!([[1]]),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn one_interrupt_ends_it_with_a_stream_and_a_call_open() {
    let hub = Hub::start(&[], &[]).await;
    let mut stream = TcpStream::connect(("127.0.0.1", hub.port))
        .await
        .expect("it listens");
    let get = format!("GET /sse HTTP/1.1\r\nHost: 127.0.0.1:{}\r\n\r\n", hub.port);
    stream.write_all(get.as_bytes()).await.expect("it reads");
    let mut beginning = vec![0; 512];
    let count = stream.read(&mut beginning).await.expect("it answers");
    let beginning = String::from_utf8_lossy(&beginning[..count]).into_owned();
    assert!(beginning.starts_with("HTTP/1.1 200"), "{beginning}");
    let _call = hub.begin(&query(1, "sqlite_query", ENDLESS)).await;

    hub.program.interrupt().await;
    let exit = hub.program.ended().await;
    assert!(exit.status.success(), "{exit:?}");
    assert!(exit.after < Duration::from_secs(2), "{:?}", exit.after);
}

#[tokio::test]
async fn a_second_interrupt_ends_it_at_once() {
    let hub = Hub::start(&["--shutdown-grace", "60"], &[]).await;
    let _call = hub.begin(&query(1, "sqlite_query", ENDLESS)).await;
    hub.program.interrupt().await;
    eventually(DEADLINE, async || {
        TcpStream::connect(("127.0.0.1", hub.port)).await.is_err()
    })
    .await;
    hub.program.interrupt().await;
    let exit = hub.program.ended().await;
    assert_eq!(exit.status.code(), Some(130), "{exit:?}");
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence_that_names_who_has_it() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let exit = run(&["--listen", &address], &[]).await;
    assert_eq!(exit.status.code(), Some(1));
    assert_eq!(exit.stdout, "");
    assert_eq!(exit.stderr.lines().count(), 1, "{}", exit.stderr);
    let expected = format!("mcp-hub: {address} is in use");
    assert!(exit.stderr.starts_with(&expected), "{}", exit.stderr);
    assert!(
        exit.stderr.contains("choose another port with --port"),
        "{}",
        exit.stderr
    );
    #[cfg(target_os = "linux")]
    {
        let owner = format!("(process {})", std::process::id());
        assert!(exit.stderr.contains(&owner), "{}", exit.stderr);
    }
}

//! One command, no configuration: what it prints, how it refuses, how it ends.

use std::time::Duration;

use mcp_hub_e2e::{Door, Process, Session, get};
use serde_json::{Value, json};

use crate::hub::{Hub, rows};

/// The JSON objects that a text for people has in it, each from a line `{` to a line `}` of the same indent.
fn configurations(banner: &str) -> Vec<Value> {
    let mut found = Vec::new();
    let mut open: Option<String> = None;
    for line in banner.lines() {
        if line == "  {" {
            open = Some(String::new());
        }
        if let Some(text) = &mut open {
            text.push_str(line);
            if line == "  }" {
                found.push(serde_json::from_str(text).expect("JSON to paste"));
                open = None;
            }
        }
    }
    found
}

#[tokio::test]
async fn without_configuration_it_says_where_it_is_and_what_to_do() {
    let hub = Hub::sample().await;
    let banner = &hub.banner;
    for expected in [
        &hub.url("/mcp"),
        &hub.url("/sse"),
        "SQLite",
        "serving",
        " tools",
        "  1. ",
        "  2. ",
        "  3. ",
    ] {
        assert!(banner.contains(expected), "no {expected:?} in:\n{banner}");
    }
    assert_eq!(get(hub.port, "/readyz").await.expect("an answer"), 200);
    assert_eq!(get(hub.port, "/livez").await.expect("an answer"), 200);

    let [ours, remote] = configurations(banner).try_into().expect("two configurations");
    let server = &ours["mcpServers"]["mcp-hub"];
    let command = server["command"].as_str().expect("a command");
    assert!(std::path::Path::new(command).is_absolute(), "{command}");
    assert_eq!(
        remote["mcpServers"]["mcp-hub"],
        json!({"command": "npx", "args": ["-y", "mcp-remote", hub.url("/mcp")]})
    );

    // What is to be pasted works as it stands.
    let arguments = server["args"].as_array().expect("arguments");
    let arguments = arguments
        .iter()
        .map(|argument| argument.as_str().expect("text").to_owned())
        .collect();
    let Some(mut session) = Session::typescript(&Door::Stdio(command.into(), arguments)).await else {
        return;
    };
    let result = session
        .call("sqlite_query", json!({"sql": "select count(*) from orders"}))
        .await;
    assert!(
        rows(&result)[0][0].as_u64().is_some_and(|count| count > 100),
        "{result}"
    );
    session.close().await;
    let Some(mut session) = Session::typescript(&Door::McpRemote(vec![hub.url("/mcp")])).await else {
        return;
    };
    assert!(!session.names().await.is_empty());
    session.close().await;
}

#[tokio::test]
async fn it_ends_within_two_seconds_with_clients_connected() {
    let hub = Hub::sample().await;
    let Some(mut sse) = Session::python(&Door::Sse(hub.url("/sse"))).await else {
        return;
    };
    let Some(mut listening) = Session::python(&Door::Http(hub.url("/mcp"))).await else {
        return;
    };
    assert!(!sse.names().await.is_empty());
    assert!(!listening.names().await.is_empty());
    let exit = hub.interrupt().await;
    assert!(exit.status.success(), "{}: {}", exit.status, exit.output);
    assert!(exit.after < Duration::from_secs(2), "{:?}", exit.after);
}

#[tokio::test]
async fn a_port_in_use_is_one_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let exit = Process::start("mcp-hub", &["--port", &port], &[]).ended().await;
    assert!(!exit.status.success());
    let lines: Vec<_> = exit.output.lines().collect();
    let [line] = lines[..] else {
        panic!("one line: {}", exit.output)
    };
    assert!(
        line.contains(&format!("127.0.0.1:{port} is in use")) && line.contains("--port"),
        "{line}"
    );
}

#[tokio::test]
async fn an_address_that_others_reach_is_refused_without_authentication() {
    let exit = Process::start("mcp-hub", &["--listen", "0.0.0.0:0"], &[])
        .ended()
        .await;
    assert!(!exit.status.success());
    assert!(exit.output.contains("--allow-unauthenticated"), "{}", exit.output);
}

#[tokio::test]
async fn options_are_also_environment_variables() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data").display().to_string();
    let environment = [
        ("MCP_HUB_PORT", "0"),
        ("MCP_HUB_DATA_DIR", &*data),
        ("MCP_HUB_LOG_FORMAT", "json"),
    ];
    let process = Process::start("mcp-hub", &["up"], &environment);
    let log = process.printed("mcp-hub is up").await;
    for line in log.lines() {
        serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    let made = std::fs::read_dir(&data).expect("the data folder").count();
    assert!(made > 0, "the sample database is in {data}");
    assert!(process.interrupt().await.status.success());
}

#[tokio::test]
async fn a_misspelt_variable_is_refused_and_help_lists_the_right_one() {
    let exit = Process::start("mcp-hub", &["up"], &[("MCP_HUB_PROT", "8000")])
        .ended()
        .await;
    assert!(!exit.status.success());
    assert!(exit.output.contains("MCP_HUB_PORT"), "{}", exit.output);

    let exit = Process::start("mcp-hub", &["up", "--help"], &[]).ended().await;
    assert!(exit.status.success());
    for option in [
        "--listen",
        "--port",
        "--data-dir",
        "--log-format",
        "MCP_HUB_LISTEN",
        "MCP_HUB_LOG_FORMAT",
    ] {
        assert!(exit.output.contains(option), "no {option} in:\n{}", exit.output);
    }
}

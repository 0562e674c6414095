//! Adapters: what is spoken at their addresses, and how they and their databases are.

use std::path::Path;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::config::Sources;
use tokio::net::TcpListener;

use super::{Report, authority, written};
use crate::fake::{Fake, Reply};
use crate::support::{DEADLINE, Hub};

/// What doctor finds with these upstreams.
async fn of_upstreams(text: &str) -> Report {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "upstreams.toml", text);
    Report::of(&[], &[("MCP_HUB_UPSTREAMS", &file)]).await
}

/// An adapter of a SQLite file; it ends with the test.
async fn sqlite(file: &Path) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let config = mcp_hub_sqlite::Config::for_file(file);
    let lifecycle = Lifecycle::new();
    let serving = lifecycle.clone();
    lifecycle.spawn(async move { mcp_hub_sqlite::serve(config, "shop", listener, serving).await });
    address
}

#[tokio::test]
async fn an_adapter_says_how_it_and_its_database_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let there = folder.path().join("shop.sqlite");
    mcp_hub_sqlite::sample::create(&there).expect("a database");
    let (good, bad) = (
        sqlite(&there).await,
        sqlite(&folder.path().join("gone.sqlite")).await,
    );
    mcp_hub_testing::eventually(DEADLINE, async || {
        let report = of_upstreams(&format!("good = 'http://{good}'\nbad = 'http://{bad}'\n")).await;
        let found = |verdict: &str, subject: &str| {
            let findings = report.json["findings"].as_array().expect("findings");
            findings.iter().any(|finding| {
                let about = finding["subject"].as_str().unwrap_or_default();
                finding["hop"] == "adapter" && finding["verdict"] == verdict && about.starts_with(subject)
            })
        };
        // The first look at a database takes a moment.
        let all = found("ok", "good") && found("not-serving", "bad") && !found("not-serving", "good");
        if all { Ok(()) } else { Err(report.all()) }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_adapter_is_told_by_what_it_speaks() {
    let rest = Fake::start(|_| Reply::json(&serde_json::json!({ "title": "qdrant" }))).await;
    let report = of_upstreams(&format!("rest = 'http://{}'\n", authority(&rest.url))).await;
    report.finds("adapter", "rest-for-grpc");

    let (secure, _) = Fake::start_tls(|_| Reply::HangUp).await;
    let address = authority(&secure.url).replace("localhost", "127.0.0.1");
    let report = of_upstreams(&format!("secure = 'http://{address}'\n")).await;
    report.finds("adapter", "tls-required");

    // The facade's door takes HTTP/2 too.
    let hub = Hub::start(&[], &[]).await;
    let report = of_upstreams(&format!("hub = 'http://127.0.0.1:{}'\n", hub.port)).await;
    report.finds("adapter", "not-an-adapter");
}

#[tokio::test]
async fn an_adapter_that_need_not_be_there_is_no_fault() {
    let report = of_upstreams("[upstreams.a]\naddress = 'http://127.0.0.1:1'\noptional = true\n").await;
    report.finds("adapter", "absent");
    report.finds_no("adapter", "refused");
    let report = of_upstreams("a = 'http://127.0.0.1:1'\n").await;
    report.finds("adapter", "refused");
}

#[tokio::test]
async fn an_adapter_is_there_when_its_database_is_not() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let settings = "host = '127.0.0.1'\nport = 1\n".parse().expect("TOML");
    let config = Sources::file(settings).load().expect("settings");
    let lifecycle = Lifecycle::new();
    let serving = lifecycle.clone();
    lifecycle.spawn(async move { mcp_hub_postgres::serve(config, "shop", listener, serving).await });
    let text = format!("[upstreams.shop]\naddress = 'http://{address}'\noptional = true\n");
    let report = of_upstreams(&text).await;
    report.finds("port", "refused");
    report.finds_no("adapter", "absent");
}

#[tokio::test]
async fn a_file_of_upstreams_that_is_wrong_or_empty_is_found() {
    of_upstreams("").await.finds("facade", "no-upstreams");
    of_upstreams("a = 7\n").await.finds("facade", "file-wrong");
    let gone = Report::of(&[], &[("MCP_HUB_UPSTREAMS", "/nowhere/upstreams.toml")]).await;
    gone.finds("facade", "file-wrong");
}

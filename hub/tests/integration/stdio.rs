//! `mcp-hub stdio`: the hub itself on stdin and stdout.

use mcp_hub_testing::free_port;
use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{Speaker, initialize, names, query, request, run};

#[tokio::test]
async fn a_client_that_asks_at_once_gets_all_tools_and_its_end_is_the_end() {
    let mut hub = Speaker::start(&[]);
    // No waiting between the lines: clients ask for the tools once.
    hub.say(&initialize("2025-06-18")).await;
    hub.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await;
    hub.say(&request(1, "tools/list", json!({}))).await;
    let initialized = hub.hear().await;
    assert_eq!(
        initialized["result"]["protocolVersion"], "2025-06-18",
        "{initialized}"
    );
    let listed = hub.hear().await;
    assert!(
        names(&listed).iter().any(|name| name == "sqlite_query"),
        "{listed}"
    );

    let answer = hub.ask(&query(2, "sqlite_query", "select 6 * 7")).await;
    assert_eq!(
        answer["result"]["structuredContent"]["rows"],
        json!([[42]]),
        "{answer}"
    );
    let (status, rest) = hub.close().await;
    assert!(status.success());
    assert_eq!(rest, Vec::<serde_json::Value>::new());
}

#[tokio::test]
async fn it_listens_only_when_asked_to() {
    let port = free_port();
    let mut hub = Speaker::start(&["--port", &port.to_string()]);
    hub.ask(&initialize("2025-11-25")).await;
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    hub.close().await;
}

#[tokio::test]
async fn options_of_the_bridge_need_its_address() {
    let exit = run(&["stdio", "--token-file", "token"], &[]).await;
    assert_eq!(exit.status.code(), Some(1));
    assert_eq!(
        exit.stderr,
        "mcp-hub: --token-file, --header and --ca-file need --url\n"
    );
}

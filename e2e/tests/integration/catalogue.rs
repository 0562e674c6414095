//! What a model reads before it reads any data: the whole list of tools, as a golden file, and its price in tokens.

use std::fmt::Write as _;

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::free_port;
use serde_json::{Value, json};

use crate::hub::Hub;

/// Claude reads the list at the start of every conversation; what it costs is missing for data.
const MOST_TOKENS: usize = 15_000;

/// The most that the tools of four databases that are only read may cost without the schemas of answers, which most clients keep
/// from the model.
const MOST_READ_TOKENS: usize = 6_000;

/// Every tool of the hub, with writes on. Nobody needs to be behind the adapters for that.
#[tokio::test]
async fn the_list_of_tools() {
    let nobody = free_port();
    let environment = [
        ("MARIADB_URL", format!("mysql://nobody@127.0.0.1:{nobody}/shop")),
        ("NEO4J_URI", format!("bolt://127.0.0.1:{nobody}")),
        (
            "POSTGRES_URL",
            format!("postgres://nobody@127.0.0.1:{nobody}/shop"),
        ),
        ("QDRANT_URL", format!("http://127.0.0.1:{nobody}")),
        ("MARIADB_ALLOW_WRITES", "true".to_owned()),
        ("NEO4J_ALLOW_WRITES", "true".to_owned()),
        ("POSTGRES_ALLOW_WRITES", "true".to_owned()),
        ("QDRANT_ALLOW_WRITES", "true".to_owned()),
        ("SQLITE_ALLOW_WRITES", "true".to_owned()),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let hub = Hub::start(&["--sample"], &environment).await;
    let Some(mut session) = Session::typescript(&Door::HttpLegacy(hub.url("/mcp"))).await else {
        return;
    };
    let list = session.list().await;
    let instructions = session.connection["instructions"]
        .as_str()
        .expect("instructions")
        .to_owned();
    session.close().await;

    let tools = list["tools"].as_array().expect("tools");
    let ranks = tiktoken_rs::o200k_base().expect("the ranks are in the crate");
    let count = |text: &str| ranks.encode_ordinary(text).len();
    let prices: Vec<usize> = tools.iter().map(|tool| count(&tool.to_string())).collect();
    let total: usize = prices.iter().sum();
    assert!(total <= MOST_TOKENS, "{total} tokens");
    let without = tools.iter().map(|tool| {
        let mut tool = tool.clone();
        tool["outputSchema"].take();
        count(&tool.to_string())
    });
    let heading = format!(
        "{} tools, {total} tokens (o200k_base), {} without the schemas of answers",
        tools.len(),
        without.sum::<usize>()
    );
    assert!(count(&instructions) <= 300, "{instructions}");

    insta::assert_snapshot!(format!("{heading}\n\n{instructions}\n{}", shown(tools, &prices)));
}

/// What most people have: one of each engine, read only.
#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figure is what the test is for")]
async fn four_databases_to_read_cost_little() {
    let nobody = free_port();
    let environment = [
        ("MARIADB_URL", format!("mysql://nobody@127.0.0.1:{nobody}/shop")),
        ("NEO4J_URI", format!("bolt://127.0.0.1:{nobody}")),
        (
            "POSTGRES_URL",
            format!("postgres://nobody@127.0.0.1:{nobody}/shop"),
        ),
        ("QDRANT_URL", format!("http://127.0.0.1:{nobody}")),
    ];
    let environment = environment
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let hub = Hub::start(&[], &environment).await;
    let Some(mut session) = Session::python(&Door::HttpLegacy(hub.url("/mcp"))).await else {
        return;
    };
    let list = session.list().await;
    session.close().await;

    let ranks = tiktoken_rs::o200k_base().expect("the ranks are in the crate");
    let read = |tool: &Value| {
        let tool = json!({
            "name": tool["name"],
            "description": tool["description"],
            "inputSchema": tool["inputSchema"],
        });
        ranks.encode_ordinary(&tool.to_string()).len()
    };
    let tools = list["tools"].as_array().expect("tools");
    let total: usize = tools.iter().map(read).sum();
    println!(
        "four databases: {} tools, {total} tokens (o200k_base)",
        tools.len()
    );
    assert!(total < MOST_READ_TOKENS, "{total} tokens");
}

/// The list as one reads it in a review: a heading with the price for each tool, then everything that the client gets.
fn shown(tools: &[Value], prices: &[usize]) -> String {
    let mut text = String::new();
    for (tool, tokens) in tools.iter().zip(prices) {
        let mut tool = tool.clone();
        let name = tool["name"].take();
        let description = tool["description"].take();
        let fields = tool.as_object_mut().expect("an object");
        fields.retain(|_, value| !value.is_null());
        let (name, description) = (
            name.as_str().unwrap_or_default(),
            description.as_str().unwrap_or_default(),
        );
        writeln!(text, "\n## {name}: {tokens} tokens\n\n{description}\n\n{tool:#}")
            .expect("a String takes all");
    }
    text
}

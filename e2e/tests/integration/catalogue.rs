//! What a model reads before it reads any data: the whole list of tools, as a golden file, and its price in tokens.

use std::fmt::Write as _;

use mcp_hub_e2e::{Door, Session};
use mcp_hub_testing::Postgres;
use serde_json::Value;

use crate::hub::Hub;

/// Claude reads the list at the start of every conversation; what it costs is missing for data.
const MOST_TOKENS: usize = 12_000;

/// Every tool of the hub, with writes on.
#[tokio::test]
async fn the_list_of_tools() {
    let Some(postgres) = Postgres::shared().await else {
        return;
    };
    let environment = [
        ("POSTGRES_URL", postgres.url()),
        ("POSTGRES_ALLOW_WRITES", "true"),
        ("SQLITE_ALLOW_WRITES", "true"),
    ];
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
    assert!(count(&instructions) <= 300, "{instructions}");

    insta::assert_snapshot!(shown(&instructions, tools, &prices));
}

/// The list as one reads it in a review: a heading with the price for each tool, then everything that the client gets.
fn shown(instructions: &str, tools: &[Value], prices: &[usize]) -> String {
    let mut text = format!(
        "{} tools, {} tokens (o200k_base)\n\n{instructions}\n",
        tools.len(),
        prices.iter().sum::<usize>()
    );
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

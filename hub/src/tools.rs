//! `mcp-hub tools`: the tools of a running hub.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::client::{Client, Target};
use crate::error::Result;

/// The settings of `mcp-hub tools`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Print the tools as JSON, with their schemas.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    target: Target,
}

/// Prints the tools.
pub async fn run(options: Options) -> Result<()> {
    let tools = list(&options.target.client()?).await?;
    let text = if options.json {
        format!("{:#}\n", Value::from(tools))
    } else {
        lines(&tools)
    };
    crate::say(&text)
}

/// Asks for all tools.
pub(crate) async fn list(client: &Client) -> Result<Vec<Value>> {
    let mut tools = Vec::new();
    let mut params = json!({});
    loop {
        let mut page = client.request("tools/list", params).await?;
        if let Some(Value::Array(more)) = page.get_mut("tools").map(Value::take) {
            tools.extend(more);
        }
        match page.get("nextCursor") {
            Some(Value::String(cursor)) => params = json!({ "cursor": cursor }),
            _ => return Ok(tools),
        }
    }
}

/// One line a tool: name, title, first sentence.
fn lines(tools: &[Value]) -> String {
    let text = |tool: &Value, field: &str| tool[field].as_str().unwrap_or_default().to_owned();
    let width = |field: &str| {
        let lengths = tools.iter().map(|tool| text(tool, field).chars().count());
        lengths.max().unwrap_or_default()
    };
    let (names, titles) = (width("name"), width("title"));
    let mut out = String::new();
    for tool in tools {
        let description = text(tool, "description");
        let _ = writeln!(
            out,
            "{:names$}  {:titles$}  {}",
            text(tool, "name"),
            text(tool, "title"),
            first_sentence(&description)
        );
    }
    out
}

/// A text up to its first full stop.
fn first_sentence(text: &str) -> &str {
    let line = text.lines().next().unwrap_or_default();
    line.find(". ").map_or(line, |end| &line[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_one_line() {
        let tools = [
            json!({ "name": "shop_query", "title": "Query", "description": "Runs SQL. Then more." }),
            json!({ "name": "list_services", "title": "List services", "description": "Lists e.g.\nmore" }),
        ];
        assert_eq!(
            lines(&tools),
            "shop_query     Query          Runs SQL.\nlist_services  List services  Lists e.g.\n"
        );
    }
}

//! docs/tools.md: every tool of every adapter, as a client is told of it.
//!
//! The tools are not read from the contract but asked for: each adapter is started, with writes, in front of a database that is not
//! there, and the facade's catalogue is what is printed.

use std::fmt::Write as _;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::config::Sources;
use mcp_hub_facade::Facade;
use mcp_hub_facade::tool::Tool;
use mcp_hub_facade::upstream::Upstreams;
use serde_json::Value;

use super::configuration::cell;
use crate::adapters::Databases;
use crate::error::Result;

/// The page.
pub(super) async fn page(lifecycle: &Lifecycle) -> Result<String> {
    let mut upstreams = Upstreams::default();
    // They live until the process ends; nobody asks their databases.
    let _adapters = Databases::of_each_adapter()?
        .start(&mut upstreams, lifecycle)
        .await?;
    let facade = Facade::start(Sources::default().load()?, upstreams, lifecycle);
    facade.registry().first_pass().await;
    let catalog = facade.registry().catalog();

    let mut out = include_str!("tools.md").to_owned();
    let mut tools: Vec<&Tool> = catalog.tools().iter().map(AsRef::as_ref).collect();
    // The facade's own first, then by service.
    tools.sort_by_key(|tool| (&tool.upstream, &tool.name));
    let mut service = None;
    for tool in tools {
        if service != Some(&tool.upstream) {
            service = Some(&tool.upstream);
            // Writing to a `String` can't fail.
            let _ = write!(
                out,
                "\n## {}\n",
                tool.upstream.as_deref().unwrap_or("Always there")
            );
        }
        let _ = write_tool(&mut out, tool);
    }
    Ok(out)
}

fn write_tool(out: &mut String, tool: &Tool) -> std::fmt::Result {
    let effect = match tool {
        Tool { read_only: true, .. } => "Reads only.",
        Tool {
            destructive: true, ..
        } => "May destroy data.",
        _ => "Changes data.",
    };
    write!(
        out,
        "\n### `{}`\n\n*{}.* {effect}\n\n{}\n",
        tool.name, tool.title, tool.description
    )?;
    let Some(Value::Object(properties)) = tool.input_schema.get("properties") else {
        return Ok(());
    };
    if properties.is_empty() {
        return writeln!(out, "\nNo parameters.");
    }
    writeln!(
        out,
        "\n| parameter | type | default | range | meaning |\n|---|---|---|---|---|"
    )?;
    let required = tool.input_schema.get("required").and_then(Value::as_array);
    for (name, schema) in properties {
        let is_required = required.is_some_and(|names| names.contains(&name.as_str().into()));
        let default = match schema.get("default") {
            Some(default) => format!("`{default}`"),
            None if is_required => "required".to_owned(),
            None => String::new(),
        };
        let meaning = schema["description"].as_str().unwrap_or_default();
        writeln!(
            out,
            "| `{name}` | {} | {default} | {} | {} |",
            cell(&kind(schema)),
            range(schema),
            cell(meaning)
        )?;
    }
    Ok(())
}

/// The type of a value in words.
fn kind(schema: &Value) -> String {
    if let Some(labels) = schema["enum"].as_array() {
        let labels: Vec<String> = labels
            .iter()
            .filter_map(Value::as_str)
            .map(|label| format!("`{label}`"))
            .collect();
        return labels.join(", ");
    }
    match schema["type"].as_str() {
        None => "any value".to_owned(),
        Some("array") => format!("list of {}", kind(&schema["items"])),
        Some("object") => match schema["properties"].as_object() {
            Some(properties) => {
                let names: Vec<&str> = properties.keys().map(String::as_str).collect();
                format!("object ({})", names.join(", "))
            }
            None => "object".to_owned(),
        },
        Some(name) => name.to_owned(),
    }
}

fn range(schema: &Value) -> String {
    match (schema.get("minimum"), schema.get("maximum")) {
        (Some(minimum), Some(maximum)) => format!("{minimum} to {maximum}"),
        (Some(minimum), None) => format!("from {minimum}"),
        (None, Some(maximum)) => format!("to {maximum}"),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_schema_is_said_in_words() {
        for (schema, expected) in [
            (json!({ "type": "integer" }), "integer"),
            (json!({}), "any value"),
            (json!({ "type": "array", "items": {} }), "list of any value"),
            (json!({ "enum": ["table", "view"] }), "`table`, `view`"),
            (
                json!({ "type": "object", "properties": { "sql": {} } }),
                "object (sql)",
            ),
        ] {
            assert_eq!(kind(&schema), expected);
        }
        assert_eq!(range(&json!({ "minimum": 1, "maximum": 1000 })), "1 to 1000");
        assert_eq!(range(&json!({})), "");
    }
}

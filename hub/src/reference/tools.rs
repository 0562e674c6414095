//! docs/tools.md: every tool, prompt and form of address of every adapter, as a client is told of it.
//!
//! Nothing is read from the contract, but asked for: each adapter is started, with writes, in front of a database that is not there, and
//! what the facade in front of them answers to MCP requests is printed.

use std::fmt::Write as _;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::config::Sources;
use mcp_hub_facade::Facade;
use mcp_hub_facade::upstream::Upstreams;
use serde_json::Value;

use super::configuration::cell;
use crate::adapters::{Databases, Kind};
use crate::client::{self, List};
use crate::error::{Error, Result};
use crate::message::NoMessage;

/// The page.
pub(super) async fn page(lifecycle: &Lifecycle) -> Result<String> {
    let mut upstreams = Upstreams::default();
    // They live until the process ends; nobody asks their databases.
    let _adapters = Databases::of_each_adapter()?
        .start(&mut upstreams, lifecycle)
        .await?;
    let facade = Facade::start(Sources::default().load()?, upstreams, lifecycle);
    facade.registry().first_pass().await;
    let told = Told {
        tools: list(&facade, List::TOOLS).await?,
        prompts: list(&facade, List::PROMPTS).await?,
        templates: list(&facade, List::TEMPLATES).await?,
    };
    let mut out = include_str!("tools.md").to_owned();
    // Writing to a `String` can't fail.
    let _ = write_all(&mut out, &told);
    Ok(out)
}

/// What a client is told.
struct Told {
    tools: Vec<Value>,
    prompts: Vec<Value>,
    templates: Vec<Value>,
}

/// Asks the facade for a list.
async fn list(facade: &Facade, list: List) -> Result<Vec<Value>> {
    let ask = async |params| {
        let mut answers = Vec::new();
        let question = client::request(list.method(), params).to_string();
        facade
            .serve_stdio(question.as_bytes(), &mut answers)
            .await
            .map_err(Error::Stdio)?;
        let lines = answers.split(|byte| *byte == b'\n');
        for line in lines.filter(|line| !line.is_empty()) {
            let answer =
                serde_json::from_slice(line).map_err(|error| Error::Answer(NoMessage::Json(error)))?;
            if let Some(result) = client::result(answer)? {
                return Ok(result);
            }
        }
        Err(Error::NoAnswer)
    };
    list.pages(ask).await
}

/// All, by service; the facade's own come first.
fn write_all(out: &mut String, told: &Told) -> std::fmt::Result {
    let mut owners = vec![None];
    owners.extend(Kind::adapters().map(|kind| Some(kind.name())));
    // As the key sorts, not as the kinds are listed.
    owners.sort_unstable();
    for owner in owners {
        let own = |entries: &[Value]| -> Vec<Value> {
            let mut own: Vec<Value> = entries
                .iter()
                .filter(|entry| self::owner(entry) == owner)
                .cloned()
                .collect();
            own.sort_by_key(|entry| text(entry, "name").to_owned());
            own
        };
        write!(out, "\n## {}\n", owner.unwrap_or("Always there"))?;
        for tool in own(&told.tools) {
            write_tool(out, &tool)?;
        }
        for prompt in own(&told.prompts) {
            write_prompt(out, &prompt)?;
        }
        write_templates(out, &own(&told.templates))?;
    }
    Ok(())
}

/// Whose an entry is, by its name or its address; the facade's own are nobody's.
fn owner(entry: &Value) -> Option<&'static str> {
    let address = text(entry, "uriTemplate");
    let (called, end) = match address.strip_prefix("mcphub://") {
        Some(address) => (address, '/'),
        None => (text(entry, "name"), '_'),
    };
    let key = called.split_once(end)?.0;
    Kind::adapters().map(Kind::name).find(|name| *name == key)
}

fn text<'a>(entry: &'a Value, field: &str) -> &'a str {
    entry[field].as_str().unwrap_or_default()
}

fn write_tool(out: &mut String, tool: &Value) -> std::fmt::Result {
    let hint = |name: &str| tool["annotations"][name] == true;
    let effect = match (hint("readOnlyHint"), hint("destructiveHint")) {
        (true, _) => "Reads only.",
        (false, true) => "May destroy data.",
        (false, false) => "Changes data.",
    };
    write!(
        out,
        "\n### `{}`\n\n*{}.* {effect}\n\n{}\n",
        text(tool, "name"),
        text(tool, "title"),
        text(tool, "description")
    )?;
    let input = &tool["inputSchema"];
    let Some(properties) = input["properties"].as_object() else {
        return Ok(());
    };
    if properties.is_empty() {
        return writeln!(out, "\nNo parameters.");
    }
    writeln!(
        out,
        "\n| parameter | type | default | range | meaning |\n|---|---|---|---|---|"
    )?;
    let required = input["required"].as_array();
    for (name, schema) in properties {
        let is_required = required.is_some_and(|names| names.contains(&name.as_str().into()));
        let default = match schema.get("default") {
            Some(default) => format!("`{default}`"),
            None if is_required => "required".to_owned(),
            None => String::new(),
        };
        writeln!(
            out,
            "| `{name}` | {} | {default} | {} | {} |",
            cell(&kind(schema)),
            range(schema),
            cell(text(schema, "description"))
        )?;
    }
    Ok(())
}

fn write_prompt(out: &mut String, prompt: &Value) -> std::fmt::Result {
    write!(
        out,
        "\n### Prompt `{}`\n\n*{}.*\n\n{}\n",
        text(prompt, "name"),
        text(prompt, "title"),
        text(prompt, "description")
    )?;
    let arguments = prompt["arguments"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    if arguments.is_empty() {
        return writeln!(out, "\nNo arguments.");
    }
    writeln!(out, "\n| argument | | meaning |\n|---|---|---|")?;
    for argument in arguments {
        let required = if argument["required"] == true {
            "required"
        } else {
            ""
        };
        writeln!(
            out,
            "| `{}` | {required} | {} |",
            text(argument, "name"),
            cell(text(argument, "description"))
        )?;
    }
    Ok(())
}

fn write_templates(out: &mut String, templates: &[Value]) -> std::fmt::Result {
    if templates.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n### Resources\n\n| address | what it holds |\n|---|---|")?;
    for template in templates {
        writeln!(
            out,
            "| `{}` | {} |",
            text(template, "uriTemplate"),
            cell(text(template, "description"))
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
    fn prompts_and_addresses_stand_beside_the_tools_of_their_service() {
        let told = Told {
            tools: vec![
                json!({ "name": "sqlite_query", "title": "Query", "description": "Asks." }),
                json!({ "name": "list_services", "title": "List", "description": "Lists." }),
            ],
            prompts: vec![json!({
                "name": "sqlite_explore", "title": "Explore", "description": "Looks around.",
                "arguments": [
                    { "name": "about", "required": true, "description": "a | b" },
                    { "name": "more" },
                ],
            })],
            templates: vec![json!({
                "uriTemplate": "mcphub://sqlite/{table}", "name": "x_y", "description": "A table.",
            })],
        };
        let mut out = String::new();
        write_all(&mut out, &told).expect("a String takes all");
        let begins =
            "\n## Always there\n\n### `list_services`\n\n*List.* Changes data.\n\nLists.\n\n## mariadb\n";
        assert!(out.starts_with(begins), "{out}");
        let ends = "\n## sqlite\n\n### `sqlite_query`\n\n*Query.* Changes data.\n\nAsks.\n\n\
             ### Prompt `sqlite_explore`\n\n*Explore.*\n\nLooks around.\n\n| argument | | meaning |\n|---|---|---|\n\
             | `about` | required | a \\| b |\n| `more` |  |  |\n\n\
             ### Resources\n\n| address | what it holds |\n|---|---|\n| `mcphub://sqlite/{table}` | A table. |\n";
        assert!(out.ends_with(ends), "{out}");
    }

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

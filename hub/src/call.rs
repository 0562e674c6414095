//! `mcp-hub call`: one call of a tool of a running hub, its answer on stdout.

use std::fmt::Write as _;
use std::io::IsTerminal as _;

use comfy_table::{Table, presets};
use mcp_hub_chassis::arguments::similar;
use mcp_hub_chassis::trace::OpenTelemetrySpanExt as _;
use mcp_hub_chassis::trace::context::{TRACEPARENT, traceparent};
use serde_json::{Map, Value, json};

use crate::client::{Client, List, Target};
use crate::error::{Error, Result};
use crate::text::{self, cell};
use crate::trace::{self, Trace};

/// Takes a terminal to the left edge and clears the line.
const BEGIN: &str = "\r\u{1b}[K";

/// The settings of `mcp-hub call`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The tool's name, as "mcp-hub tools" lists it.
    tool: String,
    /// The arguments: one JSON object, or name=value pairs.
    arguments: Vec<String>,
    /// Print the answer as JSON on a terminal too.
    #[arg(long)]
    json: bool,
    /// Make a trace of the call. Behind the answer, stderr gets its id, and where it can be looked at when --trace-url says so.
    #[arg(long)]
    trace: bool,
    #[command(flatten)]
    target: Target,
}

/// Calls the tool and prints its answer. An answer that is an error is this command's error.
pub async fn run(options: Options) -> Result<()> {
    let client = options.target.client()?;
    let tools = client.list(List::TOOLS).await?;
    let tool = tools
        .iter()
        .find(|tool| tool["name"] == options.tool.as_str())
        .ok_or_else(|| no_tool(&options.tool, &tools))?;
    let arguments = arguments(&options.arguments, &tool["inputSchema"])?;
    let params = json!({ "name": options.tool, "arguments": arguments });
    let (result, trace) = if options.trace {
        let (result, trace) = traced(&client, &options.tool, params).await?;
        (result, Some(trace))
    } else {
        (called(&client, params).await?, None)
    };
    let blocks = result["content"].as_array().into_iter().flatten();
    let text = blocks.map(text::block).collect::<Vec<_>>().join("\n");
    if result["isError"] == true {
        let trace = trace.flatten().or_else(|| Trace::of_result(&result));
        return Err(Error::Tool { text, trace });
    }
    let answer = &result["structuredContent"];
    crate::say(
        &if options.json || !std::io::stdout().is_terminal() || !answer.is_object() {
            format!("{}\n", text.trim_end())
        } else {
            for_people(answer)
        },
    )?;
    match trace.flatten() {
        Some(trace) => crate::tell(&format!("{trace}\n")),
        None => Ok(()),
    }
}

/// Calls the tool in a trace that begins here. The hub may say that the call is of another one, such as that of a proxy on the way.
async fn traced(client: &Client, tool: &str, mut params: Value) -> Result<(Value, Option<Trace>)> {
    let span = trace::begin(tool, client);
    let own = Trace::of_span(&span);
    // The header follows from it.
    params["_meta"][TRACEPARENT] = traceparent(&span.context()).into();
    let outcome = called(client, params).await;
    trace::end(&span, &outcome);
    match (outcome, own) {
        (Ok(result), own) => {
            let trace = Trace::of_result(&result).or(own);
            Ok((result, trace))
        }
        (Err(error @ Error::Rpc { trace: Some(_), .. }), _) | (Err(error), None) => Err(error),
        (Err(error), Some(trace)) => Err(Error::Traced {
            error: Box::new(error),
            trace,
        }),
    }
}

/// Calls the tool, and tells a person at a terminal how far it is, in one line that is gone in the end. Nobody else is told, and then the
/// answer has to come within the time that a call may take that tells nothing.
async fn called(client: &Client, params: Value) -> Result<Value> {
    if !std::io::stderr().is_terminal() {
        return client.request("tools/call", params).await;
    }
    let mut told = false;
    let mut tell = |progress: &Value| {
        told = true;
        // It matters less than the answer.
        let _ = crate::tell(&format!("{BEGIN}{}", progress_line(progress)));
    };
    let result = client.request_telling("tools/call", params, &mut tell).await;
    if told {
        crate::tell(BEGIN)?;
    }
    result
}

/// How far a call is: what is said of it, or the number.
fn progress_line(progress: &Value) -> String {
    match (progress["message"].as_str(), &progress["total"]) {
        (Some(message), _) => cell(&message.into()),
        (None, Value::Null) => progress["progress"].to_string(),
        (None, total) => format!("{} of {total}", progress["progress"]),
    }
}

fn no_tool(name: &str, tools: &[Value]) -> Error {
    let names = tools.iter().filter_map(|tool| tool["name"].as_str());
    let near = similar(name, names);
    Error::NoTool {
        name: name.to_owned(),
        hint: if near.is_empty() {
            String::new()
        } else {
            format!("; did you mean {}?", near.join(" or "))
        },
    }
}

/// The arguments of a call, as the tool's schema wants them.
fn arguments(given: &[String], schema: &Value) -> Result<Map<String, Value>> {
    if let [object] = given
        && object.trim_start().starts_with('{')
    {
        return serde_json::from_str(object).map_err(|_| Error::Argument(object.clone()));
    }
    given
        .iter()
        .map(|pair| {
            let (name, text) = pair
                .split_once('=')
                .ok_or_else(|| Error::Argument(pair.clone()))?;
            Ok((name.to_owned(), value(text, &schema["properties"][name])))
        })
        .collect()
}

/// A value from the command line: text where the schema wants text, else JSON. A list of plain values may be written with commas. What
/// fits nothing goes as text, and the tool says what it expects.
fn value(text: &str, schema: &Value) -> Value {
    if schema["type"] == "string" {
        return text.into();
    }
    let parsed = serde_json::from_str::<Value>(text);
    match parsed {
        Ok(value) if value.is_array() || schema["type"] != "array" => value,
        _ if schema["type"] == "array" => text
            .split(',')
            .map(|item| value(item, &schema["items"]))
            .collect(),
        _ => text.into(),
    }
}

/// An answer on a terminal: its rows as a table where it has any, and all else beneath.
fn for_people(answer: &Value) -> String {
    let (Some(columns), Some(rows)) = (answer["columns"].as_array(), answer["rows"].as_array()) else {
        return format!("{answer:#}\n");
    };
    let mut table = Table::new();
    table.load_preset(presets::UTF8_FULL_CONDENSED);
    table.set_header(columns.iter().map(|column| cell(&column["name"])));
    for row in rows.iter().filter_map(Value::as_array) {
        table.add_row(row.iter().map(cell));
    }
    let counted = if rows.len() == 1 { "row" } else { "rows" };
    let mut out = format!("{table}\n{} {counted}\n", rows.len());
    let fields = answer.as_object().into_iter().flatten();
    for (name, value) in fields.filter(|(name, _)| !matches!(name.as_str(), "columns" | "rows")) {
        // Writing to a `String` can't fail.
        let _ = writeln!(out, "{name}: {}", cell(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(given: &[&str]) -> Result<Value, String> {
        let schema = json!({ "properties": {
            "sql": { "type": "string" },
            "limit": { "type": "integer" },
            "kinds": { "type": "array", "items": { "type": "string" } },
            "params": { "type": "array", "items": {} },
        } });
        let given: Vec<String> = given.iter().map(|&text| text.to_owned()).collect();
        arguments(&given, &schema)
            .map(Value::Object)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn pairs_follow_the_schema() {
        let expected =
            json!({ "sql": "1", "limit": 5, "kinds": ["table", "view"], "params": [1, "a"], "x": true });
        let given = [
            "sql=1",
            "limit=5",
            "kinds=table,view",
            r#"params=[1,"a"]"#,
            "x=true",
        ];
        assert_eq!(read(&given), Ok(expected));
        assert_eq!(read(&["sql=select 1 = 1"]), Ok(json!({ "sql": "select 1 = 1" })));
        assert_eq!(read(&["limit=many"]), Ok(json!({ "limit": "many" })));
    }

    #[test]
    fn one_object_is_taken_as_it_is() {
        assert_eq!(read(&[r#"{"sql":"select 1"}"#]), Ok(json!({ "sql": "select 1" })));
        assert_eq!(read(&[]), Ok(json!({})));
        for wrong in ["{", "select 1"] {
            assert!(read(&[wrong]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn progress_is_one_line_that_cannot_steer_the_terminal() {
        for (progress, expected) in [
            (
                json!({ "progress": 2, "message": "2 s: 5 rows read" }),
                "2 s: 5 rows read",
            ),
            (
                json!({ "progress": 2, "message": "a\u{1b}[2J\nb" }),
                "a\\u{1b}[2J↵b",
            ),
            (json!({ "progress": 2, "total": 10 }), "2 of 10"),
            (json!({ "progress": 2.5 }), "2.5"),
        ] {
            assert_eq!(progress_line(&progress), expected);
        }
    }

    #[test]
    fn rows_become_a_table_that_cannot_steer_the_terminal() {
        let answer = json!({
            "columns": [{ "name": "id", "type": "int" }, { "name": "name", "type": "text" }],
            "rows": [[1, "Zoë"], [2, null], [3, "a\u{1b}[31m\nb"]],
            "truncated": { "reason": "rows" },
            "elapsed_ms": 3,
        });
        insta::assert_snapshot!(for_people(&answer));
    }
}

//! What every client can do, whatever its door.

use mcp_hub_e2e::{Progress, Session};
use serde_json::{Value, json};

use crate::hub::{rows, text};

/// How a PNG begins in base64.
const PNG: &str = "iVBORw0KGgo";

pub(super) async fn works(session: &mut Session) {
    tools(session).await;
    prompts(session).await;
    resources(session).await;
    completions(session).await;
    progress(session).await;
}

async fn tools(session: &mut Session) {
    let names = session.names().await;
    for name in ["health_check", "shop_haggle", "sqlite_query", "test_simple_text"] {
        assert!(names.iter().any(|listed| listed == name), "{names:?}");
    }
    let answer = session
        .call("sqlite_query", json!({"sql": "select name, 42 from tea"}))
        .await;
    assert_eq!(rows(&answer), [json!(["oolong", 42])]);

    let answer = session.call("test_multiple_content_types", json!({})).await;
    let blocks = answer["content"].as_array().expect("content");
    let kinds: Vec<&str> = blocks.iter().filter_map(|block| block["type"].as_str()).collect();
    assert_eq!(kinds, ["text", "image", "resource"], "{answer}");
    assert_eq!(blocks[1]["mimeType"], "image/png", "{answer}");
    let picture = blocks[1]["data"].as_str();
    assert!(picture.is_some_and(|data| data.starts_with(PNG)), "{answer}");
    assert!(
        answer.get("structuredContent").is_none_or(Value::is_null),
        "{answer}"
    );
}

async fn prompts(session: &mut Session) {
    let prompts = everything(session, "prompts/list", "prompts").await;
    let prompt = one(&prompts, "name", "test_prompt_with_arguments");
    assert_eq!(prompt["arguments"][0]["name"], "arg1", "{prompt}");
    assert_eq!(prompt["arguments"][0]["required"], true, "{prompt}");
    one(&prompts, "name", "sqlite_explore");

    let arguments = json!({"arg1": "oolong", "arg2": "sencha"});
    let params = json!({"name": "test_prompt_with_arguments", "arguments": arguments});
    let said = words(&session.ask("prompts/get", params).await);
    assert!(said.contains("oolong") && said.contains("sencha"), "{said}");

    // Made of what is in the database now.
    let said = words(
        &session
            .ask("prompts/get", json!({"name": "sqlite_explore"}))
            .await,
    );
    assert!(said.contains("tea") && said.contains("describe_table"), "{said}");

    for params in [
        json!({"name": "test_no_prompt"}),
        json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": "oolong"}}),
    ] {
        let refused = session.ask("prompts/get", params).await;
        assert_eq!(refused["error"]["code"], -32602, "{refused}");
    }
}

async fn resources(session: &mut Session) {
    let resources = everything(session, "resources/list", "resources").await;
    one(&resources, "uri", "test://static-text");
    one(&resources, "uri", "test://static-binary");
    one(&resources, "uri", "mcphub://sqlite/tea");
    let templates = everything(session, "resources/templates/list", "resourceTemplates").await;
    one(&templates, "uriTemplate", "mcphub://sqlite/{table}");

    let read = contents(session, "test://static-text").await;
    assert!(
        read["text"]
            .as_str()
            .is_some_and(|text| text.contains("static text")),
        "{read}"
    );
    let read = contents(session, "test://static-binary").await;
    assert!(
        read["blob"].as_str().is_some_and(|blob| blob.starts_with(PNG)),
        "{read}"
    );
    let read = contents(session, "test://template/42/data").await;
    assert!(
        read["text"].as_str().is_some_and(|text| text.contains("42")),
        "{read}"
    );

    // A table is what the tool says of it.
    let read = contents(session, "mcphub://sqlite/tea").await;
    assert_eq!(read["mimeType"], "application/json", "{read}");
    let read: Value = serde_json::from_str(read["text"].as_str().expect("a text")).expect("JSON");
    let described = session
        .call("sqlite_describe_table", json!({"table_name": "tea"}))
        .await;
    assert_eq!(read, described["structuredContent"], "{described}");

    let missing = session
        .ask("resources/read", json!({"uri": "mcphub://sqlite/coffee"}))
        .await;
    // The first is that of the older era.
    assert!(
        [json!(-32002), json!(-32602)].contains(&missing["error"]["code"]),
        "{missing}"
    );
}

async fn completions(session: &mut Session) {
    let template = json!({"type": "ref/resource", "uri": "mcphub://sqlite/{table}"});
    let typed = json!({"ref": template, "argument": {"name": "table", "value": "TE"}});
    assert_eq!(values(session, typed).await, json!(["tea"]));

    let prompt = json!({"type": "ref/prompt", "name": "test_prompt_with_arguments"});
    let typed = json!({"ref": prompt, "argument": {"name": "arg1", "value": "par"}});
    assert_eq!(values(session, typed).await, json!(["paris", "park", "party"]));
    // What was chosen before counts.
    let chosen = json!({"arguments": {"arg1": "paris"}});
    let typed = json!({"ref": prompt, "argument": {"name": "arg2", "value": ""}, "context": chosen});
    assert_eq!(values(session, typed).await, json!(["paris again"]));
}

async fn progress(session: &mut Session) {
    let (result, steps) = session
        .call_with_progress("test_tool_with_progress", json!({}))
        .await;
    assert_ne!(result["isError"], true, "{result}");
    assert!(!text(&result).is_empty(), "{result}");
    assert_grows(&steps, 3);
    assert_eq!(
        steps.last().map(|step| (step.done, step.total)),
        Some((100.0, Some(100.0)))
    );

    // A call that another one follows: its answer is the same without.
    let count = json!({"to": 4, "step_ms": 150});
    let (followed, steps) = session.call_with_progress("test_slow_count", count.clone()).await;
    assert_eq!(followed["structuredContent"]["counted"], 4, "{followed}");
    assert_grows(&steps, 2);
    let alone = session.call("test_slow_count", count).await;
    assert_eq!(alone["structuredContent"], followed["structuredContent"]);
}

/// Asserts that there are so many steps at least, each further than the one before.
fn assert_grows(steps: &[Progress], least: usize) {
    assert!(steps.len() >= least, "{steps:?}");
    assert!(
        steps.windows(2).all(|pair| pair[0].done < pair[1].done),
        "{steps:?}"
    );
}

/// All pages of a list.
pub(super) async fn everything(session: &mut Session, method: &str, field: &str) -> Vec<Value> {
    let mut all = Vec::new();
    let mut params = json!({});
    loop {
        let page = session.ask(method, params).await;
        let items = page[field].as_array();
        all.extend(items.unwrap_or_else(|| panic!("a page: {page}")).iter().cloned());
        match &page["nextCursor"] {
            Value::Null => return all,
            cursor => params = json!({"cursor": cursor}),
        }
    }
}

/// The one item whose field has this value.
fn one<'a>(items: &'a [Value], field: &str, value: &str) -> &'a Value {
    let mut found = items.iter().filter(|item| item[field] == value);
    match (found.next(), found.next()) {
        (Some(item), None) => item,
        _ => panic!("not once {value} in {items:?}"),
    }
}

/// What a prompt says, in one.
fn words(prompt: &Value) -> String {
    let messages = prompt["messages"].as_array();
    let messages = messages.unwrap_or_else(|| panic!("messages: {prompt}"));
    let texts = messages
        .iter()
        .filter_map(|message| message["content"]["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// The one part of a resource, after a look at its address.
async fn contents(session: &mut Session, uri: &str) -> Value {
    let mut read = session.ask("resources/read", json!({"uri": uri})).await;
    assert_eq!(read["contents"][0]["uri"], uri, "{read}");
    assert_eq!(read["contents"].as_array().map(Vec::len), Some(1), "{read}");
    read["contents"][0].take()
}

async fn values(session: &mut Session, typed: Value) -> Value {
    let mut completed = session.ask("completion/complete", typed).await;
    assert!(completed["completion"]["values"].is_array(), "{completed}");
    completed["completion"]["values"].take()
}

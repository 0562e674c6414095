//! What a hub has beside tools, and what it says unasked: through the bridge and by the hub on stdin and stdout, in both eras.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{Fake, Reply};
use crate::support::{Hub, Speaker, initialize, modern, request};

/// A SQLite file with nothing in it.
struct Shop {
    path: String,
    _folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("shop.db");
        std::fs::write(&path, "").expect("a file");
        Self {
            path: path.display().to_string(),
            _folder: folder,
        }
    }

    /// The settings of a hub that may change it.
    fn environment(&self) -> [(&str, &str); 2] {
        [("SQLITE_PATH", &self.path), ("SQLITE_ALLOW_WRITES", "true")]
    }
}

fn execute(id: u32, sql: &str) -> Value {
    let arguments = json!({ "statements": [{ "sql": sql }] });
    request(
        id,
        "tools/call",
        json!({ "name": "sqlite_execute", "arguments": arguments }),
    )
}

/// Asks for everything that a hub has; `era` makes a message one of its era.
async fn has_everything(speaker: &mut Speaker, era: fn(Value) -> Value) {
    let answer = speaker.ask(&era(execute(1, "create table größe (id int)"))).await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");

    let answer = speaker.ask(&era(request(2, "prompts/list", json!({})))).await;
    let prompts = answer["result"]["prompts"].as_array().expect("prompts");
    assert!(
        prompts.iter().any(|prompt| prompt["name"] == "sqlite_explore"),
        "{answer}"
    );
    // The hub compares the headers of a modern message with its body, so an answer shows that they are right.
    let get = request(
        3,
        "prompts/get",
        json!({ "name": "sqlite_explore", "arguments": {} }),
    );
    let answer = speaker.ask(&era(get)).await;
    let text = answer["result"]["messages"][0]["content"]["text"].as_str();
    assert!(text.is_some_and(|text| text.contains("größe")), "{answer}");

    let answer = speaker.ask(&era(request(4, "resources/list", json!({})))).await;
    let uri = answer["result"]["resources"][0]["uri"].clone();
    assert_eq!(uri, "mcphub://sqlite/gr%C3%B6%C3%9Fe", "{answer}");
    let read = |id, uri: &Value| request(id, "resources/read", json!({ "uri": uri }));
    let answer = speaker.ask(&era(read(5, &uri))).await;
    let text = answer["result"]["contents"][0]["text"].as_str();
    assert!(text.is_some_and(|text| text.contains("\"id\"")), "{answer}");
    // In letters that a header can't carry: no address, but the header and the body say the same of it.
    let uri = json!("mcphub://sqlite/größe");
    let answer = speaker.ask(&era(read(6, &uri))).await;
    assert_eq!(answer["error"]["data"]["uri"], uri, "{answer}");
    let answer = speaker
        .ask(&era(request(7, "resources/templates/list", json!({}))))
        .await;
    let template = answer["result"]["resourceTemplates"][0]["uriTemplate"].clone();
    assert_eq!(template, "mcphub://sqlite/{table}", "{answer}");

    let complete = request(
        8,
        "completion/complete",
        json!({ "ref": { "type": "ref/resource", "uri": template }, "argument": { "name": "table", "value": "GR" } }),
    );
    let answer = speaker.ask(&era(complete)).await;
    assert_eq!(
        answer["result"]["completion"]["values"],
        json!(["größe"]),
        "{answer}"
    );
}

/// Makes a call that takes longer than two seconds, with a token. What it told, and its answer.
async fn long_call(speaker: &mut Speaker, era: fn(Value) -> Value) -> (Vec<Value>, Value) {
    let sql = "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";
    let mut call = era(request(
        9,
        "tools/call",
        json!({ "name": "sqlite_query", "arguments": { "sql": sql, "timeout_ms": 2_500 } }),
    ));
    call["params"]["_meta"]["progressToken"] = json!("t-9");
    speaker.say(&call).await;
    speaker.hear_until(9).await
}

/// Whether progress was told, and grew.
fn tells_progress((told, answer): &(Vec<Value>, Value)) {
    let progress: Vec<f64> = told
        .iter()
        .filter(|message| message["method"] == "notifications/progress")
        .map(|message| {
            assert_eq!(message["params"]["progressToken"], "t-9", "{message}");
            message["params"]["progress"].as_f64().expect("a number")
        })
        .collect();
    assert!(progress.len() >= 2, "{told:?}");
    assert!(progress.is_sorted_by(|one, other| one < other), "{told:?}");
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(text.contains("STATEMENT_TIMED_OUT"), "{text}");
}

/// Subscribes, changes the list of resources, and waits to be told.
async fn subscribed(speaker: &mut Speaker) {
    let filter = json!({ "notifications": { "resourcesListChanged": true } });
    speaker
        .say(&modern(request(20, "subscriptions/listen", filter)))
        .await;
    let acknowledged = speaker.hear().await;
    assert_eq!(
        acknowledged["method"], "notifications/subscriptions/acknowledged",
        "{acknowledged}"
    );
    speaker
        .say(&modern(execute(21, "create table more (id int)")))
        .await;
    let mut heard = vec![speaker.hear().await, speaker.hear().await];
    // Either may be first.
    heard.sort_by_key(|message| message["method"].is_string());
    assert_eq!(heard[0]["id"], 21, "{heard:?}");
    assert_eq!(
        heard[1]["method"], "notifications/resources/list_changed",
        "{heard:?}"
    );
}

async fn initialized(speaker: &mut Speaker) -> Value {
    let answer = speaker.ask(&initialize("2025-11-25")).await;
    let notification = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    speaker.say(&notification).await;
    answer["result"]["capabilities"].clone()
}

#[tokio::test]
async fn the_bridge_brings_everything_in_both_eras() {
    let shop = Shop::new();
    let hub = Hub::start(&[], &shop.environment()).await;

    let mut bridge = Speaker::start(&["--url", &hub.url()]);
    has_everything(&mut bridge, modern).await;
    tells_progress(&long_call(&mut bridge, modern).await);
    subscribed(&mut bridge).await;
    drop(bridge);

    let shop = Shop::new();
    let hub = Hub::start(&[], &shop.environment()).await;
    let mut bridge = Speaker::start(&["--url", &hub.url()]);
    let capabilities = initialized(&mut bridge).await;
    // Between two messages of this era there is nothing that could bring it.
    assert_ne!(capabilities["resources"]["listChanged"], true, "{capabilities}");
    has_everything(&mut bridge, |message| message).await;
    tells_progress(&long_call(&mut bridge, |message| message).await);
}

#[tokio::test]
async fn the_hub_itself_has_everything_in_both_eras() {
    let shop = Shop::new();
    let mut hub = Speaker::start_with(&[], &shop.environment());
    has_everything(&mut hub, modern).await;
    tells_progress(&long_call(&mut hub, modern).await);
    subscribed(&mut hub).await;
    drop(hub);

    let shop = Shop::new();
    let mut hub = Speaker::start_with(&[], &shop.environment());
    let capabilities = initialized(&mut hub).await;
    assert_eq!(capabilities["resources"]["listChanged"], true, "{capabilities}");
    hub.say(&execute(1, "create table größe (id int)")).await;
    let (told, _) = hub.hear_until(1).await;
    let told = match told.first() {
        Some(told) => told.clone(),
        None => hub.hear().await,
    };
    assert_eq!(
        told["method"], "notifications/resources/list_changed",
        "unasked: {told}"
    );
    tells_progress(&long_call(&mut hub, |message| message).await);
}

#[tokio::test]
async fn what_may_change_something_is_sent_once() {
    let fake = Fake::start(|_| Reply::HangUp).await;
    let mut bridge = Speaker::start(&["--url", &fake.url]);
    let mut seen = 0;
    for (method, times) in [
        ("tools/call", 1),
        ("nobody/knows", 1),
        ("tools/list", 2),
        ("prompts/list", 2),
        ("prompts/get", 2),
        ("resources/list", 2),
        ("resources/templates/list", 2),
        ("resources/read", 2),
        ("completion/complete", 2),
        ("subscriptions/listen", 2),
        ("server/discover", 2),
        ("ping", 2),
    ] {
        let answer = bridge.ask(&request(1, method, json!({}))).await;
        assert_eq!(answer["error"]["code"], -32000, "{method}: {answer}");
        seen += times;
        assert_eq!(fake.seen().len(), seen, "{method}");
    }
}

#[tokio::test]
async fn headers_name_a_prompt_and_a_resource() {
    let fake =
        Fake::start(|seen| Reply::json(&json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": {} })))
            .await;
    let mut bridge = Speaker::start(&["--url", &fake.url]);
    for (method, params, header) in [
        ("prompts/get", json!({ "name": "a_b" }), "mcp-name: a_b\r\n"),
        (
            "resources/read",
            json!({ "uri": "mcphub://a/b%20c" }),
            "mcp-name: mcphub://a/b%20c\r\n",
        ),
        // Heads are seen in lower case.
        (
            "resources/read",
            json!({ "uri": "mcphub://a/ü" }),
            "mcp-name: =?base64?bwnwahvioi8vys/dva==?=\r\n",
        ),
    ] {
        bridge.ask(&modern(request(1, method, params))).await;
        let head = fake.seen().pop().expect("a request").head;
        assert!(head.contains(header), "no {header:?}: {head}");
        assert!(head.contains(&format!("mcp-method: {method}\r\n")), "{head}");
    }
    bridge.ask(&modern(request(1, "resources/list", json!({})))).await;
    let head = fake.seen().pop().expect("a request").head;
    assert!(!head.contains("mcp-name"), "{head}");
}

#[tokio::test]
async fn a_person_lists_and_reads_prompts_and_resources() {
    use crate::support::run;

    let hub = Hub::start(&[], &[]).await;
    let url = hub.url();
    let client = async |arguments: &[&str]| {
        let exit = run(&[arguments, &["--url", &url]].concat(), &[]).await;
        assert!(exit.status.success(), "{exit:?}");
        exit.stdout
    };
    let listed = client(&["prompts"]).await;
    assert!(
        listed.lines().any(|line| line.starts_with("sqlite_explore ")),
        "{listed}"
    );
    let said = client(&["prompts", "sqlite_explore"]).await;
    assert!(said.contains("customers"), "{said}");
    let said = client(&["prompts", "sqlite_explore", "--json"]).await;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said["messages"][0]["role"], "user", "{said}");

    let listed = client(&["resources"]).await;
    for expected in ["mcphub://sqlite/customers ", "mcphub://sqlite/{table} "] {
        assert!(listed.lines().any(|line| line.starts_with(expected)), "{listed}");
    }
    let read = client(&["resources", "mcphub://sqlite/customers"]).await;
    let read: Value = serde_json::from_str(&read).expect("JSON");
    assert_eq!(read["name"], "customers", "{read}");
    let both = client(&["resources", "--json"]).await;
    let both: Value = serde_json::from_str(&both).expect("JSON");
    assert_eq!(
        both["resourceTemplates"][0]["uriTemplate"],
        "mcphub://sqlite/{table}"
    );

    for (arguments, expected) in [
        (
            &["resources", "mcphub://sqlite/nowhere"][..],
            "mcp-hub: mcp-hub answered: ",
        ),
        (&["prompts", "sqlite_nothing"], "mcp-hub: mcp-hub answered: "),
        (
            &["prompts", "sqlite_explore", "x"],
            "mcp-hub: \"x\" is no argument; give name=value pairs",
        ),
    ] {
        let exit = run(&[arguments, &["--url", &url]].concat(), &[]).await;
        assert_eq!(exit.status.code(), Some(1), "{exit:?}");
        assert!(exit.stderr.starts_with(expected), "{exit:?}");
    }
}

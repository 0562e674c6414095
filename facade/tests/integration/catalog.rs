//! The catalogue as clients see it.

use mcp_hub_facade::registry::State;
use mcp_hub_facade::tool::Tool;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_proto::adapter::v1::{Mode, State as DatabaseState};
use mcp_hub_testing::eventually;
use serde_json::{Value, json};

use crate::adapter::Plan;
use crate::hub::{Hub, SOON};

/// An adapter with the contract's own services of SQLite.
fn sqlite() -> Plan {
    Plan::of(
        "",
        &[
            "mcphub/sqlite/v1/sqlite_service.proto",
            "mcphub/sqlite/v1/sqlite_write_service.proto",
        ],
        &[
            "mcphub.sqlite.v1.SqliteService",
            "mcphub.sqlite.v1.SqliteWriteService",
        ],
    )
    .status(|status| "sqlite".clone_into(&mut status.kind))
}

fn entry(tool: &Tool) -> Value {
    let mut hints = Vec::new();
    for (hint, set) in [
        ("read only", tool.read_only),
        ("destructive", tool.destructive),
        ("idempotent", tool.idempotent),
    ] {
        if set {
            hints.push(hint);
        }
    }
    json!({
        "name": tool.name,
        "title": tool.title,
        "description": tool.description,
        "hints": hints,
        "input": *tool.input_schema,
        "output": tool.output_schema.as_deref(),
    })
}

fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).expect("JSON")
}

#[tokio::test]
async fn the_catalogue_is_what_the_protos_say() {
    let adapter = sqlite().start().await;
    let hub = Hub::with(&[("files", adapter.url())], |upstream| {
        "the files of the office since 2019".clone_into(&mut upstream.description);
    })
    .await;
    eventually(SOON, async || hub.names().len() == 6).await;
    let catalog = hub.registry.catalog();
    let entries: Vec<Value> = catalog.tools().iter().map(|tool| entry(tool)).collect();
    insta::assert_snapshot!("catalogue", pretty(&entries));
    insta::assert_snapshot!("instructions", catalog.instructions());
    let size = serde_json::to_string(&entries).expect("JSON").len();
    assert!(size < 11_000, "{size} characters for six tools and our own two");
}

/// What the validators of clients and the APIs of model providers are known to refuse.
#[tokio::test]
async fn schemas_are_portable() {
    let sqlite = sqlite().start().await;
    let postgres = Plan::of(
        "",
        &[
            "mcphub/postgres/v1/postgres_service.proto",
            "mcphub/postgres/v1/postgres_write_service.proto",
        ],
        &[
            "mcphub.postgres.v1.PostgresService",
            "mcphub.postgres.v1.PostgresWriteService",
        ],
    )
    .start()
    .await;
    let hub = Hub::of(&[("sqlite", sqlite.url()), ("postgres", postgres.url())]).await;
    eventually(SOON, async || hub.names().len() == 14).await;
    for tool in hub.registry.catalog().tools() {
        let output_schema = tool.output_schema.as_ref().expect("JSON answers");
        for schema in [&tool.input_schema, output_schema] {
            assert_eq!(schema["type"], "object", "{}", tool.name);
            let properties = schema["properties"].as_object().expect("properties");
            assert!(properties.values().all(Value::is_object), "{}", tool.name);
            let text = serde_json::to_string(schema).expect("JSON");
            for keyword in ["$ref", "$defs", "oneOf", "anyOf", "allOf", "definitions"] {
                assert!(
                    !text.contains(&format!("\"{keyword}\"")),
                    "{}: {keyword}",
                    tool.name
                );
            }
        }
        assert_eq!(tool.input_schema["additionalProperties"], false, "{}", tool.name);
        assert!(
            output_schema.get("additionalProperties").is_none(),
            "{}",
            tool.name
        );
        assert!(tool.name.len() <= 64 && !tool.description.is_empty());
    }
}

#[tokio::test]
async fn what_breaks_the_contract_is_left_out_with_a_reason() {
    let source = r#"
        // ShopService sells.
        service ShopService {
          // Fine.
          rpc Fine(Fine) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // No tool at all.
          rpc Internal(Fine) returns (Fine);
          // Streams.
          rpc Flow(Fine) returns (stream Fine) { option (mcphub.tool.v1.tool) = {}; }
          rpc Silent(Fine) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // Recursive.
          rpc Ask(Tree) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // Recursive.
          rpc Grow(Fine) returns (Tree) { option (mcphub.tool.v1.tool) = {}; }
          // Either or.
          rpc Choose(Choice) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // Contradicts itself.
          rpc Contradict(Fine) returns (Fine) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.tool.v1.tool) = {destructive: true};
          }
          // Has a default that is no JSON.
          rpc Default(Default) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // Answers two properties of one name.
          rpc Clash(Fine) returns (Clash) { option (mcphub.tool.v1.tool) = {}; }
          // Expands without end.
          rpc Explode(Explode1) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // Is named at length.
          rpc ThisNameIsSoLongThatNoKeyCouldMakeItAToolOfAnyClientAtAllEver(Fine) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
        }
        message Fine { string name = 1; }
        message Tree { repeated Tree branches = 1; }
        message Choice { oneof which { string a = 1; string b = 2; } }
        message Default { optional uint32 limit = 1 [(mcphub.tool.v1.field) = {default: "ten"}]; }
        message Clash { mcphub.data.v1.ResultSet result = 1; string rows = 2; }
        message Explode1 { Explode2 a = 1; Explode2 b = 2; Explode2 c = 3; Explode2 d = 4; }
        message Explode2 { Explode3 a = 1; Explode3 b = 2; Explode3 c = 3; Explode3 d = 4; }
        message Explode3 { Explode4 a = 1; Explode4 b = 2; Explode4 c = 3; Explode4 d = 4; }
        message Explode4 { Explode5 a = 1; Explode5 b = 2; Explode5 c = 3; Explode5 d = 4; }
        message Explode5 { Explode6 a = 1; Explode6 b = 2; Explode6 c = 3; Explode6 d = 4; }
        message Explode6 { string a = 1; }
    "#;
    let adapter = Plan::new(source).start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    hub.lists(&["shop_fine"]).await;
    insta::assert_snapshot!("left_out", hub.service("shop").await.left_out.join("\n"));
}

#[tokio::test]
async fn a_prompt_that_breaks_the_contract_is_left_out_with_a_reason() {
    let source = r#"
        syntax = "proto3";
        package shop.v1;
        import "mcphub/prompt/v1/prompt.proto";
        import "mcphub/tool/v1/tool.proto";
        // ShopService sells.
        service ShopService {
          // Fine.
          rpc Fine(Fine) returns (Fine) { option (mcphub.tool.v1.tool) = {}; }
          // Changes something, or does not say that it does not.
          rpc Change(Fine) returns (Talk) { option (mcphub.prompt.v1.prompt) = {}; }
          // Streams.
          rpc Flow(Fine) returns (stream Talk) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.prompt.v1.prompt) = {};
          }
          // Says nothing.
          rpc Mute(Fine) returns (Fine) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.prompt.v1.prompt) = {};
          }
          // Counts.
          rpc Count(Number) returns (Talk) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.prompt.v1.prompt) = {};
          }
        }
        message Fine { string name = 1; }
        message Number { uint32 number = 1; }
        message Talk { repeated mcphub.prompt.v1.PromptMessage messages = 1; }
    "#;
    let adapter = Plan::of(source, &[], &["shop.v1.ShopService"]).start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    hub.lists(&["shop_fine"]).await;
    insta::assert_snapshot!("prompts_left_out", hub.service("shop").await.left_out.join("\n"));
}

#[tokio::test]
async fn of_two_tools_with_one_name_the_one_of_the_longer_key_is_there() {
    let rpc = |name: &str| {
        format!(
            "// S.\nservice ShopService {{\n// Does it as {name}.\nrpc {name}(M) returns (M) {{ option (mcphub.tool.v1.tool) = {{}}; }} }}\nmessage M {{}}"
        )
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upstreams.toml");
    let (long, short) = (
        Plan::new(&rpc("Query")).start().await,
        Plan::new(&rpc("BQuery")).start().await,
    );
    let both = format!("a_b = '{}'\na = '{}'", long.url(), short.url());
    // Whichever comes first, and if both come at once: replicas that started at different times agree.
    for first in [
        format!("a_b = '{}'", long.url()),
        format!("a = '{}'", short.url()),
        both.clone(),
    ] {
        std::fs::write(&path, first).expect("written");
        let hub = Hub::start(Upstreams::read(&path).expect("readable"), 3600).await;
        hub.lists(&["a_b_query"]).await;
        std::fs::write(&path, &both).expect("written");
        eventually(SOON, async || {
            let services = hub.registry.services().await;
            services.len() == 2
                && services[0].left_out == ["a_b_query: a_b has a tool of this name already"]
                && services[1].left_out.is_empty()
        })
        .await;
        assert_eq!(hub.tool("a_b_query").upstream.as_deref(), Some("a_b"));
        assert_eq!(hub.names(), ["a_b_query"]);
    }
}

#[tokio::test]
async fn tools_that_are_not_wanted_are_not_there() {
    let adapter = sqlite().start().await;
    let hub = Hub::with(&[("db", adapter.url())], |upstream| {
        upstream.allow = vec!["list_*".to_owned(), "query".to_owned(), "execute".to_owned()];
        upstream.deny = vec!["execute".to_owned()];
    })
    .await;
    hub.lists(&["db_list_tables", "db_query"]).await;
    assert!(
        hub.registry.catalog().tool("db_execute").is_none(),
        "nor can they be called"
    );
}

#[tokio::test]
async fn the_instructions_are_short_and_stable() {
    let adapter = sqlite().start().await;
    let mut upstreams = Upstreams::default();
    for index in 0..40 {
        let upstream = Upstream {
            description: format!("number {index} of many, with a description of some length"),
            ..Upstream::at(adapter.url())
        };
        upstreams.add(&format!("db{index:02}"), upstream).expect("usable");
    }
    let hub = Hub::start(upstreams, 3600).await;
    eventually(SOON, async || hub.names().len() == 240).await;
    let before = hub.registry.catalog().instructions().to_owned();
    assert!(before.len() < 1_200, "{}", before.len());
    assert!(before.contains("\nand 2"), "{before}");
    adapter.stop().await;
    eventually(SOON, async || {
        hub.service("db00").await.state == State::Unreachable
    })
    .await;
    assert_eq!(hub.registry.catalog().instructions(), before);
}

#[tokio::test]
async fn an_adapter_may_say_what_its_database_holds() {
    let told = |words: String| sqlite().status(move |status| status.description = words);
    let plain = told("stock and shipments".to_owned()).start().await;
    let strange = told(format!("two\nlines, and {}", "much more ".repeat(100)))
        .start()
        .await;
    let outranked = told("what the adapter says".to_owned()).start().await;
    let mut upstreams = Upstreams::default();
    for (key, adapter, description) in [
        ("plain", &plain, ""),
        ("strange", &strange, ""),
        ("outranked", &outranked, "what the operator of the facade says"),
    ] {
        let upstream = Upstream {
            description: description.to_owned(),
            ..Upstream::at(adapter.url())
        };
        upstreams.add(key, upstream).expect("usable");
    }
    let hub = Hub::start(upstreams, 3600).await;
    eventually(SOON, async || hub.names().len() == 18).await;
    let instructions = hub.registry.catalog().instructions().to_owned();
    let lines: Vec<&str> = instructions.lines().collect();
    assert_eq!(
        (lines[1], lines[2]),
        (
            "- outranked (sqlite): what the operator of the facade says",
            "- plain (sqlite): stock and shipments"
        )
    );
    assert!(
        lines[3].starts_with("- strange (sqlite): two lines, and much more"),
        "{instructions}"
    );
    assert!(lines[3].len() < 230, "{instructions}");
    assert_eq!(hub.service("plain").await.description, "stock and shipments");
}

#[tokio::test]
async fn the_facades_own_tools_tell_the_state() {
    let up = Plan::new("// S.\nservice ShopService {}")
        .status(|status| status.posture = vec!["the role is a superuser".to_owned()])
        .start()
        .await;
    let down = sqlite()
        .status(|status| {
            status.state = DatabaseState::Unavailable.into();
            status.mode = Mode::ReadWrite.into();
            status.reason = "the file can't be opened".to_owned();
        })
        .start()
        .await;
    down.serving(false).await;
    let hub = Hub::of(&[
        ("up", up.url()),
        ("down", down.url()),
        ("away", "http://127.0.0.1:1".to_owned()),
    ])
    .await;
    eventually(SOON, async || {
        hub.service("down").await.state == State::Unavailable
    })
    .await;
    let mut services = hub
        .call("list_services", json!({}))
        .await
        .structured
        .expect("a success");
    let mut health = hub
        .call("health_check", json!({}))
        .await
        .structured
        .expect("a success");
    for list in [&mut services, &mut health] {
        for service in list["services"].as_array_mut().expect("a list") {
            if let Some(latency) = service.get_mut("latency_ms") {
                assert!(latency.as_f64().expect("a number") < 1000.0);
                *latency = "measured".into();
            }
        }
    }
    insta::assert_snapshot!("list_services", pretty(&services));
    insta::assert_snapshot!("health_check", pretty(&health));
    let outcome = hub.call("health_check", json!({"verbose": true})).await;
    assert_eq!(
        outcome.text,
        "unknown argument \"verbose\": there are none\nreason: ARGUMENT_INVALID\nfield: verbose"
    );
}

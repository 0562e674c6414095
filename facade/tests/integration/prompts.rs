//! Prompts: who has them, how they are got, and what is said when they are not.

use mcp_hub_facade::auth::token::Scope;
use mcp_hub_facade::registry::State;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::{eventually, free_port};
use serde_json::{Value, json};

use crate::auth::{Lock, ask};
use crate::client::{Served, Stream, call, call_modern, modern_request, request, serve, untraced};
use crate::hub::{Hub, SOON};
use crate::shelf::Shelf;

fn upstreams(all: &[(&str, String)]) -> Upstreams {
    let mut upstreams = Upstreams::default();
    for (key, url) in all {
        upstreams.add(key, Upstream::at(url)).expect("a usable upstream");
    }
    upstreams
}

fn get(name: &str, arguments: &Value) -> Value {
    request(1, "prompts/get", json!({"name": name, "arguments": arguments}))
}

pub(crate) fn listed(answer: &Value, list: &str, field: &str) -> Vec<String> {
    let entries = answer["result"][list].as_array();
    let entries = entries.unwrap_or_else(|| panic!("no {list}: {answer}"));
    let text = |entry: &Value| entry[field].as_str().expect("text").to_owned();
    entries.iter().map(text).collect()
}

async fn names(served: &Served, path: &str) -> Vec<String> {
    let answer = call(served.address, path, &request(1, "prompts/list", json!({}))).await;
    listed(&answer.json(), "prompts", "name")
}

fn prompts(hub: &Hub) -> Vec<String> {
    let catalog = hub.registry.catalog();
    catalog
        .prompts()
        .iter()
        .map(|prompt| prompt.name.clone())
        .collect()
}

async fn lists(hub: &Hub, names: &[&str]) {
    eventually(SOON, async || {
        let listed = prompts(hub);
        (listed == names)
            .then_some(())
            .ok_or(format!("listed are {listed:?}"))
    })
    .await;
}

#[tokio::test]
async fn prompts_are_listed_and_got_through_every_door() {
    let adapter = Shelf::of(&[]).plan(&["Explore", "Explain"]).start().await;
    let served = serve(&[], upstreams(&[("shop", adapter.url())])).await;
    let expected = json!([
        {"name": "shop_explain", "title": "Let us Explain", "description": "Begins to Explain.", "arguments": [
            {"name": "topic", "description": "Of what.", "required": true}, {"name": "tone", "required": false}]},
        {"name": "shop_explore", "title": "Let us Explore", "description": "Begins to Explore.", "arguments": [
            {"name": "topic", "description": "Of what.", "required": true}, {"name": "tone", "required": false}]},
    ]);
    let messages = json!([
        {"role": "user", "content": {"type": "text", "text": "Explore tea"}},
        {"role": "assistant", "content": {"type": "text", "text": "Certainly."}},
    ]);
    let (list, params) = (
        json!({}),
        json!({"name": "shop_explore", "arguments": {"topic": "tea"}}),
    );
    let mut stream = Stream::open(served.address, "/sse").await;
    for door in ["/mcp", "/sse"] {
        let older = call(served.address, door, &request(1, "prompts/list", list.clone())).await;
        assert_eq!(older.json()["result"], json!({"prompts": expected}));
        let older = call(served.address, door, &request(2, "prompts/get", params.clone())).await;
        let got = json!({"description": "Begins to Explore.", "messages": messages});
        assert_eq!(older.json()["result"], got);

        let newer = call_modern(
            served.address,
            door,
            &modern_request(1, "prompts/list", list.clone()),
        )
        .await;
        let result = &newer.json()["result"];
        assert_eq!(
            (
                &result["prompts"],
                &result["ttlMs"],
                &result["cacheScope"],
                &result["resultType"]
            ),
            (&expected, &json!(60_000), &json!("private"), &json!("complete"))
        );
        let newer = call_modern(
            served.address,
            door,
            &modern_request(2, "prompts/get", params.clone()),
        )
        .await;
        let result = &newer.json()["result"];
        assert_eq!(
            (&result["messages"], &result["resultType"]),
            (&messages, &json!("complete"))
        );
        assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
    }
    let streamed = stream
        .call(served.address, &request(1, "prompts/list", list))
        .await;
    assert_eq!(streamed["result"], json!({"prompts": expected}));
    let streamed = stream
        .call(served.address, &request(2, "prompts/get", params))
        .await;
    assert_eq!(streamed["result"]["messages"], messages);
    // No tool, and no prompt that is a tool.
    let tool = call(
        served.address,
        "/mcp",
        &request(1, "tools/call", json!({"name": "shop_explore"})),
    )
    .await;
    assert_eq!(tool.json()["error"]["message"], "Unknown tool: shop_explore");
    let tool = call(served.address, "/mcp", &get("shop_find", &json!({}))).await;
    assert_eq!(tool.json()["error"]["message"], "Unknown prompt: shop_find");
    assert_eq!(served.facade.registry().services().await[0].prompts, 2);
}

#[tokio::test]
async fn a_prompt_that_is_not_had_is_an_error_that_says_why() {
    let adapter = Shelf::of(&[]).plan(&["Explore"]).start().await;
    let away = format!("http://127.0.0.1:{}", free_port());
    let served = serve(&[], upstreams(&[("away", away), ("shop", adapter.url())])).await;
    for (name, arguments, code, reason, said) in [
        (
            "shop_nothing",
            json!({}),
            -32602,
            None,
            "Unknown prompt: shop_nothing",
        ),
        (
            "shop_explore",
            json!({}),
            -32602,
            Some("ARGUMENT_INVALID"),
            "topic",
        ),
        (
            "shop_explore",
            json!({"topic": "tea", "more": "x"}),
            -32602,
            Some("ARGUMENT_INVALID"),
            "more",
        ),
        (
            "shop_explore",
            json!({"topic": 7}),
            -32602,
            Some("ARGUMENT_INVALID"),
            "topic",
        ),
        (
            "shop_explore",
            json!({"topic": "mistake"}),
            -32602,
            Some("ARGUMENT_INVALID"),
            "can't be that",
        ),
        (
            "shop_explore",
            json!({"topic": "nothing"}),
            -32603,
            Some("DATABASE_UNAVAILABLE"),
            "the database is away",
        ),
        // It may have such a prompt: nobody knows.
        (
            "away_explore",
            json!({}),
            -32603,
            Some("UPSTREAM_UNAVAILABLE"),
            "away can't be reached now",
        ),
    ] {
        let answer = call(served.address, "/mcp", &get(name, &arguments)).await.json();
        let error = &answer["error"];
        assert_eq!(
            (error["code"].as_i64(), error["data"]["reason"].as_str()),
            (Some(code), reason),
            "{answer}"
        );
        assert!(
            error["message"].as_str().expect("a sentence").contains(said),
            "{answer}"
        );
        assert!(!answer.to_string().contains("127.0.0.1"), "{answer}");
    }
    for params in [
        json!({}),
        json!({"name": 5}),
        json!({"name": "shop_explore", "arguments": "tea"}),
    ] {
        let answer = call(served.address, "/mcp", &request(1, "prompts/get", params.clone())).await;
        assert_eq!(answer.error(), (200, -32602), "{params}");
    }
    let cursor = call(
        served.address,
        "/mcp",
        &request(1, "prompts/list", json!({"cursor": "x"})),
    )
    .await;
    assert_eq!(cursor.error(), (200, -32602));
    let mut unnamed = modern_request(1, "prompts/get", json!({"name": "shop_explore"}));
    unnamed["params"]["name"] = json!("other");
    let request = crate::client::modern(
        served.address,
        "/mcp",
        &modern_request(1, "prompts/get", json!({"name": "x"})),
    );
    let answer = crate::client::send(
        served.address,
        request.body(unnamed.to_string().into()).expect("a request"),
    )
    .await;
    assert_eq!(answer.error(), (400, -32020), "another Mcp-Name");
}

#[tokio::test]
async fn prompts_follow_their_adapters_as_tools_do() {
    let (old, new) = (
        Shelf::of(&[]).plan(&["Explore", "Old"]).start().await,
        Shelf::of(&[]).plan(&["Explore", "New"]).start().await,
    );
    let addresses = [old.url(), new.url()];
    let hub = Hub::with(&[("shop", old.url())], |upstream| {
        upstream.addresses = addresses.to_vec();
        upstream.deny = vec!["ol*".to_owned()];
    })
    .await;
    // In a roll-out what all have is listed, and what one has can be got; what is not wanted can't.
    eventually(SOON, async || {
        // The first alone does not have the one, and the second alone would list it.
        prompts(&hub) == ["shop_explore"] && hub.registry.catalog().prompt("shop_new").is_some()
    })
    .await;
    assert!(hub.registry.catalog().prompt("shop_old").is_none());
    old.serving(false).await;
    lists(&hub, &["shop_explore", "shop_new"]).await;
    // They stay while all are away: when one is back, no list has changed.
    let before = *hub.registry.changes().borrow();
    let address = new.address;
    old.stop().await;
    new.stop().await;
    let is = async |state: State| eventually(SOON, async || hub.service("shop").await.state == state).await;
    is(State::Unreachable).await;
    lists(&hub, &["shop_explore", "shop_new"]).await;
    let _new = Shelf::of(&[]).plan(&["Explore", "New"]).start_at(address).await;
    is(State::Serving).await;
    lists(&hub, &["shop_explore", "shop_new"]).await;
    assert_eq!(*hub.registry.changes().borrow(), before);
}

#[tokio::test]
async fn one_name_is_one_prompt_and_may_be_a_tool_of_another() {
    let plan = |prompts: &[&str]| Shelf::of(&[]).plan(prompts);
    let (long, short) = (
        plan(&["Explore"]).start().await,
        plan(&["BExplore", "BFind"]).start().await,
    );
    let hub = Hub::of(&[("a", short.url()), ("a_b", long.url())]).await;
    lists(&hub, &["a_b_explore", "a_b_find"]).await;
    hub.lists(&["a_b_find", "a_find"]).await;
    let catalog = hub.registry.catalog();
    let of = |name: &str| catalog.prompt(name).map(|prompt| prompt.upstream.clone());
    assert_eq!(
        (of("a_b_explore").as_deref(), of("a_b_find").as_deref()),
        (Some("a_b"), Some("a"))
    );
    let left_out = hub.service("a").await.left_out;
    assert_eq!(left_out, ["a_b_explore: a_b has a prompt of this name already"]);
}

#[tokio::test]
async fn a_caller_sees_its_prompts_and_no_others() {
    let plan = || Shelf::of(&[]).plan(&["Explore"]);
    let (depot, shop) = (plan().start().await, plan().start().await);
    let all = upstreams(&[("depot", depot.url()), ("shop", shop.url())]);
    let mut lock = Lock::new();
    let reader = lock.token_with("reader", |entry| {
        entry.scopes = vec![Scope::Read];
        entry.upstreams = Some(vec!["shop".to_owned()]);
    });
    let writer = lock.token_with("writer", |entry| entry.scopes = vec![Scope::Write]);
    let served = lock.serve(&[], all.clone()).await;
    let explore = |key: &str| get(&format!("{key}_explore"), &json!({"topic": "tea"}));
    for (token, names) in [(&reader, &["shop_explore"][..]), (&writer, &[])] {
        let answer = ask(&served, token, &request(1, "prompts/list", json!({})))
            .await
            .json();
        assert_eq!(listed(&answer, "prompts", "name"), names);
    }
    let got = ask(&served, &reader, &explore("shop")).await.json();
    assert!(got["result"]["messages"].is_array(), "{got}");
    let unknown = ask(&served, &reader, &explore("depot")).await.json();
    assert_eq!(
        untraced(unknown)["error"],
        json!({"code": -32602, "message": "Unknown prompt: depot_explore"})
    );
    let denied = ask(&served, &writer, &explore("shop")).await.json();
    assert_eq!(
        (&denied["error"]["code"], &denied["error"]["data"]["reason"]),
        (&json!(-32603), &json!("ACCESS_DENIED"))
    );
    assert!(
        denied["error"]["message"]
            .as_str()
            .expect("text")
            .contains("db:read")
    );

    let complete = json!({
        "ref": {"type": "ref/prompt", "name": "shop_explore"},
        "argument": {"name": "topic", "value": "te"},
    });
    let complete = request(3, "completion/complete", complete);
    let values = ask(&served, &reader, &complete).await.json();
    assert!(values["result"]["completion"]["values"].is_array(), "{values}");
    let denied = ask(&served, &writer, &complete).await.json();
    assert_eq!(denied["error"]["data"]["reason"], "ACCESS_DENIED", "{denied}");

    let open = serve(&[], all).await;
    assert_eq!(names(&open, "/mcp").await, ["depot_explore", "shop_explore"]);
    assert_eq!(names(&open, "/mcp?tools=shop_*").await, ["shop_explore"]);
    assert_eq!(names(&open, "/mcp?tools=shop_find").await, [""; 0]);
    let filtered = call(open.address, "/mcp?tools=shop_*", &explore("depot")).await;
    assert_eq!(filtered.error(), (200, -32602));
}

//! Completions of prompts' arguments and templates' variables.

use mcp_hub_facade::auth::token::Scope;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use serde_json::{Value, json};

use crate::auth::{Lock, ask};
use crate::client::{Served, call, call_modern, modern_request, request, serve, untraced};
use crate::shelf::Shelf;
use crate::shop::Gate;

async fn facade(shelf: &Shelf) -> (Served, [crate::adapter::Adapter; 2]) {
    let adapters = [
        shelf.plan(&["Explore"]).start().await,
        Gate::open().plan().start().await,
    ];
    let mut upstreams = Upstreams::default();
    for (key, adapter) in ["shop", "bare"].iter().zip(&adapters) {
        upstreams
            .add(key, Upstream::at(adapter.url()))
            .expect("a usable upstream");
    }
    (serve(&[], upstreams).await, adapters)
}

fn prompt(name: &str) -> Value {
    json!({"type": "ref/prompt", "name": name})
}

fn template(uri: &str) -> Value {
    json!({"type": "ref/resource", "uri": uri})
}

fn params(of: &Value, argument: &str, value: &str) -> Value {
    json!({"ref": of, "argument": {"name": argument, "value": value}, "context": {"arguments": {"tone": "soft"}}})
}

#[tokio::test]
async fn values_come_from_the_adapter_that_has_the_argument() {
    let (served, _adapters) = facade(&Shelf::of(&[])).await;
    for (of, argument, values) in [
        (
            prompt("shop_explore"),
            "topic",
            &["explore||topic|soft", "te1", "te2"][..],
        ),
        (
            template("mcphub://shop/{kind}/{item}"),
            "kind",
            &["|{kind}/{item}|kind|soft", "te1", "te2"],
        ),
        // An argument that there is not.
        (prompt("shop_explore"), "nothing", &[]),
    ] {
        let params = params(&of, argument, "te");
        let older = call(
            served.address,
            "/mcp",
            &request(1, "completion/complete", params.clone()),
        )
        .await
        .json();
        let completion = &older["result"]["completion"];
        assert_eq!(completion["values"], json!(values), "{older}");
        let newer = call_modern(
            served.address,
            "/mcp",
            &modern_request(1, "completion/complete", params),
        )
        .await
        .json();
        assert_eq!(
            (&newer["result"]["completion"], &newer["result"]["resultType"]),
            (completion, &json!("complete"))
        );
    }
    for (of, said) in [
        (prompt("shop_nothing"), "Unknown prompt: shop_nothing"),
        (prompt("shop_find"), "Unknown prompt: shop_find"),
        (
            template("mcphub://shop/{item}"),
            "Unknown resource template: mcphub://shop/{item}",
        ),
        (
            template("mcphub://bare/{item}"),
            "Unknown resource template: mcphub://bare/{item}",
        ),
        (
            template("mcphub://shop/listed"),
            "Unknown resource template: mcphub://shop/listed",
        ),
        (template("x"), "Unknown resource template: x"),
    ] {
        let params = params(&of, "topic", "te");
        let answer = call(served.address, "/mcp", &request(1, "completion/complete", params))
            .await
            .json();
        assert_eq!(
            untraced(answer)["error"],
            json!({"code": -32602, "message": said})
        );
    }
    let broken = params(&prompt("shop_explore"), "topic", "broken");
    let answer = call(served.address, "/mcp", &request(1, "completion/complete", broken))
        .await
        .json();
    let error = &answer["error"];
    assert_eq!(
        (&error["code"], &error["data"]["reason"]),
        (&json!(-32603), &json!("DATABASE_UNAVAILABLE"))
    );
    for params in [
        json!({}),
        json!({"ref": {"type": "ref/other"}, "argument": {"name": "a", "value": ""}}),
    ] {
        let answer = call(served.address, "/mcp", &request(1, "completion/complete", params)).await;
        assert_eq!(answer.error(), (200, -32602));
    }
}

#[tokio::test]
async fn no_more_values_are_given_than_a_client_takes() {
    let (served, _adapters) = facade(&Shelf::of(&[]).values(250)).await;
    let long = "x".repeat(600);
    for (value, count) in [("te", 100), ("", 100), ("a\u{202e}", 1), (long.as_str(), 1)] {
        let params = params(&prompt("shop_explore"), "topic", value);
        let answer = call(served.address, "/mcp", &request(1, "completion/complete", params))
            .await
            .json();
        let completion = &answer["result"]["completion"];
        assert_eq!(
            completion["values"].as_array().map(Vec::len),
            Some(count),
            "{answer}"
        );
        assert_eq!(completion["hasMore"], true);
    }
}

#[tokio::test]
async fn values_are_for_those_who_may_read() {
    let adapter = Shelf::of(&[]).plan(&["Explore"]).start().await;
    let mut upstreams = Upstreams::default();
    upstreams
        .add("shop", Upstream::at(adapter.url()))
        .expect("a usable upstream");
    let mut lock = Lock::new();
    let elsewhere = lock.token_with("elsewhere", |entry| {
        entry.upstreams = Some(vec!["depot".to_owned()]);
    });
    let writer = lock.token_with("writer", |entry| entry.scopes = vec![Scope::Write]);
    let served = lock.serve(&[], upstreams).await;
    for (of, argument) in [
        (prompt("shop_explore"), "topic"),
        (template("mcphub://shop/{kind}/{item}"), "kind"),
    ] {
        let complete = request(1, "completion/complete", params(&of, argument, "te"));
        let denied = ask(&served, &writer, &complete).await.json();
        assert_eq!(denied["error"]["data"]["reason"], "ACCESS_DENIED", "{denied}");
        let unknown = ask(&served, &elsewhere, &complete).await;
        assert_eq!(unknown.error(), (200, -32602));
    }
}

//! Every method, and what its span says of who asks.

use super::*;

/// Requests: the method and its parameters, the name of the span, the upstream, and what becomes of it.
fn methods() -> Vec<(&'static str, Value, &'static str, &'static str, &'static str)> {
    vec![
        (
            "initialize",
            initialize("2025-11-25")["params"].clone(),
            "initialize",
            "",
            "ok",
        ),
        ("ping", json!({}), "ping", "", "ok"),
        ("tools/list", json!({}), "tools/list", "", "ok"),
        ("prompts/list", json!({}), "prompts/list", "", "ok"),
        (
            "prompts/get",
            json!({"name": "shop_explore", "arguments": {"topic": "tea"}}),
            "prompts/get shop_explore",
            "shop",
            "ok",
        ),
        ("resources/list", json!({}), "resources/list", "", "ok"),
        (
            "resources/templates/list",
            json!({}),
            "resources/templates/list",
            "",
            "ok",
        ),
        (
            "resources/read",
            json!({"uri": "mcphub://shop/listed"}),
            "resources/read",
            "shop",
            "ok",
        ),
        (
            "resources/read",
            json!({"uri": "mcphub://nowhere/x"}),
            "resources/read",
            "",
            "OBJECT_NOT_FOUND",
        ),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/prompt", "name": "shop_explore"}, "argument": {"name": "topic", "value": "t"}}),
            "completion/complete",
            "shop",
            "ok",
        ),
        (
            "prompts/get",
            json!({"name": "made_up"}),
            "prompts/get",
            "",
            "ARGUMENT_INVALID",
        ),
        (
            "tools/call",
            json!({"name": "made_up"}),
            "tools/call",
            "",
            "ARGUMENT_INVALID",
        ),
        (
            "tools/list",
            json!({"cursor": "made up"}),
            "tools/list",
            "",
            "ARGUMENT_INVALID",
        ),
        ("made/up", json!({}), "_OTHER", "", "NOT_SUPPORTED"),
    ]
}

#[tokio::test]
async fn every_method_has_a_span() {
    traces::record();
    let adapter = Shelf::of(&["listed"]).plan(&["Explore"]).start().await;
    let served = serve(&[], upstream(&adapter.url())).await;
    for (method, params, name, upstream, outcome) in methods() {
        let caller = Caller::new();
        let answer = post_in(&caller, &served, "/mcp", &request(1, method, params))
            .await
            .json();
        let found = span(&caller, name).await;
        assert_below(&found, &span(&caller, "POST /mcp").await);
        assert_eq!(text(&found, attribute::MCP_METHOD_NAME), method);
        assert_eq!(text(&found, attribute::UPSTREAM), upstream, "{method}");
        assert_eq!(text(&found, attribute::OUTCOME), outcome, "{method}: {answer}");
        if outcome != "ok" {
            let code = answer["error"]["code"].to_string();
            assert_eq!(text(&found, attribute::ERROR_TYPE), code, "{method}");
            assert_eq!(text(&found, attribute::RPC_RESPONSE_STATUS_CODE), code);
            assert_eq!(answer["error"]["data"]["trace_id"], caller.trace_id(), "{answer}");
            // Only the codes of servers are errors of ours; -32002 is among them.
            let ours = code == "-32002";
            assert_eq!(
                found.status == Status::error(""),
                ours,
                "{method}: {:?}",
                found.status
            );
        }
        if upstream == "shop" {
            let rpcs = caller
                .spans()
                .into_iter()
                .filter(|span| span.span_kind == SpanKind::Client);
            for rpc in rpcs {
                assert_below(&rpc, &found);
            }
        }
    }
}

#[tokio::test]
async fn the_stateless_era_says_who_it_is_in_each_message() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    for (method, name) in [
        ("server/discover", "server/discover"),
        ("tools/list", "tools/list"),
        ("subscriptions/listen", "subscriptions/listen"),
    ] {
        let caller = Caller::new();
        let params = json!({"notifications": {"toolsListChanged": true}});
        let message = named(modern_request(1, method, params), &caller);
        stream.call(served.address, &message).await;
        // Also that of a subscription which goes on.
        let found = span(&caller, name).await;
        for (name, expected) in [
            (attribute::CLIENT_NAME, "test"),
            (attribute::CLIENT_VERSION, "1"),
            (attribute::MCP_PROTOCOL_VERSION, "2026-07-28"),
            (attribute::OUTCOME, "ok"),
        ] {
            assert_eq!(text(&found, name), expected, "{method} {name}");
        }
    }
}

#[tokio::test]
async fn a_call_says_who_makes_it() {
    traces::record();
    let adapter = Gate::open().plan().start().await;
    let mut lock = Lock::new();
    let token = lock.token_with("alice", |_| {});
    let served = lock.serve(&[], upstream(&adapter.url())).await;
    let caller = Caller::new();
    ask(&served, &token, &named(find(1, "tea"), &caller)).await;
    let tool = span(&caller, "tools/call shop_find").await;
    assert_eq!(text(&tool, attribute::ENDUSER_ID), "token:alice");
    let secret = token.trim_start_matches("Bearer ");
    let all = format!("{:?}", caller.spans());
    assert!(!all.contains(secret));
}

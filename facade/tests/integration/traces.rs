//! One call is one trace: which spans there are, what they hang below, and what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::trace::attribute;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use mcp_hub_testing::traces::{self, Caller, SpanData, attribute as value};
use opentelemetry::trace::{SpanKind, Status};
use prost_reflect::Value as Field;
use serde_json::{Value, json};

use crate::answers::grpc;
use crate::auth::{Lock, ask};
use crate::client::{
    Answer, Served, Stream, call, initialize, modern_request, open, post, request, send, serve,
};
use crate::hub::SOON;
use crate::relay::pair;
use crate::shelf::Shelf;
use crate::shop::{Gate, assert_found, find, shop, upstream};
use crate::stdio::Client;

mod hostile;

const RPC: &str = "shop.v1.ShopService/Find";

/// The one span of a name, as soon as it has ended.
async fn span(caller: &Caller, name: &str) -> SpanData {
    eventually(SOON, async || caller.span(name)).await
}

/// An attribute as text; empty when there is none.
fn text(span: &SpanData, name: &str) -> String {
    value(span, name)
        .map(|value| value.to_string())
        .unwrap_or_default()
}

/// Posts a message in a caller's trace.
async fn post_in(caller: &Caller, served: &Served, path: &str, message: &Value) -> Answer {
    let message = post(served.address, path)
        .header("traceparent", caller.traceparent())
        .header("user-agent", "tests/1")
        .body(message.to_string().into());
    send(served.address, message.expect("a request")).await
}

/// The same message with a trace in its `_meta`.
fn named(mut message: Value, caller: &Caller) -> Value {
    message["params"]["_meta"]["traceparent"] = json!(caller.traceparent());
    message
}

/// The trace and the span that an answer says it comes from.
fn told(answer: &Value) -> (String, String) {
    let told = answer["result"]["_meta"]["traceparent"].as_str();
    let parts: Vec<&str> = told.expect("a trace").split('-').collect();
    (parts[1].to_owned(), parts[2].to_owned())
}

fn assert_below(child: &SpanData, parent: &SpanData) {
    let (child_trace, parent_trace) = (child.span_context.trace_id(), parent.span_context.trace_id());
    assert_eq!(
        (child.parent_span_id, child_trace),
        (parent.span_context.span_id(), parent_trace),
        "{} is not below {}",
        child.name,
        parent.name
    );
}

#[tokio::test]
async fn a_call_is_one_trace_from_the_door_to_the_adapter() {
    traces::record();
    let (served, adapter) = shop(&Gate::open()).await;
    let caller = Caller::new();
    let answer = post_in(&caller, &served, "/mcp", &find(7, "tea")).await.json();
    assert_found(&answer, "tea");

    let http = span(&caller, "POST /mcp").await;
    assert_eq!(
        (http.parent_span_id, http.span_kind.clone()),
        (caller.span_id(), SpanKind::Server)
    );
    for (name, expected) in [
        (attribute::HTTP_REQUEST_METHOD, "POST"),
        (attribute::HTTP_ROUTE, "/mcp"),
        (attribute::HTTP_RESPONSE_STATUS_CODE, "200"),
        (attribute::CLIENT_ADDRESS, "127.0.0.1"),
        (attribute::USER_AGENT_ORIGINAL, "tests/1"),
        (attribute::URL_SCHEME, "http"),
        (attribute::NETWORK_PROTOCOL_VERSION, "1.1"),
    ] {
        assert_eq!(text(&http, name), expected, "{name}");
    }
    let tool = span(&caller, "tools/call shop_find").await;
    assert_below(&tool, &http);
    assert_eq!((tool.span_kind.clone(), tool.links.len()), (SpanKind::Server, 0));
    for (name, expected) in [
        (attribute::MCP_METHOD_NAME, "tools/call"),
        (attribute::GEN_AI_OPERATION_NAME, "execute_tool"),
        (attribute::GEN_AI_TOOL_NAME, "shop_find"),
        (attribute::JSONRPC_REQUEST_ID, "7"),
        (attribute::NETWORK_TRANSPORT, "tcp"),
        (attribute::CLIENT_ADDRESS, "127.0.0.1"),
        (attribute::USER_AGENT_ORIGINAL, "tests/1"),
        (attribute::UPSTREAM, "shop"),
        (attribute::OUTCOME, "ok"),
        (attribute::MCP_SESSION_ID, ""),
        (attribute::ENDUSER_ID, ""),
        (attribute::ERROR_TYPE, ""),
    ] {
        assert_eq!(text(&tool, name), expected, "{name}");
    }
    assert_eq!(tool.status, Status::Unset);
    let rpc = span(&caller, RPC).await;
    assert_below(&rpc, &tool);
    assert_eq!(rpc.span_kind, SpanKind::Client);
    let (address, port) = (
        adapter.address.ip().to_string(),
        adapter.address.port().to_string(),
    );
    for (name, expected) in [
        (attribute::RPC_SYSTEM_NAME, "grpc"),
        (attribute::RPC_METHOD, RPC),
        (attribute::RPC_RESPONSE_STATUS_CODE, "OK"),
        (attribute::SERVER_ADDRESS, &address),
        (attribute::SERVER_PORT, &port),
        (attribute::RETRY, ""),
    ] {
        assert_eq!(text(&rpc, name), expected, "{name}");
    }
    assert_below(&span(&caller, "decode answer").await, &tool);
    assert_eq!(caller.spans().len(), 4);

    // What the adapter was told, and what the client is.
    let arrived = answer["result"]["structuredContent"]["traceparent"].as_str();
    let expected = format!("00-{}-{}-01", caller.trace_id(), rpc.span_context.span_id());
    assert_eq!(arrived, Some(expected.as_str()));
    let expected = (caller.trace_id(), tool.span_context.span_id().to_string());
    assert_eq!(told(&answer), expected);
}

#[tokio::test]
async fn the_trace_of_the_message_outranks_that_of_the_request_which_is_linked() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let (of_http, of_message) = (Caller::new(), Caller::new());
    let answer = post_in(&of_http, &served, "/sse", &named(find(1, "tea"), &of_message)).await;
    assert_eq!(told(&answer.json()).0, of_message.trace_id());
    let tool = span(&of_message, "tools/call shop_find").await;
    let http = span(&of_http, "POST /sse").await;
    assert_eq!(tool.parent_span_id, of_message.span_id());
    let links: Vec<_> = tool.links.iter().map(|link| &link.span_context).collect();
    assert_eq!(links, [&http.span_context]);
    assert_below(&span(&of_message, RPC).await, &tool);
    assert_eq!(of_http.spans().len(), 1);
}

#[tokio::test]
async fn a_message_for_a_stream_keeps_its_trace_on_its_own_replica() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    stream.call(served.address, &initialize("2024-11-05")).await;
    let caller = Caller::new();
    let accepted = post_in(&caller, &served, &stream.endpoint, &find(1, "tea")).await;
    assert_eq!(accepted.status, 202);
    assert_found(&stream.message().await, "tea");
    let tool = span(&caller, "tools/call shop_find").await;
    assert_below(&tool, &span(&caller, "POST /messages").await);
    assert_below(&span(&caller, RPC).await, &tool);
    // What it said of itself when the stream began.
    assert_eq!(text(&tool, attribute::CLIENT_NAME), "test");
    assert_eq!(text(&tool, attribute::CLIENT_VERSION), "1");
    let session = text(&tool, attribute::MCP_SESSION_ID);
    assert!(
        session.len() == 16 && session.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{session}"
    );
    assert!(!stream.endpoint.contains(&session));
    // It is the stream's, whichever the message.
    let other = Caller::new();
    stream.call(served.address, &named(find(2, "tea"), &other)).await;
    let tool = span(&other, "tools/call shop_find").await;
    assert_eq!(text(&tool, attribute::MCP_SESSION_ID), session);
}

#[tokio::test]
async fn a_message_for_another_replica_keeps_its_trace_over_the_relay() {
    traces::record();
    let adapter = Gate::open().plan().start().await;
    let [owner, other] = pair(|| upstream(&adapter.url())).await;
    let mut stream = Stream::open(owner.address, "/sse").await;
    let caller = Caller::new();
    let accepted = post_in(&caller, &other, &stream.endpoint, &find(1, "tea")).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    assert_found(&stream.message().await, "tea");
    let spans = eventually(SOON, async || {
        let spans = caller.spans();
        (spans.len() == 6).then_some(spans)
    })
    .await;
    let of = |name: &str, kind: SpanKind| {
        let found = spans
            .iter()
            .find(|span| span.name == name && span.span_kind == kind);
        found.unwrap_or_else(|| panic!("no {kind:?} {name} in {spans:?}"))
    };
    let http = of("POST /messages", SpanKind::Server);
    let hop = of("relay", SpanKind::Client);
    let arrived = of("relay", SpanKind::Server);
    let tool = of("tools/call shop_find", SpanKind::Server);
    assert_eq!(http.parent_span_id, caller.span_id());
    assert_below(hop, http);
    assert_below(arrived, hop);
    assert_below(tool, arrived);
    assert_below(of(RPC, SpanKind::Client), tool);
    for (hop, port) in [(hop, true), (arrived, false)] {
        assert_eq!(text(hop, attribute::OUTCOME), "taken");
        assert_eq!(
            text(hop, attribute::RPC_METHOD),
            "mcphub.relay.v1.RelayService/Deliver"
        );
        assert_eq!(!text(hop, attribute::SERVER_PORT).is_empty(), port);
    }

    // A trace in the message outranks the relay's, too.
    let of_message = Caller::new();
    let of_http = Caller::new();
    post_in(
        &of_http,
        &other,
        &stream.endpoint,
        &named(find(2, "tea"), &of_message),
    )
    .await;
    stream.message().await;
    let tool = span(&of_message, "tools/call shop_find").await;
    assert_eq!(tool.parent_span_id, of_message.span_id());
    assert_eq!(
        tool.links[0].span_context.trace_id().to_string(),
        of_http.trace_id()
    );
}

#[tokio::test]
async fn a_message_that_a_stream_refuses_is_seen_at_both_ends_of_the_relay() {
    traces::record();
    let gate = Gate::closed();
    let adapter = gate.plan().start().await;
    let [owner, other] = pair(|| upstream(&adapter.url())).await;
    let stream = Stream::open(owner.address, "/sse").await;
    call(other.address, &stream.endpoint, &find(1, "tea")).await;
    gate.runs(1).await;
    // The same id once more.
    let caller = Caller::new();
    let refused = post_in(&caller, &other, &stream.endpoint, &find(1, "tea")).await;
    assert_eq!(refused.status, 400);
    let spans = eventually(SOON, async || {
        let spans = caller.spans();
        (spans.len() == 3).then_some(spans)
    })
    .await;
    let hops: Vec<_> = spans.iter().filter(|span| span.name == "relay").collect();
    assert_eq!(hops.len(), 2);
    for hop in hops {
        assert_eq!(text(hop, attribute::OUTCOME), "refused");
        assert_eq!(hop.status, Status::Unset, "the client's mistake");
    }
}

#[tokio::test]
async fn a_call_by_pipe_is_a_trace_of_its_own_or_of_its_message() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let mut client = Client::of(served);
    client.call(&initialize("2025-11-25")).await;
    let (trace, span_id) = told(&client.call(&find(2, "tea")).await);
    let spans = eventually(SOON, async || {
        let spans = traces::of(&trace);
        (spans.len() == 3).then_some(spans)
    })
    .await;
    let tool = spans.iter().find(|span| span.name == "tools/call shop_find");
    let tool = tool.expect("the tool's span");
    assert_eq!(tool.span_context.span_id().to_string(), span_id);
    assert_eq!(tool.parent_span_id.to_string(), "0".repeat(16), "a root");
    for (name, expected) in [
        (attribute::NETWORK_TRANSPORT, "pipe"),
        (attribute::CLIENT_NAME, "test"),
        (attribute::CLIENT_ADDRESS, ""),
        (attribute::MCP_SESSION_ID, ""),
    ] {
        assert_eq!(text(tool, name), expected, "{name}");
    }
    let caller = Caller::new();
    client.call(&named(find(3, "tea"), &caller)).await;
    let tool = span(&caller, "tools/call shop_find").await;
    assert_eq!((tool.parent_span_id, tool.links.len()), (caller.span_id(), 0));
}

#[tokio::test]
async fn a_retry_is_a_span_of_its_own_that_says_why() {
    traces::record();
    let failed = Arc::new(AtomicUsize::new(0));
    let count = failed.clone();
    let adapter = Gate::open()
        .plan()
        .respond(move |method| {
            // UNAVAILABLE without a reason, as of a proxy that has lost its connection.
            let first = method == "Find" && count.fetch_add(1, Ordering::SeqCst) == 0;
            first.then(|| {
                let mut lost = grpc(axum::body::Body::empty());
                lost.headers_mut()
                    .insert("grpc-status", http::HeaderValue::from_static("14"));
                lost
            })
        })
        .start()
        .await;
    let served = serve(&[], upstream(&adapter.url())).await;
    let caller = Caller::new();
    let answer = post_in(&caller, &served, "/mcp", &find(1, "tea")).await.json();
    assert_found(&answer, "tea");
    let tool = span(&caller, "tools/call shop_find").await;
    let spans = caller.spans();
    let attempts: Vec<_> = spans.iter().filter(|span| span.name == RPC).collect();
    let [first, second] = attempts[..] else {
        panic!("not two attempts: {attempts:?}");
    };
    for attempt in [first, second] {
        assert_below(attempt, &tool);
    }
    assert_eq!(text(first, attribute::RPC_RESPONSE_STATUS_CODE), "UNAVAILABLE");
    assert_eq!(text(first, attribute::ERROR_TYPE), "UNAVAILABLE");
    assert_eq!(first.status, Status::error(""));
    assert_eq!(text(first, attribute::RETRY), "");
    assert_eq!(text(second, attribute::RPC_RESPONSE_STATUS_CODE), "OK");
    assert_eq!(text(second, attribute::RETRY), "1");
    assert_eq!(text(second, attribute::RETRY_REASON), "lost");
    assert_eq!(
        (text(&tool, attribute::OUTCOME), tool.status),
        ("ok".to_owned(), Status::Unset)
    );
}

#[tokio::test]
async fn a_tool_that_fails_is_an_error_with_its_reason() {
    traces::record();
    for (fault, says_trace) in [
        (Fault::new(Reason::StatementInvalid, "no such column"), false),
        (Fault::new(Reason::DatabaseUnavailable, "it is down"), true),
    ] {
        let (reason, given) = (fault.reason_name(), fault.clone());
        let plan = Gate::open().plan().handle(move |_| {
            let fault = given.clone();
            async move { Err(fault) }
        });
        let adapter = plan.start().await;
        let served = serve(&[], upstream(&adapter.url())).await;
        let caller = Caller::new();
        let answer = post_in(&caller, &served, "/mcp", &find(1, "secret tea"))
            .await
            .json();
        assert_eq!(answer["result"]["isError"], true);
        // The trace is in the answer in any case, and in the text when it is not for the model to mend.
        assert_eq!(told(&answer).0, caller.trace_id());
        let line = format!("trace_id: {}", caller.trace_id());
        let sentence = answer["result"]["content"][0]["text"].as_str().expect("text");
        assert_eq!(sentence.contains(&line), says_trace, "{sentence}");

        let tool = span(&caller, "tools/call shop_find").await;
        assert_eq!(text(&tool, attribute::ERROR_TYPE), "tool_error");
        assert_eq!(text(&tool, attribute::OUTCOME), reason);
        assert_eq!(tool.status, Status::error(""));
        let rpc = span(&caller, RPC).await;
        assert_eq!(text(&rpc, attribute::ERROR_TYPE), reason);
        assert_eq!(rpc.status, Status::error(""));
        let all = format!("{:?}", caller.spans());
        assert!(!all.contains("secret") && !all.contains(&fault.message), "{all}");
    }
}

#[tokio::test]
async fn a_cancelled_call_is_no_failure_of_the_tool() {
    traces::record();
    let gate = Gate::closed();
    let (served, _adapter) = shop(&gate).await;
    let stream = Stream::open(served.address, "/sse").await;
    let caller = Caller::new();
    post_in(&caller, &served, &stream.endpoint, &find(1, "tea")).await;
    gate.runs(1).await;
    let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}});
    assert_eq!(call(served.address, &stream.endpoint, &cancel).await.status, 202);
    let tool = span(&caller, "tools/call shop_find").await;
    assert_eq!(
        (text(&tool, attribute::OUTCOME), tool.status),
        ("CANCELLED".to_owned(), Status::Unset)
    );
    let rpc = span(&caller, RPC).await;
    assert_eq!(text(&rpc, attribute::RPC_RESPONSE_STATUS_CODE), "CANCELLED");

    // A stream that is gone has cancelled its calls.
    let caller = Caller::new();
    post_in(&caller, &served, &stream.endpoint, &find(2, "tea")).await;
    gate.runs(1).await;
    drop(stream);
    let tool = span(&caller, "tools/call shop_find").await;
    assert_eq!(text(&tool, attribute::OUTCOME), "CANCELLED");
}

#[tokio::test]
async fn a_call_that_waits_for_its_turn_shows_it() {
    traces::record();
    let gate = Gate::closed();
    let adapter = gate.plan().start().await;
    let mut upstreams = Upstreams::default();
    let mut settings = Upstream::at(adapter.url());
    settings.concurrency = 1;
    upstreams.add("shop", settings).expect("a usable upstream");
    let served = serve(&[], upstreams).await;
    let callers = [Caller::new(), Caller::new()];
    let message = find(1, "tea");
    let calls = callers
        .iter()
        .map(|caller| post_in(caller, &served, "/mcp", &message));
    let calls = join_all(calls);
    let turn = async {
        gate.runs(1).await;
        gate.permits.add_permits(2);
    };
    let (answers, ()) = tokio::join!(calls, turn);
    assert_eq!(answers.len(), 2);
    let waits = callers.map(|caller| caller.span("wait for a turn").ok().map(|wait| (caller, wait)));
    let [(caller, wait)] = &waits.into_iter().flatten().collect::<Vec<_>>()[..] else {
        panic!("not one of them waited");
    };
    assert_below(wait, &span(caller, "tools/call shop_find").await);
}

#[tokio::test]
async fn a_large_answer_is_decoded_in_its_trace() {
    traces::record();
    let large = "x".repeat(1024 * 1024);
    let adapter = Gate::open()
        .plan()
        .handle(move |mut received| {
            let asked = Field::String(large.clone());
            received.response.set_field_by_name("asked", asked);
            async move { Ok(received.response) }
        })
        .start()
        .await;
    let served = serve(&[], upstream(&adapter.url())).await;
    let caller = Caller::new();
    assert_eq!(post_in(&caller, &served, "/mcp", &find(1, "")).await.status, 200);
    let decoded = span(&caller, "decode answer").await;
    assert_below(&decoded, &span(&caller, "tools/call shop_find").await);
}

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

#[tokio::test]
async fn a_stream_is_told_when_it_opens_and_not_when_it_ends() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let caller = Caller::new();
    let request = Request::get("/sse")
        .header("host", served.address.to_string())
        .header("traceparent", caller.traceparent());
    let request = request.body(Bytes::new().into()).expect("a request");
    let answer = open(served.address, request).await;
    let stream = Stream::of(answer);
    let opened = span(&caller, "GET /sse").await;
    assert_eq!(opened.parent_span_id, caller.span_id());
    assert_eq!(text(&opened, attribute::HTTP_RESPONSE_STATUS_CODE), "200");
    drop(stream);
}

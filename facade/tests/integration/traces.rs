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

mod ends;
mod hostile;
mod methods;
mod streams;

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

//! Messages on streams: on their own replica, over the relay, and on pipes.

use super::*;

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

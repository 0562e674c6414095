//! Callers that want to fill the collector, to choose what is recorded, or to have their text in everybody's traces.

use super::*;

#[tokio::test]
async fn what_is_no_trace_context_is_none() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let valid = format!("00-{trace}-b7ad6b7169203331-01");
    let huge = format!("{valid}-{}", "x".repeat(2_000));
    let zero = format!("00-{}-b7ad6b7169203331-01", "0".repeat(32));
    for wrong in [
        "",
        "x",
        "00",
        &valid[..50],
        &zero,
        &huge,
        "ff-x-y-01",
        "00-\u{e9}--",
    ] {
        let with_header = Request::post("/mcp")
            .header("host", served.address.to_string())
            .header("content-type", "application/json")
            .header("traceparent", wrong.as_bytes())
            .body(find(1, "tea").to_string().into());
        let answer = send(served.address, with_header.expect("a request")).await.json();
        assert_found(&answer, "tea");
        assert_ne!(told(&answer).0, trace, "{wrong}");
        let mut in_message = find(1, "tea");
        in_message["params"]["_meta"] = json!({"traceparent": wrong});
        let answer = call(served.address, "/mcp", &in_message).await.json();
        assert_found(&answer, "tea");
        assert_ne!(told(&answer).0, trace, "{wrong}");
    }
    for wrong in [
        json!(7),
        json!(null),
        json!({"traceparent": valid}),
        json!([valid]),
    ] {
        let mut in_message = find(1, "tea");
        in_message["params"]["_meta"] = json!({"traceparent": wrong});
        let answer = call(served.address, "/mcp", &in_message).await.json();
        assert_found(&answer, "tea");
        assert_ne!(told(&answer).0, trace, "{wrong}");
    }
    // Two of them are nobody's word.
    let twice = post(served.address, "/mcp")
        .header("traceparent", &valid)
        .header("traceparent", &valid)
        .body(find(1, "tea").to_string().into());
    let answer = send(served.address, twice.expect("a request")).await.json();
    assert_ne!(told(&answer).0, trace);
}

#[tokio::test]
async fn nothing_but_the_ids_of_a_context_is_passed_on() {
    traces::record();
    let metadata = Arc::new(std::sync::Mutex::new(String::new()));
    let seen = metadata.clone();
    let adapter = Gate::open()
        .plan()
        .handle(move |received| {
            *seen.lock().expect("unpoisoned") = format!("{:?}", received.metadata);
            async move { Ok(received.response) }
        })
        .start()
        .await;
    let served = serve(&[], upstream(&adapter.url())).await;
    let caller = Caller::new();
    let mut message = named(find(1, "tea"), &caller);
    message["params"]["_meta"]["tracestate"] = json!("stuffed=1");
    message["params"]["_meta"]["baggage"] = json!("stuffed=2");
    let with_headers = post(served.address, "/mcp")
        .header("traceparent", caller.traceparent())
        .header("tracestate", "stuffed=3")
        .header("baggage", "stuffed=4")
        .body(message.to_string().into());
    let answer = send(served.address, with_headers.expect("a request")).await;
    assert!(!answer.text().contains("stuffed"), "{}", answer.text());
    let arrived = metadata.lock().expect("unpoisoned").clone();
    assert!(arrived.contains(&caller.trace_id()), "{arrived}");
    assert!(!arrived.contains("stuffed"), "{arrived}");
    span(&caller, "tools/call shop_find").await;
    let all = format!("{:?}", caller.spans());
    assert!(!all.contains("stuffed"), "{all}");
}

#[tokio::test]
async fn what_a_client_makes_up_is_no_name_and_short() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let long = "\u{1f600}x".repeat(50_000);
    let mut stream = Stream::open(served.address, "/sse").await;
    let mut initialize = initialize("2025-11-25");
    initialize["params"]["clientInfo"] = json!({"name": long, "version": long});
    initialize["params"]["protocolVersion"] = json!(long);
    let caller = Caller::new();
    stream.call(served.address, &named(initialize, &caller)).await;
    let mut names = vec!["initialize".to_owned()];
    for count in 0..50 {
        for (method, params, name) in [
            (
                "tools/call",
                json!({"name": format!("{count}{long}")}),
                "tools/call",
            ),
            (
                "prompts/get",
                json!({"name": format!("{count}{long}")}),
                "prompts/get",
            ),
            (
                "resources/read",
                json!({"uri": format!("{count}{long}")}),
                "resources/read",
            ),
            (&format!("{count}{long}"), json!({}), "_OTHER"),
        ] {
            let mut message = named(request(1, method, params), &caller);
            message["id"] = json!("i".repeat(1_000));
            post_in(&caller, &served, "/mcp", &message).await;
            names.push(name.to_owned());
        }
    }
    let message = named(find(3, "tea"), &caller);
    let agent = post(served.address, "/mcp").header("user-agent", "a".repeat(5_000));
    let agent = agent.body(message.to_string().into()).expect("a request");
    send(served.address, agent).await;
    stream.call(served.address, &message).await;
    let spans = eventually(SOON, async || {
        let spans = caller.spans();
        let ended = spans
            .iter()
            .filter(|span| span.name == "tools/call shop_find")
            .count();
        (ended == 2).then_some(spans)
    })
    .await;
    let expected = [
        "POST /mcp",
        "_OTHER",
        "decode answer",
        "initialize",
        "prompts/get",
        "resources/read",
        RPC,
        "tools/call",
        "tools/call shop_find",
    ];
    let found: std::collections::BTreeSet<_> = spans.iter().map(|span| span.name.as_ref()).collect();
    assert_eq!(found.into_iter().collect::<Vec<_>>(), expected);
    for span in &spans {
        for attribute in &span.attributes {
            let length = attribute.value.to_string().chars().count();
            assert!(length <= 128, "{} {}: {length}", span.name, attribute.key);
        }
    }
    // Nor is it a label of a metric.
    let metrics = mcp_hub_chassis::metrics::text();
    assert!(!metrics.contains('\u{1f600}') && !metrics.contains("made_up"));
    assert!(metrics.contains(r#"mcp_method_name="_OTHER""#), "{metrics}");
}

#[tokio::test]
async fn a_trace_that_two_requests_name_is_of_both_and_of_neither() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let caller = Caller::new();
    for _ in 0..2 {
        post_in(&caller, &served, "/mcp", &find(1, "tea")).await;
    }
    let spans = eventually(SOON, async || {
        let spans = caller.spans();
        (spans.len() == 8).then_some(spans)
    })
    .await;
    let ids: std::collections::HashSet<_> = spans.iter().map(|span| span.span_context.span_id()).collect();
    assert_eq!(ids.len(), 8, "each has an id of its own");
    let doors = spans.iter().filter(|span| span.name == "POST /mcp");
    for door in doors {
        assert_eq!(door.parent_span_id, caller.span_id());
    }
}

#[tokio::test]
async fn who_is_not_let_in_fills_no_traces() {
    traces::record();
    let mut lock = Lock::new();
    let token = lock.token_with("alice", |_| {});
    let served = lock.serve(&[], Upstreams::default()).await;
    let caller = Caller::new();
    let ping = request(1, "ping", json!({}));
    for _ in 0..200 {
        assert!(
            post_in(&caller, &served, "/mcp", &ping)
                .await
                .status
                .is_client_error()
        );
    }
    let refused = caller.spans();
    // So many at once, and one more with each second that this took.
    assert!((20..60).contains(&refused.len()), "{}", refused.len());
    for span in &refused {
        assert_eq!(
            (span.name.as_ref(), span.parent_span_id),
            ("POST /mcp", caller.span_id())
        );
        assert!(["401", "429"].contains(&text(span, attribute::HTTP_RESPONSE_STATUS_CODE).as_str()));
        assert_eq!(span.status, Status::Unset, "it is no error of ours");
    }
    // Whoever is let in is told of all the same.
    let caller = Caller::new();
    for id in 0..50 {
        let message = post(served.address, "/mcp")
            .header("traceparent", caller.traceparent())
            .header("authorization", &token)
            .body(request(id, "ping", json!({})).to_string().into());
        assert_eq!(
            send(served.address, message.expect("a request")).await.status,
            200
        );
    }
    eventually(SOON, async || caller.spans().len() == 100).await;
}

#[tokio::test]
async fn probes_and_what_is_no_door_are_not_told() {
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let caller = Caller::new();
    for (method, path) in [
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/"),
        ("GET", "/mcp"),
        ("HEAD", "/sse"),
        ("POST", "/made/up"),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", served.address.to_string())
            .header("traceparent", caller.traceparent());
        open(
            served.address,
            request.body(Bytes::new().into()).expect("a request"),
        )
        .await;
    }
    // Behind all of them.
    post_in(&caller, &served, "/mcp", &request(1, "ping", json!({}))).await;
    span(&caller, "POST /mcp").await;
    assert_eq!(caller.spans().len(), 2, "{:?}", caller.spans());
}

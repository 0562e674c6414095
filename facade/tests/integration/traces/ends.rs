//! How calls go that are tried again, fail, wait, are given up or have much to say.

use super::*;

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

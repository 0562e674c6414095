//! What callers can't do with the trace that they name.

use std::collections::BTreeSet;

use mcp_hub_testing::traces::Caller;
use mcp_hub_testing::{Jaeger, eventually};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::client::{Named, own};
use super::engine::Engine;
use super::stage::{FACADE, PLANTED, SOON, Stage};

/// How many calls ask to be recorded, of which a tenth may be.
const CALLS: usize = 1000;

/// How many at a time.
const CLIENTS: usize = 4;

/// A trace id that a ratio which looks at the id lets pass: its last eight bytes are almost nothing.
fn that_would_pass(number: usize) -> String {
    format!(
        "00-{:032x}-{number:016x}-01",
        (0x00c0_ffee_u128 << 64) + number as u128
    )
}

#[tokio::test]
async fn nobody_can_force_the_sampler() {
    let Some(jaeger) = Jaeger::start().await else {
        return;
    };
    let environment = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.1"),
    ];
    let engine = Engine::sqlite();
    let (service, call) = (engine.service(), engine.call());
    let arguments = engine.arguments.clone();
    let Some(stage) = Stage::with(jaeger, vec![engine], &environment).await else {
        return;
    };

    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (night, arguments) = (stage.night(), arguments.clone());
        clients.spawn(async move {
            for number in (1 + client..=CALLS).step_by(CLIENTS) {
                let named = that_would_pass(number);
                let mut naming = Named::default();
                // By either way, and by both.
                if number % 3 != 0 {
                    naming.meta = Some(named.clone().into());
                }
                if number % 3 != 1 {
                    naming.header = Some(named);
                }
                let reply = night.naming(naming).post("sqlite_query", arguments.clone()).await;
                assert_eq!(reply["result"]["isError"], false, "{reply}");
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.expect("no panic");
    }

    // Recorded here, or nowhere: the adapter does as the facade.
    let calls = eventually(SOON, async || {
        let traces = stage.traces_of(FACADE).await;
        let (calls, statements) = (
            having(&traces, &call),
            having(&stage.traces_of(service).await, "SELECT orders"),
        );
        if calls == statements && !calls.is_empty() {
            Ok(calls)
        } else {
            Err(format!("{} calls, {} statements", calls.len(), statements.len()))
        }
    })
    .await;
    // Six standard deviations around a tenth.
    assert!((43..=157).contains(&calls.len()), "{} of {CALLS}", calls.len());
    let prefix = "c0ffee";
    assert!(
        calls
            .iter()
            .all(|id| id.trim_start_matches('0').starts_with(prefix)),
        "{calls:?}"
    );
}

/// The traces that have a span of this name.
fn having(traces: &[Value], name: &str) -> BTreeSet<String> {
    let has = |trace: &&Value| {
        let spans = trace["spans"].as_array().expect("spans");
        spans.iter().any(|span| span["operationName"] == name)
    };
    let ids = traces
        .iter()
        .filter(has)
        .map(|trace| trace["traceID"].as_str().expect("an id"));
    ids.map(str::to_owned).collect()
}

/// What is no `traceparent` is no reason to fail: the call has a trace of its own.
#[tokio::test]
async fn a_malformed_traceparent_harms_nobody() {
    let engine = Engine::sqlite();
    let (call, arguments) = (engine.call(), engine.arguments.clone());
    let Some(stage) = Stage::new(vec![engine]).await else {
        return;
    };
    let caller = Caller::new();
    let (trace, span) = (caller.trace_id(), caller.span_id().to_string());
    let malformed = [
        String::new(),
        "-".to_owned(),
        format!("00-{trace}"),
        format!("00-{trace}-{span}"),
        format!("00-{trace}-{span}-zz"),
        format!("00-{trace}-{span}-01-{PLANTED}"),
        format!("ff-{trace}-{span}-01"),
        format!("00-{}-{span}-01", "0".repeat(32)),
        format!("00-{trace}-{}-01", "0".repeat(16)),
        format!("00-{}-{span}-01", &trace[..30]),
        format!(
            "00-{}-{span}-01",
            trace.to_uppercase().replace(char::is_numeric, "A")
        ),
        format!("00-{}-{span}-01", "g".repeat(32)),
        "1".repeat(4_000),
    ];
    let mut named = Vec::new();
    for text in malformed {
        named.push(Named {
            meta: Some(text.clone().into()),
            header: Some(text),
            ..Named::default()
        });
    }
    for value in [
        json!(1),
        json!(null),
        json!([caller.traceparent()]),
        json!({"a": caller.traceparent()}),
        json!("\u{2028}\0"),
    ] {
        named.push(Named {
            meta: Some(value),
            ..Named::default()
        });
    }
    let mut seen = BTreeSet::from([trace.clone()]);
    for named in named {
        let reply = stage
            .night()
            .naming(named.clone())
            .post("sqlite_query", arguments.clone())
            .await;
        let rows = reply["result"]["structuredContent"]["rows"].as_array();
        assert_eq!(rows.map(Vec::len), Some(1), "{named:?}: {reply}");
        let (trace_id, _) = own(&reply);
        assert!(
            seen.insert(trace_id.clone()),
            "{named:?} has a trace of its own: {reply}"
        );
        assert_ne!(trace_id, "0".repeat(32));
        stage.trace(&trace_id, &[&call]).await;
    }
    let spans = stage.jaeger.trace(&trace).await.expect("an answer");
    assert!(spans.spans.is_empty(), "{spans}");
    stage.nothing_is_told_of(&["tracestate"]).await;
}

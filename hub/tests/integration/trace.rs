//! Traces at the command line: one that `call --trace` makes, and what a hub tells of its own.

use mcp_hub_testing::Collector;
use mcp_hub_testing::collector::Sent;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::fake::{Fake, Reply, Seen};
use crate::support::{Exit, Hub, Speaker, modern, query, run};

/// What the hubs of these tests tell.
const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

const URL: (&str, &str) = ("MCP_HUB_TRACE_URL", "https://jaeger.example.com/trace/{trace_id}");

/// The traceparent of a request in its body, which has to be in its head as well.
fn traceparent(seen: &Seen) -> Option<String> {
    let in_body = seen.body["params"]["_meta"]["traceparent"].as_str();
    let mut lines = seen.head.lines();
    let in_head = lines.find_map(|line| line.strip_prefix("traceparent: "));
    assert_eq!(in_head, in_body, "{seen:?}");
    in_body.map(str::to_owned)
}

/// A hub with one tool and one prompt; `answer` is a message's `result` or `error`, and may look at the request.
async fn hub(answer: impl Fn(&Seen) -> Value + Send + Sync + 'static) -> Fake {
    Fake::start(move |seen| {
        let mut message = match seen.body["method"].as_str() {
            Some("tools/list") => json!({ "result": { "tools": [{ "name": "t", "inputSchema": {} }] } }),
            _ => answer(seen),
        };
        if message.is_null() {
            return Reply::HangUp;
        }
        message["jsonrpc"] = "2.0".into();
        message["id"] = seen.body["id"].clone();
        Reply::json(&message)
    })
    .await
}

fn said(text: &str, traceparent: impl Into<Value>) -> Value {
    json!({ "result": {
        "content": [{ "type": "text", "text": text }],
        "_meta": { "traceparent": traceparent.into() },
    } })
}

async fn command(hub: &Fake, arguments: &[&str], environment: &[(&str, &str)]) -> Exit {
    let url = [("MCP_HUB_URL", hub.url.as_str())];
    run(arguments, &[&url, environment].concat()).await
}

#[tokio::test]
async fn a_call_can_be_traced_from_here() {
    let hub = hub(|seen| said("done", traceparent(seen).map(|own| own[..53].to_owned() + "01"))).await;
    let exit = command(&hub, &["call", "--trace", "t"], &[URL]).await;
    assert!(exit.status.success(), "{exit:?}");
    assert_eq!(exit.stdout, "done\n");
    let seen = hub.seen();
    let [list, call] = seen.as_slice() else {
        panic!("{seen:?}")
    };
    assert_eq!(traceparent(list), None, "the list is not what is asked about");
    let sent = traceparent(call).expect("a trace");
    let id = sent.split('-').nth(1).expect("an id");
    assert_eq!(
        exit.stderr,
        format!("trace_id: {id}\ntrace: https://jaeger.example.com/trace/{id}\n")
    );

    let again = command(&hub, &["call", "--trace", "t"], &[]).await;
    assert!(
        again.stderr.starts_with("trace_id: ") && !again.stderr.contains(id),
        "{again:?}"
    );
    assert_eq!(again.stderr.lines().count(), 1, "{again:?}");
    let plain = command(&hub, &["call", "t"], &[URL]).await;
    assert_eq!((plain.stdout.as_str(), plain.stderr.as_str()), ("done\n", ""));
}

#[tokio::test]
async fn what_the_hub_says_of_the_trace_counts() {
    let other = hub(|_| said("done", format!("00-{ID}-00f067aa0ba902b7-01"))).await;
    let exit = command(&other, &["call", "--trace", "t"], &[]).await;
    assert_eq!(exit.stderr, format!("trace_id: {ID}\n"));

    let dropped = hub(|_| said("done", format!("00-{ID}-00f067aa0ba902b7-00"))).await;
    let exit = command(&dropped, &["call", "--trace", "t"], &[URL]).await;
    assert_eq!(
        exit.stderr,
        format!("trace_id: {ID} (the hub does not record it)\n")
    );

    // One that tells nothing, or nonsense, has perhaps taken over ours.
    for told in [Value::Null, "00-\u{1b}[2J-00f067aa0ba902b7-01".into()] {
        let silent = hub(move |_| said("done", told.clone())).await;
        let exit = command(&silent, &["call", "--trace", "t"], &[]).await;
        let sent = traceparent(&silent.seen()[1]).expect("a trace");
        assert_eq!(exit.stderr, format!("trace_id: {}\n", &sent[3..35]));
    }
}

#[tokio::test]
async fn an_error_names_the_trace_that_the_hub_tells() {
    let failing = hub(|_| {
        let mut message = said("no such table", format!("00-{ID}-00f067aa0ba902b7-01"));
        message["result"]["isError"] = true.into();
        message
    })
    .await;
    let link = format!("trace: https://jaeger.example.com/trace/{ID}");
    for arguments in [&["call", "t"][..], &["call", "--trace", "t"]] {
        let exit = command(&failing, arguments, &[URL]).await;
        assert_eq!((exit.status.code(), exit.stdout.as_str()), (Some(1), ""));
        assert_eq!(
            exit.stderr,
            format!("mcp-hub: no such table\ntrace_id: {ID}\n{link}\n")
        );
    }
    // Where the text has the id, it is not said twice.
    let told = hub(|_| {
        let text = format!("internal error\ntrace_id: {ID}");
        let mut message = said(&text, format!("00-{ID}-00f067aa0ba902b7-01"));
        message["result"]["isError"] = true.into();
        message
    })
    .await;
    let exit = command(&told, &["call", "t"], &[URL]).await;
    assert_eq!(
        exit.stderr,
        format!("mcp-hub: internal error\ntrace_id: {ID}\n{link}\n")
    );

    let refusing =
        hub(|_| json!({ "error": { "code": -32602, "message": "no", "data": { "trace_id": ID } } })).await;
    for arguments in [
        &["call", "t"][..],
        &["call", "--trace", "t"],
        &["prompts", "p"],
        &["resources", "mcphub://x/y"],
    ] {
        let exit = command(&refusing, arguments, &[URL]).await;
        assert_eq!(
            exit.stderr,
            format!("mcp-hub: mcp-hub answered: no (-32602)\ntrace_id: {ID}\n{link}\n"),
            "{arguments:?}"
        );
    }
}

#[tokio::test]
async fn a_call_without_an_answer_has_a_trace_all_the_same() {
    let gone = hub(|_| Value::Null).await;
    let exit = command(&gone, &["call", "--trace", "t"], &[]).await;
    assert_eq!(exit.status.code(), Some(1));
    let sent = traceparent(&gone.seen()[1]).expect("a trace");
    let (error, trace) = exit.stderr.split_once('\n').expect("two lines");
    assert!(error.contains("hung up before it answered"), "{exit:?}");
    assert_eq!(trace, format!("trace_id: {}\n", &sent[3..35]));
}

#[tokio::test]
async fn a_real_hub_takes_the_trace_over() {
    let hub = Hub::start(&[], &[]).await;
    let arguments = [
        "call",
        "--trace",
        "--url",
        &hub.url(),
        "sqlite_query",
        "sql=select 7 as a",
    ];
    let exit = run(&arguments, &[]).await;
    assert!(exit.status.success(), "{exit:?}");
    // Nothing is exported here, so nothing is recorded.
    assert!(
        exit.stderr.ends_with(" (the hub does not record it)\n"),
        "{exit:?}"
    );
    let traceparent = format!("00-{ID}-00f067aa0ba902b7-01");
    let mut call = modern(query(1, "sqlite_query", "select 7"));
    call["params"]["_meta"]["traceparent"] = traceparent.as_str().into();
    let answer = Speaker::start(&["--url", &hub.url()]).ask(&call).await;
    let told = answer["result"]["_meta"]["traceparent"].as_str();
    assert!(
        told.is_some_and(|told| told.starts_with(&traceparent[..35])),
        "{answer}"
    );
}

#[tokio::test]
async fn the_bridge_leaves_the_trace_of_its_client_as_it_is() {
    let fake =
        Fake::start(|seen| Reply::json(&json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": {} })))
            .await;
    let mut bridge = Speaker::start(&["--url", &fake.url]);
    let meta =
        json!({ "traceparent": format!("00-{ID}-00f067aa0ba902b7-01"), "tracestate": "a=b", "x": [1] });
    let mut call = query(1, "t", "select 1");
    call["params"]["_meta"] = meta.clone();
    bridge.ask(&call).await;
    bridge.ask(&query(2, "t", "select 1")).await;
    let seen = fake.seen();
    assert_eq!(seen[0].body["params"]["_meta"], meta);
    assert_eq!(traceparent(&seen[0]).as_deref(), meta["traceparent"].as_str());
    assert_eq!(traceparent(&seen[1]), None, "the bridge has no traces of its own");
}

#[tokio::test]
async fn one_process_and_its_caller_are_one_trace() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let exported = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let hub = Hub::start(&[], &exported).await;
    let arguments = [
        "call",
        "--trace",
        "--url",
        &hub.url(),
        "sqlite_query",
        "sql=select 7 as a",
    ];
    let exit = run(&arguments, &exported).await;
    assert!(exit.status.success(), "{exit:?}");
    let id = exit.stderr.trim_start_matches("trace_id: ").trim_end().to_owned();
    assert_eq!(id.len(), 32, "{exit:?}");
    // What is not sent yet is sent with the end.
    hub.program.interrupt().await;
    hub.program.ended().await;

    let spans: Vec<Sent> = collector
        .spans()
        .into_iter()
        .filter(|sent| sent.trace_id() == id)
        .collect();
    let named = |name: &str, kind: SpanKind| {
        let found = spans
            .iter()
            .find(|sent| sent.span.name == name && sent.span.kind() == kind);
        found.unwrap_or_else(|| {
            let names: Vec<_> = spans
                .iter()
                .map(|sent| (&sent.span.name, sent.span.kind()))
                .collect();
            panic!("no {name} of {kind:?} in {names:?}")
        })
    };
    let call = named("tools/call sqlite_query", SpanKind::Client);
    assert!(call.span.parent_span_id.is_empty());
    let post = named("POST /mcp", SpanKind::Server);
    let served = named("tools/call sqlite_query", SpanKind::Server);
    let query = "mcphub.sqlite.v1.SqliteService/Query";
    let asked = named(query, SpanKind::Client);
    let answered = named(query, SpanKind::Server);
    for (child, parent) in [(post, call), (served, call), (asked, served), (answered, asked)] {
        assert_eq!(
            child.span.parent_span_id, parent.span.span_id,
            "{} is not below {}",
            child.span.name, parent.span.name
        );
    }
    assert_eq!(served.span.links.len(), 1, "{:?}", served.span);
    assert_eq!(served.span.links[0].span_id, post.span.span_id);
    for sent in &spans {
        assert_eq!(sent.resource["service.name"], "mcp-hub", "{}", sent.span.name);
    }
    assert_eq!(
        call.attribute("gen_ai.tool.name").as_deref(),
        Some("sqlite_query")
    );
    assert_eq!(call.attribute("server.port"), Some(hub.port.to_string()));
    assert_eq!(
        served.attribute("mcp_hub.client.name").as_deref(),
        Some("mcp-hub")
    );
}

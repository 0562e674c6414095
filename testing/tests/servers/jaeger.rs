//! Jaeger.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcp_hub_testing::Jaeger;
use mcp_hub_testing::jaeger::{Attributes, Event, Kind, Link, Span, Status};
use serde_json::{Value, json};

use crate::victim::{ends_with_its_process, refuses};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00f067aa0ba902b7";

fn port(url: &str) -> u16 {
    url.rsplit(':').next().expect("a port").parse().expect("a number")
}

/// Exports spans of a process by OTLP over HTTP, in JSON.
fn export(jaeger: &Jaeger, resource: &Value, spans: &[Value]) {
    let body = json!({
        "resourceSpans": [{
            "resource": { "attributes": resource },
            "scopeSpans": [{ "scope": { "name": "a library" }, "spans": spans }],
        }],
    })
    .to_string();
    let address = jaeger.otlp_http_endpoint().trim_start_matches("http://");
    let request = format!(
        "POST /v1/traces HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut connection = TcpStream::connect(address).expect("it listens");
    connection.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// Now, in nanoseconds: storages forget what is old, and searches begin two days ago.
fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(now.as_nanos()).expect("before 2554")
}

fn at(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}

/// A span with little in it.
fn span(id: &str, parent: &str, name: &str, start: u64) -> Value {
    json!({
        "traceId": TRACE,
        "spanId": id,
        "parentSpanId": parent,
        "name": name,
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": (start + 1_000).to_string(),
    })
}

fn service(name: &str) -> Value {
    json!([{ "key": "service.name", "value": { "stringValue": name } }])
}

fn attributes<const N: usize>(attributes: [(&str, Value); N]) -> Attributes {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

#[tokio::test]
async fn a_span_comes_back_from_jaeger_as_it_was_exported() {
    let Some(jaeger) = Jaeger::start().await else {
        return;
    };
    let start = now();
    let end = start + 250_000_001;
    let resource = json!([
        { "key": "service.name", "value": { "stringValue": "shop" } },
        { "key": "service.instance.id", "value": { "stringValue": "one" } },
    ]);
    let exported = json!({
        "traceId": TRACE,
        "spanId": "b7ad6b7169203331",
        "parentSpanId": PARENT,
        "traceState": "vendor=1",
        "name": "tools/call query",
        "kind": 2,
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": [
            { "key": "text", "value": { "stringValue": "a \"text\"" } },
            { "key": "rows", "value": { "intValue": "9007199254740993" } },
            { "key": "share", "value": { "doubleValue": 0.5 } },
            { "key": "cut", "value": { "boolValue": true } },
            { "key": "list", "value": { "arrayValue": { "values": [{ "stringValue": "a" }, { "intValue": "-1" }] } } },
            { "key": "map", "value": { "kvlistValue": { "values": [{ "key": "a", "value": { "boolValue": false } }] } } },
            { "key": "bytes", "value": { "bytesValue": "AQI=" } },
            { "key": "nothing", "value": {} },
        ],
        "events": [{
            "name": "fetched",
            "timeUnixNano": (start + 7).to_string(),
            "attributes": [{ "key": "batch", "value": { "intValue": "1" } }],
        }],
        "links": [{
            "traceId": "1af7651916cd43dd8448eb211c80319d",
            "spanId": "c7ad6b7169203332",
            "attributes": [{ "key": "why", "value": { "stringValue": "http" } }],
        }],
        "status": { "code": 2, "message": "the database is down" },
    });
    export(&jaeger, &resource, &[exported]);
    let trace = jaeger.trace(TRACE).await.expect("an answer");
    let expected = Span {
        trace_id: TRACE.to_owned(),
        id: "b7ad6b7169203331".to_owned(),
        parent_id: Some(PARENT.to_owned()),
        trace_state: "vendor=1".to_owned(),
        service: "shop".to_owned(),
        resource: attributes([
            ("service.name", json!("shop")),
            ("service.instance.id", json!("one")),
        ]),
        scope: "a library".to_owned(),
        name: "tools/call query".to_owned(),
        kind: Kind::Server,
        start: at(start),
        duration: Duration::from_nanos(end - start),
        attributes: attributes([
            ("text", json!("a \"text\"")),
            ("rows", json!(9_007_199_254_740_993_i64)),
            ("share", json!(0.5)),
            ("cut", json!(true)),
            ("list", json!(["a", -1])),
            ("map", json!({ "a": false })),
            ("bytes", json!("AQI=")),
            ("nothing", json!(null)),
        ]),
        events: vec![Event {
            name: "fetched".to_owned(),
            time: at(start + 7),
            attributes: attributes([("batch", json!(1))]),
        }],
        links: vec![Link {
            trace_id: "1af7651916cd43dd8448eb211c80319d".to_owned(),
            span_id: "c7ad6b7169203332".to_owned(),
            attributes: attributes([("why", json!("http"))]),
        }],
        status: Status::Error("the database is down".to_owned()),
    };
    assert_eq!(trace.spans, [expected]);
    let other = TRACE.replace('9', "8");
    assert_eq!(jaeger.trace(&other).await.expect("an answer").spans, []);
    jaeger.trace("no id").await.expect_err("it is no id");
}

#[tokio::test]
async fn spans_of_several_processes_are_one_trace_in_jaeger() {
    let Some(jaeger) = Jaeger::start().await else {
        return;
    };
    let start = now();
    let [call, query] = ["b7ad6b7169203331", "b7ad6b7169203332"];
    // The child arrives first, from another process.
    export(
        &jaeger,
        &service("database"),
        &[span(query, call, "query", start + 9)],
    );
    let shop = [
        span(call, "", "call", start),
        span("b7ad6b7169203333", call, "wait", start + 5),
    ];
    export(&jaeger, &service("shop"), &shop);
    let trace = jaeger.trace_when(TRACE, |trace| trace.spans.len() == 3).await;
    let names = |spans: Vec<&Span>| spans.iter().map(|span| span.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(trace.roots()), ["call"]);
    let [call] = trace.named("call")[..] else {
        panic!("{trace}");
    };
    assert_eq!(
        (call.parent_id.as_ref(), call.status.clone()),
        (None, Status::Unset)
    );
    assert_eq!(names(trace.children(call)), ["wait", "query"]);
    let [query] = trace.named("query")[..] else {
        panic!("{trace}");
    };
    assert_eq!((trace.parent(query), &*query.service), (Some(call), "database"));
    assert_eq!(
        trace.to_string(),
        "shop: call (Unspecified, 1µs)\n  shop: wait (Unspecified, 1µs)\n  database: query (Unspecified, 1µs)\n"
    );
}

#[tokio::test]
async fn failed_calls_are_found_on_disk_also_after_a_start() {
    let Some(jaeger) = Jaeger::start_on_disk().await else {
        return;
    };
    let called = |id: &str, trace: &str, client: &str, status: u8| {
        let mut span = span(id, "", "call", now());
        span["traceId"] = json!(trace);
        span["kind"] = json!(2);
        span["attributes"] = json!([{ "key": "client", "value": { "stringValue": client } }]);
        span["status"] = json!({ "code": status });
        span
    };
    // Its id begins with zeros, which the search does not answer.
    let failed = "00000000000000000000eb211c80319c";
    let spans = [
        called("b7ad6b7169203331", TRACE, "inspector", 0),
        called("b7ad6b7169203332", failed, "inspector", 2),
        called(
            "b7ad6b7169203333",
            "1af7651916cd43dd8448eb211c80319c",
            "another",
            2,
        ),
    ];
    export(&jaeger, &service("shop"), &spans);
    let search = async |service, tags: &[(&str, &str)]| {
        let mut found = jaeger.search(service, tags).await.expect("an answer");
        found.sort_unstable();
        found
    };
    let theirs = [("client", "inspector"), ("error", "true")];
    assert_eq!(search("shop", &theirs).await, [failed]);
    assert_eq!(search("shop", &[("client", "inspector")]).await, [failed, TRACE]);
    assert_eq!(search("shop", &[("span.kind", "server")]).await.len(), 3);
    let none: [&str; 0] = [];
    assert_eq!(search("shop", &[("client", "nobody")]).await, none);
    assert_eq!(search("another", &theirs).await, none);

    jaeger.stop().await;
    assert!(refuses(port(jaeger.ui())) && refuses(port(jaeger.otlp_endpoint())));
    jaeger.trace(failed).await.expect_err("nobody answers");
    jaeger.start_again().await;
    assert_eq!(search("shop", &theirs).await, [failed]);
    let trace = jaeger.trace(failed).await.expect("an answer");
    assert_eq!(trace.spans[0].status, Status::Error(String::new()));
}

#[tokio::test]
async fn several_jaegers_know_nothing_of_each_other() {
    let Some(first) = Jaeger::start().await else {
        return;
    };
    let second = Jaeger::start().await.expect("another");
    export(
        &first,
        &service("shop"),
        &[span("b7ad6b7169203331", "", "call", now())],
    );
    assert_eq!(first.trace(TRACE).await.expect("an answer").spans.len(), 1);
    assert_eq!(second.trace(TRACE).await.expect("an answer").spans.len(), 0);
    first.kill().await;
    assert!(refuses(port(first.otlp_http_endpoint())));
    second.trace(TRACE).await.expect("it goes on");
    assert_eq!(second.trace_url(), format!("{}/trace/{{trace_id}}", second.ui()));
}

#[tokio::test]
async fn jaeger_ends_when_its_process_is_killed() {
    let start = async || Jaeger::start().await.map(|server| (port(server.ui()), server));
    ends_with_its_process("jaeger::jaeger_ends_when_its_process_is_killed", start).await;
}

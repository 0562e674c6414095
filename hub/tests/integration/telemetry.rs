//! What a process sends to a collector, and that it is sent however the process ends.

use std::collections::HashSet;
use std::time::Duration;

use mcp_hub_testing::{Collector, eventually};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{DEADLINE, Hub, Speaker, initialize, query, run};

/// Nothing is sent because time passes.
const LATE: [(&str, &str); 2] = [
    ("OTEL_BSP_SCHEDULE_DELAY", "86400000"),
    ("OTEL_METRIC_EXPORT_INTERVAL", "86400000"),
];

/// A statement that does not end.
const ENDLESS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select count(*) from n";

const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

fn with<'a>(endpoint: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut environment = vec![("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)];
    environment.extend(LATE);
    environment.extend(more);
    environment
}

fn names(collector: &Collector) -> HashSet<String> {
    let spans = collector.spans().into_iter();
    spans.map(|sent| sent.span.name).collect()
}

/// A call on stdin and stdout, which says which trace it belongs to; its trace id.
async fn call(hub: &mut Speaker) -> String {
    hub.ask(&initialize("2025-11-25")).await;
    let mut message = query(1, "sqlite_query", "select 6 * 7");
    message["params"]["_meta"] = json!({ "traceparent": TRACEPARENT });
    let answer = hub.ask(&message).await;
    let told = answer["result"]["_meta"]["traceparent"].as_str();
    let told = told.unwrap_or_else(|| panic!("no trace in {answer}"));
    told.split('-').nth(1).expect("an id").to_owned()
}

#[tokio::test]
async fn the_end_of_input_sends_what_is_left() {
    let collector = Collector::start().await;
    let mut hub = Speaker::start_with(&[], &with(&collector.endpoint(), &[]));
    let trace_id = call(&mut hub).await;
    assert_eq!(trace_id, TRACEPARENT.split('-').nth(1).expect("an id"));
    assert_eq!(collector.batches().len(), 0, "nothing is sent before its time");
    assert!(hub.close().await.0.success());
    let spans = collector.spans();
    let call = spans
        .iter()
        .find(|sent| sent.span.name == "tools/call sqlite_query");
    let call = call.unwrap_or_else(|| panic!("not among {:?}", names(&collector)));
    assert_eq!(call.trace_id(), trace_id);
    assert_eq!(call.resource["service.name"], "mcp-hub");
    assert!(!collector.metrics().is_empty());
}

#[tokio::test]
async fn a_second_signal_sends_what_is_left() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let environment = with(&endpoint, &[("MCP_HUB_SHUTDOWN_GRACE", "600")]);
    let hub = Hub::start(&[], &environment).await;
    hub.post(&query(1, "sqlite_query", "select 6 * 7")).await;
    let waiting = hub.begin(&query(2, "sqlite_query", ENDLESS)).await;
    hub.program.interrupt().await;
    // The first one is heard by then: two that come at once may be one.
    eventually(DEADLINE, async || {
        TcpStream::connect(("127.0.0.1", hub.port)).await.is_err()
    })
    .await;
    hub.program.interrupt().await;
    let exit = hub.program.ended().await;
    drop(waiting);
    assert_eq!(exit.status.code(), Some(130), "{exit:?}");
    let names = names(&collector);
    assert!(names.contains("tools/call sqlite_query"), "{names:?}");
}

#[tokio::test]
async fn a_start_that_fails_sends_what_is_left() {
    let collector = Collector::start().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let exit = run(&["up", "--port", &port], &with(&collector.endpoint(), &[])).await;
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    assert!(!collector.metrics().is_empty(), "{exit:?}");
}

#[tokio::test]
async fn a_collector_that_hangs_is_not_waited_for() {
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", silent.local_addr().expect("an address"));
    let environment = with(&endpoint, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "600000")]);
    let hub = Hub::start(&[], &environment).await;
    hub.post(&query(1, "sqlite_query", "select 6 * 7")).await;
    hub.program.interrupt().await;
    let exit = hub.program.ended().await;
    assert!(exit.status.success(), "{exit:?}");
    // Two seconds for the collector, and what a busy machine takes for the rest.
    assert!(exit.after < Duration::from_secs(6), "{exit:?}");
    let said = exit.stderr.matches("the collector does not answer").count();
    assert_eq!(said, 1, "{exit:?}");
    // The SDK's own words are not ours.
    assert!(!exit.stderr.contains("BatchSpanProcessor"), "{exit:?}");
}

#[tokio::test]
async fn nothing_is_sent_when_telemetry_is_off() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let mut hub = Speaker::start_with(&[], &with(&endpoint, &[("OTEL_SDK_DISABLED", "True")]));
    // There is a trace all the same: the lines of two processes about one call can be found.
    let trace_id = call(&mut hub).await;
    assert_eq!(trace_id, TRACEPARENT.split('-').nth(1).expect("an id"));
    hub.close().await;
    assert_eq!(collector.batches().len(), 0);
}

#[tokio::test]
async fn without_propagators_a_call_is_in_a_trace_of_its_own() {
    let mut hub = Speaker::start_with(&[], &[("OTEL_PROPAGATORS", "none")]);
    let trace_id = call(&mut hub).await;
    assert_ne!(trace_id, TRACEPARENT.split('-').nth(1).expect("an id"));
    hub.close().await;
}

#[tokio::test]
async fn what_can_not_be_used_is_said_once_in_the_log_and_the_rest_works() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let wrong = [
        ("OTEL_TRACES_SAMPLER", "xray"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "carrier pigeon"),
        ("OTEL_SERVICE_NAME", "shop"),
    ];
    let hub = Hub::start(&[], &with(&endpoint, &wrong)).await;
    hub.post(&query(1, "sqlite_query", "select 6 * 7")).await;
    hub.program.interrupt().await;
    let exit = hub.program.ended().await;
    for name in ["OTEL_TRACES_SAMPLER", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        let said = exit.stderr.matches(&format!(": {name} must be one of ")).count();
        assert_eq!(said, 1, "{name}: {exit:?}");
    }
    let spans = collector.spans();
    assert!(!spans.is_empty() && spans.iter().all(|sent| sent.resource["service.name"] == "shop"));
}

/// Doctor ends long before anybody could ask for its metrics: it sends them.
#[tokio::test]
async fn what_doctor_found_is_sent_before_it_ends() {
    let collector = Collector::start().await;
    let endpoint = collector.endpoint();
    let arguments = ["doctor", "--timeout", "2", "--service", "127.0.0.1:1"];
    let exit = run(&arguments, &with(&endpoint, &[("MCP_HUB_PORT", "1")])).await;
    assert_eq!(exit.status.code(), Some(1), "{exit:?}");
    let names: HashSet<String> = collector
        .metrics()
        .into_iter()
        .map(|metric| metric.name)
        .collect();
    for name in ["findings", "failures", "last_run"] {
        let name = format!("mcp_hub.doctor.{name}");
        assert!(names.contains(&name), "{name}: {names:?}");
    }
}

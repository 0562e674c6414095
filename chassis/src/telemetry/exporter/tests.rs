//! Each variable by what it does: to a real collector, or to a port where there is none.

use std::collections::HashMap;

use mcp_hub_testing::collector::Batch;
use mcp_hub_testing::{Collector, eventually};
use opentelemetry::Context;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::telemetry::{resource, spans, spans_of};
use crate::trace;
use crate::trace::OpenTelemetrySpanExt as _;

mod metrics;
mod secure;
mod trouble;
mod wrong;

const DEADLINE: Duration = Duration::from_secs(20);

/// The variables of one process.
#[derive(Clone, Debug, Default)]
struct Environment(HashMap<String, String>);

impl Environment {
    fn of(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self(variables.iter().map(owned).collect())
    }

    fn with(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.insert(name.to_owned(), value.to_string());
        self
    }

    fn find(&self) -> impl Fn(&str) -> Option<String> + '_ {
        |name| self.0.get(name).cloned()
    }

    /// What a process in it sends spans with, if it does, and its warnings.
    fn tracer(&self) -> (Option<SdkTracerProvider>, Vec<String>) {
        let find = self.find();
        let variables = Variables::new(&find);
        let exporter = traces(&variables, &Handle::current());
        let provider = exporter.map(|exporter| {
            let resource = resource::of("mcp-hub-test", &variables);
            spans_of(resource, Some(exporter), &variables)
        });
        (provider, variables.into_warnings())
    }

    /// Makes a span in such a process, ends the process, and says what the collector got.
    async fn run(&self, collector: &Collector) -> Vec<Batch> {
        let (provider, warnings) = self.tracer();
        assert_eq!(warnings, [""; 0]);
        if let Some(provider) = provider {
            make_span(&provider);
            end(provider).await;
        }
        collector.batches()
    }
}

fn within<T>(provider: &SdkTracerProvider, make: impl FnOnce() -> T) -> T {
    tracing::subscriber::with_default(Registry::default().with(spans(provider)), make)
}

fn make_span(provider: &SdkTracerProvider) {
    within(provider, || {
        let span = trace::server("call", Context::new());
        span.set_attribute("first", "0123456789");
        span.set_attribute("second", 2);
        for name in ["one", "two"] {
            span.add_event(name, vec![]);
        }
    });
}

/// It blocks, and the exporters' runtime has to go on.
async fn end(provider: SdkTracerProvider) {
    let ended = tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(DEADLINE));
    // What it came to is what the collector has.
    let _ = ended.await.expect("no panic");
}

/// Both protocols with the variables of both.
const PROTOCOLS: [&str; 2] = ["grpc", "http/protobuf"];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_unless_somebody_names_a_collector() {
    for environment in [
        Environment::default(),
        Environment::of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")]),
        Environment::of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:1"),
            ("OTEL_TRACES_EXPORTER", "none"),
        ]),
        Environment::of(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://localhost:1")]),
    ] {
        let (provider, warnings) = environment.tracer();
        assert!(provider.is_none() && warnings.is_empty(), "{environment:?}");
    }
    for (protocol, endpoint) in [
        ("grpc", "http://localhost:4317/"),
        ("http/protobuf", "http://localhost:4318/v1/traces"),
        ("", "http://localhost:4318/v1/traces"),
    ] {
        let asked = Environment::of(&[
            ("OTEL_TRACES_EXPORTER", "otlp"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol),
        ]);
        let find = asked.find();
        let collector = super::Collector::of(TRACES, &Variables::new(&find)).expect("asked for");
        assert_eq!(collector.endpoint.to_string(), endpoint);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn spans_arrive_by_either_protocol_with_their_process() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        Environment::default()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .with("OTEL_RESOURCE_ATTRIBUTES", "k8s.pod.name=p-0")
            .run(&collector)
            .await;
        let [sent] = &collector.spans()[..] else {
            panic!("not one span by {protocol}: {:?}", collector.batches());
        };
        assert_eq!(sent.span.name, "call");
        assert_eq!(sent.resource["service.name"], "mcp-hub-test");
        assert_eq!(sent.resource["k8s.pod.name"], "p-0");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_of_a_signal_is_put_behind_the_general_address_only() {
    let collector = Collector::start().await;
    let general = Environment::default().with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let slash = Environment::default().with(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        format!("{}/in/", collector.endpoint()),
    );
    let specific = Environment::default()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
        .with(
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
            format!("{}/mine", collector.endpoint()),
        );
    let empty = general.clone().with("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "");
    for environment in [general, slash, specific, empty] {
        environment.run(&collector).await;
    }
    let paths: Vec<String> = collector.batches().into_iter().map(|batch| batch.by).collect();
    assert_eq!(paths, ["/v1/traces", "/in/v1/traces", "/mine", "/v1/traces"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_protocol_of_a_signal_counts_before_the_general_one() {
    let collector = Collector::start().await;
    let batches = Environment::default()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .with("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")
        .with("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc")
        .run(&collector)
        .await;
    assert_eq!(batches[0].by, "grpc");
}

#[test]
fn without_a_protocol_it_is_http_but_on_the_port_of_grpc() {
    let named = |variables: &[(&str, &str)]| {
        let environment = Environment::of(variables);
        let find = environment.find();
        let collector = super::Collector::of(TRACES, &Variables::new(&find)).expect("named");
        (collector.protocol, collector.endpoint.to_string())
    };
    let general = |endpoint| named(&[("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)]);
    let http = |endpoint: &str| (Protocol::Http, endpoint.to_owned());
    let grpc = |endpoint: &str| (Protocol::Grpc, endpoint.to_owned());
    assert_eq!(
        general("http://jaeger:4318"),
        http("http://jaeger:4318/v1/traces")
    );
    assert_eq!(
        general("https://otlp.example.com"),
        http("https://otlp.example.com/v1/traces")
    );
    assert_eq!(general("http://jaeger:4317"), grpc("http://jaeger:4317/"));
    assert_eq!(general("jaeger:4317"), grpc("https://jaeger:4317/"));
    let both = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4317"),
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://jaeger:4318/x"),
    ];
    assert_eq!(named(&both), http("http://jaeger:4318/x"));
    let said = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://jaeger:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
    ];
    assert_eq!(named(&said), http("http://jaeger:4317/v1/traces"));
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_are_sent_decoded_and_those_of_the_signal_take_the_place_of_the_general_ones() {
    for protocol in PROTOCOLS {
        let collector = Collector::start().await;
        let general = Environment::default()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .with(
                "OTEL_EXPORTER_OTLP_HEADERS",
                "authorization=Bearer%20a%2525b, x-team=data",
            );
        general.run(&collector).await;
        general
            .with("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "x-team=traces")
            .run(&collector)
            .await;
        let sent: Vec<_> = collector
            .batches()
            .iter()
            .map(|batch| {
                let of = |name| {
                    batch
                        .headers
                        .get_all(name)
                        .iter()
                        .map(|value| value.to_str().expect("ASCII").to_owned())
                        .collect::<Vec<_>>()
                };
                (of("authorization"), of("x-team"))
            })
            .collect();
        let text = |text: &str| vec![text.to_owned()];
        assert_eq!(
            sent,
            [(text("Bearer a%25b"), text("data")), (vec![], text("traces"))],
            "{protocol}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_packed_when_they_are_to_be() {
    for (protocol, header) in [("grpc", "grpc-encoding"), ("http/protobuf", "content-encoding")] {
        let collector = Collector::start().await;
        let packed = Environment::default()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .with("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
            .with("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip");
        packed.run(&collector).await;
        packed
            .with("OTEL_EXPORTER_OTLP_TRACES_COMPRESSION", "none")
            .run(&collector)
            .await;
        let batches = collector.batches();
        let packed: Vec<_> = batches.iter().map(|batch| batch.headers.get(header)).collect();
        assert!(
            matches!(packed[..], [Some(gzip), None] if gzip == "gzip"),
            "{protocol}: {packed:?}"
        );
        assert_eq!(collector.spans().len(), 2, "what was packed can be read");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn insecure_says_what_an_address_without_a_scheme_means() {
    let address = |insecure: &str, specific: &str| {
        let environment = Environment::of(&[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_INSECURE", insecure),
            ("OTEL_EXPORTER_OTLP_TRACES_INSECURE", specific),
        ]);
        let find = environment.find();
        let collector = super::Collector::of(TRACES, &Variables::new(&find)).expect("named");
        collector.endpoint.to_string()
    };
    assert_eq!(address("", ""), "https://collector:4317/");
    assert_eq!(address("true", ""), "http://collector:4317/");
    assert_eq!(address("TRUE", "false"), "https://collector:4317/");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sampler_decides_what_is_sent() {
    for (sampler, argument, sent) in [
        ("always_off", "", 0),
        ("parentbased_traceidratio", "0", 0),
        ("parentbased_traceidratio", "1", 1),
    ] {
        let collector = Collector::start().await;
        Environment::default()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .with("OTEL_TRACES_SAMPLER", sampler)
            .with("OTEL_TRACES_SAMPLER_ARG", argument)
            .run(&collector)
            .await;
        assert_eq!(collector.spans().len(), sent, "{sampler} {argument}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_span_holds_is_limited() {
    for (name, value, expected) in [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "1", (1, 10, 2)),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "1", (1, 10, 2)),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3", (2, 3, 2)),
        ("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4", (2, 4, 2)),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", "1", (2, 10, 1)),
    ] {
        let collector = Collector::start().await;
        Environment::default()
            .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
            .with(name, value)
            .run(&collector)
            .await;
        let sent = &collector.spans()[0];
        let length = sent.attribute("first").expect("kept").len();
        assert_eq!(
            (sent.span.attributes.len(), length, sent.span.events.len()),
            expected,
            "{name}"
        );
    }
    let find = |name: &str| match name {
        "OTEL_SPAN_LINK_COUNT_LIMIT" => Some("1".to_owned()),
        "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT" => Some("2".to_owned()),
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT" => Some("3".to_owned()),
        _ => None,
    };
    let limits = crate::telemetry::queue::limits(&Variables::new(&find));
    assert_eq!(
        (
            limits.max_links_per_span,
            limits.max_attributes_per_event,
            limits.max_attributes_per_link,
            limits.max_attributes_per_span
        ),
        (1, 2, 3, 128)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_as_large_and_as_frequent_as_they_are_to_be() {
    let collector = Collector::start().await;
    let environment = Environment::default()
        .with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint())
        .with("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 2)
        .with("OTEL_BSP_SCHEDULE_DELAY", 20);
    let (provider, _) = environment.tracer();
    let provider = provider.expect("sends");
    for _ in 0..5 {
        make_span(&provider);
    }
    // The specification's delay is 5 s, and nobody asks for them here.
    eventually(DEADLINE, async || collector.spans().len() == 5).await;
    let batches = collector.batches();
    let sizes = batches.iter().map(|batch| {
        let traces = batch.traces.as_ref().expect("spans");
        traces.resource_spans[0].scope_spans[0].spans.len()
    });
    assert_eq!(sizes.max(), Some(2));
    end(provider).await;
}

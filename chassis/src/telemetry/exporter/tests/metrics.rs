//! What is said of metrics.

use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_sdk::metrics::SdkMeterProvider;

use super::*;
use crate::telemetry::exporter;

impl Environment {
    /// What a process in it measures with, when it sends what it measures.
    fn meter(&self) -> Option<SdkMeterProvider> {
        let find = self.find();
        let variables = Variables::new(&find);
        let reader = exporter::metrics(&variables, &Handle::current());
        assert_eq!(variables.into_warnings(), [""; 0]);
        reader.map(|reader| SdkMeterProvider::builder().with_reader(reader).build())
    }
}

async fn end(provider: SdkMeterProvider) {
    let ended = tokio::task::spawn_blocking(move || provider.shutdown());
    let _ = ended.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread")]
async fn which_metrics_are_sent_is_said_by_their_own_variables() {
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")];
    for (exporters, sent) in [
        ("", true),
        ("otlp", true),
        ("prometheus,otlp", true),
        ("prometheus", false),
        ("none", false),
    ] {
        let environment = Environment::of(&endpoint).with("OTEL_METRICS_EXPORTER", exporters);
        let find = environment.find();
        let named = exporter::Collector::of(METRICS, &Variables::new(&find));
        assert_eq!(named.is_some(), sent, "{exporters:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_arrive_as_often_and_as_they_are_to_be() {
    for protocol in PROTOCOLS {
        for (preference, is_delta) in [
            ("", false),
            ("cumulative", false),
            ("delta", true),
            ("LowMemory", true),
        ] {
            let collector = Collector::start().await;
            let meter = Environment::default()
                .with(
                    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
                    match protocol {
                        "grpc" => collector.endpoint(),
                        _ => format!("{}/v1/metrics", collector.endpoint()),
                    },
                )
                .with("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", protocol)
                .with("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", preference)
                .with("OTEL_METRIC_EXPORT_INTERVAL", 20)
                .meter()
                .expect("sends");
            let calls = meter.meter("test").u64_counter("calls").build();
            calls.add(1, &[]);
            let kind = async || {
                // Nobody asks for it: the default interval is a minute.
                let metrics = collector.metrics();
                let sum = metrics.into_iter().find_map(|metric| match metric.data {
                    Some(Data::Sum(sum)) if metric.name == "calls" => Some(sum),
                    _ => None,
                });
                sum.map(|sum| sum.aggregation_temporality)
            };
            // AGGREGATION_TEMPORALITY_DELTA is 1, CUMULATIVE is 2.
            let expected = if is_delta { 1 } else { 2 };
            assert_eq!(
                eventually(DEADLINE, kind).await,
                expected,
                "{protocol} {preference:?}"
            );
            end(meter).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_metrics_ends_in_time() {
    // It takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    for (name, other) in [
        ("OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"),
        ("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "OTEL_METRIC_EXPORT_TIMEOUT"),
    ] {
        let meter = Environment::default()
            .with(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                format!("http://{}", silent.local_addr().expect("an address")),
            )
            .with(name, 100)
            .with(other, 600_000)
            .meter()
            .expect("sends");
        meter.meter("test").u64_counter("calls").build().add(1, &[]);
        let flushed = tokio::task::spawn_blocking(move || meter.force_flush());
        let flushed = tokio::time::timeout(DEADLINE, flushed).await.expect("in time");
        assert!(flushed.expect("no panic").is_err(), "{name}");
    }
}

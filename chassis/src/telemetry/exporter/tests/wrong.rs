//! Values that can't be used.

use super::*;

/// A variable, a value of it, and what is said of that.
const WRONG: [(&str, &str, &str); 18] = [
    (
        "OTEL_TRACES_EXPORTER",
        "zipkin",
        "OTEL_TRACES_EXPORTER may have otlp, none only",
    ),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "ftp://x",
        "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL",
    ),
    (
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        "localhost",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT must be a URL",
    ),
    (
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "http/json",
        "OTEL_EXPORTER_OTLP_PROTOCOL must be one of grpc, http/protobuf",
    ),
    (
        "OTEL_EXPORTER_OTLP_COMPRESSION",
        "zstd",
        "OTEL_EXPORTER_OTLP_COMPRESSION must be one of gzip, none",
    ),
    (
        "OTEL_EXPORTER_OTLP_TIMEOUT",
        "10s",
        "OTEL_EXPORTER_OTLP_TIMEOUT must be milliseconds",
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "secret",
        "OTEL_EXPORTER_OTLP_HEADERS must be key=value pairs",
    ),
    (
        "OTEL_EXPORTER_OTLP_HEADERS",
        "a b=secret",
        "OTEL_EXPORTER_OTLP_HEADERS or its form for one signal",
    ),
    (
        "OTEL_EXPORTER_OTLP_INSECURE",
        "yes",
        "OTEL_EXPORTER_OTLP_INSECURE must be one of true, false",
    ),
    (
        "OTEL_EXPORTER_OTLP_CLIENT_KEY",
        "key.pem",
        "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and",
    ),
    (
        "OTEL_EXPORTER_OTLP_CERTIFICATE",
        "/nowhere/ca.pem",
        "OTEL_EXPORTER_OTLP_ENDPOINT names a collector that gets nothing",
    ),
    (
        "OTEL_BSP_SCHEDULE_DELAY",
        "soon",
        "OTEL_BSP_SCHEDULE_DELAY must be milliseconds",
    ),
    (
        "OTEL_BSP_MAX_QUEUE_SIZE",
        "100000000",
        "OTEL_BSP_MAX_QUEUE_SIZE must be a number",
    ),
    (
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
        "0",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must be a number",
    ),
    (
        "OTEL_BSP_EXPORT_TIMEOUT",
        "-1",
        "OTEL_BSP_EXPORT_TIMEOUT must be milliseconds",
    ),
    (
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
        "few",
        "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT must be a number",
    ),
    (
        "OTEL_RESOURCE_ATTRIBUTES",
        "a",
        "OTEL_RESOURCE_ATTRIBUTES must be key=value pairs",
    ),
    (
        "OTEL_TRACES_SAMPLER",
        "xray",
        "OTEL_TRACES_SAMPLER must be one of",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_used_is_warned_of_by_name_and_never_fatal() {
    for (name, value, warning) in WRONG {
        let environment = Environment::of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://127.0.0.1:1")]);
        let (provider, warnings) = environment.with(name, value).tracer();
        assert!(
            matches!(&warnings[..], [one] if one.starts_with(warning) && !one.contains("secret")),
            "{name}={value}: {warnings:?}"
        );
        if let Some(provider) = provider {
            end(provider).await;
        }
    }
}

//! The facade's instruments, each named once. Attributes are few and bounded: keys of upstreams, reasons; never a caller or an address.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Meter, UpDownCounter};

static METER: LazyLock<Meter> = LazyLock::new(|| mcp_hub_chassis::metrics::meter("mcp-hub-facade"));

/// Requests that were not let in, by `reason`.
pub(crate) static REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.auth.refused")
        .with_description("Requests that were not let in, by reason")
        .build()
});

/// Open streams of legacy SSE.
pub(crate) static SSE_STREAMS: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| {
    METER
        .i64_up_down_counter("mcp_hub.sse.streams")
        .with_description("Open streams of legacy SSE")
        .build()
});

/// The attribute of a reason.
pub(crate) fn reason(reason: &'static str) -> KeyValue {
    KeyValue::new("reason", reason)
}

/// The attribute of an upstream.
pub(crate) fn upstream(key: &str) -> KeyValue {
    KeyValue::new("upstream", key.to_owned())
}

//! The facade's instruments, each named once. Attributes are few and bounded: keys of upstreams, reasons; never a caller or an address.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, Meter, UpDownCounter};

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

/// Messages posted on legacy SSE, by `result`: `here` and `relayed` arrived, `gone` had no stream, `refused` were not taken by theirs, and of
/// `unclear` nobody knows.
pub(crate) static SSE_MESSAGES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.sse.messages")
        .with_description("Messages posted on legacy SSE, by result")
        .build()
});

/// Messages that were handed to other replicas, by `result`: `taken`, `refused` by their stream, `gone` when there was none, and
/// `unclear` when nobody knows.
pub(crate) static RELAYED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.relay.messages")
        .with_description("Messages that were handed to other replicas, by result")
        .build()
});

/// How long that took, by `result`.
pub(crate) static RELAY_DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    METER
        .f64_histogram("mcp_hub.relay.duration")
        .with_unit("s")
        .with_description("How long it took to hand a message to another replica")
        .with_boundaries(vec![
            0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
        ])
        .build()
});

/// Connections to the relay's port that were not let in, by `reason`.
pub(crate) static RELAY_REFUSED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.relay.refused")
        .with_description("Connections to the relay's port that were not let in, by reason")
        .build()
});

/// The attribute of a result.
pub(crate) fn result(result: &'static str) -> KeyValue {
    KeyValue::new("result", result)
}

/// Calls of upstreams, by `upstream` and `outcome`: `ok`; `refused` by the adapter; `argument`, `shed`, `broken`, `unreachable` and
/// `not_offered` were not sent; `busy`, `deadline_exceeded`, `lost` and `garbled` had no answer, and `too_large`
/// none that is shown; `cancelled`.
pub(crate) static UPSTREAM_CALLS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.upstream.calls")
        .with_description("Calls of upstreams, by outcome")
        .build()
});

/// Attempts after the first of a call, by `upstream` and `reason`.
pub(crate) static UPSTREAM_RETRIES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.upstream.retries")
        .with_description("Attempts after the first of a call, by reason")
        .build()
});

/// Calls that waited, by `upstream` and `reason`: for their `turn`, or for an `endpoint` that had gone just before.
pub(crate) static UPSTREAM_WAITS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.upstream.waits")
        .with_description("Calls that waited for their turn, or for an endpoint to come back")
        .build()
});

/// Circuit breakers of endpoints that opened or closed, by `upstream` and `to`.
pub(crate) static UPSTREAM_BREAKER: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.upstream.breaker.transitions")
        .with_description("Circuit breakers of endpoints that opened or closed")
        .build()
});

/// Endpoints by `upstream` and `state`: `serving`, `not_serving`, `broken` (its breaker is open), `unreachable`.
pub(crate) static UPSTREAM_ENDPOINTS: LazyLock<UpDownCounter<i64>> = LazyLock::new(|| {
    METER
        .i64_up_down_counter("mcp_hub.upstream.endpoints")
        .with_description("Endpoints of upstreams, by state")
        .build()
});

/// The attribute of an outcome.
pub(crate) fn outcome(outcome: &'static str) -> KeyValue {
    KeyValue::new("outcome", outcome)
}

/// The attribute of a state.
pub(crate) fn state(state: &'static str) -> KeyValue {
    KeyValue::new("state", state)
}

/// The attribute of a state that was changed to.
pub(crate) fn to(state: &'static str) -> KeyValue {
    KeyValue::new("to", state)
}

/// Changes of the list of tools.
pub(crate) static CATALOGUE_CHANGES: LazyLock<Counter<u64>> = LazyLock::new(|| {
    METER
        .u64_counter("mcp_hub.catalogue.changes")
        .with_description("Changes of the list of tools")
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

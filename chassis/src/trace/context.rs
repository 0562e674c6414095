//! The trace context of a request: read from what came with it, written to what goes out with the next.
//!
//! W3C Trace Context (`traceparent`, `tracestate`). Baggage is neither read nor passed on: anybody could put anything into it.

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The name of the header, and of the key in `_meta` and in databases.
pub const TRACEPARENT: &str = "traceparent";

/// In a context whose parent is a stranger's: it may say which trace a request belongs to, and not whether the trace is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stranger;

/// The context in the headers of one of our own: another replica, the facade, a service of the operator's.
pub fn trusted(headers: &http::HeaderMap) -> Context {
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
}

/// The context that a stranger names. Only the ids count: whether the trace is recorded is decided here, and its `tracestate` is not taken
/// over. None when it is malformed.
pub fn untrusted(traceparent: &str) -> Option<Context> {
    let mut headers = http::HeaderMap::new();
    headers.insert(TRACEPARENT, traceparent.parse().ok()?);
    let context = trusted(&headers);
    let named = context.span().span_context().clone();
    let ids = SpanContext::new(
        named.trace_id(),
        named.span_id(),
        TraceFlags::default(),
        true,
        TraceState::NONE,
    );
    let context = Context::new().with_remote_span_context(ids).with_value(Stranger);
    named.is_valid().then_some(context)
}

/// Writes a context into headers.
pub fn inject(context: &Context, headers: &mut http::HeaderMap) {
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
}

/// A context as a `traceparent`; None when there is no span in it.
pub fn traceparent(context: &Context) -> Option<String> {
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| {
        format!(
            "00-{}-{}-{:02x}",
            context.trace_id(),
            context.span_id(),
            context.trace_flags()
        )
    })
}

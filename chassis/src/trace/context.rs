//! The trace context of a request: read from what came with it, written to what goes out with the next.
//!
//! W3C Trace Context (`traceparent`, `tracestate`). Baggage is neither read nor passed on: anybody could put anything into it.

use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator as _;
use opentelemetry::trace::{SpanContext, TraceContextExt as _, TraceFlags, TraceState};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_sdk::propagation::TraceContextPropagator;

/// The name of the header, and of the key in `_meta` and in databases.
pub const TRACEPARENT: &str = "traceparent";

const TRACESTATE: &str = "tracestate";

/// In a context whose parent is a stranger's: it may say which trace a request belongs to, and not whether the trace is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stranger;

/// Beside it: what was decided for the request of ours that the stranger's context came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decided(pub(crate) bool);

/// Whether traces cross the borders of the process. Absent before it has started, as in tests, which is as good as on.
static IS_PROPAGATED: OnceLock<bool> = OnceLock::new();

/// Says once for the process whether traces cross its borders at all, as `OTEL_PROPAGATORS` has it.
pub(crate) fn start(is_propagated: bool) {
    let _ = IS_PROPAGATED.set(is_propagated);
}

fn is_propagated() -> bool {
    IS_PROPAGATED.get().copied().unwrap_or(true)
}

/// The context in the headers of one of our own: another replica, the facade, a service of the operator's.
pub fn trusted(headers: &http::HeaderMap) -> Context {
    if !is_propagated() {
        return Context::new();
    }
    TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers))
}

/// The context in a `traceparent` of one of our own that came without a header; an empty one when it is malformed.
pub fn trusted_text(traceparent: &str) -> Context {
    let mut headers = http::HeaderMap::new();
    if let Ok(value) = traceparent.parse() {
        headers.insert(TRACEPARENT, value);
    }
    trusted(&headers)
}

/// The context that a stranger names. Only the ids count: whether the trace is recorded is decided here, and its `tracestate` is not taken
/// over. None when it is malformed.
pub fn untrusted(traceparent: &str) -> Option<Context> {
    let context = trusted_text(traceparent);
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

/// The same inside of a request of which `around` has the span: what was decided for that is so for what it contains, or a trace would
/// be recorded in part.
pub fn untrusted_within(traceparent: &str, around: &Context) -> Option<Context> {
    let context = untrusted(traceparent)?;
    let span = around.span();
    let decided = Some(span.span_context()).filter(|around| around.is_valid());
    Some(match decided {
        Some(around) => context.with_value(Decided(around.is_sampled())),
        None => context,
    })
}

/// Writes a context into headers.
pub fn inject(context: &Context, headers: &mut http::HeaderMap) {
    if !is_propagated() {
        return;
    }
    TraceContextPropagator::new().inject_context(context, &mut HeaderInjector(headers));
    // It is written empty where there is none.
    if headers.get(TRACESTATE).is_some_and(http::HeaderValue::is_empty) {
        headers.remove(TRACESTATE);
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    fn headers(of: &[(&'static str, &'static str)]) -> http::HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                http::HeaderName::from_static(name),
                http::HeaderValue::from_static(value),
            )
        };
        of.iter().map(pair).collect()
    }

    fn written(context: &Context) -> http::HeaderMap {
        let mut headers = http::HeaderMap::new();
        inject(context, &mut headers);
        headers
    }

    #[test]
    fn what_one_of_our_own_says_is_passed_on_whole() {
        let sent = headers(&[("traceparent", PARENT), ("tracestate", "vendor=1")]);
        assert_eq!(written(&trusted(&sent)), sent);
        let without_state = headers(&[("traceparent", PARENT)]);
        assert_eq!(written(&trusted(&without_state)), without_state);
    }

    #[test]
    fn of_a_stranger_only_the_ids_are_passed_on() {
        let context = untrusted(PARENT).expect("a context");
        let ids = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-00";
        assert_eq!(written(&context), headers(&[("traceparent", ids)]));
        assert!(context.get::<Stranger>().is_some());
        assert!(context.span().span_context().is_remote());
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for wrong in [
            "",
            "x",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more",
            "00-0AF7651916CD43DD8448EB211C80319C-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01\n",
        ] {
            assert!(untrusted(wrong).is_none(), "{wrong:?}");
        }
    }
}

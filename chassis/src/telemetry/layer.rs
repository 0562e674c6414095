//! The layer that makes spans of OpenTelemetry out of ours.

use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Filter, Layer};
use tracing_subscriber::registry::Registry;

use crate::trace::TARGET;

/// The layer that gives our spans to `provider`. It has to lie on the registry itself.
///
/// It sees nothing but the spans of [`crate::trace`]: not those of libraries, so that what sends spans makes none, and no log lines.
/// While a span is entered, it is in `opentelemetry::Context::current()`.
pub fn spans(provider: &SdkTracerProvider) -> impl Layer<Registry> + use<> {
    let ours = filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET)
        .with_max_level_hint(LevelFilter::INFO);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(env!("CARGO_PKG_NAME")))
        .with_level(false)
        .with_location(false)
        .with_target(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_filter(ours)
}

/// What the log writes: what `filter` lets through, and never our spans, of which it shows only the ids. Nor what rmcp says below `info`,
/// whatever the filter is: those lines hold whole messages, with the rows of answers.
pub(super) fn lines<S>(filter: impl Filter<S>) -> impl Filter<S> {
    filter.and(filter_fn(|metadata| {
        let messages = metadata.target().starts_with("rmcp") && *metadata.level() > Level::INFO;
        metadata.target() != TARGET && !messages
    }))
}

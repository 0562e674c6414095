//! The spans that a test makes on its own thread.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, Span, SpanData, SpanProcessor};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::layer::SubscriberExt as _;

/// As long as it lives, spans of this thread are made, and those that have ended are kept.
pub(crate) struct Recorded {
    ended: Ended,
    _guard: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Ended(Arc<Mutex<Vec<SpanData>>>);

impl Recorded {
    /// Spans about which `sampler` decides.
    pub(crate) fn by(sampler: Sampler) -> Self {
        let ended = Ended::default();
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_span_processor(ended.clone())
            .build();
        let subscriber = tracing_subscriber::registry().with(crate::telemetry::spans(&provider));
        Self {
            ended,
            _guard: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Those that have ended since the last time.
    pub(crate) fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.ended.0.lock().expect("not poisoned"))
    }
}

impl SpanProcessor for Ended {
    fn on_start(&self, _: &mut Span, _: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().expect("not poisoned").push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// The value of a span's attribute; the last, when it was set more than once.
pub(crate) fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let attribute = span
        .attributes
        .iter()
        .rfind(|attribute| attribute.key.as_str() == name)?;
    Some(attribute.value.to_string())
}

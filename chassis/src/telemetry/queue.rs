//! The spans that wait to be sent: how many, and how large one may be.
//!
//! The SDK's batch processor does the batching. Around it, the queue is bounded where what does not fit is counted, which the SDK tells nobody;
//! and the length of values is bounded, which the SDK does not do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use opentelemetry::{Array, Context, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Span, SpanData, SpanExporter, SpanLimits, SpanProcessor,
};

use super::exporter::sender::Sender;
use super::variable::Variables;
use super::{DROPPED, REASON};

/// The specification's defaults of `OTEL_BSP_*`.
const QUEUE: usize = 2048;
const BATCH: usize = 512;
const DELAY: Duration = Duration::from_secs(5);

/// More than this is a mistake: the queue's memory is taken when it is made.
const MOST_QUEUED: usize = 100_000;

/// How many characters of a value are kept unless a variable says otherwise. The specification's default is all of them; but a span
/// may show a statement, and what waits has to have a bound in bytes.
const LENGTH: usize = 8192;

/// A bounded queue in front of an exporter.
#[derive(Debug)]
pub(super) struct Queue {
    batches: BatchSpanProcessor,
    waiting: Arc<AtomicUsize>,
    most: usize,
    length: usize,
}

impl Queue {
    /// In front of this exporter, as `OTEL_BSP_*` say.
    pub(super) fn new<E>(exporter: Sender<E>, variables: &Variables<'_>) -> Self
    where
        E: SpanExporter + 'static,
    {
        let most = variables.count(&["OTEL_BSP_MAX_QUEUE_SIZE"], MOST_QUEUED);
        let most = most.unwrap_or(QUEUE);
        let batch = variables.count(&["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], MOST_QUEUED);
        let config = BatchConfigBuilder::default()
            .with_max_queue_size(most)
            .with_max_export_batch_size(batch.unwrap_or(BATCH).min(most))
            .with_scheduled_delay(variables.time(&["OTEL_BSP_SCHEDULE_DELAY"]).unwrap_or(DELAY))
            .build();
        let length = variables.limit(&[
            "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
            "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
        ]);
        Self {
            waiting: exporter.waiting(),
            batches: BatchSpanProcessor::builder(exporter)
                .with_batch_config(config)
                .build(),
            most,
            length: length.unwrap_or(LENGTH),
        }
    }
}

/// How much one span may hold, as `OTEL_SPAN_*_LIMIT` and their general forms say.
pub(super) fn limits(variables: &Variables<'_>) -> SpanLimits {
    const GENERAL: &str = "OTEL_ATTRIBUTE_COUNT_LIMIT";
    let defaults = SpanLimits::default();
    let limit = |names: &[&str], default| variables.limit(names).unwrap_or(default);
    SpanLimits {
        max_attributes_per_span: limit(
            &["OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", GENERAL],
            defaults.max_attributes_per_span,
        ),
        max_events_per_span: limit(&["OTEL_SPAN_EVENT_COUNT_LIMIT"], defaults.max_events_per_span),
        max_links_per_span: limit(&["OTEL_SPAN_LINK_COUNT_LIMIT"], defaults.max_links_per_span),
        max_attributes_per_event: limit(
            &["OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", GENERAL],
            defaults.max_attributes_per_event,
        ),
        max_attributes_per_link: limit(
            &["OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", GENERAL],
            defaults.max_attributes_per_link,
        ),
    }
}

impl SpanProcessor for Queue {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.batches.on_start(span, context);
    }

    fn on_end(&self, mut span: SpanData) {
        let waits = |waiting| (waiting < self.most).then_some(waiting + 1);
        if self
            .waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, waits)
            .is_err()
        {
            DROPPED.add(1, &[KeyValue::new(REASON, "queue_full")]);
            return;
        }
        settle(&mut span.attributes, self.length);
        for event in &mut span.events.events {
            settle(&mut event.attributes, self.length);
        }
        for link in &mut span.links.links {
            settle(&mut link.attributes, self.length);
        }
        self.batches.on_end(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.batches.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.batches.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.batches.set_resource(resource);
    }
}

/// Of an attribute that was set twice only the last value is kept, as the specification wants it and the SDK does not; and of that at most
/// `length` characters.
fn settle(attributes: &mut Vec<KeyValue>, length: usize) {
    let mut index = attributes.len();
    while let Some(before) = index.checked_sub(1) {
        index = before;
        let key = &attributes[index].key;
        if attributes[index + 1..].iter().any(|later| later.key == *key) {
            attributes.remove(index);
            continue;
        }
        match &mut attributes[index].value {
            Value::String(text) => shorten(text, length),
            Value::Array(Array::String(texts)) => texts.iter_mut().for_each(|text| shorten(text, length)),
            _ => {}
        }
    }
}

fn shorten(text: &mut StringValue, length: usize) {
    // No character is shorter than a byte.
    if text.as_str().len() <= length {
        return;
    }
    if let Some((end, _)) = text.as_str().char_indices().nth(length) {
        *text = text.as_str()[..end].to_owned().into();
    }
}

#[cfg(test)]
mod tests;

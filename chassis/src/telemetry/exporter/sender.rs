//! What stands around an exporter, so that a collector that is down, refuses, hangs or talks nonsense costs a call nothing and the
//! log one line.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use tokio::runtime::Handle;

use crate::telemetry::{DROPPED, REASON};

/// An exporter whose batches are bounded in time, and whose failures are said once and not per batch.
///
/// The threads that export are the SDK's own and have no runtime; what an exporter wants of one, it gets here from the process's.
#[derive(Debug)]
pub(crate) struct Sender<E> {
    exporter: E,
    runtime: Handle,
    timeout: Duration,
    /// `traces`, `metrics`.
    what: &'static str,
    failing: AtomicBool,
    waiting: Arc<AtomicUsize>,
}

impl<E> Sender<E> {
    /// Around this exporter. A batch that is not sent within `timeout`, tries and pauses together, is lost.
    pub(in crate::telemetry) fn new(
        exporter: E,
        what: &'static str,
        timeout: Duration,
        runtime: Handle,
    ) -> Self {
        Self {
            exporter,
            runtime,
            timeout,
            what,
            failing: AtomicBool::new(false),
            waiting: Arc::default(),
        }
    }

    /// How many spans wait for this exporter: whoever hands it one counts up, and it counts down.
    pub(in crate::telemetry) fn waiting(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.waiting)
    }

    async fn bounded(&self, export: impl Future<Output = OTelSdkResult> + Send) -> OTelSdkResult {
        let timeout = self.timeout;
        let bounded = async move {
            match tokio::time::timeout(timeout, export).await {
                Ok(result) => result,
                Err(_) => Err(OTelSdkError::Timeout(timeout)),
            }
        };
        let inside = Inside {
            runtime: &self.runtime,
            future: Box::pin(bounded),
        };
        let result = inside.await;
        match &result {
            Ok(()) => {
                if self.failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("{} are sent again", self.what);
                }
            }
            Err(error) => {
                if !self.failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(%error, "{} can't be sent; this is said once, until they can be again", self.what);
                }
            }
        }
        result
    }
}

impl<E: SpanExporter> SpanExporter for Sender<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        self.waiting.fetch_sub(spans, Ordering::Relaxed);
        let result = self.bounded(self.exporter.export(batch)).await;
        if result.is_err() {
            DROPPED.add(spans as u64, &[KeyValue::new(REASON, "export_failed")]);
        }
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}

impl<E: PushMetricExporter> PushMetricExporter for Sender<E> {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        self.bounded(self.exporter.export(metrics)).await
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn temporality(&self) -> Temporality {
        self.exporter.temporality()
    }
}

/// A future that finds a runtime's clock and network on whatever thread it is polled.
struct Inside<'a> {
    runtime: &'a Handle,
    future: Pin<Box<dyn Future<Output = OTelSdkResult> + Send + 'a>>,
}

impl Future for Inside<'_> {
    type Output = OTelSdkResult;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<OTelSdkResult> {
        let _inside = self.runtime.enter();
        self.future.as_mut().poll(context)
    }
}

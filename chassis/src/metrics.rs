//! Metrics: instruments of the OpenTelemetry API, and `/metrics` for Prometheus on a port of its own.
//!
//! A crate declares its instruments in one module, with [`instruments!`](crate::instruments); those that all processes have are declared here
//! and next to what they measure. They count from the first moment; who can read them is a setting: Prometheus on [its port](port), in two text
//! forms ([`text`](mod@text)) of which one has [exemplars](exemplar), a collector by OTLP ([`crate::telemetry`] makes what sends to it), or both.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Temporality};

use self::exemplar::Filter;
use self::instrument::Instrument;
use self::text::Form;
use crate::{telemetry, trace};

pub(crate) mod exemplar;
pub mod instrument;
pub mod pool;
mod port;
mod process;
mod text;

pub(crate) use port::serve;

/// How metrics are told.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Where `/metrics` is served, for Prometheus. Nothing asks who reads it: an address that only the cluster reaches. Off without.
    #[arg(long, env = "MCP_HUB_METRICS_LISTEN", global = true, help_heading = crate::HEADING, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,
}

/// Where the instruments of this process come together.
#[derive(Debug)]
struct Collected {
    /// What `/metrics` is read from.
    reader: Arc<ManualReader>,
    provider: SdkMeterProvider,
}

impl Collected {
    fn new<R: MetricReader>(setup: Setup<R>) -> Self {
        let reader = Arc::new(ManualReader::default());
        let mut provider = SdkMeterProvider::builder().with_resource(setup.resource);
        if !setup.is_off {
            provider = provider.with_reader(OnDemand(reader.clone()));
            if let Some(sender) = setup.sent {
                provider = provider.with_reader(sender);
            }
        }
        Self {
            reader,
            provider: provider.build(),
        }
    }
}

static COLLECTED: OnceLock<Collected> = OnceLock::new();

/// What metrics begin with.
#[derive(Debug)]
pub(crate) struct Setup<R> {
    /// What this process is.
    pub(crate) resource: Resource,
    /// Which measurements are exemplars.
    pub(crate) exemplars: Filter,
    /// What sends them, if they are sent.
    pub(crate) sent: Option<R>,
    /// Whether nothing is measured, for anybody.
    pub(crate) is_off: bool,
}

/// Starts them, once for the process. To be called before anything is measured.
pub(crate) fn start<R: MetricReader>(setup: Setup<R>) {
    exemplar::start(setup.exemplars);
    // It was set already only where tests measure before they start a process.
    let _ = COLLECTED.set(Collected::new(setup));
    process::start();
}

/// Sends what was measured last. Nothing can be read or sent afterwards. It blocks until the collector has taken it, or for five seconds.
pub(crate) fn stop() {
    if let Some(Err(error)) = COLLECTED.get().map(|collected| collected.provider.shutdown()) {
        tracing::debug!(%error, "the last metrics were not sent");
    }
}

fn collected() -> &'static Collected {
    COLLECTED.get_or_init(|| {
        Collected::new(Setup {
            resource: Resource::builder_empty().build(),
            exemplars: Filter::default(),
            sent: None::<OnDemand>,
            is_off: false,
        })
    })
}

/// What a crate makes its instruments with; `name` is the crate's.
pub(crate) fn meter(name: &'static str) -> Meter {
    collected().provider.meter(name)
}

/// All metrics of this process, as Prometheus reads them.
pub fn text() -> String {
    write(Form::Classic)
}

fn write(form: Form) -> String {
    let mut metrics = ResourceMetrics::default();
    // It fails only when the process ends, and then there is nothing to be read.
    let _ = collected().reader.collect(&mut metrics);
    text::write(&metrics, form)
}

/// The instruments that every process has.
pub fn every_process() -> impl Iterator<Item = &'static dyn Instrument> {
    [process::INSTRUMENTS, telemetry::INSTRUMENTS]
        .into_iter()
        .flatten()
        .copied()
}

/// The instruments that adapters have beside those.
pub fn adapters() -> impl Iterator<Item = &'static dyn Instrument> {
    let lists = [
        trace::grpc::INSTRUMENTS,
        trace::statement::INSTRUMENTS,
        pool::INSTRUMENTS,
    ];
    lists.into_iter().flatten().copied()
}

/// The reader that `/metrics` asks. The provider wants one of its own.
#[derive(Debug)]
struct OnDemand(Arc<ManualReader>);

impl MetricReader for OnDemand {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::instruments! {
        static INSTRUMENTS;
        /// Calls.
        static CALLS: Counter = ("mcp_hub.test.calls", "{call}", ["upstream"]);
    }

    #[test]
    fn what_is_counted_can_be_read() {
        let orders = [opentelemetry::KeyValue::new("upstream", "orders")];
        CALLS.add(2, &orders);
        CALLS.add(1, &orders);
        let text = text();
        let line = text
            .lines()
            .find(|line| line.starts_with("mcp_hub_test_calls_total"));
        assert_eq!(
            line,
            Some(r#"mcp_hub_test_calls_total{upstream="orders"} 3"#),
            "{text}"
        );
        assert_eq!(INSTRUMENTS[0].description().about, "Calls.");
    }

    /// A collector and Prometheus see the same, side by side; with the SDK off nobody sees anything.
    #[test]
    fn whoever_reads_sees_everything() {
        for is_off in [false, true] {
            let sent = Arc::new(ManualReader::default());
            let collected = Collected::new(Setup {
                resource: Resource::builder_empty().build(),
                exemplars: Filter::default(),
                sent: Some(OnDemand(sent.clone())),
                is_off,
            });
            let counter = collected.provider.meter("test").u64_counter("both.see").build();
            counter.add(3, &[]);
            for reader in [&collected.reader, &sent] {
                let mut metrics = ResourceMetrics::default();
                assert_eq!(reader.collect(&mut metrics).is_ok(), !is_off);
                let text = text::write(&metrics, Form::Classic);
                assert_eq!(text.contains("\nboth_see_total 3\n"), !is_off, "{text}");
            }
        }
    }
}

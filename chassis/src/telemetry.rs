//! What a process tells about itself while it runs: its log, and where its spans and metrics are sent.
//!
//! [`mod@line`] writes the log. [`exporter`] sends to a collector when the environment names one, and then [`sampler`] says which
//! traces are recorded, [`queue`] holds their spans until they are sent, and [`resource`] says whose they are. Without a collector
//! spans have ids and record nothing.
//!
//! The environment speaks by the standard variables, `OTEL_*`, which [`variable`] reads; `docs/tracing.md` lists them.

use std::io::IsTerminal as _;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};
use tokio::runtime::Handle;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

use self::exporter::sender::Sender;
use self::line::Line;
use self::queue::Queue;
use self::sampler::Sampler;
use self::variable::Variables;
use crate::metrics;
use crate::trace::context;

pub(crate) mod exporter;
mod layer;
mod line;
mod queue;
mod resource;
mod sampler;
mod variable;

pub use layer::spans;

crate::instruments! {
    /// What telemetry measures of itself.
    pub static INSTRUMENTS;
    /// Spans that were recorded and did not reach a collector: the queue was full, or a batch could not be sent.
    static DROPPED: Counter = ("mcp_hub.trace.dropped", "{span}", [REASON]);
}

/// Why spans were dropped: `queue_full`, `export_failed`.
const REASON: &str = "reason";

/// How long the end of a process may wait for a collector.
const FLUSH: Duration = Duration::from_secs(2);

/// How the process logs.
#[derive(clap::Args, Clone, Debug)]
pub struct Log {
    /// How log lines look.
    #[arg(long, env = "MCP_HUB_LOG_FORMAT", global = true, help_heading = crate::HEADING, value_enum, default_value_t = Format::Pretty)]
    pub log_format: Format,
    /// Which log lines are written, in the syntax of `RUST_LOG`: `info`, `warn,mcp_hub_facade=debug`.
    #[arg(
        long,
        env = "MCP_HUB_LOG",
        global = true,
        help_heading = crate::HEADING,
        value_name = "FILTER",
        default_value = "info,rmcp=error,rmcp::service=off"
    )]
    pub log: String,
}

/// How log lines look.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What sends spans and metrics, until the process ends.
#[derive(Clone, Debug)]
pub(crate) struct Telemetry {
    traces: Option<SdkTracerProvider>,
    sends_metrics: bool,
}

/// Starts the log, on stderr: stdout belongs to the protocol where there is one, and to the answer of a command elsewhere. Starts
/// spans too, of a service of this name, and sends them and the metrics when `find`, which is the environment, names a collector.
///
/// The exporters' connections live on `runtime`.
pub(crate) fn start(
    service: &str,
    log: &Log,
    find: &dyn Fn(&str) -> Option<String>,
    runtime: &Handle,
) -> Telemetry {
    // An exporter takes the runtime that it is built on.
    let _inside = runtime.enter();
    let variables = Variables::new(find);
    let resource = resource::of(service, &variables);
    let is_off = variables.switch(&["OTEL_SDK_DISABLED"]);
    let (traces, metrics) = if is_off {
        (None, None)
    } else {
        (
            exporter::traces(&variables, runtime),
            exporter::metrics(&variables, runtime),
        )
    };
    let sends_metrics = metrics.is_some();
    metrics::start(metrics::Setup {
        resource: resource.clone(),
        exemplars: variables
            .choice(
                &["OTEL_METRICS_EXEMPLAR_FILTER"],
                &metrics::exemplar::Filter::WORDS,
            )
            .unwrap_or_default(),
        sent: metrics,
        is_off,
    });

    // Baggage, which the specification's default has, anybody could put anything into: it is neither read nor passed on.
    let propagators = variables.list("OTEL_PROPAGATORS", &["tracecontext", "none"]);
    context::start(propagators.is_none_or(|propagators| propagators.contains(&"tracecontext")));

    let is_sent = traces.is_some();
    let provider = spans_of(resource, traces, &variables);
    start_log(log, &provider);
    for warning in variables.into_warnings() {
        tracing::warn!("{warning}");
    }
    Telemetry {
        traces: is_sent.then_some(provider),
        sends_metrics,
    }
}

/// What makes spans, and hands those that are recorded to the exporter.
fn spans_of<E>(
    resource: Resource,
    exporter: Option<Sender<E>>,
    variables: &Variables<'_>,
) -> SdkTracerProvider
where
    E: SpanExporter + 'static,
{
    let provider = SdkTracerProvider::builder()
        .with_resource(resource)
        .with_span_limits(queue::limits(variables));
    match exporter {
        Some(exporter) => provider
            .with_sampler(Sampler::of(variables))
            .with_span_processor(Queue::new(exporter, variables))
            .build(),
        None => provider.with_sampler(Sampler::NOTHING).build(),
    }
}

fn start_log(log: &Log, provider: &SdkTracerProvider) {
    let mut filter = log.log.clone();
    // What the SDK says of each batch that fails, `Sender` says once.
    if !filter.contains("opentelemetry") {
        filter.push_str(",opentelemetry=off");
    }
    let filter = layer::lines(EnvFilter::builder().parse_lossy(&filter));
    let mut lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // It would say so on stderr, and panic when that is gone.
        .log_internal_errors(false);
    if !std::io::stderr().is_terminal() {
        // On a terminal NO_COLOR decides.
        lines = lines.with_ansi(false);
    }
    let lines = lines.event_format(Line(log.log_format)).with_filter(filter);
    // An error means that a test has installed a subscriber already.
    let _ = Registry::default().with(spans(provider)).with(lines).try_init();
}

impl Telemetry {
    /// Sends what was not sent yet, for two seconds at most. What comes later is lost.
    ///
    /// It blocks, and the runtime has to go on meanwhile.
    pub(crate) fn stop(&self) {
        let (ended, ends) = mpsc::channel();
        if let Some(traces) = self.traces.clone() {
            let ended = ended.clone();
            // Side by side: one collector that hangs must not take the time of the other.
            std::thread::spawn(move || {
                let _ = traces.shutdown_with_timeout(FLUSH);
                let _ = ended.send(());
            });
        }
        if self.sends_metrics {
            let ended = ended.clone();
            std::thread::spawn(move || {
                metrics::stop();
                let _ = ended.send(());
            });
        }
        drop(ended);
        let deadline = Instant::now() + FLUSH;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match ends.recv_timeout(left) {
                Ok(()) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    tracing::warn!("the collector does not answer: what was not sent yet is lost");
                    return;
                }
            }
        }
    }
}

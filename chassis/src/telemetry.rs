//! The log. Traces and metrics join it here.

use std::io::IsTerminal as _;

use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry};

mod layer;

pub use layer::spans;

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

/// Starts the log on stderr: stdout belongs to the protocol where there is one, and to the answer of a command elsewhere.
pub fn start(log: &Log) {
    let filter = layer::lines(EnvFilter::builder().parse_lossy(&log.log));
    let mut lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    if !std::io::stderr().is_terminal() {
        // On a terminal NO_COLOR decides.
        lines = lines.with_ansi(false);
    }
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOff)
        .build();
    let registry = Registry::default().with(spans(&provider));
    // An error means that a test has installed a subscriber already.
    let _ = match log.log_format {
        Format::Pretty => registry.with(lines.compact().with_filter(filter)).try_init(),
        Format::Json => registry
            .with(lines.json().flatten_event(true).with_filter(filter))
            .try_init(),
    };
}

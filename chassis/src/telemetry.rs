//! The log. Traces and metrics join it here.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

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
    let filter = EnvFilter::builder().parse_lossy(&log.log);
    let mut lines = tracing_subscriber::fmt();
    if !std::io::stderr().is_terminal() {
        // On a terminal NO_COLOR decides.
        lines = lines.with_ansi(false);
    }
    let lines = lines
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_span_events(FmtSpan::NONE);
    // An error means that a test has installed a subscriber already.
    let _ = match log.log_format {
        Format::Pretty => lines.compact().try_init(),
        Format::Json => lines.json().flatten_event(true).try_init(),
    };
}

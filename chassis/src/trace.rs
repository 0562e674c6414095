//! Spans: how they are made, what they are called, what they may show, and how their context crosses processes.
//!
//! All spans of ours are made here, as spans of `tracing` with one target, so that the exporter takes them and nothing of the
//! libraries, and the log does not format them. Their attributes are set by
//! [`OpenTelemetrySpanExt::set_attribute`] with the names of [`attribute`]. Code that runs inside a span is instrumented with it
//! (`tracing::Instrument`); a task or a blocking closure that works for a call has to be given the call's span by hand.
//!
//! Whether and where spans are sent is decided in [`crate::telemetry`]. Without an exporter they still have ids, which go into the log
//! and over the wire, and record nothing.

use std::sync::OnceLock;

use opentelemetry::Context;
use opentelemetry::trace::{Status, TraceContextExt as _};
use tracing::Span;
pub use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::fault::Fault;

pub mod attribute;
pub mod context;
pub mod grpc;
#[cfg(test)]
pub(crate) mod recorded;
pub mod statement;

/// The target of all spans of ours.
pub(crate) const TARGET: &str = "mcp_hub::trace";

/// What traces show of calls and tell to databases.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// What spans show of the statements that callers send: a summary like `SELECT orders`, the text with its literals replaced, or
    /// nothing. Values are never shown.
    #[arg(long, env = "MCP_HUB_TRACE_STATEMENTS", global = true, help_heading = crate::HEADING, value_enum, default_value_t)]
    pub trace_statements: Statements,
    /// Whether databases are told the trace of each statement: as a comment of SQL, as metadata of Neo4j's transactions, as a header of
    /// Qdrant's requests. Only those traces are told that are recorded.
    #[arg(
        long,
        env = "MCP_HUB_TRACE_DATABASE",
        global = true,
        help_heading = crate::HEADING,
        action = clap::ArgAction::Set,
        default_value_t = true,
        value_name = "BOOL"
    )]
    pub trace_database: bool,
    /// Where a trace can be looked at, with `{trace_id}` in its place: `https://jaeger.example.com/trace/{trace_id}`.
    /// Errors and lines of the log about calls in recorded traces then have it.
    #[arg(
        long,
        env = "MCP_HUB_TRACE_URL",
        global = true,
        help_heading = crate::HEADING,
        value_name = "URL",
        value_parser = template
    )]
    pub trace_url: Option<String>,
}

/// What spans show of statements.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Statements {
    /// The text, its literals replaced.
    Text,
    /// A summary: operation and tables.
    #[default]
    Summary,
    /// Nothing but the operation.
    Off,
}

/// The place of a trace's id in the URL.
const TRACE_ID: &str = "{trace_id}";

/// Checks the URL that traces can be looked at under.
fn template(text: &str) -> Result<String, String> {
    let url = text.replace(TRACE_ID, "0af7651916cd43dd8448eb211c80319c");
    let url: http::Uri = url.parse().map_err(|error| format!("it is no URL: {error}"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err("it has to begin with http:// or https:// and a host".to_owned());
    }
    if !text.contains(TRACE_ID) {
        return Err(format!("it has to have {TRACE_ID} where the trace's id goes"));
    }
    Ok(text.to_owned())
}

static OPTIONS: OnceLock<Options> = OnceLock::new();

/// Says once for the process what traces show; what comes later is not heard.
pub(crate) fn start(options: Options) {
    let _ = OPTIONS.set(options);
}

/// What traces show, in this process.
pub fn options() -> &'static Options {
    static DEFAULT: Options = Options {
        trace_statements: Statements::Summary,
        trace_database: true,
        trace_url: None,
    };
    OPTIONS.get().unwrap_or(&DEFAULT)
}

/// A span of a request that this process serves, in the trace that `parent` is of; a trace of its own without.
pub fn server(name: &str, parent: Context) -> Span {
    let span =
        tracing::info_span!(target: TARGET, parent: None, "server", otel.name = name, otel.kind = "server");
    // It fails without an exporter's layer only, and then there is no trace.
    let _ = span.set_parent(parent);
    span
}

/// A span of a request that this process sends, under the current one. None without one: what nobody has asked for, such as a probe every
/// few seconds, makes no traces.
pub fn client(name: &str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::info_span!(target: TARGET, "client", otel.name = name, otel.kind = "client")
}

/// A span of a request that this process sends of its own accord: the first of a trace.
pub fn root(name: &str) -> Span {
    tracing::info_span!(target: TARGET, parent: None, "client", otel.name = name, otel.kind = "client")
}

/// A span of work in this process, under the current one. None without one, as with [`client`].
pub fn internal(name: &'static str) -> Span {
    if Span::current().is_none() {
        return Span::none();
    }
    tracing::info_span!(target: TARGET, "internal", otel.name = name)
}

/// Says that what the span is of has failed: `error.type` is the name of the reason, and the status is an error without a text, which
/// could show data.
pub fn fail(span: &Span, error_type: &str) {
    span.set_attribute(attribute::ERROR_TYPE, error_type.to_owned());
    span.set_status(Status::error(""));
}

/// Says that a call has failed with this fault.
pub fn fault(span: &Span, fault: &Fault) {
    fail(span, fault.reason_name());
}

/// Ends a span now, though somebody may hold it for long: what a library began inside of it, or a task.
pub fn end(span: &Span) {
    span.context().span().end();
}

/// Whether the current span is recorded: what only traces show need not be made otherwise.
pub fn is_recorded() -> bool {
    Context::current().span().span_context().is_sampled()
}

/// The id of the trace that the current span is of, in 32 hexadecimal digits.
pub fn id() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let context = span.span_context();
    context.is_valid().then(|| context.trace_id().to_string())
}

/// Where the trace of this id can be looked at, when `MCP_HUB_TRACE_URL` says so.
pub fn url(trace_id: &str) -> Option<String> {
    let template = options().trace_url.as_deref()?;
    Some(template.replace(TRACE_ID, trace_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_for_traces_is_one_and_has_a_place_for_the_id() {
        for right in [
            "https://jaeger.example.com/trace/{trace_id}",
            "http://localhost:16686/trace/{trace_id}?uiEmbed=v0",
            "https://x/#/trace/{trace_id}",
        ] {
            assert_eq!(template(right), Ok(right.to_owned()));
        }
        for wrong in [
            "",
            "jaeger/{trace_id}",
            "https://jaeger.example.com/trace/",
            "https:///{trace_id}",
            "javascript:alert('{trace_id}')",
            "ftp://x/{trace_id}",
            "https://x/{trace_id}\n",
            "https://x/ {trace_id}",
        ] {
            assert!(template(wrong).is_err(), "{wrong:?}");
        }
    }
}

//! The span of a statement that an adapter sends to its database, and the metrics of it.

use std::time::Instant;

use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;

use super::{OpenTelemetrySpanExt as _, Statements, attribute, context, fail, options};

/// The database that statements go to.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// `postgresql`, `mariadb`, `mysql`, `neo4j`, `sqlite`, `qdrant`.
    pub system: &'static str,
    /// The database of the server, fully qualified; empty when there is only one.
    pub namespace: &'a str,
    /// Where the server is; empty when it is in the process.
    pub address: &'a str,
    /// Its port.
    pub port: Option<u16>,
}

/// What may be shown of a statement. Nothing in it is a value, but for the names in its text.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// What it does, in one word: `SELECT`, `MATCH`, `query_points`.
    pub operation: &'a str,
    /// That and what it does it to: `SELECT orders customers`. At most 255 characters of it are shown.
    pub summary: &'a str,
    /// The table, label or collection, when it is one.
    pub collection: Option<&'a str>,
}

/// A statement under way. It is over when this is dropped; dropped before [`returned`](Self::returned) or [`failed`](Self::failed) it was
/// cancelled.
#[derive(Debug)]
pub struct Statement {
    span: Span,
    begun: Instant,
    settled: bool,
}

impl Statement {
    /// Begins a statement under the current span. `text` gives its text with all literals replaced; it is asked for only when it is
    /// shown.
    pub fn begin(target: Target<'_>, shown: Shown<'_>, text: impl FnOnce() -> Option<String>) -> Self {
        let _ = text;
        let (mode, name) = (options().trace_statements, shown.operation);
        let name = if mode == Statements::Off {
            name
        } else {
            shown.summary
        };
        let span = super::client(name);
        span.set_attribute(attribute::DB_SYSTEM_NAME, target.system);
        Self {
            span,
            begun: Instant::now(),
            settled: false,
        }
    }

    /// Its span, for what is done while it is under way.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The first row is there.
    pub fn first_row(&self) {
        self.span.add_event("first row", vec![]);
    }

    /// It was answered: with how many rows, of how many bytes, and whether some were left out.
    pub fn returned(mut self, rows: u64, bytes: Option<u64>, truncated: bool) {
        let _ = (rows, bytes, truncated, self.begun);
        self.settled = true;
    }

    /// It failed: with the name of a [`Reason`](crate::fault::Reason), and the code that the database gave.
    pub fn failed(mut self, reason: &str, code: Option<&str>) {
        let _ = code;
        fail(&self.span, reason);
        self.settled = true;
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if !self.settled {
            fail(&self.span, "CANCELLED");
        }
    }
}

/// The `traceparent` that a database is told of the current span, if it is to be told and the trace is recorded.
pub fn told() -> Option<String> {
    let context = opentelemetry::Context::current();
    let recorded = context.span().span_context().is_sampled();
    (options().trace_database && recorded)
        .then(|| context::traceparent(&context))
        .flatten()
}

/// A statement of SQL with the current trace behind it as SQLCommenter writes it, so that places in it stay what they are:
/// `SELECT 1 /*traceparent='00-..-01'*/`.
pub fn commented(sql: &str) -> std::borrow::Cow<'_, str> {
    match told() {
        None => sql.into(),
        // A comment to the end of the line must not swallow it.
        Some(traceparent) => format!("{sql}\n/*traceparent='{traceparent}'*/").into(),
    }
}

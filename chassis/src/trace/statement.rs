//! The span of a statement that an adapter sends to its database, and the metrics of it.

use std::borrow::Cow;
use std::time::Instant;

use opentelemetry::KeyValue;
use opentelemetry::trace::TraceContextExt as _;
use tracing::Span;

use self::operation::bounded;
use super::{OpenTelemetrySpanExt as _, Statements, attribute, context, fail, options};

mod operation;

crate::instruments! {
    /// The instruments of statements.
    pub(crate) static INSTRUMENTS;
    /// How long statements took, from being sent to their last row, or until they failed or were cancelled.
    static DURATION: Histogram = (
        "db.client.operation.duration",
        "s",
        [attribute::DB_SYSTEM_NAME, attribute::DB_OPERATION_NAME, attribute::ERROR_TYPE],
        [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0],
    );
    /// How many rows statements returned.
    static ROWS: Histogram = (
        "db.client.response.returned_rows",
        "{row}",
        [attribute::DB_SYSTEM_NAME, attribute::DB_OPERATION_NAME],
        [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0],
    );
}

/// The most characters that are shown of a summary, as the conventions want it, and of a text.
const LONGEST_SUMMARY: usize = 255;
const LONGEST_TEXT: usize = 2_048;

/// The `error.type` of a statement that was given up.
const CANCELLED: &str = "CANCELLED";

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

impl Shown<'static> {
    /// One of an adapter's own statements: what it does in one word, and to which table, label or collection: `SELECT pg_class`.
    pub fn ours(summary: &'static str) -> Self {
        let (operation, names) = summary.split_once(' ').unwrap_or((summary, ""));
        Self {
            operation,
            summary,
            collection: Some(names).filter(|names| !names.is_empty() && !names.contains(' ')),
        }
    }
}

/// A statement under way. It is over when this is dropped; dropped before [`returned`](Self::returned) or [`failed`](Self::failed) it was
/// cancelled.
#[derive(Debug)]
pub struct Statement {
    span: Span,
    begun: Instant,
    /// What its metrics are told apart by: system and operation.
    attributes: [KeyValue; 2],
    settled: bool,
}

impl Statement {
    /// Begins a statement under the current span. `text` gives its text with all literals replaced; it is asked for only when it is
    /// shown.
    pub fn begin(target: Target<'_>, shown: Shown<'_>, text: impl FnOnce() -> Option<String>) -> Self {
        Self::begin_showing(options().trace_statements, target, shown, text)
    }

    fn begin_showing(
        mode: Statements,
        target: Target<'_>,
        shown: Shown<'_>,
        text: impl FnOnce() -> Option<String>,
    ) -> Self {
        let name = match mode {
            Statements::Off => shown.operation,
            Statements::Summary | Statements::Text => shown.summary,
        };
        let span = super::client(beginning(name, LONGEST_SUMMARY));
        if !span.is_disabled() {
            show(&span, mode, target, shown, text);
        }
        Self {
            span,
            begun: Instant::now(),
            attributes: [
                KeyValue::new(attribute::DB_SYSTEM_NAME, target.system),
                KeyValue::new(attribute::DB_OPERATION_NAME, bounded(shown.operation)),
            ],
            settled: false,
        }
    }

    /// Its span, for what is done while it is under way.
    pub fn span(&self) -> &Span {
        &self.span
    }

    /// The first row is there.
    pub fn first_row(&self) {
        self.span.in_scope(first_row);
    }

    /// It was answered: with how many rows, of how many bytes, and whether some were left out.
    pub fn returned(mut self, rows: u64, bytes: Option<u64>, truncated: bool) {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        let span = &self.span;
        if !span.is_disabled() {
            span.set_attribute(attribute::DB_RESPONSE_RETURNED_ROWS, signed(rows));
            if let Some(bytes) = bytes {
                span.set_attribute(attribute::DB_RESPONSE_BYTES, signed(bytes));
            }
            if truncated {
                span.set_attribute(attribute::DB_RESPONSE_TRUNCATED, true);
            }
        }
        self.settle(None);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a histogram does not count them one by one"
        )]
        self.span.in_scope(|| ROWS.record(rows as f64, &self.attributes));
    }

    /// It was done, and is of a kind that answers no rows: a commit.
    pub fn done(mut self) {
        self.settle(None);
    }

    /// It failed: with the name of a [`Reason`](crate::fault::Reason), and the code that the database gave.
    pub fn failed(mut self, reason: &str, code: Option<&str>) {
        if let Some(code) = code {
            self.span
                .set_attribute(attribute::DB_RESPONSE_STATUS_CODE, code.to_owned());
        }
        self.settle(Some(reason));
    }

    fn settle(&mut self, error_type: Option<&str>) {
        self.settled = true;
        let taken = self.begun.elapsed().as_secs_f64();
        let Some(error_type) = error_type else {
            self.span.in_scope(|| DURATION.record(taken, &self.attributes));
            return;
        };
        fail(&self.span, error_type);
        let [system, operation] = self.attributes.clone();
        let error_type = KeyValue::new(attribute::ERROR_TYPE, error_type.to_owned());
        self.span
            .in_scope(|| DURATION.record(taken, &[system, operation, error_type]));
    }
}

impl Drop for Statement {
    fn drop(&mut self) {
        if !self.settled {
            self.settle(Some(CANCELLED));
        }
        // Who was given the span to work in it, such as a queue in front of a connection, may let it go later.
        super::end(&self.span);
    }
}

/// Puts into a span what may be shown of a statement. The span is started with nothing in it: whether it is recorded decides whether there is
/// anything to do.
fn show(
    span: &Span,
    mode: Statements,
    target: Target<'_>,
    shown: Shown<'_>,
    text: impl FnOnce() -> Option<String>,
) {
    let context = span.context();
    let span = context.span();
    if !span.is_recording() {
        return;
    }
    let text = (mode == Statements::Text).then(text).flatten();
    let summary = (mode != Statements::Off).then_some(shown.summary);
    let collection = shown.collection.filter(|_| summary.is_some());
    let texts = [
        (attribute::DB_SYSTEM_NAME, Some(target.system), LONGEST_SUMMARY),
        (attribute::DB_NAMESPACE, Some(target.namespace), LONGEST_SUMMARY),
        (attribute::SERVER_ADDRESS, Some(target.address), LONGEST_SUMMARY),
        (
            attribute::DB_OPERATION_NAME,
            Some(shown.operation),
            LONGEST_SUMMARY,
        ),
        (attribute::DB_QUERY_SUMMARY, summary, LONGEST_SUMMARY),
        (attribute::DB_COLLECTION_NAME, collection, LONGEST_SUMMARY),
        (attribute::DB_QUERY_TEXT, text.as_deref(), LONGEST_TEXT),
    ];
    for (key, value, most) in texts {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            span.set_attribute(KeyValue::new(key, beginning(value, most).to_owned()));
        }
    }
    if let Some(port) = target.port {
        span.set_attribute(KeyValue::new(attribute::SERVER_PORT, i64::from(port)));
    }
}

/// So many characters of a text at most.
fn beginning(text: &str, most: usize) -> &str {
    match text.char_indices().nth(most) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

/// The first row of the statement whose span is the current one is there: for work that runs inside of it and does not have it.
pub fn first_row() {
    Span::current().add_event("first row", vec![]);
}

/// The `traceparent` that a database is told of the current span, if it is to be told and the trace is recorded.
pub fn told() -> Option<String> {
    let told = options().trace_database && super::is_recorded();
    told.then(|| context::traceparent(&opentelemetry::Context::current()))
        .flatten()
}

/// A statement of SQL with the current trace behind it as SQLCommenter writes it, so that places in it stay what they are:
/// `SELECT 1 /*traceparent='00-..-01'*/`.
pub fn commented(sql: &str) -> Cow<'_, str> {
    match told() {
        None => sql.into(),
        // A comment to the end of the line must not swallow it.
        Some(traceparent) => format!("{sql}\n/*traceparent='{traceparent}'*/").into(),
    }
}

#[cfg(test)]
mod tests;

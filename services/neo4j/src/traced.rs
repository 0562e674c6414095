//! Statements in the trace: what is shown of one, and how it went.
//!
//! Each statement has a span, begun by [`Shown::begin`] when it is sent and ended when its transaction settles it. The beginning of a
//! transaction travels with its first statement and tells the server of that one; its end has a span of its own.

use indexmap::IndexSet;
use mcp_hub_chassis::fault::{self, Reason};
use mcp_hub_chassis::trace::statement::{self, Statement, Target};
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute};
use tracing::Span;

use crate::config::Address;
use crate::error::Error;
use crate::guard::{self, Gist};

/// What the trace shows of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Ours(&'static str),
    Theirs {
        operation: &'a str,
        names: &'a IndexSet<String>,
    },
}

impl<'a> Shown<'a> {
    /// One of our own statements: what it does in one word, and to what: `CALL db.labels`.
    pub const fn ours(summary: &'static str) -> Self {
        Self(Kind::Ours(summary))
    }

    /// A caller's: what it does, and which labels, types and procedures it names, as the guard read it.
    pub(crate) const fn theirs(gist: &'a Gist) -> Self {
        Self::under(gist.operation, gist)
    }

    /// A caller's statement under another one, such as `EXPLAIN`.
    pub(crate) const fn under(operation: &'static str, gist: &'a Gist) -> Self {
        let names = &gist.names;
        Self(Kind::Theirs { operation, names })
    }

    /// Begins the span of a statement on a database of the server at `address`, whose text is `cypher`.
    pub(crate) fn begin(self, address: &Address, database: &str, cypher: &str) -> Statement {
        let target = Target {
            system: "neo4j",
            namespace: database,
            address: &address.host,
            port: Some(address.port),
        };
        let text = || guard::sanitised(cypher);
        match self.0 {
            Kind::Ours(summary) => Statement::begin(target, statement::Shown::ours(summary), text),
            // Nobody reads a summary that is not recorded.
            Kind::Theirs { operation, .. } if !trace::is_recorded() => {
                let shown = statement::Shown {
                    operation,
                    summary: operation,
                    collection: None,
                };
                Statement::begin(target, shown, text)
            }
            Kind::Theirs { operation, names } => {
                let summary = [operation, &guard::listed(names)].join(" ");
                let shown = statement::Shown {
                    operation,
                    summary: summary.trim_end(),
                    collection: names.first().filter(|_| names.len() == 1).map(String::as_str),
                };
                Statement::begin(target, shown, text)
            }
        }
    }
}

/// Says that what the span is of is tried once more, because what was tried before could not be reached or was lost.
pub(crate) fn retried(span: &Span, attempt: i64) {
    span.set_attribute(attribute::RETRY, attempt);
    span.set_attribute(attribute::RETRY_REASON, fault::name(Reason::DatabaseUnavailable));
}

/// A statement under way, with what it has returned so far.
#[derive(Debug)]
pub(crate) struct Current {
    statement: Statement,
    rows: u64,
    bytes: u64,
    last: u64,
    truncated: bool,
}

impl Current {
    pub(crate) fn new(statement: Statement) -> Self {
        Self {
            statement,
            rows: 0,
            bytes: 0,
            last: 0,
            truncated: false,
        }
    }

    /// A row has come, of so many bytes.
    pub(crate) fn add(&mut self, bytes: usize) {
        if self.rows == 0 {
            self.statement.first_row();
        }
        self.last = bytes as u64;
        self.rows += 1;
        self.bytes += self.last;
    }

    /// The last row is not in the answer.
    pub(crate) fn leave_out(&mut self) {
        self.rows -= u64::from(self.rows > 0);
        self.bytes = self.bytes.saturating_sub(std::mem::take(&mut self.last));
        self.truncated = true;
    }

    /// Ends its span with how it went.
    pub(crate) fn settle<T>(self, result: &Result<T, Error>) {
        match result {
            Ok(_) => self
                .statement
                .returned(self.rows, Some(self.bytes), self.truncated),
            Err(error) => self.statement.failed(fault::name(error.reason()), error.code()),
        }
    }
}

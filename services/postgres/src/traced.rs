//! Statements in the trace: what is shown of one, and how it went.
//!
//! Each statement that takes a round trip has a span, begun by [`Shown::begin`] where it is sent and ended by [`settle`]. It is sent inside of
//! the span, so that the server is told of it. Beginning and end of a transaction have spans where they travel alone.

use indexmap::IndexSet;
use mcp_hub_chassis::fault;
use mcp_hub_chassis::trace;
use mcp_hub_chassis::trace::statement::{self, Statement, Target};

use crate::error::Error;
use crate::guard::{self, Name};
use crate::row::Row;

/// What the trace shows of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Ours(&'static str),
    Theirs {
        operation: &'a str,
        names: &'a IndexSet<Name>,
    },
}

impl<'a> Shown<'a> {
    /// One of our own statements: what it does in one word, and to which table: `SELECT pg_class`.
    pub const fn ours(summary: &'static str) -> Self {
        Self(Kind::Ours(summary))
    }

    /// A caller's: what it does, and what it names, as the guard read it.
    pub(crate) const fn theirs(operation: &'a str, names: &'a IndexSet<Name>) -> Self {
        Self(Kind::Theirs { operation, names })
    }

    /// Begins the span of a statement, whose text is `sql`.
    pub(crate) fn begin(self, target: Target<'_>, sql: &str) -> Statement {
        let text = || guard::sanitised(sql);
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
                let only = names.first().filter(|_| names.len() == 1).map(guard::written);
                let shown = statement::Shown {
                    operation,
                    summary: &guard::summary(operation, names),
                    collection: only.as_deref(),
                };
                Statement::begin(target, shown, text)
            }
        }
    }
}

/// What a statement came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Returned {
    /// Rows of the answer.
    pub(crate) rows: u64,
    /// Their bytes, as the server sent them.
    pub(crate) bytes: u64,
    /// Whether there were more.
    pub(crate) truncated: bool,
}

impl Returned {
    /// Counts a row of the answer.
    pub(crate) fn add(&mut self, row: &Row) {
        self.rows += 1;
        self.bytes += row.len() as u64;
    }
}

/// Ends a statement's span with what it came to, which is nothing for one that has no rows.
pub(crate) fn settle<T>(
    statement: Statement,
    result: Result<(T, Option<Returned>), Error>,
) -> Result<T, Error> {
    match result {
        Ok((value, None)) => {
            statement.done();
            Ok(value)
        }
        Ok((value, Some(returned))) => {
            statement.returned(returned.rows, Some(returned.bytes), returned.truncated);
            Ok(value)
        }
        Err(error) => {
            statement.failed(fault::name(error.reason()), error.sqlstate());
            Err(error)
        }
    }
}

//! Statements in the trace: what is shown of one, and how it went.
//!
//! Each statement has a span, begun by [`Shown::begin`] when it is sent and ended by [`settle`]; it runs inside of the span, so that the
//! server can be told of it. What begins and ends a transaction has spans as well, each a round trip. A login's own statements are a part
//! of `acquire connection`.

use indexmap::IndexSet;
use mcp_hub_chassis::fault;
use mcp_hub_chassis::trace;
use mcp_hub_chassis::trace::statement::{self, Statement};

use crate::config::Target;
use crate::database::Flavor;
use crate::error::Error;
use crate::guard::{self, Name};

/// What the trace shows of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a>(Kind<'a>);

#[derive(Clone, Copy, Debug)]
enum Kind<'a> {
    Ours(&'static str),
    Theirs {
        /// What it is, in one word or two: `SELECT`, `CREATE TABLE`.
        what: &'a str,
        names: &'a IndexSet<Name>,
    },
}

impl<'a> Shown<'a> {
    /// One of our own statements: what it does in one word, and to which table: `SELECT information_schema.tables`.
    pub const fn ours(summary: &'static str) -> Self {
        Self(Kind::Ours(summary))
    }

    /// A caller's: what it is, and what it names, as the guard read it.
    pub(crate) const fn theirs(what: &'a str, names: &'a IndexSet<Name>) -> Self {
        Self(Kind::Theirs { what, names })
    }

    /// Whether it defines something.
    pub(crate) fn is_definition(self) -> bool {
        ["CREATE", "ALTER", "DROP", "RENAME"].contains(&self.operation())
    }

    fn operation(self) -> &'a str {
        let (Kind::Ours(what) | Kind::Theirs { what, .. }) = self.0;
        what.split(' ').next().unwrap_or_default()
    }

    /// Begins the span of a statement on a server, whose text is `sql`.
    pub(crate) fn begin(self, flavor: Flavor, target: &Target, sql: &str) -> Statement {
        let to = statement::Target {
            system: if flavor.is_mariadb() { "mariadb" } else { "mysql" },
            namespace: target.database.as_deref().unwrap_or_default(),
            address: &target.host,
            // A socket is a file.
            port: (!target.host.starts_with('/')).then_some(target.port),
        };
        let text = || guard::sanitised(sql);
        let operation = self.operation();
        match self.0 {
            Kind::Ours(summary) => Statement::begin(to, statement::Shown::ours(summary), text),
            // Nobody reads a summary that is not recorded.
            Kind::Theirs { what, .. } if !trace::is_recorded() => {
                let shown = statement::Shown {
                    operation,
                    summary: what,
                    collection: None,
                };
                Statement::begin(to, shown, text)
            }
            Kind::Theirs { what, names } => {
                let only = names.first().filter(|_| names.len() == 1).map(guard::written);
                let summary = [what, &guard::listed(names)].join(" ");
                let shown = statement::Shown {
                    operation,
                    summary: summary.trim_end(),
                    collection: only.as_deref(),
                };
                Statement::begin(to, shown, text)
            }
        }
    }
}

/// What a statement came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Returned {
    /// Rows of the answer.
    pub(crate) rows: u64,
    /// Bytes of their values, as the server sent them.
    pub(crate) bytes: u64,
    /// Whether there were more.
    pub(crate) truncated: bool,
}

impl Returned {
    /// Counts a row of the answer.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.rows += 1;
        self.bytes += bytes as u64;
    }
}

/// Ends a statement's span with what it came to.
pub(crate) fn settle<T>(statement: Statement, result: Result<(T, Returned), Error>) -> Result<T, Error> {
    match result {
        Ok((value, returned)) => {
            statement.returned(returned.rows, Some(returned.bytes), returned.truncated);
            Ok(value)
        }
        Err(error) => {
            statement.failed(fault::name(error.reason()), error.code().as_deref());
            Err(error)
        }
    }
}

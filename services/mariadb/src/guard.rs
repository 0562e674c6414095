//! The guard: says of a statement, before any server sees it, whether it is one read, and what it touches.
//!
//! It is the fourth rung of the safety ladder (ARCHITECTURE.md), above the account's rights, the READ ONLY session and the prepared
//! protocol. Those stop writes to tables; the guard stops what they let through to an account with many rights, such as `INTO OUTFILE`,
//! `LOAD_FILE` or `GET_LOCK`, and gives clear sentences where the servers give short ones. It knows no connection.
//!
//! It has no grammar but a scanner that is exact (`lexer`), and rules on its tokens. That is on purpose (ADR 6): the grammars that there
//! are refuse one legal read in five, and take MariaDB's executable comments for comments. Two rules make tokens enough. What begins
//! a statement is one of a list, and what could turn a read into something else needs a reserved word or a sign that can't be a name, so
//! it is refused wherever it stands. What the scanner can't read, it refuses.
//!
//! What it can't see: what a stored function or a view does inside. Such code runs with the rights of its definer, in a READ ONLY
//! transaction that is rolled back, and can still take a named lock, read files if its definer may, sleep, and set variables of the
//! session; no proxy can do more about it, but the session is made as new again. It also can't see what a word will mean to servers that
//! are not yet written.

mod builtins;
mod functions;
mod lexer;
mod lexical;
mod read;
mod refusal;
mod relations;
mod shown;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use indexmap::IndexSet;
use mcp_hub_chassis::{fault, trace};

pub(crate) use functions::may_be;
pub(crate) use refusal::Refusal;
pub(crate) use shown::{listed, sanitised, written};
pub(crate) use write::Write;

/// A possibly qualified name, without its quotes, as it was written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// What stands in front of the dot.
    pub database: Option<String>,
    /// What stands behind it.
    pub name: String,
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.database {
            Some(database) => write!(formatter, "{database}.{}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

/// The kinds of statement that read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `SELECT`, with or without `WITH`.
    Select,
    /// `VALUES`.
    Values,
    /// `TABLE`.
    Table,
    /// `SHOW`.
    Show,
    /// `DESCRIBE` of a table.
    Describe,
    /// `EXPLAIN` or `ANALYZE` of one of the first three.
    Explain,
}

impl Kind {
    /// Whether it is a query, which can be explained.
    pub(crate) const fn is_query(self) -> bool {
        matches!(self, Self::Select | Self::Values | Self::Table)
    }

    /// What it does, in one word.
    pub(crate) const fn operation(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Values => "VALUES",
            Self::Table => "TABLE",
            Self::Show => "SHOW",
            Self::Describe => "DESCRIBE",
            Self::Explain => "EXPLAIN",
        }
    }
}

/// A statement that reads, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text without comments around it and without `;`: what is sent, and what may be put behind `EXPLAIN`.
    pub text: Cow<'a, str>,
    /// How many characters stood in front of `text`.
    pub offset: usize,
    /// How many `?` there are.
    pub parameters: usize,
    /// The tables that it reads, in the order of its text, the names of its own `WITH` left out.
    pub relations: IndexSet<Name>,
    /// All names that may be a database's: those in front of dots, which may be tables or aliases too.
    pub qualifiers: BTreeSet<String>,
    /// Whether it calls a function that is not the server's own, which may leave something in the session. A view may do so too, and no
    /// text tells.
    pub changes_session: bool,
}

impl Read<'_> {
    /// The same without the text that it was read from.
    pub(crate) fn into_owned(self) -> Read<'static> {
        Read {
            kind: self.kind,
            text: Cow::Owned(self.text.into_owned()),
            offset: self.offset,
            parameters: self.parameters,
            relations: self.relations,
            qualifiers: self.qualifiers,
            changes_session: self.changes_session,
        }
    }
}

/// Reads one statement that must be a read.
///
/// # Errors
/// A [`Refusal`] that says what is wrong and what to do instead: nothing to run, several statements, an error in the tokens, a
/// statement that writes, a function that must not be called.
pub(crate) fn read(sql: &str) -> Result<Read<'_>, Refusal> {
    let span = trace::internal("guard");
    let read = span.in_scope(|| judge(sql));
    read.inspect_err(|refusal| trace::fail(&span, fault::name(refusal.reason)))
}

fn judge(sql: &str) -> Result<Read<'_>, Refusal> {
    let lexed = lexical::scan(sql)?;
    let read = read::inspect(&lexed)?;
    Ok(Read {
        kind: read.kind,
        text: Cow::Borrowed(lexed.text),
        offset: lexed.offset(),
        parameters: lexed.parameters,
        relations: read.relations,
        qualifiers: read.qualifiers,
        changes_session: lexed.calls_foreign_code(),
    })
}

/// Reads one statement of a write: what it is, what it destroys, and whether it commits by itself. A call may have many, and the trace
/// shows them as one step, so that its span is the caller's to make.
///
/// # Errors
/// A [`Refusal`] for nothing, several statements, an error in the tokens, a statement that must not run in a call of ours, a function
/// that reaches outside the database.
pub(crate) fn write(sql: &str) -> Result<Write<'_>, Refusal> {
    let lexed = lexical::scan(sql)?;
    write::inspect(&lexed)
}

//! The guard: says of a statement, before any server sees it, whether it is one read, and what it touches.
//!
//! It is the fourth rung of the safety ladder (ARCHITECTURE.md), above the role's rights, the READ ONLY session and the extended
//! protocol. Those stop writes to tables; the guard stops what they let through to a role with many rights, such as
//! `pg_read_file` or `dblink_exec`, and gives clear sentences where PostgreSQL gives short ones. It fails closed: what it can't read is
//! refused. It knows no connection.
//!
//! What it can't see: what a function, operator, cast, view or policy of the user's own does inside. Such code runs with the role's
//! rights, in a READ ONLY transaction that is rolled back, and no proxy can do more about it. That is also why no read runs outside such
//! a transaction, whatever it looks like: a view may call `set_config`, which the rollback undoes.
//!
//! The texts are read as PostgreSQL reads them with `standard_conforming_strings = on` and `backslash_quote = safe_encoding` (the
//! defaults), in UTF-8. A session must pin the first, because a role's settings can turn it off.

mod functions;
mod lexical;
mod nodes;
mod parse;
mod read;
mod refusal;
mod summary;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use indexmap::IndexSet;
use mcp_hub_chassis::{fault, trace};

pub(crate) use refusal::Refusal;
pub(crate) use summary::{sanitised, summary, written};
pub(crate) use write::Write;

/// A possibly qualified name, canonical: unquoted parts in lower case, quotes and escapes gone.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Name {
    /// What stands in front of the last dot.
    pub schema: Option<String>,
    /// What stands behind it.
    pub name: String,
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(formatter, "{schema}.{}", self.name),
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
    /// `EXPLAIN` of one of the first three.
    Explain,
}

impl Kind {
    /// As SQL names it.
    pub(crate) const fn operation(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Values => "VALUES",
            Self::Table => "TABLE",
            Self::Show => "SHOW",
            Self::Explain => "EXPLAIN",
        }
    }

    /// Whether a cursor can be declared for it.
    pub(crate) const fn fits_a_cursor(self) -> bool {
        matches!(self, Self::Select | Self::Values | Self::Table)
    }
}

/// A statement that reads, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    /// What it is.
    pub kind: Kind,
    /// Its text without comments around it and without `;`: what may be put behind `EXPLAIN` or `DECLARE c CURSOR FOR`.
    pub text: Cow<'a, str>,
    /// How many characters stood in front of `text`: positions in errors are to be moved by it.
    pub offset: usize,
    /// The highest `$n` in it.
    pub parameters: u32,
    /// The functions that it calls.
    pub functions: BTreeSet<Name>,
    /// The relations that it reads, in the order of its text, the names of its own `WITH` left out where that is safe.
    pub relations: IndexSet<Name>,
}

impl Read<'_> {
    /// The same without the text that it was read from.
    pub(crate) fn into_owned(self) -> Read<'static> {
        Read {
            kind: self.kind,
            text: Cow::Owned(self.text.into_owned()),
            offset: self.offset,
            parameters: self.parameters,
            functions: self.functions,
            relations: self.relations,
        }
    }
}

/// Reads one statement that must be a read.
///
/// # Errors
/// A [`Refusal`] that says what is wrong and what to do instead: nothing to run, several statements, a syntax error, a statement that
/// writes, a function that must not be called.
pub(crate) fn read(sql: &str) -> Result<Read<'_>, Refusal> {
    let span = trace::internal("guard");
    let read = span.in_scope(|| read_one(sql));
    read.inspect_err(|refusal| trace::fail(&span, fault::name(refusal.reason)))
}

/// Reads the statements of a call that writes: [`write()`] for each.
///
/// # Errors
/// The first [`Refusal`], and which statement it is about, from 0.
pub(crate) fn writes<'a>(
    statements: impl IntoIterator<Item = &'a str>,
) -> Result<Vec<Write<'a>>, (usize, Refusal)> {
    let span = trace::internal("guard");
    let statements = statements.into_iter().enumerate();
    let writes = span.in_scope(|| {
        statements
            .map(|(index, sql)| write(sql).map_err(|refusal| (index, refusal)))
            .collect::<Result<_, _>>()
    });
    writes.inspect_err(|(_, refusal)| trace::fail(&span, fault::name(refusal.reason)))
}

fn read_one(sql: &str) -> Result<Read<'_>, Refusal> {
    let lexed = lexical::scan(sql)?;
    for (name, at) in &lexed.calls {
        if let Some(group) = functions::denied(name.schema.as_deref(), &name.name) {
            return Err(Refusal::function(&name.name, group.does, sql, *at));
        }
    }
    let read = parse::with(sql, lexed.weight, |root, errors| read::inspect(sql, root, errors))?;
    Ok(Read {
        kind: read.kind,
        text: Cow::Borrowed(lexed.text),
        offset: sql[..lexed.start].chars().count(),
        parameters: lexed.parameters,
        functions: read.functions,
        relations: read.relations,
    })
}

/// Reads one statement of a write: what it is, what it destroys, and whether it can run in a transaction.
///
/// # Errors
/// A [`Refusal`] for nothing, several statements, a syntax error, a statement that can't or must not run in a transaction of ours, a
/// function that reaches outside the database.
pub(crate) fn write(sql: &str) -> Result<Write<'_>, Refusal> {
    let lexed = lexical::scan(sql)?;
    for (name, at) in &lexed.calls {
        let group = functions::denied(name.schema.as_deref(), &name.name);
        if let Some(group) = group.filter(|group| !group.in_writes) {
            return Err(Refusal::function(&name.name, group.does, sql, *at));
        }
    }
    parse::with(sql, lexed.weight, |root, errors| {
        write::inspect(sql, &lexed, root, errors)
    })
}

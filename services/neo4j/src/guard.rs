//! The guard: says of a statement, before any server sees it, whether it is one read, and what a write destroys.
//!
//! It is the fourth rung of the safety ladder (ARCHITECTURE.md). The rung below it is the access mode READ, in which the server
//! itself refuses whatever writes data, schema or the system database, procedures of those modes included: on a 5.26 server nothing
//! of the corpus that writes got through. But that mode lets through what is no write and yet no read of the graph, and there the
//! guard stands alone: `LOAD CSV` (files of the server, and any address that it can reach), `TERMINATE TRANSACTIONS`,
//! `SHOW SETTINGS`, `SHOW TRANSACTIONS` and `SHOW DATABASES` (settings, addresses, the queries of others), procedures that
//! call themselves READ or DBMS (`dbms.listConnections`, `dbms.killConnection`, `db.clearQueryCaches`, `apoc.load.json`), functions
//! that talk to other servers, and another graph by `USE`. Those are found by words that stand next to each other, wherever they do:
//! no name of the language can look like them. The server's query type (EXPLAIN) would not tell: it calls `LOAD CSV` a read.
//!
//! Nesting is bounded, because Neo4j 5's parser runs out of stack at some hundreds of levels and then never answers again on that
//! connection, whatever the time limit.
//!
//! It knows no connection. What it can't see: what a function or procedure of the user's own does inside, so those are not called.

mod clauses;
mod lexer;
mod procedures;
mod refusal;
mod shown;
mod weight;
mod words;
mod write;

#[cfg(test)]
mod tests;

use mcp_hub_chassis::{fault, trace};

pub(crate) use refusal::Refusal;
pub(crate) use shown::{Gist, listed, sanitised};
pub(crate) use write::Write;

use clauses::Statement;

/// A statement that reads, as far as its text tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Read<'a> {
    /// Its text without comments around it and without `;`: what may be put behind `EXPLAIN`.
    pub text: &'a str,
    /// How many characters stood in front of `text`.
    pub offset: usize,
    /// Whether it is a `SHOW` command, which has no plan.
    pub shows: bool,
    /// What the trace shows of it.
    pub gist: Gist,
}

/// Reads one statement that must be a read.
///
/// # Errors
/// A [`Refusal`] that says what is wrong and what to do instead: nothing to run, several statements, a text without end, a clause that
/// writes, a command, procedure or function that no read may use.
pub(crate) fn read(cypher: &str) -> Result<Read<'_>, Refusal> {
    judged(|| read_one(cypher))
}

/// Judges a statement in a span of its own.
fn judged<T>(judge: impl FnOnce() -> Result<T, Refusal>) -> Result<T, Refusal> {
    let span = trace::internal("guard");
    let judged = span.in_scope(judge);
    judged.inspect_err(|refusal| trace::fail(&span, fault::name(refusal.reason)))
}

fn read_one(cypher: &str) -> Result<Read<'_>, Refusal> {
    let statement = Statement::of(cypher)?;
    statement.check()?;
    statement.check_reads()?;
    let (text, offset) = statement.text();
    Ok(Read {
        text,
        offset,
        shows: statement.shows(),
        gist: statement.gist(),
    })
}

/// Reads one statement of a write: what it destroys, if that is much or can't be seen.
///
/// # Errors
/// A [`Refusal`] as [`read`]'s, for what must not run in a transaction of ours or acts on the whole server.
pub(crate) fn write(cypher: &str) -> Result<Write, Refusal> {
    judged(|| {
        let statement = Statement::of(cypher)?;
        statement.check()?;
        write::inspect(&statement)
    })
}

//! The tool that changes data: several statements, one transaction, all or nothing.
//!
//! What a statement did is known before it counts: the transaction runs to its end, and only then is it decided whether it needs a
//! confirmation. So "deletes all 412 rows" is a fact, not a guess from the text, and `WHERE true` hides nothing.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::{Fault, confirmation};
use mcp_hub_proto::sqlite::v1::{ExecuteRequest, ExecuteResponse, Statement, StatementOutcome};
use prost::Message as _;
use rusqlite::Connection;

use crate::database::{Session, quote};
use crate::error::Error;
use crate::guard::Effect;
use crate::{query, statement};

/// The most statements of one transaction.
const MOST_STATEMENTS: usize = 1_000;

/// The characters that the results of all statements may have together.
const CHARACTERS: usize = 60_000;

/// How long counting the rows of a table that is to be dropped may take.
const COUNT_BUDGET: Duration = Duration::from_millis(500);

/// Runs a transaction. `limit` is the time of each statement; `list_changed` is told when the schema is another one after it.
pub(crate) fn execute(
    session: &Session<'_>,
    list_changed: &Changed,
    request: &ExecuteRequest,
    limit: Duration,
    notices: Vec<String>,
) -> Result<ExecuteResponse, Error> {
    let count = request.statements.len();
    if count == 0 || count > MOST_STATEMENTS {
        let message = format!("statements must hold 1 to {MOST_STATEMENTS} statements");
        return Err(Fault::argument("statements", message).into());
    }
    session.stop().restart(limit);
    session.ours("BEGIN", |raw| Ok(raw.execute_batch("begin immediate")?))?;
    let schema = session.internal(schema_version)?;
    let result = run(session, request, limit);
    let commit = result.is_ok() && request.dry_run != Some(true);
    // SQLite has rolled back by itself, as some errors make it do.
    let ended = match (session.is_autocommit(), commit) {
        (true, _) => Ok(()),
        (false, true) => session.ours("COMMIT", |raw| Ok(raw.execute_batch("commit")?)),
        (false, false) => session.ours("ROLLBACK", |raw| Ok(raw.execute_batch("rollback")?)),
    };
    let outcomes = result?;
    ended?;
    // What was done is done, also when this can't be told any more.
    if session.internal(schema_version).ok() != Some(schema) {
        list_changed.perhaps();
    }
    Ok(ExecuteResponse {
        outcomes,
        committed: Some(commit),
        notices,
    })
}

/// A number that each change of the schema makes another one.
fn schema_version(raw: &Connection) -> Result<i64, Error> {
    Ok(raw.query_row("pragma schema_version", [], |row| row.get(0))?)
}

fn run(
    session: &Session<'_>,
    request: &ExecuteRequest,
    limit: Duration,
) -> Result<Vec<StatementOutcome>, Error> {
    let mut outcomes = Vec::with_capacity(request.statements.len());
    let mut destroyed = Vec::new();
    let characters = (CHARACTERS / request.statements.len()).max(1_000);
    for (index, statement) in request.statements.iter().enumerate() {
        session.stop().restart(limit);
        let outcome = run_one(session, statement, characters, &mut destroyed)
            .map_err(|error| at_statement(session.classify(error), index, request.statements.len()))?;
        outcomes.push(outcome);
    }
    if let Some(expected) = request.expect_rows {
        let affected: u64 = outcomes.iter().filter_map(|outcome| outcome.affected_rows).sum();
        if affected != u64::from(expected) {
            let message =
                format!("the statements changed {affected} rows, not {expected}: nothing was changed");
            return Err(Fault::new(Reason::ConditionFailed, message).into());
        }
    }
    if !destroyed.is_empty() && request.dry_run != Some(true) {
        let identity = ExecuteRequest {
            confirmation: None,
            timeout_ms: None,
            dry_run: None,
            ..request.clone()
        };
        let effect = format!("This {}.", destroyed.join(", and "));
        confirmation::require(
            &identity.encode_to_vec(),
            &effect,
            request.confirmation.as_deref(),
        )?;
    }
    if session.stop().has_ended() {
        return Err(session.stop().reason());
    }
    Ok(outcomes)
}

fn run_one(
    session: &Session<'_>,
    request: &Statement,
    characters: usize,
    destroyed: &mut Vec<String>,
) -> Result<StatementOutcome, Error> {
    let started = Instant::now();
    let (mut statement, effects) = statement::write(session, &request.sql, &request.params)?;
    let dropped = dropped(session, &effects)?;
    let caps = Caps {
        characters,
        ..Caps::default()
    };
    let has_rows = statement.column_count() > 0;
    // A write is complete only after its last row; a SELECT may end at the cap.
    let to_the_end = !statement.readonly();
    let (answer, types) = session.theirs(&request.sql, |span| {
        let (filled, returned) = query::fill(&mut statement, span, caps, 0, to_the_end, &Counter::default())?;
        Ok((filled, Some(returned).filter(|_| has_rows)))
    })?;
    drop(statement);

    let changes_rows = effects
        .iter()
        .any(|effect| !matches!(effect, Effect::Drop(_) | Effect::DropColumn(_)));
    let affected_rows = if changes_rows && dropped.is_empty() {
        Some(session.internal(|raw| Ok(raw.changes()))?)
    } else {
        None
    };
    if dropped.is_empty() {
        destroyed.extend(whole_table(session, &effects, affected_rows.unwrap_or_default())?);
    } else {
        destroyed.extend(dropped);
    }
    Ok(StatementOutcome {
        affected_rows,
        result: has_rows.then(|| query::finish(answer, &types, started, |_| None)),
    })
}

/// What the statement drops, in words. Dropping also deletes, so the rest of its effects do not count.
fn dropped(session: &Session<'_>, effects: &[Effect]) -> Result<Vec<String>, Error> {
    let mut dropped = Vec::new();
    for effect in effects {
        match effect {
            Effect::Drop(what) => match what.strip_prefix("the table ") {
                Some(table) => dropped.push(format!("drops {what}{}", size(session, table)?)),
                None => dropped.push(format!("drops {what}")),
            },
            Effect::DropColumn(what) => dropped.push(format!("drops {what}")),
            _ => {}
        }
    }
    Ok(dropped)
}

fn size(session: &Session<'_>, table: &str) -> Result<String, Error> {
    let sql = format!(
        "select count(*) from (select 1 from {} limit {})",
        quote(table),
        i64::MAX
    );
    let count = session.spanning("SELECT", || {
        session.budgeted(COUNT_BUDGET, |raw| {
            Ok(raw.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
        })
    })?;
    Ok(count.map_or_else(String::new, |count| {
        format!(" with {count} row{}", if count == 1 { "" } else { "s" })
    }))
}

/// Whether the statement has just deleted or changed every row of its table, in words. One row alone is no destruction.
fn whole_table(session: &Session<'_>, effects: &[Effect], affected: u64) -> Result<Option<String>, Error> {
    if affected < 2 {
        return Ok(None);
    }
    // The first is the statement's own; those of foreign keys' actions follow it.
    let (sql, words) = match effects.first() {
        Some(Effect::Delete(table)) => (
            format!("select not exists (select 1 from {})", quote(table)),
            format!("deletes all {affected} rows of {table}"),
        ),
        Some(Effect::Update(table)) => {
            let more = affected.saturating_add(1).min(i64::MAX as u64);
            let sql = format!(
                "select count(*) <= {affected} from (select 1 from {} limit {more})",
                quote(table)
            );
            (sql, format!("changes all {affected} rows of {table}"))
        }
        _ => return Ok(None),
    };
    let whole: bool = session.ours("SELECT", |raw| Ok(raw.query_row(&sql, [], |row| row.get(0))?))?;
    Ok(whole.then_some(words))
}

/// Says which statement it was, and that nothing was changed.
fn at_statement(error: Error, index: usize, count: usize) -> Error {
    let place = if count == 1 {
        String::new()
    } else {
        format!("statement {}: ", index + 1)
    };
    match error {
        Error::Statement(mut refusal) => {
            refusal.message = format!("{place}{} (nothing was changed)", refusal.message);
            Error::Statement(refusal)
        }
        Error::Denied { mut denial, hint } => {
            denial.what = format!("{place}{}", denial.what);
            Error::Denied { denial, hint }
        }
        error => error,
    }
}

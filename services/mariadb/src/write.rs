//! `Execute`, and in `database` `CreateDatabase`: changes, in one transaction or none, never sent twice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::TIMEOUT_MS;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::{Fault, confirmation, trace};
use mcp_hub_proto::mariadb::v1 as pb;
use prost::Message as _;

use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::guard::{self, Name, Write};
use crate::traced::Shown;
use crate::{catalogue, execution};

mod database;

pub(crate) use database::create_database;

/// The most statements of a call.
const MOST_STATEMENTS: usize = 200;

/// Runs statements in one transaction, or one that commits by itself. Says so to `resources` when that may have made or dropped a table.
///
/// # Errors
/// The guard's refusal, `CONFIRMATION_REQUIRED`, `CONDITION_FAILED`, wrong arguments, the server's error, time-outs. Each says what became
/// of the changes.
pub(crate) async fn execute(
    database: &Database,
    request: &pb::ExecuteRequest,
    remaining: Option<Duration>,
    resources: &Changed,
) -> Result<pb::ExecuteResponse, Fault> {
    let deadline = remaining.map(|remaining| Instant::now() + remaining);
    let mut notices = Vec::new();
    let timeout = TIMEOUT_MS.apply_ms(request.timeout_ms, &mut notices)?;
    let span = trace::internal("guard");
    let writes = span.in_scope(|| judge(request));
    let writes = writes.inspect_err(|fault| trace::fault(&span, fault))?;
    drop(span);
    let dry_run = request.dry_run.unwrap_or_default();
    if !dry_run {
        confirm(request, &writes)?;
    }
    let name = request.database.as_deref();
    catalogue::check_writes(database, name, &writes).await?;
    let mut transaction = database.write(name, timeout).await?;
    // A session that has died is noticed here and replaced: a statement must not be the first to find out, because it is not sent again.
    transaction.begin(None).await?;
    let call = Call {
        statements: writes.len(),
        commits: writes.iter().any(|write| write.commits),
        lasting: lasting(&mut transaction, &writes).await?,
    };
    if let (true, Some(table)) = (dry_run, call.lasting.first()) {
        let message = format!(
            "this can't be tried: the storage engine of {table} has no transactions, so what is written there can't be rolled back"
        );
        return Err(Fault::new(Reason::NotSupported, message));
    }
    let mut outcomes = Vec::with_capacity(writes.len());
    let mut changed = 0;
    for (index, (write, statement)) in writes.iter().zip(&request.statements).enumerate() {
        let outcome = run(&mut transaction, write, statement, &call, timeout, deadline).await;
        if call.commits {
            // Also when it failed: what a connection that broke has left is not known.
            resources.perhaps();
        }
        let outcome = outcome.map_err(|error| call.failed(error, index))?;
        if write.counts() {
            changed += outcome.affected_rows.unwrap_or_default();
        }
        outcomes.push(outcome);
        let said = transaction.take_notices().await;
        notices.append(&mut said.map_err(|error| call.failed(error, index))?);
    }
    if let Some(expected) = request
        .expect_rows
        .filter(|expected| u64::from(*expected) != changed)
    {
        end_unchanged(transaction).await;
        let message = format!(
            "the statements changed {changed} rows and not {expected}: they were rolled back, {}",
            call.left()
        );
        return Err(Fault::new(Reason::ConditionFailed, message));
    }
    if dry_run {
        end_unchanged(transaction).await;
        notices.push("dry run: all statements ran and were rolled back, nothing was changed".to_owned());
    } else {
        transaction
            .commit()
            .await
            .map_err(|error| call.not_committed(error))?;
        notices.extend(call.lasting.iter().map(|table| {
            format!("the storage engine of {table} has no transactions: a later failure would not have undone its changes")
        }));
    }
    Ok(pb::ExecuteResponse {
        outcomes,
        committed: Some(!dry_run),
        notices,
    })
}

/// Asks the guard about each statement, and whether they can be run as they are wanted.
fn judge(request: &pb::ExecuteRequest) -> Result<Vec<Write<'_>>, Fault> {
    let statements = &request.statements;
    if statements.is_empty() || statements.len() > MOST_STATEMENTS {
        let message = format!(
            "give 1 to {MOST_STATEMENTS} statements; these are {}",
            statements.len()
        );
        return Err(Fault::argument("statements", message));
    }
    let mut writes = Vec::with_capacity(statements.len());
    for (index, statement) in statements.iter().enumerate() {
        let judged = judge_one(request, statement);
        writes.push(judged.map_err(|fault| fault.at_statement(index, statements.len()).unchanged())?);
    }
    Ok(writes)
}

fn judge_one<'a>(request: &pb::ExecuteRequest, statement: &'a pb::Statement) -> Result<Write<'a>, Fault> {
    let write = guard::write(&statement.sql)?;
    if write.parameters != statement.params.len() {
        return Err(execution::wrong_count(write.parameters, statement.params.len()));
    }
    if !write.commits {
        return Ok(write);
    }
    let name = &write.name;
    let refuse =
        |message: String, hint: &str| Err(Fault::new(Reason::StatementInvalid, message).with("hint", hint));
    if request.statements.len() > 1 {
        return refuse(
            format!("{name} commits by itself, so it must be the only statement of a call"),
            "Send it in a call of its own.",
        );
    }
    if request.dry_run.unwrap_or_default() {
        return refuse(
            format!("{name} commits by itself, so it can't be tried and rolled back"),
            "Leave dry_run out.",
        );
    }
    if request.expect_rows.is_some() {
        return refuse(
            format!("{name} commits by itself, so it can't be rolled back when expect_rows does not hold"),
            "Leave expect_rows out.",
        );
    }
    Ok(write)
}

/// Lets a destructive call pass when it was confirmed.
fn confirm(request: &pb::ExecuteRequest, writes: &[Write<'_>]) -> Result<(), Fault> {
    let effects: Vec<&str> = writes
        .iter()
        .filter_map(|write| write.effect.as_deref())
        .collect();
    if effects.is_empty() {
        return Ok(());
    }
    // What is confirmed is exactly this request, so the confirmation itself is not part of it.
    let confirmed = pb::ExecuteRequest {
        confirmation: None,
        dry_run: None,
        ..request.clone()
    };
    let given = request.confirmation.as_deref();
    confirmation::require(&confirmed.encode_to_vec(), &effects.join(" "), given)
}

/// The tables that are written and whose storage engine has no transactions: `MyISAM`, Aria, MEMORY, CSV and the like.
async fn lasting(transaction: &mut Transaction, writes: &[Write<'_>]) -> Result<Vec<String>, Error> {
    let targets: BTreeSet<&Name> = writes.iter().flat_map(|write| &write.targets).collect();
    if targets.is_empty() {
        return Ok(vec![]);
    }
    let sql = format!(
        "select t.table_schema, t.table_name from information_schema.tables t
           join information_schema.engines e on e.engine = t.engine
          where e.transactions <> 'YES' and ({})",
        vec!["t.table_schema = coalesce(?, database()) and t.table_name = ?"; targets.len()].join(" or ")
    );
    let params: Vec<Option<&str>> = targets
        .iter()
        .flat_map(|name| [name.database.as_deref(), Some(name.name.as_str())])
        .collect();
    let rows = transaction
        .rows("SELECT information_schema.tables", &sql, &params)
        .await?;
    let names = rows.iter().map(|row| {
        let text = |column| row.text(column).unwrap_or_default();
        format!("{}.{}", text(0), text(1))
    });
    Ok(names.collect())
}

/// A call under way: what its failure leaves.
struct Call {
    statements: usize,
    /// Its one statement ends the transaction by itself.
    commits: bool,
    /// Tables whose changes no rollback undoes.
    lasting: Vec<String>,
}

impl Call {
    /// What is left after a rollback.
    fn left(&self) -> String {
        if self.lasting.is_empty() {
            "nothing was changed".to_owned()
        } else {
            format!(
                "but changes of {} stay, because its storage engine has no transactions",
                self.lasting.join(", ")
            )
        }
    }

    /// An error of a statement.
    fn failed(&self, error: Error, index: usize) -> Fault {
        match (self.commits, is_known(&error)) {
            (false, _) => self.rolled_back(error, index),
            (true, true) => error.into(),
            (true, false) => Fault::from(error).unclear("it was done"),
        }
    }

    /// An error of the commit. If the server said it, nothing was changed; if it said nothing, nobody knows.
    fn not_committed(&self, error: Error) -> Fault {
        if is_known(&error) {
            self.rolled_back(error, self.statements)
        } else {
            Fault::from(error).unclear("the changes were made")
        }
    }

    fn rolled_back(&self, error: Error, index: usize) -> Fault {
        let mut fault = Fault::from(error).at_statement(index, self.statements);
        fault.message = format!("{} ({})", fault.message, self.left());
        fault
    }
}

/// Whether the server itself said that a statement failed.
fn is_known(error: &Error) -> bool {
    match error {
        Error::Fault(_) => true,
        Error::Server(server) => !error.is_interrupted() && !server.ends_the_session(),
        _ => false,
    }
}

async fn run(
    transaction: &mut Transaction,
    write: &Write<'_>,
    statement: &pb::Statement,
    call: &Call,
    timeout: Duration,
    deadline: Option<Instant>,
) -> Result<pb::StatementOutcome, Error> {
    if let Some(deadline) = deadline {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Error::TimedOut(timeout));
        }
        if left < timeout {
            transaction
                .set_timeout(left.max(Duration::from_millis(1)))
                .await?;
        }
    }
    let caps = Caps::of_change(call.statements);
    let shown = Shown::theirs(&write.name, &write.names);
    let outcome = transaction
        .run(shown, write.text, &statement.params, caps)
        .await?;
    Ok(pb::StatementOutcome {
        affected_rows: outcome.affected,
        last_insert_id: outcome.last_insert_id,
        result: outcome.result,
    })
}

/// Rolls back. A connection that is lost meanwhile has the same effect.
async fn end_unchanged(transaction: Transaction) {
    if let Err(error) = transaction.rollback().await {
        tracing::debug!(error = mcp_hub_chassis::fault::chain(&error), "rollback");
    }
}

#[cfg(test)]
mod tests;

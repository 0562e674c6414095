//! `Execute` and `CreateDatabase`: changes, in one transaction or none, never sent twice.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::TIMEOUT_MS;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::{Fault, confirmation};
use mcp_hub_proto::postgres::v1 as pb;
use prost::Message as _;

use crate::catalogue;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::guard::{self, Write};
use crate::traced::Shown;

/// The most statements of a call.
const MOST_STATEMENTS: usize = 200;

/// The longest name of a database or a role, in bytes. PostgreSQL would cut a longer one without a word.
const MAX_NAME: usize = 63;

/// Runs statements in one transaction. `list_changed` is told when they may have changed what there is to list.
///
/// # Errors
/// The guard's refusal, `CONFIRMATION_REQUIRED`, `CONDITION_FAILED`, wrong arguments, the server's error, time-outs. All of them mean that
/// nothing was changed, unless the message says that it is not known.
pub(crate) async fn execute(
    database: &Database,
    list_changed: &Changed,
    request: &pb::ExecuteRequest,
    remaining: Option<Duration>,
) -> Result<pb::ExecuteResponse, Fault> {
    let deadline = remaining.map(|remaining| Instant::now() + remaining);
    let mut notices = Vec::new();
    let timeout = TIMEOUT_MS.apply_ms(request.timeout_ms, &mut notices)?;
    let writes = judge(&request.statements)?;
    let dry_run = request.dry_run.unwrap_or_default();
    if !dry_run {
        confirm(request, &writes)?;
    }
    catalogue::check_writes(database, request.database.as_deref(), &writes).await?;
    let mut transaction = begin(database, request.database.as_deref(), timeout).await?;
    let mut outcomes = Vec::with_capacity(writes.len());
    let mut changed = 0;
    for (index, (write, statement)) in writes.iter().zip(&request.statements).enumerate() {
        let shown = Shown::theirs(&write.name, &write.names);
        let outcome = run(
            &mut transaction,
            shown,
            statement,
            writes.len(),
            timeout,
            deadline,
        )
        .await
        .map_err(|error| unchanged(error, index, writes.len()))?;
        if write.counts() {
            changed += outcome.affected_rows.unwrap_or_default();
        }
        outcomes.push(outcome);
    }
    if let Some(expected) = request
        .expect_rows
        .filter(|expected| u64::from(*expected) != changed)
    {
        end_unchanged(transaction).await;
        let message = format!(
            "the statements changed {changed} rows and not {expected}: they were rolled back, nothing was changed"
        );
        return Err(Fault::new(Reason::ConditionFailed, message));
    }
    if dry_run {
        // What would fail only at the commit fails here.
        let check = "SET CONSTRAINTS ALL IMMEDIATE";
        let checked = transaction.rows(Shown::ours("SET CONSTRAINTS"), check, &[]).await;
        checked.map_err(|error| unchanged(error, writes.len(), writes.len()))?;
        notices.append(&mut transaction.take_notices());
        end_unchanged(transaction).await;
        notices.push("dry run: all statements ran and were rolled back, nothing was changed".to_owned());
    } else {
        notices.append(&mut transaction.take_notices());
        let committed = transaction.commit().await;
        // Also when it failed: it may have been only the server's word that was lost.
        if writes.iter().any(Write::may_change_schema) {
            list_changed.perhaps();
        }
        committed.map_err(|error| not_committed(error, writes.len()))?;
    }
    Ok(pb::ExecuteResponse {
        outcomes,
        committed: Some(!dry_run),
        notices,
    })
}

/// Asks the guard about each statement.
fn judge(statements: &[pb::Statement]) -> Result<Vec<Write<'_>>, Fault> {
    if statements.is_empty() || statements.len() > MOST_STATEMENTS {
        let message = format!(
            "give 1 to {MOST_STATEMENTS} statements; these are {}",
            statements.len()
        );
        return Err(Fault::argument("statements", message));
    }
    guard::writes(statements.iter().map(|statement| statement.sql.as_str()))
        .map_err(|(index, refusal)| unchanged(refusal, index, statements.len()))
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

/// A transaction on a session that is known to live: a statement must not be the first to find out, because it is not sent again.
async fn begin(database: &Database, name: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
    let mut transaction = database.write(name, timeout).await?;
    let shown = Shown::ours("SELECT");
    match transaction.rows(shown, "SELECT 1", &[]).await {
        Err(error) if error.is_lost_connection() && transaction.lease().was_used() => {
            transaction.begin_again().await?;
            transaction.rows(shown, "SELECT 1", &[]).await?;
        }
        result => drop(result?),
    }
    Ok(transaction)
}

async fn run(
    transaction: &mut Transaction,
    shown: Shown<'_>,
    statement: &pb::Statement,
    statements: usize,
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
    let caps = Caps::of_change(statements);
    let outcome = transaction
        .run(shown, &statement.sql, &statement.params, caps)
        .await?;
    Ok(pb::StatementOutcome {
        affected_rows: outcome.affected,
        result: outcome.result,
    })
}

/// Rolls back. A connection that is lost meanwhile has the same effect.
async fn end_unchanged(transaction: Transaction) {
    if let Err(error) = transaction.rollback().await {
        tracing::debug!(error = mcp_hub_chassis::fault::chain(&error), "rollback");
    }
}

/// An error before the commit, with the statement that it is about.
fn unchanged(error: impl Into<Fault>, index: usize, statements: usize) -> Fault {
    error.into().at_statement(index, statements).unchanged()
}

/// An error of the commit. If the server said it, nothing was changed; if it said nothing, nobody knows.
fn not_committed(error: Error, statements: usize) -> Fault {
    let known = matches!(&error, Error::Server(error) if !error.sqlstate.starts_with("57P") && error.sqlstate != "57014");
    if known {
        unchanged(error, statements, statements)
    } else {
        Fault::from(error).unclear("the changes were made")
    }
}

/// Creates a database.
///
/// # Errors
/// Wrong names; the server's error, also when there is such a database, or no such role.
pub(crate) async fn create_database(
    database: &Database,
    request: &pb::CreateDatabaseRequest,
    remaining: Option<Duration>,
) -> Result<pb::CreateDatabaseResponse, Fault> {
    let name = &request.database_name;
    let mut sql = format!("CREATE DATABASE {}", quoted("database_name", name)?);
    if let Some(owner) = request.owner.as_deref().filter(|owner| !owner.is_empty()) {
        sql.push_str(" OWNER ");
        sql.push_str(&quoted("owner", owner)?);
    }
    let timeout = Duration::from_millis(TIMEOUT_MS.maximum.into());
    let timeout = remaining.map_or(timeout, |remaining| remaining.min(timeout));
    database
        .run_outside_transaction(None, Shown::ours("CREATE DATABASE"), &sql, timeout)
        .await
        .map_err(|error| match error {
            Error::TimedOut(_) | Error::Lost(_) => Fault::from(error).unclear("the database was created"),
            error => error.into(),
        })?;
    let mut transaction = database.read(None, timeout).await?;
    let sql =
        "select pg_catalog.pg_get_userbyid(datdba) from pg_catalog.pg_database where datname = $1::text";
    let rows = transaction
        .rows(Shown::ours("SELECT pg_database"), sql, &[Some(name)])
        .await?;
    let owner = rows
        .first()
        .and_then(|row| row.text(0))
        .unwrap_or_default()
        .to_owned();
    Ok(pb::CreateDatabaseResponse {
        database_name: name.clone(),
        owner,
    })
}

/// A name as an identifier of SQL: any name, taken as it is.
fn quoted(field: &str, name: &str) -> Result<String, Fault> {
    if name.is_empty() || name.len() > MAX_NAME || name.contains('\0') {
        let message = format!("{field} must have 1 to {MAX_NAME} bytes");
        return Err(Fault::argument(field, message));
    }
    Ok(format!("\"{}\"", name.replace('"', "\"\"")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(sql: &str) -> pb::ExecuteRequest {
        pb::ExecuteRequest {
            statements: vec![pb::Statement {
                sql: sql.to_owned(),
                params: vec![],
            }],
            ..pb::ExecuteRequest::default()
        }
    }

    fn confirmed(request: &pb::ExecuteRequest) -> Result<(), Fault> {
        confirm(request, &judge(&request.statements)?)
    }

    #[test]
    fn a_destructive_statement_needs_the_digest_of_its_own_request() {
        assert_eq!(confirmed(&request("delete from t where id = 1")), Ok(()));
        let mut delete = request("delete from t");
        let fault = confirmed(&delete).expect_err("asks");
        assert_eq!(fault.reason, Reason::ConfirmationRequired);
        assert_eq!(
            fault.metadata["effect"],
            "`delete from t` removes all rows of the table."
        );
        delete.confirmation = Some(fault.metadata["digest"].clone());
        assert_eq!(confirmed(&delete), Ok(()));
        // Rehearsed before, with the same digest after.
        delete.dry_run = Some(false);
        assert_eq!(confirmed(&delete), Ok(()));
        delete.database = Some("other".to_owned());
        assert!(confirmed(&delete).is_err());
    }

    #[test]
    fn a_refusal_names_the_statement() {
        let mut two = request("insert into t values (1)");
        two.statements.extend(request("commit").statements);
        let fault = judge(&two.statements).expect_err("refused");
        assert_eq!(
            fault.message,
            "statement 2 of 2: COMMIT controls transactions (nothing was changed)"
        );
        assert!(judge(&[]).is_err());
    }

    #[test]
    fn an_unclear_commit_is_told_as_such_and_not_to_be_repeated() {
        let lost = not_committed(Error::Lost(std::io::ErrorKind::UnexpectedEof.into()), 1);
        assert!(lost.message.contains("not known"), "{lost}");
        assert_eq!(lost.retry_after, None);
    }

    #[test]
    fn names_are_quoted_as_they_are() {
        assert_eq!(quoted("x", "my-\"DB\" ä"), Ok("\"my-\"\"DB\"\" ä\"".to_owned()));
        for name in ["", "a\0b", &"x".repeat(64)] {
            assert!(quoted("x", name).is_err(), "{name:?}");
        }
    }
}

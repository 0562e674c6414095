//! `ExplainQuery`: a read's plan in lines, and what stands out in it.
//!
//! MariaDB and MySQL describe a plan in JSON that is alike, which is where estimates, possible indexes and costs come from. What really
//! happened MariaDB adds to that JSON (`ANALYZE FORMAT=JSON`); MySQL has it in a tree of text (`EXPLAIN ANALYZE`) of another shape.

mod document;
mod findings;
mod plan;
mod tree;

use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::mariadb::v1 as pb;

use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::guard::{self, Read};
use crate::traced::Shown;
use crate::{catalogue, execution};

/// A plan is one cell: it is cut only where it would not be read any more.
const CAPS: Caps = Caps {
    rows: 1,
    characters: 8 * 1024 * 1024,
    cell: 8 * 1024 * 1024,
};

/// The first MySQL that tells times.
const ANALYZES: (u16, u16, u16) = (8, 0, 18);

/// The first MySQL that has more than one form of JSON. The first of them has the possible indexes.
const HAS_FORMS: (u16, u16, u16) = (8, 3, 0);

/// Explains a read, and runs it if `analyze` is asked for.
///
/// # Errors
/// The guard's refusal, wrong arguments, the server's error, time-outs.
pub(crate) async fn explain_query(
    database: &Database,
    request: &pb::ExplainQueryRequest,
    remaining: Option<Duration>,
) -> Result<pb::ExplainQueryResponse, Fault> {
    let mut notices = Vec::new();
    let timeout = arguments::timeout(request.timeout_ms, remaining, &mut notices)?;
    let read = guard::read(&request.sql)?;
    if !read.kind.is_query() {
        return Err(Fault::argument(
            "sql",
            "give the SELECT, VALUES or TABLE alone, without EXPLAIN",
        ));
    }
    if read.parameters != request.params.len() {
        return Err(execution::wrong_count(read.parameters, request.params.len()));
    }
    let name = request.database.as_deref();
    catalogue::check_read(database, name, &read).await?;
    let analyze = request.analyze.unwrap_or_default();
    let mut transaction = database.read(name, timeout).await?;
    // Of a session that is known: a new one may reach a server of another make.
    transaction.begin(None).await?;
    if read.changes_session {
        transaction.taint();
    }
    let flavor = transaction.flavor();
    let statement = Statement {
        read: &read,
        params: &request.params,
    };
    let (plan, lines) = if flavor.is_mariadb() {
        let prefix = if analyze {
            "ANALYZE FORMAT=JSON "
        } else {
            "EXPLAIN FORMAT=JSON "
        };
        let plan = document::read(&statement.explained(&mut transaction, prefix).await?)?;
        let lines = plan.lines();
        (plan, lines)
    } else {
        if flavor.version >= HAS_FORMS {
            transaction
                .rows("SET", "SET SESSION explain_json_format_version = 1", &[])
                .await?;
        }
        let mut plan = document::read(
            &statement
                .explained(&mut transaction, "EXPLAIN FORMAT=JSON ")
                .await?,
        )?;
        let mut lines = plan.lines();
        if analyze {
            if flavor.version < ANALYZES {
                let message =
                    format!("MySQL {flavor} can't run a statement and tell its times: leave analyze out");
                return Err(Fault::new(Reason::NotSupported, message));
            }
            let begun = Instant::now();
            let text = statement.explained(&mut transaction, "EXPLAIN ANALYZE ").await?;
            // At its limit MySQL stops, says what it measured so far, and calls that a success.
            if begun.elapsed() >= timeout {
                return Err(Error::TimedOut(timeout).into());
            }
            lines = text
                .lines()
                .filter(|line| !line.trim().is_empty())
                .map(str::to_owned)
                .collect();
            plan.actual = Some(tree::read(&text));
        }
        (plan, lines)
    };
    transaction.rollback().await?;
    Ok(pb::ExplainQueryResponse {
        plan: lines,
        findings: findings::of(&plan).into_iter().chain(notices).collect(),
        estimated_rows_examined: plan.rows_examined(),
        total_cost: plan.total_cost,
        execution_ms: plan.execution_ms(),
    })
}

/// The caller's statement.
struct Statement<'a> {
    read: &'a Read<'a>,
    params: &'a [Value],
}

impl Statement<'_> {
    /// The one text that the server gives for it behind a prefix.
    async fn explained(&self, transaction: &mut Transaction, prefix: &str) -> Result<String, Fault> {
        let sql = format!("{prefix}{}", self.read.text);
        let shown = Shown::theirs("EXPLAIN", &self.read.relations);
        let outcome = transaction.run(shown, &sql, self.params, CAPS).await;
        let outcome = outcome.map_err(|error| moved(error, prefix, self.read.offset))?;
        let value = outcome
            .result
            .and_then(|result| result.rows.into_iter().next()?.values.into_iter().next()?.kind);
        match value {
            Some(Kind::Json(text) | Kind::Text(text)) => Ok(text),
            _ => Err(Error::Protocol("EXPLAIN gave no plan".to_owned()).into()),
        }
    }
}

/// An error with its place moved from our statement to the caller's.
fn moved(mut error: Error, prefix: &str, offset: usize) -> Error {
    if let Error::Server(error) = &mut error {
        error.position = error
            .position
            .and_then(|position| position.checked_sub(u32::try_from(prefix.len()).ok()?))
            .and_then(|position| position.checked_add(u32::try_from(offset).ok()?));
    }
    error
}

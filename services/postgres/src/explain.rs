//! `ExplainQuery`: a read's plan in lines, and what stands out in it.

mod findings;
mod plan;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::postgres::v1 as pb;

use crate::catalogue;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::guard::{self, Read};
use crate::traced::Shown;

/// A plan is one cell: it is cut only where it would not be read any more.
const CAPS: Caps = Caps {
    rows: 1,
    characters: 8 * 1024 * 1024,
    cell: 8 * 1024 * 1024,
};

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
    if !read.kind.fits_a_cursor() {
        return Err(Fault::argument(
            "sql",
            "give the SELECT, VALUES or TABLE alone, without EXPLAIN",
        ));
    }
    let analyze = request.analyze.unwrap_or_default();
    let generic = read.parameters > 0 && request.params.is_empty();
    if generic && analyze {
        let message = format!(
            "analyze runs the statement, which has {} parameters: give their values in params",
            read.parameters
        );
        return Err(Fault::argument("params", message));
    }
    catalogue::check_read(database, request.database.as_deref(), &read).await?;
    let mut transaction = database.read(request.database.as_deref(), timeout).await?;
    let document = if generic {
        generic_plan(&mut transaction, &read).await?
    } else {
        let prefix = if analyze {
            "EXPLAIN (FORMAT JSON, ANALYZE, BUFFERS) "
        } else {
            "EXPLAIN (FORMAT JSON) "
        };
        let sql = format!("{prefix}{}", read.text);
        let shown = Shown::theirs("EXPLAIN", &read.relations);
        let outcome = transaction.run(shown, &sql, &request.params, CAPS).await;
        let outcome = outcome.map_err(|error| moved(error, prefix, read.offset))?;
        let value = outcome
            .result
            .and_then(|result| result.rows.into_iter().next()?.values.into_iter().next()?.kind);
        match value {
            Some(Kind::Json(text) | Kind::Text(text)) => text,
            _ => return Err(Error::Protocol("EXPLAIN gave no plan").into()),
        }
    };
    let plan = plan::read(&document).map_err(|error| Fault::internal(&error))?;
    Ok(pb::ExplainQueryResponse {
        plan: plan.lines(),
        findings: findings::of(&plan).into_iter().chain(notices).collect(),
        total_cost: plan.root.total_cost,
        estimated_rows: plan.root.estimated_rows,
        planning_ms: plan.planning_ms,
        execution_ms: plan.execution_ms,
    })
}

/// The plan of a statement whose parameters have no values: what the server would use for any values. `EXPLAIN (GENERIC_PLAN)` does it
/// from PostgreSQL 16 on; preparing the statement does it everywhere.
async fn generic_plan(transaction: &mut Transaction, read: &Read<'_>) -> Result<String, Error> {
    // A prepared statement outlives the rollback, so it is taken away again. When this call is dropped between, one stays with the
    // session, which is why no two have the same name.
    let name = format!("mcp_hub_{:016x}", RandomState::new().build_hasher().finish());
    let prefix = format!("PREPARE {name} AS ");
    transaction
        .rows(
            Shown::ours("SET"),
            "SET LOCAL plan_cache_mode = force_generic_plan",
            &[],
        )
        .await?;
    let sql = format!("{prefix}{}", read.text);
    transaction
        .rows(Shown::theirs("PREPARE", &read.relations), &sql, &[])
        .await
        .map_err(|error| moved(error, &prefix, read.offset))?;
    transaction
        .rows(Shown::ours("SAVEPOINT"), "SAVEPOINT explained", &[])
        .await?;
    let nulls = vec!["NULL"; read.parameters as usize].join(", ");
    let sql = format!("EXPLAIN (FORMAT JSON) EXECUTE {name} ({nulls})");
    let shown = Shown::theirs("EXPLAIN", &read.relations);
    let explained = transaction.rows(shown, &sql, &[]).await;
    if explained.is_err() {
        let back = "ROLLBACK TO SAVEPOINT explained";
        transaction.rows(Shown::ours("ROLLBACK"), back, &[]).await?;
    }
    let sql = format!("DEALLOCATE {name}");
    transaction.rows(Shown::ours("DEALLOCATE"), &sql, &[]).await?;
    let rows = explained?;
    rows.first()
        .and_then(|row| row.text(0))
        .map(str::to_owned)
        .ok_or(Error::Protocol("EXPLAIN gave no plan"))
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

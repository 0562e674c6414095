//! `ExplainQuery`: a read's plan in lines, and what stands out in it.

mod findings;
mod plan;

use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments;
use mcp_hub_proto::neo4j::v1 as pb;

use crate::database::{Database, Next, Shown, Summary, Transaction, limit};
use crate::error::Error;
use crate::guard::{self, Read};
use crate::params;
use crate::wire::message::Request;
use crate::wire::packstream::Entries;

/// How many rows of a profiled statement are asked for at a time.
const BATCH: i64 = 1_000;

/// What the server says of parameters without values, which `EXPLAIN` may have.
const PARAMETERS_MISSING: &str = "Did not supply query with enough parameters";

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
    let read = guard::read(&request.cypher)?;
    if read.shows {
        return Err(Fault::argument("cypher", "SHOW has no plan: give a query"));
    }
    let params = params::encode(&request.params)?;
    let analyze = request.analyze.unwrap_or_default();
    let prefix = if analyze { "PROFILE " } else { "EXPLAIN " };
    let shown = Shown::under(prefix.trim_end(), &read.gist);
    let cypher = format!("{prefix}{}", read.text);
    let mut transaction = database.read(request.database.as_deref(), timeout).await?;
    let begun = Instant::now();
    let summary = run(&mut transaction, shown, &cypher, params)
        .await
        .map_err(|error| moved(error, prefix, &read))?;
    let elapsed = begun.elapsed();
    let plan = summary.plan.as_ref();
    let plan = plan.ok_or(Error::Protocol("EXPLAIN gave no plan"))?;
    let plan = plan::Node::read(plan);
    let said = summary
        .notices
        .into_iter()
        .filter(|notice| !notice.contains(PARAMETERS_MISSING));
    Ok(pb::ExplainQueryResponse {
        plan: plan.lines(),
        findings: findings::of(&plan)
            .into_iter()
            .chain(said)
            .chain(notices)
            .collect(),
        estimated_rows: plan.estimated_rows,
        db_hits: analyze.then(|| plan.total_hits()),
        rows: plan.actual.map(|actual| actual.rows),
        execution_ms: analyze.then_some(elapsed.as_secs_f64() * 1000.0),
    })
}

/// Runs the statement to its end. A connection that turns out to have died is replaced once: it is a read.
async fn run(
    transaction: &mut Transaction,
    shown: Shown<'_>,
    cypher: &str,
    params: Entries,
) -> Result<Summary, Error> {
    let timeout = transaction.timeout();
    let summary = limit(timeout, async {
        match run_once(transaction, shown, cypher, params.clone()).await {
            Err(error) if error.is_lost_connection() && transaction.lease().was_used() => {
                transaction.begin_again(error).await?;
                run_once(transaction, shown, cypher, params).await
            }
            result => result,
        }
    })
    .await;
    transaction.settle(summary)
}

/// All rows travel and are dropped as they come: of rows that the server may throw away it gives no profile.
async fn run_once(
    transaction: &mut Transaction,
    shown: Shown<'_>,
    cypher: &str,
    params: Entries,
) -> Result<Summary, Error> {
    transaction
        .start(shown, cypher, params, Request::Pull, BATCH)
        .await?;
    loop {
        match transaction.next().await? {
            Next::Row(_) => {}
            Next::More => transaction.pull(BATCH).await?,
            Next::End(summary) => return Ok(*summary),
        }
    }
}

/// An error with its place moved from our statement to the caller's.
fn moved(mut error: Error, prefix: &str, read: &Read<'_>) -> Error {
    if let Error::Server(error) = &mut error {
        let moved = |position: u64| {
            position
                .checked_sub(prefix.len() as u64)?
                .checked_add(read.offset as u64)
        };
        error.position = error.position.and_then(moved);
        // The sentence ends with the place in our statement: "(line 1, column 8 (offset: 7))".
        if let Some(end) = error.message.rfind(" (line ") {
            error.message.truncate(end);
        }
    }
    error
}

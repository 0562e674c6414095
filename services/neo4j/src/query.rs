//! `Query`, `FollowQuery` and `StreamQuery`: a caller's read, from the guard to the last row.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::arguments::{FOLLOWED_TIMEOUT_MS, QueryLimits, TIMEOUT_MS};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_chassis::progress::{self, Counter};
use mcp_hub_chassis::stream::Stream;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{Entry, Map, Value};
use mcp_hub_proto::neo4j::v1::{FollowQueryResponse, QueryRequest, QueryResponse};
use prost::Message as _;

use crate::database::{Database, Shown};
use crate::{guard, params};

mod page;
mod stream;

pub(crate) use page::Page;
pub(crate) use stream::stream;

/// Runs a read and returns a page of its rows.
///
/// # Errors
/// The guard's refusal, wrong arguments, the server's error, time-outs.
pub(crate) async fn query(
    database: &Database,
    request: QueryRequest,
    remaining: Option<Duration>,
) -> Result<QueryResponse, Fault> {
    let limits = QueryLimits::of(request.limit, request.timeout_ms, TIMEOUT_MS, remaining)?;
    read_page(database, &request, limits, Counter::default()).await
}

/// Does the same for a caller that wants to know how far it is, and so waits longer. A caller that goes away cancels it.
///
/// # Errors
/// A wrong limit; everything else comes down the stream.
pub(crate) fn follow(
    database: Database,
    request: QueryRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<FollowQueryResponse>, Fault> {
    let limits = QueryLimits::of(request.limit, request.timeout_ms, FOLLOWED_TIMEOUT_MS, remaining)?;
    let message = |progress, response| FollowQueryResponse { progress, response };
    let timeout = limits.timeout;
    Ok(progress::follow(
        lifecycle,
        timeout,
        message,
        move |counter| async move { read_page(&database, &request, limits, counter).await },
    ))
}

/// Runs a read within its limits, and counts the rows that come.
async fn read_page(
    database: &Database,
    request: &QueryRequest,
    limits: QueryLimits,
    counter: Counter,
) -> Result<QueryResponse, Fault> {
    let begun = Instant::now();
    let read = guard::read(&request.cypher)?;
    let statement = identity(request);
    let page = Page {
        shown: Shown::theirs(&read.gist),
        cypher: &request.cypher,
        params: params::encode(&request.params)?,
        delivered: statement.delivered(request.cursor.as_deref())?,
        caps: Caps::rows(limits.rows),
        counter,
    };
    let mut transaction = database.read(request.database.as_deref(), limits.timeout).await?;
    let mut table = transaction.page(&page).await?;
    for notice in limits.notices {
        table.notice(notice);
    }
    let result = table.finish(begun.elapsed(), |rows| {
        Some(statement.cursor(page.delivered + rows as u64))
    });
    Ok(QueryResponse { result: Some(result) })
}

/// What a cursor must fit: the statement, its parameters and its database.
fn identity(request: &QueryRequest) -> Statement {
    let params = in_order(&request.params).encode_to_vec();
    let database = request.database.as_deref().unwrap_or_default();
    Statement::of([request.cypher.as_bytes(), params.as_slice(), database.as_bytes()])
}

/// Parameters in the order of their names: a hash map has another order in each process.
fn in_order(params: &HashMap<String, Value>) -> Map {
    let mut entries: Vec<Entry> = params
        .iter()
        .map(|(key, value)| Entry {
            key: key.clone(),
            value: Some(value.clone()),
        })
        .collect();
    entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    Map { entries }
}

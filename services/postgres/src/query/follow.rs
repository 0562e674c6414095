//! `FollowQuery`: a query that tells its progress, and may take longer because of it.

use std::time::{Duration, Instant};

use mcp_hub_chassis::arguments::{FOLLOWED_TIMEOUT_MS, QueryLimits};
use mcp_hub_chassis::stream::Stream;
use mcp_hub_chassis::{Fault, Lifecycle, progress};
use mcp_hub_proto::postgres::v1::{FollowQueryRequest, FollowQueryResponse};

use crate::database::Database;

/// Runs a read, and tells how far it is until its page is there. A caller that goes away cancels it.
///
/// # Errors
/// Limits that are none; everything later comes down the stream.
pub(crate) fn follow(
    database: Database,
    request: FollowQueryRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<FollowQueryResponse>, Fault> {
    let begun = Instant::now();
    // Without a query there is no statement either, which the guard says.
    let query = request.query.unwrap_or_default();
    let limits = QueryLimits::of(query.limit, query.timeout_ms, FOLLOWED_TIMEOUT_MS, remaining)?;
    let message = |progress, response| FollowQueryResponse { progress, response };
    Ok(progress::follow(
        lifecycle,
        limits.timeout,
        message,
        move |counter| async move { super::run(&database, query, limits, begun, &counter).await },
    ))
}

//! Waiting for a condition.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use tokio::time::{Instant, sleep, timeout_at};

const POLL: Duration = Duration::from_millis(50);

/// Looks until it sees something.
///
/// # Errors
/// `what` was not to be seen within `limit`; with the last reason.
pub(crate) async fn until<T>(
    limit: Duration,
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let end = Instant::now() + limit;
    let mut last = anyhow!("the first look did not return");
    loop {
        match timeout_at(end, look()).await {
            Ok(Ok(seen)) => return Ok(seen),
            Ok(Err(reason)) => last = reason,
            Err(_) => {}
        }
        if Instant::now() >= end {
            return Err(last).with_context(|| format!("{what}: not within {limit:?}"));
        }
        sleep(POLL).await;
    }
}

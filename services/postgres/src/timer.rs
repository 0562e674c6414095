//! How long a statement may take.

use std::time::{Duration, Instant};

use crate::error::Error;

/// How much longer than the server we wait for a statement that it should have ended: its own word is better than ours.
const SLACK: Duration = Duration::from_millis(500);

/// The clock of one statement. The server has the same limit, and its word is better than ours, so ours has some slack.
pub(crate) struct Timer {
    limit: Duration,
    begun: Instant,
}

impl Timer {
    /// Starts the clock.
    pub(crate) fn start(limit: Duration) -> Self {
        Self {
            limit,
            begun: Instant::now(),
        }
    }

    /// Runs a statement within the limit. A cancel by the server's clock is told as what it is.
    pub(crate) async fn limit<T>(
        &self,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let result = tokio::time::timeout(self.limit + SLACK, statement).await;
        match result.unwrap_or(Err(Error::TimedOut(self.limit))) {
            Err(Error::Server(error))
                if error.is_cancelled() && self.begun.elapsed() >= self.limit.mul_f64(0.9) =>
            {
                Err(Error::TimedOut(self.limit))
            }
            result => result,
        }
    }
}

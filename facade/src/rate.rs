//! So many at once, then one in a while: how often something may happen.

use std::time::Duration;

use tokio::time::Instant;

/// So many at once, then one in a while.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) every: Duration,
}

/// A token bucket, kept as the time when it is full again. A missing one is full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    pub(crate) fn full() -> Self {
        Self {
            full_at: Instant::now(),
        }
    }

    /// How long until there is something to take.
    pub(crate) fn wait(&self, rate: Rate) -> Duration {
        let missing = self.full_at.saturating_duration_since(Instant::now());
        (missing + rate.every).saturating_sub(rate.every * rate.burst)
    }

    /// Takes one.
    ///
    /// # Errors
    /// There is none; how long until there is.
    pub(crate) fn take(&mut self, rate: Rate) -> Result<(), Duration> {
        match self.wait(rate) {
            Duration::ZERO => {
                self.full_at = self.full_at.max(Instant::now()) + rate.every;
                Ok(())
            }
            wait => Err(wait),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.full_at <= Instant::now()
    }
}

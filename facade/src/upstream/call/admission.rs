//! How many calls of one upstream are under way, and how many wait for their turn.
//!
//! The bound is per upstream, so that a slow database takes no turn of another one. There is none over all upstreams: what a caller can
//! make the facade hold is the body of a request, and that is bounded where bodies are read, before it is known what is called.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::trace;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::failure::Failure;
use crate::metrics;

/// How long a call waits for its turn. A burst passes within this time; after it, whoever asks does better to come back later.
const PATIENCE: Duration = Duration::from_secs(1);

/// The turns of an upstream.
#[derive(Debug)]
pub(in crate::upstream) struct Admission {
    running: Arc<Semaphore>,
    /// As many may wait as may run: more would only wait in vain.
    waiting: Semaphore,
}

impl Admission {
    pub(in crate::upstream) fn new(concurrency: usize) -> Arc<Self> {
        Arc::new(Self {
            running: Arc::new(Semaphore::new(concurrency)),
            waiting: Semaphore::new(concurrency),
        })
    }

    /// Waits for a turn, first come, first served; it ends when the permit is dropped.
    ///
    /// # Errors
    /// [`Failure::Shed`]: too many wait already, or it took too long.
    pub(super) async fn enter(&self, key: &str, deadline: Instant) -> Result<OwnedSemaphorePermit, Failure> {
        // A permit that becomes free goes to the first who waits, so this overtakes nobody.
        if let Ok(permit) = self.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        let Ok(_waiting) = self.waiting.try_acquire() else {
            metrics::rejected("shed");
            return Err(Failure::Shed);
        };
        metrics::UPSTREAM_WAITS.add(1, &[metrics::upstream(key), metrics::reason("turn")]);
        let end = deadline.min(Instant::now() + PATIENCE);
        let turn = self.running.clone().acquire_owned();
        let turn = timeout_at(end, turn).instrument(trace::internal("wait for a turn"));
        if let Ok(Ok(permit)) = turn.await {
            return Ok(permit);
        }
        // The time is over: it is never closed.
        metrics::rejected("shed");
        Err(Failure::Shed)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn far() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_taken_in_order_and_too_many_are_sent_away() {
        let admission = Admission::new(2);
        let one = admission.enter("shop", far()).await.expect("free");
        let _two = admission.enter("shop", far()).await.expect("free");
        let mut third = Box::pin(admission.enter("shop", far()));
        let mut fourth = Box::pin(admission.enter("shop", far()));
        assert!(third.as_mut().now_or_never().is_none() && fourth.as_mut().now_or_never().is_none());
        let fifth = admission.enter("shop", far()).now_or_never();
        assert!(matches!(fifth, Some(Err(Failure::Shed))), "at once");
        drop(one);
        assert!(fourth.as_mut().now_or_never().is_none(), "not its turn");
        let overtaking = admission.enter("shop", far()).now_or_never();
        assert!(!matches!(overtaking, Some(Ok(_))), "nobody overtakes who waits");
        drop(third.await.expect("its turn"));
        drop(fourth.await.expect("its turn"));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_for_long_or_past_the_deadline() {
        let admission = Admission::new(1);
        let _one = admission.enter("shop", far()).await.expect("free");
        for (deadline, expected) in [(60_000, 1_000), (300, 300)] {
            let start = Instant::now();
            let deadline = start + Duration::from_millis(deadline);
            let shed = admission.enter("shop", deadline).await;
            assert!(matches!(shed, Err(Failure::Shed)));
            assert_eq!(start.elapsed(), Duration::from_millis(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_goes_away_while_waiting_takes_no_permit_along() {
        let admission = Admission::new(1);
        for _ in 0..3 {
            let one = admission.enter("shop", far()).await.expect("free");
            let mut gone = Box::pin(admission.enter("shop", far()));
            assert!(gone.as_mut().now_or_never().is_none());
            // The permit is on its way to who waits, who is dropped before it looks.
            drop(one);
            drop(gone);
            let next = admission.enter("shop", far()).now_or_never();
            drop(next.expect("at once").expect("free"));
        }
        assert_eq!(
            (
                admission.running.available_permits(),
                admission.waiting.available_permits()
            ),
            (1, 1)
        );
    }
}

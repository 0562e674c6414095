//! What pools of connections count: how many may be open, how many are, and who waits for one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mcp_hub_proto::adapter::v1 as adapter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The places of a pool: a call holds one as long as it, or what it left behind on the server, needs a connection.
#[derive(Debug)]
pub struct Slots {
    size: u32,
    free: Arc<Semaphore>,
    open: AtomicU32,
    waiting: AtomicU32,
}

impl Slots {
    /// So many places, all free.
    pub fn new(size: u32) -> Self {
        Self {
            size,
            free: Arc::new(Semaphore::new(size as usize)),
            open: AtomicU32::new(0),
            waiting: AtomicU32::new(0),
        }
    }

    /// A place, free again when it is dropped; `None` when there is none within `wait`.
    pub async fn take(&self, wait: Duration) -> Option<OwnedSemaphorePermit> {
        let _waiting = Waiting::new(&self.waiting);
        let permit = tokio::time::timeout(wait, self.free.clone().acquire_owned());
        // It is never closed; the other way out is the time.
        permit.await.ok()?.ok()
    }

    /// Counts a connection that is opened. Whether they are more than may be with it, so that an idle one must go.
    pub fn opened(&self) -> bool {
        self.open.fetch_add(1, Ordering::AcqRel) >= self.size
    }

    /// Counts a connection that is gone.
    pub fn closed(&self) {
        self.open.fetch_sub(1, Ordering::AcqRel);
    }

    /// The numbers for the status.
    pub fn counts(&self, idle: usize) -> adapter::Pool {
        adapter::Pool {
            max: self.size,
            open: self.open.load(Ordering::Acquire),
            idle: u32::try_from(idle).unwrap_or(u32::MAX),
            waiting: self.waiting.load(Ordering::Acquire),
        }
    }
}

/// The numbers of several pools together. Without any, those of a pool of this size that nobody has used yet.
pub fn sum(size: u32, pools: impl IntoIterator<Item = adapter::Pool>) -> adapter::Pool {
    let sum = pools.into_iter().reduce(|sum, pool| adapter::Pool {
        max: sum.max + pool.max,
        open: sum.open + pool.open,
        idle: sum.idle + pool.idle,
        waiting: sum.waiting + pool.waiting,
    });
    sum.unwrap_or_else(|| Slots::new(size).counts(0))
}

/// Counts a waiting call as long as it waits, also when it is given up.
struct Waiting<'a>(&'a AtomicU32);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicU32) -> Self {
        count.fetch_add(1, Ordering::AcqRel);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_is_waited_for_and_no_longer_than_that() {
        let slots = Slots::new(1);
        let place = slots.take(Duration::ZERO).await.expect("free");
        let start = tokio::time::Instant::now();
        let (none, waiting) = tokio::join!(slots.take(Duration::from_secs(5)), async {
            slots.counts(0).waiting
        });
        assert!(none.is_none());
        assert_eq!(
            (waiting, start.elapsed(), slots.counts(0).waiting),
            (1, Duration::from_secs(5), 0)
        );
        drop(place);
        assert!(slots.take(Duration::ZERO).await.is_some());
    }

    #[test]
    fn one_more_than_may_be_open_is_told() {
        let slots = Slots::new(2);
        assert_eq!(
            [slots.opened(), slots.opened(), slots.opened()],
            [false, false, true]
        );
        slots.closed();
        let counts = slots.counts(1);
        assert_eq!((counts.max, counts.open, counts.idle), (2, 2, 1));
        let both = sum(2, [counts, counts]);
        assert_eq!((both.max, both.open, both.idle), (4, 4, 2));
        assert_eq!(sum(3, []).max, 3);
    }
}

//! When and why a statement ends early: its time limit, its caller's departure, a budget inside it.
//!
//! SQLite is told in two ways, because neither reaches everything: the progress handler is asked every few thousand steps of its
//! machine, and an interrupt ends the loops inside one step (a whole-table `count(*)`).

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rusqlite::InterruptHandle;

use crate::error::Error;

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const EXPIRED: u8 = 2;

/// The end of one piece of work, shared by the thread that does it and the task that waits for it.
pub(crate) struct Stop {
    state: AtomicU8,
    limit: Mutex<(Duration, Option<Instant>)>,
    budget: Mutex<Option<Instant>>,
    /// The connection that works now.
    handle: Mutex<Option<InterruptHandle>>,
}

impl Stop {
    /// A stop with a time limit from now on.
    pub(crate) fn new(limit: Option<Duration>) -> Arc<Self> {
        Arc::new(Self {
            state: AtomicU8::new(RUNNING),
            limit: Mutex::new(deadline(limit)),
            budget: Mutex::default(),
            handle: Mutex::default(),
        })
    }

    /// When it is over.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        lock(&self.limit).1
    }

    /// Starts the clock again, for the next statement of several.
    pub(crate) fn restart(&self, limit: Duration) {
        *lock(&self.limit) = deadline(Some(limit));
    }

    /// The caller is gone.
    pub(crate) fn cancel(&self) {
        self.end(CANCELLED);
    }

    /// The time is over.
    pub(crate) fn expire(&self) {
        self.end(EXPIRED);
    }

    /// Why it ended, as an error.
    pub(crate) fn reason(&self) -> Error {
        if self.state.load(Ordering::SeqCst) == CANCELLED {
            Error::Cancelled
        } else {
            Error::TimedOut(lock(&self.limit).0)
        }
    }

    /// Whether the caller is gone or the time is over.
    pub(crate) fn has_ended(&self) -> bool {
        if self.state.load(Ordering::SeqCst) != RUNNING {
            return true;
        }
        let over = self.deadline().is_some_and(|deadline| Instant::now() >= deadline);
        if over {
            self.state.store(EXPIRED, Ordering::SeqCst);
        }
        over
    }

    /// The progress handler's question.
    pub(super) fn must_end(&self) -> bool {
        let over_budget = lock(&self.budget).is_some_and(|budget| Instant::now() >= budget);
        over_budget || self.has_ended()
    }

    /// Sets or lifts the budget of a part of the work.
    pub(super) fn set_budget(&self, budget: Option<Duration>) {
        *lock(&self.budget) = budget.map(|budget| Instant::now() + budget);
    }

    /// Names the connection to interrupt.
    pub(super) fn arm(&self, handle: InterruptHandle) {
        *lock(&self.handle) = Some(handle);
    }

    /// From here on the connection is somebody else's, and must not be interrupted.
    pub(super) fn disarm(&self) {
        *lock(&self.handle) = None;
    }

    fn end(&self, state: u8) {
        // The first reason stays.
        let _ = self
            .state
            .compare_exchange(RUNNING, state, Ordering::SeqCst, Ordering::SeqCst);
        if let Some(handle) = lock(&self.handle).as_ref() {
            handle.interrupt();
        }
    }
}

impl std::fmt::Debug for Stop {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Stop")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

/// Ends the work when the future or stream that holds this is dropped; after the end it does nothing.
#[derive(Debug)]
pub(crate) struct CancelOnDrop(Arc<Stop>);

impl CancelOnDrop {
    /// Watches over `stop`.
    pub(crate) fn new(stop: &Arc<Stop>) -> Self {
        Self(stop.clone())
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

fn deadline(limit: Option<Duration>) -> (Duration, Option<Instant>) {
    (
        limit.unwrap_or_default(),
        limit.map(|limit| Instant::now() + limit),
    )
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_stays() {
        let stop = Stop::new(Some(Duration::from_mins(1)));
        assert!(!stop.has_ended());
        drop(CancelOnDrop::new(&stop));
        stop.expire();
        assert!(stop.has_ended());
        assert!(matches!(stop.reason(), Error::Cancelled));
    }

    #[test]
    fn time_runs_out() {
        let stop = Stop::new(Some(Duration::ZERO));
        assert!(stop.has_ended());
        assert!(matches!(stop.reason(), Error::TimedOut(Duration::ZERO)));
        stop.restart(Duration::from_mins(1));
        assert!(stop.has_ended(), "an end is final");
    }

    #[test]
    fn a_budget_ends_a_part_only() {
        let stop = Stop::new(None);
        stop.set_budget(Some(Duration::ZERO));
        assert!(stop.must_end() && !stop.has_ended());
        stop.set_budget(None);
        assert!(!stop.must_end());
    }
}

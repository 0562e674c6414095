//! The circuit breaker of an endpoint: whether it is broken although it is connected.
//!
//! It knows only outcomes and time. Closed, it counts failures in a row; open, it lets one call through after a pause, and a longer pause
//! after each. Written here because what there is counts calls by itself, in windows, around a future or a tower service: it can't be
//! asked for the cost of a choice among endpoints, can't leave a cancelled call out, and runs on a clock that tests can't pause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many failures in a row open it.
pub(super) const THRESHOLD: u32 = 5;

/// The pauses before a call is let through: doubled from the first to the last, so that a broken adapter is spared and one that is well
/// again is soon back.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(30);

/// A circuit breaker.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Failures since the last success.
    failures: u32,
    /// Until when they make it a bad choice.
    avoided: Option<Instant>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    probe_at: Instant,
    pause: Duration,
}

/// What it says of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// They may go; so many before them failed in a row a moment ago.
    Closed { failures: u32 },
    /// None may go before then, if anybody else can be asked; from then on, one.
    Open { probe_at: Instant },
}

impl Breaker {
    pub(super) fn standing(&self) -> Standing {
        let state = self.lock();
        match &state.open {
            Some(open) => Standing::Open {
                probe_at: open.probe_at,
            },
            None if state.avoided.is_some_and(|end| end > Instant::now()) => Standing::Closed {
                failures: state.failures,
            },
            None => Standing::Closed { failures: 0 },
        }
    }

    /// Whether the caller's call is the one that is let through now. The next has to wait for a longer pause, whatever becomes of this
    /// one: so a probe that hangs, or is cancelled, holds up nobody.
    pub(super) fn probe(&self) -> bool {
        let now = Instant::now();
        match &mut self.lock().open {
            Some(open) if open.probe_at <= now => {
                open.probe_at = now + jittered(open.pause);
                open.pause = (open.pause * 2).min(LAST_PAUSE);
                true
            }
            _ => false,
        }
    }

    /// The endpoint was connected anew: a call is let through soon. Failures stay counted, and pauses as long as they have become,
    /// because the process may be the same, or no better.
    pub(super) fn reconnected(&self) {
        let mut state = self.lock();
        state.avoided = None;
        if let Some(open) = &mut state.open {
            open.probe_at = Instant::now();
        }
    }

    /// A call was answered. Whether that closed it.
    pub(super) fn succeeded(&self) -> bool {
        let mut state = self.lock();
        state.failures = 0;
        state.open.take().is_some()
    }

    /// A call failed in a way that tells of the endpoint. Whether that opened it.
    pub(super) fn failed(&self) -> bool {
        let mut state = self.lock();
        state.failures = state.failures.saturating_add(1);
        state.avoided = Some(Instant::now() + FIRST_PAUSE);
        if state.open.is_some() || state.failures < THRESHOLD {
            return false;
        }
        state.open = Some(Open {
            probe_at: Instant::now() + jittered(FIRST_PAUSE),
            pause: FIRST_PAUSE * 2,
        });
        true
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So that replicas of the facade do not come to a broken adapter in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..1.25))
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    fn opened() -> Breaker {
        let breaker = Breaker::default();
        for _ in 1..THRESHOLD {
            assert!(!breaker.failed());
        }
        assert!(breaker.failed(), "the last failure opens it");
        breaker
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_a_success_starts_the_count_anew() {
        let breaker = Breaker::default();
        for _ in 0..3 {
            for _ in 1..THRESHOLD {
                assert!(!breaker.failed());
            }
            assert_eq!(
                breaker.standing(),
                Standing::Closed {
                    failures: THRESHOLD - 1
                }
            );
            assert!(!breaker.succeeded(), "it was not open");
        }
        assert_eq!(breaker.standing(), Standing::Closed { failures: 0 });
        assert!(!breaker.probe(), "closed, it needs no probe");
        // A failure makes it a bad choice for a moment only, or it would never be chosen while others idle.
        breaker.failed();
        assert_eq!(breaker.standing(), Standing::Closed { failures: 1 });
        advance(FIRST_PAUSE).await;
        assert_eq!(breaker.standing(), Standing::Closed { failures: 0 });
        breaker.failed();
        assert_eq!(breaker.standing(), Standing::Closed { failures: 2 });
        breaker.reconnected();
        assert_eq!(breaker.standing(), Standing::Closed { failures: 0 });
        let breaker = opened();
        assert!(matches!(breaker.standing(), Standing::Open { .. }));
        assert!(!breaker.failed(), "it is open already");
    }

    #[tokio::test(start_paused = true)]
    async fn one_call_is_let_through_after_a_pause_that_grows_and_has_an_end() {
        let breaker = opened();
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let Standing::Open { probe_at } = breaker.standing() else {
                panic!("open");
            };
            let pause = probe_at.duration_since(Instant::now());
            pauses.push(pause);
            let almost = pause.mul_f64(0.999);
            advance(almost).await;
            assert!(!breaker.probe(), "too soon");
            advance(pause.saturating_sub(almost)).await;
            assert!(breaker.probe() && !breaker.probe(), "one");
            breaker.failed();
        }
        for (index, pause) in pauses.iter().enumerate() {
            let middle = FIRST_PAUSE.mul_f64(f64::from(1 << index)).min(LAST_PAUSE);
            assert!(
                *pause >= middle.mul_f64(0.75) && *pause <= middle.mul_f64(1.25),
                "{index}: {pause:?}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_closes_it_and_the_next_opening_starts_with_a_short_pause() {
        let breaker = opened();
        for _ in 0..4 {
            advance(LAST_PAUSE * 2).await;
            assert!(breaker.probe());
        }
        assert!(breaker.succeeded());
        assert_eq!(breaker.standing(), Standing::Closed { failures: 0 });
        for _ in 0..THRESHOLD {
            breaker.failed();
        }
        advance(FIRST_PAUSE * 2).await;
        assert!(breaker.probe());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_connection_is_tried_soon() {
        let breaker = opened();
        assert!(!breaker.probe());
        breaker.reconnected();
        assert!(breaker.probe() && !breaker.probe());
    }
}

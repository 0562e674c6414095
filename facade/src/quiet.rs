//! A log that one upstream can't fill: the first lines are written, then one a minute, which says how many were not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many lines are written at once. A roll-out of several endpoints writes two for each.
const BURST: u32 = 20;

/// After how long there is one more.
const REFILL: Duration = Duration::from_mins(1);

/// How many lines may still be written.
#[derive(Debug)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug)]
struct State {
    left: u32,
    since: Instant,
    unwritten: u64,
}

impl Default for Quiet {
    fn default() -> Self {
        Self(Mutex::new(State {
            left: BURST,
            since: Instant::now(),
            unwritten: 0,
        }))
    }
}

impl Quiet {
    /// Asks to write a line: `Some` with how many were not written since the last, or `None` when it is too much.
    pub(crate) fn line(&self) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while state.left < BURST && state.since.elapsed() >= REFILL {
            state.since += REFILL;
            state.left += 1;
        }
        if state.left == BURST {
            state.since = Instant::now();
        }
        if state.left == 0 {
            state.unwritten += 1;
            return None;
        }
        state.left -= 1;
        Some(std::mem::take(&mut state.unwritten))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_minute() {
        let quiet = Quiet::default();
        let written = (0..1000).filter(|_| quiet.line().is_some()).count();
        assert_eq!(written, 20);
        tokio::time::advance(REFILL).await;
        assert_eq!(quiet.line(), Some(980));
        assert_eq!(quiet.line(), None);
        tokio::time::advance(REFILL * 1000).await;
        assert_eq!((0..1000).filter(|_| quiet.line().is_some()).count(), 20);
    }
}

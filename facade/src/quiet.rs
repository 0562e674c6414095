//! A log that nobody can fill: so many lines at once, then one in a while, which says how many were not written.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::rate::{Bucket, Rate};

/// What one upstream may make us write. A roll-out of several endpoints writes two lines for each.
const UPSTREAM: Rate = Rate {
    burst: 20,
    every: Duration::from_mins(1),
};

/// Warnings that a flood of connections would repeat: one a minute.
pub(crate) const WARNINGS: Rate = Rate {
    burst: 1,
    every: Duration::from_mins(1),
};

/// How many lines may still be written.
#[derive(Debug)]
pub(crate) struct Quiet {
    rate: Rate,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    lines: Bucket,
    unwritten: u64,
}

/// A line that may be written.
#[derive(Debug)]
pub(crate) struct Line {
    /// How many were not, since the last; `None` when all were.
    pub(crate) unwritten: Option<u64>,
}

impl Default for Quiet {
    /// The log of an upstream.
    fn default() -> Self {
        Self::new(UPSTREAM)
    }
}

impl Quiet {
    pub(crate) fn new(rate: Rate) -> Self {
        let state = State {
            lines: Bucket::full(),
            unwritten: 0,
        };
        Self {
            rate,
            state: Mutex::new(state),
        }
    }

    /// Asks to write a line; `None` when it is too much.
    pub(crate) fn line(&self) -> Option<Line> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.lines.take(self.rate).is_err() {
            state.unwritten += 1;
            return None;
        }
        let unwritten = std::mem::take(&mut state.unwritten);
        Some(Line {
            unwritten: (unwritten > 0).then_some(unwritten),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_one_line_a_minute() {
        let quiet = Quiet::default();
        let written = || (0..1000).filter(|_| quiet.line().is_some()).count();
        assert_eq!(written(), 20);
        tokio::time::advance(UPSTREAM.every).await;
        assert_eq!(quiet.line().expect("one").unwritten, Some(980));
        assert!(quiet.line().is_none());
        tokio::time::advance(UPSTREAM.every * 1000).await;
        assert_eq!(written(), 20);
    }
}

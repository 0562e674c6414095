//! The rows of a statement that must run to its end, as far as an answer can show them.

use std::time::Instant;

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_proto::data::v1::{self as data, ResultSet};

use crate::error::Error;
use crate::execution::Sink;

/// Takes all rows and keeps those that fit.
pub(super) struct Kept {
    caps: Caps,
    begun: Instant,
    answer: Option<Answer>,
    full: bool,
    rows: u64,
}

impl Kept {
    pub(super) fn new(caps: Caps) -> Self {
        Self {
            caps,
            begun: Instant::now(),
            answer: None,
            full: false,
            rows: 0,
        }
    }

    /// The rows and how many there were; `None` for a statement that has no rows at all.
    pub(super) fn finish(self) -> Option<(ResultSet, u64)> {
        let answer = self.answer?;
        Some((answer.finish(self.begun.elapsed(), |_| None), self.rows))
    }
}

impl Sink for Kept {
    fn columns(&mut self, columns: Vec<data::Column>) {
        self.answer = Some(Answer::new(columns, self.caps));
    }

    async fn row(&mut self, row: data::Row, _bytes: usize) -> Result<bool, Error> {
        self.rows += 1;
        if let Some(answer) = self.answer.as_mut().filter(|_| !self.full) {
            self.full = answer.push(row)? != Push::Added;
        }
        Ok(true)
    }

    fn is_cut(&self) -> bool {
        self.full
    }
}

//! A table of results that fits: rows, characters and cells are capped while they stream, never afterwards.

use mcp_hub_proto::data::v1::{Column, ResultSet, Row, Truncation, TruncationReason};
use mcp_hub_proto::json;

use crate::fault::{Fault, Reason};
use crate::progress::Counter;

mod cell;

/// The room that `truncated`, `elapsed_ms` and the braces take.
const OVERHEAD: usize = 256;

/// How many documents an answer has room for at least.
const DOCUMENTS: usize = 4;

/// What an answer may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Rows.
    pub rows: u32,
    /// Characters of the answer's JSON. Claude Code refuses an answer above 25,000 tokens.
    pub characters: usize,
    /// Characters of one cell's JSON.
    pub cell: usize,
}

impl Caps {
    /// The usual caps with another row limit.
    pub const fn rows(rows: u32) -> Self {
        Self {
            rows,
            characters: 60_000,
            cell: 2_048,
        }
    }

    /// What one of `statements` that change data may show. What it changes is not limited by it. Cells are short, because a row that
    /// fits no answer would undo the change that it tells of.
    pub fn of_change(statements: usize) -> Self {
        let usual = Self::default();
        Self {
            characters: usual.characters / statements.clamp(1, 6),
            cell: 512,
            ..usual
        }
    }
}

impl Default for Caps {
    fn default() -> Self {
        Self::rows(100)
    }
}

/// How the cells of a column are made to fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fit {
    /// A cell has no more characters than [`Caps::cell`].
    #[default]
    Cell,
    /// A cell is an object with values of its own: each of them has no more characters than [`Caps::cell`], and all together leave
    /// room for others.
    Document,
    /// A cell is never cut: the caller asked for all of it.
    Whole,
}

/// Whether a row fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// It is in.
    Added,
    /// It is not, and the answer is complete: stop reading.
    Full(TruncationReason),
}

/// A result set in the making.
#[derive(Debug)]
pub struct Answer {
    caps: Caps,
    /// Of the first columns; the others have the usual.
    fits: Vec<Fit>,
    characters: usize,
    full: Option<TruncationReason>,
    counter: Counter,
    result: ResultSet,
    scratch: String,
}

impl Answer {
    /// An answer without rows.
    pub fn new(columns: Vec<Column>, caps: Caps) -> Self {
        let mut result = ResultSet {
            columns,
            ..ResultSet::default()
        };
        let mut scratch = String::new();
        json::write_result_set_fields(&mut scratch, &result);
        let characters = scratch.chars().count() + OVERHEAD;
        result.rows.reserve(caps.rows.min(1024) as usize);
        Self {
            caps,
            fits: vec![],
            characters,
            full: None,
            counter: Counter::default(),
            result,
            scratch,
        }
    }

    /// Says how the cells of the columns are made to fit, in the order of the columns.
    #[must_use]
    pub fn fitted(mut self, fits: Vec<Fit>) -> Self {
        self.fits = fits;
        self
    }

    /// Counts the rows that come, whether they fit or not, for the call's progress. Rows that never come here, such as those of earlier
    /// pages, are counted by who skips them.
    #[must_use]
    pub fn counted(mut self, counter: Counter) -> Self {
        self.counter = counter;
        self
    }

    /// Adds a row, its long cells cut, if it fits.
    ///
    /// # Errors
    /// `RESULT_TOO_LARGE` when the first row alone is more than an answer may hold.
    pub fn push(&mut self, mut row: Row) -> Result<Push, Fault> {
        self.counter.row();
        if self.result.rows.len() >= self.caps.rows as usize {
            return Ok(self.end(TruncationReason::Rows));
        }
        for (index, value) in row.values.iter_mut().enumerate() {
            match self.fits.get(index).copied().unwrap_or_default() {
                Fit::Cell => cell::fit(value, self.caps.cell, &mut self.scratch),
                Fit::Document => {
                    let most = self.caps.cell.max(self.caps.characters / DOCUMENTS);
                    cell::fit_document(value, self.caps.cell, most, &mut self.scratch);
                }
                Fit::Whole => {}
            }
        }
        self.scratch.clear();
        json::write_row(&mut self.scratch, &row);
        let characters = self.scratch.chars().count() + 1;
        if self.characters + characters > self.caps.characters {
            if self.result.rows.is_empty() {
                let message = format!(
                    "one row is larger than an answer may be ({} characters): select fewer columns, or a part of the long ones",
                    self.caps.characters
                );
                return Err(Fault::new(Reason::ResultTooLarge, message));
            }
            return Ok(self.end(TruncationReason::Bytes));
        }
        self.characters += characters;
        self.result.rows.push(row);
        Ok(Push::Added)
    }

    /// Adds a sentence about the answer.
    pub fn notice(&mut self, notice: impl Into<String>) {
        self.result.notices.push(notice.into());
    }

    /// How many rows are in.
    pub fn rows(&self) -> usize {
        self.result.rows.len()
    }

    /// Ends the answer. `next_cursor` makes the cursor from the number of rows in this page, and is asked only when there is more.
    pub fn finish(
        mut self,
        elapsed: std::time::Duration,
        next_cursor: impl FnOnce(usize) -> Option<String>,
    ) -> ResultSet {
        if let Some(reason) = self.full {
            let next_cursor = next_cursor(self.result.rows.len());
            let consistent = next_cursor.is_some().then_some(false);
            self.result.truncated = Some(Truncation {
                reason: reason.into(),
                next_cursor,
                consistent,
            });
        }
        self.result.elapsed_ms = u32::try_from(elapsed.as_millis()).unwrap_or(u32::MAX);
        self.result
    }

    fn end(&mut self, reason: TruncationReason) -> Push {
        self.full = Some(reason);
        Push::Full(reason)
    }
}

#[cfg(test)]
mod tests {
    use mcp_hub_proto::data::v1::value::Kind;
    use mcp_hub_proto::data::v1::{Cut, Entry, Map, Value};

    use super::*;

    fn text(length: usize) -> Row {
        Row {
            values: vec![Value {
                kind: Some(Kind::Text("ä".repeat(length))),
            }],
        }
    }

    fn answer(caps: Caps) -> Answer {
        Answer::new(
            vec![Column {
                name: "a".to_owned(),
                r#type: "text".to_owned(),
            }],
            caps,
        )
    }

    #[test]
    fn rows_end_an_answer_only_when_there_is_one_more() {
        let counter = Counter::default();
        let mut answer = answer(Caps::rows(2)).counted(counter.clone());
        assert_eq!(answer.push(text(1)), Ok(Push::Added));
        assert_eq!(answer.push(text(1)), Ok(Push::Added));
        assert_eq!(answer.push(text(1)), Ok(Push::Full(TruncationReason::Rows)));
        assert_eq!(counter.rows(), 3, "the last was read as well");
        let result = answer.finish(std::time::Duration::ZERO, |rows| Some(rows.to_string()));
        assert_eq!(result.rows.len(), 2);
        let truncated = result.truncated.expect("truncated");
        assert_eq!(
            (truncated.next_cursor.as_deref(), truncated.consistent),
            (Some("2"), Some(false))
        );
    }

    #[test]
    fn an_answer_is_never_longer_than_its_cap() {
        let mut answer = answer(Caps {
            rows: 1000,
            characters: 5_000,
            cell: 700,
        });
        while answer.push(text(600)).expect("fits") == Push::Added {}
        let result = answer.finish(std::time::Duration::ZERO, |_| Some("c".repeat(60)));
        assert_eq!(result.rows.len(), 7);
        let mut out = String::new();
        json::write_result_set_fields(&mut out, &result);
        assert!(out.chars().count() <= 5_000);
    }

    #[test]
    fn a_long_cell_shows_its_beginning_and_length() {
        let mut answer = answer(Caps {
            cell: 10,
            ..Caps::default()
        });
        answer.push(text(11)).expect("fits");
        let result = answer.finish(std::time::Duration::ZERO, |_| None);
        let cut = Cut {
            text: "ä".repeat(10),
            length: 11,
        };
        assert_eq!(result.rows[0].values[0].kind, Some(Kind::Cut(cut)));
    }

    #[test]
    fn columns_fit_in_ways_of_their_own() {
        let value = || text(5_000).values.remove(0);
        let object = Value {
            kind: Some(Kind::Map(Map {
                entries: vec![Entry {
                    key: "a".to_owned(),
                    value: Some(value()),
                }],
            })),
        };
        let row = Row {
            values: vec![value(), object, value()],
        };
        let mut answer =
            Answer::new(vec![], Caps::default()).fitted(vec![Fit::Cell, Fit::Document, Fit::Whole]);
        answer.push(row).expect("fits");
        let result = answer.finish(std::time::Duration::ZERO, |_| None);
        let mut out = String::new();
        json::write_row(&mut out, &result.rows[0]);
        let cut = format!(r#"{{"$cut":"{}","len":5000}}"#, "ä".repeat(2_048));
        assert_eq!(out, format!(r#"[{cut},{{"a":{cut}}},"{}"]"#, "ä".repeat(5_000)));
    }

    #[test]
    fn a_row_that_can_never_fit_is_an_error() {
        let fault = answer(Caps {
            characters: 400,
            ..Caps::default()
        })
        .push(text(500))
        .expect_err("too large");
        assert_eq!(fault.reason, Reason::ResultTooLarge);
    }
}

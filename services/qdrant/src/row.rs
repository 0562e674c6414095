//! Points as the rows of an answer.

use std::collections::HashMap;
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::{Answer, Caps, Fit, Push};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::progress::Counter;
use mcp_hub_chassis::trace::{OpenTelemetrySpanExt as _, attribute};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Column, ResultSet, Row, Value};
use qdrant_client::qdrant::{
    self, PayloadIncludeSelector, PointId, RetrievedPoint, ScoredPoint, VectorsOutput, WithPayloadSelector,
    WithVectorsSelector, with_payload_selector, with_vectors_selector,
};
use tracing::Span;

use crate::value::{id_to_value, of, payload_to_value, shortest, vectors_to_value};

/// What of each point is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// Whether there is a score.
    pub(crate) score: bool,
    /// Whether there is a group.
    pub(crate) group: bool,
    /// Whether the vectors are shown, in full.
    pub(crate) vectors: bool,
    /// The payload keys to show; all when empty.
    pub(crate) payload: Vec<String>,
}

impl Columns {
    /// What the server is to send of the payload.
    pub(crate) fn with_payload(&self) -> WithPayloadSelector {
        let options = if self.payload.is_empty() {
            with_payload_selector::SelectorOptions::Enable(true)
        } else {
            with_payload_selector::SelectorOptions::Include(PayloadIncludeSelector {
                fields: self.payload.clone(),
            })
        };
        WithPayloadSelector {
            selector_options: Some(options),
        }
    }

    /// Whether the server is to send the vectors.
    pub(crate) fn with_vectors(&self) -> WithVectorsSelector {
        WithVectorsSelector {
            selector_options: Some(with_vectors_selector::SelectorOptions::Enable(self.vectors)),
        }
    }

    /// The columns of the answer.
    pub(crate) fn columns(&self) -> Vec<Column> {
        let columns = self.shown().map(|(name, kind, _)| Column {
            name: name.to_owned(),
            r#type: kind.to_owned(),
        });
        columns.collect()
    }

    /// Names, types, and how cells are made to fit.
    fn shown(&self) -> impl Iterator<Item = (&'static str, &'static str, Fit)> {
        let all = [
            (true, ("id", "id", Fit::Cell)),
            (self.score, ("score", "float", Fit::Cell)),
            (self.group, ("group", "value", Fit::Cell)),
            (true, ("payload", "payload", Fit::Document)),
            (self.vectors, ("vectors", "vectors", Fit::Whole)),
        ];
        let shown = all.into_iter().filter(|(shown, _)| *shown);
        shown.map(|(_, column)| column)
    }

    /// What is said of a point that is larger than an answer may be.
    fn larger(&self, fault: Fault) -> Fault {
        if fault.reason != Reason::ResultTooLarge {
            return fault;
        }
        let instead = if self.vectors {
            "leave with_vectors out"
        } else {
            "name the payload_fields that are needed"
        };
        let message = format!("one point is larger than an answer may be: {instead}");
        Fault::new(Reason::ResultTooLarge, message)
    }

    /// The row of a point.
    pub(crate) fn row(&self, point: Point) -> Row {
        let mut values = vec![point.id.as_ref().map_or_else(null, id_to_value)];
        if self.score {
            values.push(
                point
                    .score
                    .map_or_else(null, |score| of(Kind::Double(shortest(score)))),
            );
        }
        if self.group {
            values.push(point.group.unwrap_or_else(null));
        }
        values.push(payload_to_value(point.payload));
        if self.vectors {
            values.push(point.vectors.map_or_else(null, vectors_to_value));
        }
        Row { values }
    }
}

fn null() -> Value {
    of(Kind::Null(0))
}

/// A point as the server sends it, whatever was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Point {
    pub(crate) id: Option<PointId>,
    pub(crate) score: Option<f32>,
    /// The value of the key by which points are grouped.
    pub(crate) group: Option<Value>,
    pub(crate) payload: HashMap<String, qdrant::Value>,
    pub(crate) vectors: Option<VectorsOutput>,
}

impl From<RetrievedPoint> for Point {
    fn from(point: RetrievedPoint) -> Self {
        Self {
            id: point.id,
            payload: point.payload,
            vectors: point.vectors,
            ..Self::default()
        }
    }
}

impl From<ScoredPoint> for Point {
    fn from(point: ScoredPoint) -> Self {
        Self {
            id: point.id,
            score: Some(point.score),
            payload: point.payload,
            vectors: point.vectors,
            ..Self::default()
        }
    }
}

/// The points of an answer, as many as fit.
pub(crate) struct Table {
    columns: Columns,
    answer: Answer,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(columns: Columns, caps: Caps) -> Self {
        let fits = columns.shown().map(|(_, _, fit)| fit).collect();
        let answer = Answer::new(columns.columns(), caps).fitted(fits);
        Self { columns, answer }
    }

    /// Counts the points that come.
    pub(crate) fn counted(mut self, counter: Counter) -> Self {
        self.answer = self.answer.counted(counter);
        self
    }

    /// Adds a point, if it fits.
    ///
    /// # Errors
    /// `RESULT_TOO_LARGE` when the first point alone is more than an answer may hold.
    pub(crate) fn push(&mut self, point: Point) -> Result<Push, Fault> {
        self.answer
            .push(self.columns.row(point))
            .map_err(|fault| self.columns.larger(fault))
    }

    /// Adds a sentence about the answer.
    pub(crate) fn notice(&mut self, notice: impl Into<String>) {
        self.answer.notice(notice);
    }

    /// How many points are in.
    pub(crate) fn rows(&self) -> usize {
        self.answer.rows()
    }

    /// The points as an answer. `next_cursor` makes the cursor from the number of points in this page.
    pub(crate) fn finish(
        self,
        elapsed: Duration,
        next_cursor: impl FnOnce(usize) -> Option<String>,
    ) -> ResultSet {
        let result = self.answer.finish(elapsed, next_cursor);
        if result.truncated.is_some() {
            Span::current().set_attribute(attribute::DB_RESPONSE_TRUNCATED, true);
        }
        result
    }
}

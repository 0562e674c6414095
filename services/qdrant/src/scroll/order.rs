//! `order_by`: the key and the direction, and the conditions by which pages of sorted points are asked for.

use mcp_hub_chassis::Fault;
use prost_types::Timestamp;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::order_value::Variant;
use qdrant_client::qdrant::{
    Condition, DatetimeRange, Direction, FieldCondition, Match, OrderBy, Range, RetrievedPoint, StartFrom,
    start_from,
};

use super::position::Value;
use crate::collection::{Index, IndexKind, Shape};
use crate::config::Config;

/// Up to it each integer is a double, and Qdrant compares what a page starts from as a double.
const EXACT: i64 = 1 << 53;

/// The distance of neighbouring doubles nowhere exceeds this in the range of integers of 64 bits.
const COARSE: i64 = 2048;

/// Points sorted by the values of a key.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    key: String,
    kind: IndexKind,
    descending: bool,
}

impl Order {
    /// Reads "price", "price asc" or "price desc".
    pub(crate) fn parse(text: &str, shape: &Shape, config: &Config) -> Result<Self, Fault> {
        let (key, descending) = match text.rsplit_once(char::is_whitespace) {
            Some((key, direction)) if direction.eq_ignore_ascii_case("desc") => (key.trim_end(), true),
            Some((key, direction)) if direction.eq_ignore_ascii_case("asc") => (key.trim_end(), false),
            _ => (text, false),
        };
        let key = shape.indexed("order_by", key, Index::sorts, config)?;
        let kind = shape.indexes.get(&key).map(|index| index.kind);
        Ok(Self {
            key,
            kind: kind.unwrap_or(IndexKind::Integer),
            descending,
        })
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Whether there are points that have no value of the key.
    pub(crate) fn leaves_out_points(&self, shape: &Shape) -> bool {
        let with = shape.indexes.get(&self.key).and_then(|index| index.points);
        matches!((with, shape.points), (Some(with), Some(all)) if with < all)
    }

    /// From the first value behind `value`, or a little before it.
    pub(crate) fn behind(&self, value: Option<Value>) -> OrderBy {
        let direction = if self.descending {
            Direction::Desc
        } else {
            Direction::Asc
        };
        OrderBy {
            key: self.key.clone(),
            direction: Some(direction.into()),
            start_from: value.map(|value| StartFrom {
                value: Some(self.start(value)),
            }),
        }
    }

    fn start(&self, value: Value) -> start_from::Value {
        match value {
            Value::Float(number) if self.descending => start_from::Value::Float(number.next_down()),
            Value::Float(number) => start_from::Value::Float(number.next_up()),
            Value::Integer(number) => {
                let exact = number.unsigned_abs() <= EXACT.unsigned_abs() || self.kind == IndexKind::Datetime;
                let step = if exact { 1 } else { -COARSE };
                let number = if self.descending {
                    number.saturating_sub(step)
                } else {
                    number.saturating_add(step)
                };
                match self.kind {
                    IndexKind::Datetime => start_from::Value::Timestamp(instant(number)),
                    _ => start_from::Value::Integer(number),
                }
            }
        }
    }

    /// Whether `value` comes after `other`.
    pub(crate) fn is_behind(&self, value: Value, other: Value) -> bool {
        let (later, earlier) = if self.descending {
            (other, value)
        } else {
            (value, other)
        };
        match (later, earlier) {
            (Value::Integer(later), Value::Integer(earlier)) => later > earlier,
            (Value::Float(later), Value::Float(earlier)) => later > earlier,
            _ => false,
        }
    }

    /// That a point has this value.
    pub(crate) fn has(&self, value: Value) -> Condition {
        let key = self.key.clone();
        let field = match value {
            Value::Integer(number) if self.kind == IndexKind::Datetime => FieldCondition {
                key,
                datetime_range: Some(DatetimeRange {
                    gte: Some(instant(number)),
                    lte: Some(instant(number)),
                    ..DatetimeRange::default()
                }),
                ..FieldCondition::default()
            },
            Value::Integer(number) => FieldCondition {
                key,
                r#match: Some(Match {
                    match_value: Some(MatchValue::Integer(number)),
                }),
                ..FieldCondition::default()
            },
            Value::Float(number) => FieldCondition {
                key,
                range: Some(Range {
                    gte: Some(number),
                    lte: Some(number),
                    ..Range::default()
                }),
                ..FieldCondition::default()
            },
        };
        Condition {
            condition_one_of: Some(ConditionOneOf::Field(field)),
        }
    }
}

/// The value that a point was sorted by.
pub(crate) fn value(point: &RetrievedPoint) -> Option<Value> {
    Some(match point.order_value.as_ref()?.variant.as_ref()? {
        Variant::Int(number) => Value::Integer(*number),
        Variant::Float(number) => Value::Float(*number),
    })
}

/// Qdrant sorts times by their microseconds.
fn instant(microseconds: i64) -> Timestamp {
    Timestamp {
        seconds: microseconds.div_euclid(1_000_000),
        nanos: i32::try_from(microseconds.rem_euclid(1_000_000) * 1000).unwrap_or_default(),
    }
}

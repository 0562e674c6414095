//! Conditions on the values of one key: equality, sets, ranges.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    Condition, DatetimeRange, FieldCondition, IsEmptyCondition, IsNullCondition, Match, Range,
    RepeatedIntegers, RepeatedStrings, ValuesCount,
};

use super::document::Document;
use super::time::timestamp;
use super::{Mistake, Path, Reader, any, listed, of};
use crate::collection::IndexKind;

/// The largest whole number up to which each is a double: Qdrant's ranges are of doubles.
const EXACT: i64 = 1 << 53;

/// The ends of a range.
pub(super) const ENDS: [&str; 4] = ["gt", "gte", "lt", "lte"];

/// A condition on a key.
pub(super) fn field(condition: FieldCondition) -> Condition {
    of(ConditionOneOf::Field(condition))
}

/// That the value, or one of a list's, matches.
pub(super) fn matches(key: &str, value: MatchValue) -> Condition {
    field(FieldCondition {
        key: key.to_owned(),
        r#match: Some(Match {
            match_value: Some(value),
        }),
        ..FieldCondition::default()
    })
}

/// That there is no value: the key is missing, null or an empty list.
pub(super) fn is_empty(key: &str) -> Condition {
    of(ConditionOneOf::IsEmpty(IsEmptyCondition { key: key.to_owned() }))
}

/// That the value is null.
pub(super) fn is_null(key: &str) -> Condition {
    of(ConditionOneOf::IsNull(IsNullCondition { key: key.to_owned() }))
}

fn range(key: &str, range: Range) -> Condition {
    field(FieldCondition {
        key: key.to_owned(),
        range: Some(range),
        ..FieldCondition::default()
    })
}

impl Reader<'_> {
    /// That the value, or one of a list's, is this one.
    pub(super) fn equal(&self, key: &str, value: &Document, path: &Path) -> Result<Condition, Mistake> {
        let kind = self.shape.indexes.get(key).map(|index| index.kind);
        Ok(match value {
            Document::Null => is_null(key),
            Document::Bool(value) => matches(key, MatchValue::Boolean(*value)),
            Document::Text(text) => match (kind, timestamp(text)) {
                // An index of times does not know their texts.
                (Some(IndexKind::Datetime), Some(time)) => field(FieldCondition {
                    key: key.to_owned(),
                    datetime_range: Some(DatetimeRange {
                        gte: Some(time),
                        lte: Some(time),
                        ..DatetimeRange::default()
                    }),
                    ..FieldCondition::default()
                }),
                _ => matches(key, MatchValue::Keyword(text.clone())),
            },
            // An integer matches integers only, and a range any number; without an index nobody knows which the payloads have.
            Document::Integer(number)
                if kind == Some(IndexKind::Integer) || number.unsigned_abs() > EXACT.unsigned_abs() =>
            {
                matches(key, MatchValue::Integer(*number))
            }
            Document::Integer(number) => self.exactly(key, double(*number, path)?),
            Document::Float(number) => self.exactly(key, *number),
            Document::List(_) | Document::Object(_) => {
                return path.mistake(format!("a value is needed here, and this is {}", value.kind()));
            }
        })
    }

    fn exactly(&self, key: &str, number: f64) -> Condition {
        let whole = self
            .shape
            .indexes
            .get(key)
            .is_some_and(|index| index.kind == IndexKind::Integer);
        #[expect(clippy::cast_possible_truncation, reason = "it is whole, and small enough")]
        if whole && number.fract() == 0.0 && number.abs() < 9e15 {
            return matches(key, MatchValue::Integer(number as i64));
        }
        range(
            key,
            Range {
                gte: Some(number),
                lte: Some(number),
                ..Range::default()
            },
        )
    }

    /// That the value, or one of a list's, is among these.
    pub(super) fn among(&self, key: &str, values: &[Document], path: &Path) -> Result<Condition, Mistake> {
        if values.is_empty() {
            return path.mistake("an empty list matches no point: name at least one value");
        }
        let texts = values.iter().map(|value| match value {
            Document::Text(text) => Some(text.clone()),
            _ => None,
        });
        let kind = self.shape.indexes.get(key).map(|index| index.kind);
        if kind != Some(IndexKind::Datetime)
            && let Some(strings) = texts.collect::<Option<Vec<String>>>()
        {
            return Ok(matches(key, MatchValue::Keywords(RepeatedStrings { strings })));
        }
        let integers = values.iter().map(|value| match value {
            Document::Integer(number) => Some(*number),
            _ => None,
        });
        if kind == Some(IndexKind::Integer)
            && let Some(integers) = integers.collect::<Option<Vec<i64>>>()
        {
            return Ok(matches(key, MatchValue::Integers(RepeatedIntegers { integers })));
        }
        let each = values.iter().enumerate();
        let each = each.map(|(index, value)| self.equal(key, value, &path.item(index)));
        Ok(any(each.collect::<Result<_, _>>()?))
    }
}

/// A range of numbers or of times, from the ends that are given.
pub(super) fn between(key: &str, ends: &[(&str, &Document)], path: &Path) -> Result<Condition, Mistake> {
    let times = ends.iter().any(|(_, value)| matches!(value, Document::Text(_)));
    let mut numbers = Range::default();
    let mut instants = DatetimeRange::default();
    for (end, value) in ends {
        let path = path.key(end);
        if times {
            let time = match value {
                Document::Text(text) => timestamp(text),
                _ => None,
            };
            let Some(time) = time else {
                return path.mistake(format!(
                    "{} compare numbers, or times such as \"2024-01-31T12:00:00Z\" or \"2024-01-31\", not other texts",
                    listed(&ENDS)
                ));
            };
            match *end {
                "gt" => instants.gt = Some(time),
                "gte" => instants.gte = Some(time),
                "lt" => instants.lt = Some(time),
                _ => instants.lte = Some(time),
            }
        } else {
            let number = number(value, &path)?;
            match *end {
                "gt" => numbers.gt = Some(number),
                "gte" => numbers.gte = Some(number),
                "lt" => numbers.lt = Some(number),
                _ => numbers.lte = Some(number),
            }
        }
    }
    if times {
        return Ok(field(FieldCondition {
            key: key.to_owned(),
            datetime_range: Some(instants),
            ..FieldCondition::default()
        }));
    }
    Ok(range(key, numbers))
}

/// How many values a list must have.
pub(super) fn counted(key: &str, value: &Document, path: &Path) -> Result<Condition, Mistake> {
    let mut count = ValuesCount::default();
    let mut set = |end: &str, value: &Document, path: &Path| {
        let number = match value {
            Document::Integer(number) => u64::try_from(*number).ok(),
            _ => None,
        };
        let Some(number) = number else {
            return path.mistake("a count is a whole number from 0");
        };
        match end {
            "gt" => count.gt = Some(number),
            "gte" => count.gte = Some(number),
            "lt" => count.lt = Some(number),
            _ => count.lte = Some(number),
        }
        Ok(())
    };
    match value {
        Document::Object(ends) if !ends.is_empty() => {
            for (end, value) in ends {
                let path = path.key(end);
                let end = end.strip_prefix('$').unwrap_or(end);
                if !ENDS.contains(&end) {
                    return path.mistake(format!("a count has {}", listed(&ENDS)));
                }
                set(end, value, &path)?;
            }
        }
        value => {
            set("gte", value, path)?;
            set("lte", value, path)?;
        }
    }
    Ok(field(FieldCondition {
        key: key.to_owned(),
        values_count: Some(count),
        ..FieldCondition::default()
    }))
}

/// A number, as Qdrant's ranges have it.
pub(super) fn number(value: &Document, path: &Path) -> Result<f64, Mistake> {
    match value {
        Document::Integer(number) => double(*number, path),
        Document::Float(number) => Ok(*number),
        value => path.mistake(format!("a number is needed, and this is {}", value.kind())),
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is small enough")]
fn double(number: i64, path: &Path) -> Result<f64, Mistake> {
    if number.unsigned_abs() > EXACT.unsigned_abs() {
        return path.mistake(format!(
            "{number} is beyond 2^53, where Qdrant's ranges are no longer exact: only equality works for it"
        ));
    }
    Ok(number as f64)
}

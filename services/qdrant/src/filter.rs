//! A caller's filter, in the small form or in Qdrant's own, as Qdrant's message.
//!
//! The small form is an object of payload keys and what their values must be; see `SearchRequest.filter` of the contract. Models know
//! Mongo's words, so each operator may have a `$` in front. Qdrant's own form is that of its REST API, recognised by its words, and
//! read as strictly: a condition that is silently left out finds, or deletes, the wrong points.

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::Value;
use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::{Condition, Filter};

use crate::collection::Shape;
use crate::guard::guard;

mod condition;
mod document;
mod geo;
mod key;
mod own;
mod small;
mod time;

use document::Document;
pub(crate) use key::{key, keys, quoted};
pub(crate) use time::timestamp;

/// How deep conditions may be nested.
const DEPTH: usize = 16;

/// The most values and conditions of a filter, all together.
const SIZE: usize = 10_000;

/// Above so many points a condition on a key without an index is worth a notice.
const MANY_POINTS: u64 = 10_000;

/// Reads the argument `filter`; `None` when it is absent or has no condition. What the shape tells of a key decides how a condition
/// on it is asked; `notices` gets what slows it down.
///
/// # Errors
/// `ARGUMENT_INVALID` with the place and what would be right.
pub(crate) fn parse(
    filter: Option<&Value>,
    shape: &Shape,
    notices: &mut Vec<String>,
) -> Result<Option<Filter>, Fault> {
    if filter.is_none() {
        return Ok(None);
    }
    guard(|| {
        let wrong = |mistake: Mistake| Fault::argument("filter", mistake.to_string());
        let Some(document) = document::read(filter).map_err(wrong)? else {
            return Ok(None);
        };
        let mut reader = Reader {
            shape,
            keys: Vec::new(),
        };
        let filter = reader.filter(&document, &Path::root(), DEPTH).map_err(wrong)?;
        reader.tell_slow_keys(notices);
        Ok(Some(filter).filter(|filter| *filter != Filter::default()))
    })
}

/// What is wrong with a filter, and where.
#[derive(Debug, PartialEq, Eq)]
struct Mistake {
    place: String,
    why: String,
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.place, self.why)
    }
}

/// Where in the filter something stands: `filter.price.gte`.
#[derive(Clone, Debug)]
struct Path(String);

impl Path {
    fn root() -> Self {
        Self("filter".to_owned())
    }

    fn key(&self, key: &str) -> Self {
        Self(format!("{}.{key}", self.0))
    }

    fn item(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    fn mistake<T>(&self, why: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake {
            place: self.0.clone(),
            why: why.into(),
        })
    }
}

/// Reads one filter.
struct Reader<'a> {
    shape: &'a Shape,
    /// The keys that have conditions, as Qdrant writes them.
    keys: Vec<String>,
}

impl Reader<'_> {
    /// Either form, also in the middle of the other.
    fn filter(&mut self, document: &Document, path: &Path, depth: usize) -> Result<Filter, Mistake> {
        let Some(depth) = depth.checked_sub(1) else {
            return path.mistake(format!("conditions are nested more than {DEPTH} levels deep"));
        };
        let Document::Object(entries) = document else {
            return path.mistake(format!(
                "a filter is an object such as {{\"color\": \"red\", \"price\": {{\"lt\": 20}}}}, and this is {}",
                document.kind()
            ));
        };
        if own::is_filter(entries) {
            self.own_filter(entries, path, depth)
        } else if own::is_condition(entries) {
            Ok(Filter::must([self.own_condition(entries, path, depth)?]))
        } else {
            Ok(Filter::must(self.small(entries, path, depth)?))
        }
    }

    /// A payload key as Qdrant writes it, remembered for the notices.
    fn key(&mut self, key: &str, path: &Path) -> Result<String, Mistake> {
        if self.shape.indexes.contains_key(key) {
            return Ok(key.to_owned());
        }
        match key::key(key) {
            Ok(key) => {
                if !self.keys.contains(&key) {
                    self.keys.push(key.clone());
                }
                Ok(key)
            }
            Err(why) => path.mistake(why),
        }
    }

    fn tell_slow_keys(&self, notices: &mut Vec<String>) {
        if self.shape.points.is_none_or(|points| points < MANY_POINTS) {
            return;
        }
        let slow = self
            .keys
            .iter()
            .filter(|key| !self.shape.indexes.contains_key(*key));
        let slow: Vec<String> = slow.map(|key| format!("\"{key}\"")).collect();
        if !slow.is_empty() {
            notices.push(format!(
                "no index on {}: the filter looks at every point",
                slow.join(", ")
            ));
        }
    }
}

/// A filter as a condition of another. One that is a single condition is that condition.
fn condition_of(mut filter: Filter) -> Condition {
    let only_must = filter.should.is_empty() && filter.must_not.is_empty() && filter.min_should.is_none();
    if only_must
        && filter.must.len() == 1
        && let Some(condition) = filter.must.pop()
    {
        return condition;
    }
    of(ConditionOneOf::Filter(filter))
}

/// All of the conditions.
fn all(conditions: Vec<Condition>) -> Condition {
    condition_of(Filter::must(conditions))
}

/// At least one of the conditions.
fn any(mut conditions: Vec<Condition>) -> Condition {
    if conditions.len() == 1
        && let Some(condition) = conditions.pop()
    {
        return condition;
    }
    of(ConditionOneOf::Filter(Filter::should(conditions)))
}

/// None of the conditions.
fn none(conditions: Vec<Condition>) -> Condition {
    of(ConditionOneOf::Filter(Filter::must_not(conditions)))
}

fn of(condition: ConditionOneOf) -> Condition {
    Condition {
        condition_one_of: Some(condition),
    }
}

/// Names in a sentence: "gt, gte and lt".
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [names @ .., last] => format!("{} and {last}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;

//! Qdrant's own form, as its REST API has it: `{"must": [{"key": "color", "match": {"value": "red"}}], "must_not": [..]}`.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{
    Condition, Filter, MinShould, NestedCondition, RepeatedIntegers, RepeatedStrings,
};

use super::condition::{ENDS, between, counted, is_empty, is_null, matches};
use super::document::Document;
use super::small::{has_vector, ids, text, yes};
use super::{Mistake, Path, Reader, condition_of, geo, listed, none, of};

/// The words of a filter.
const CLAUSES: [&str; 4] = ["must", "should", "must_not", "min_should"];

/// The words of a condition on a key.
pub(super) const FIELD_WORDS: [&str; 8] = [
    "match",
    "range",
    "geo_radius",
    "geo_bounding_box",
    "geo_polygon",
    "values_count",
    "is_empty",
    "is_null",
];

/// The words of the other conditions.
const OTHER_WORDS: [&str; 5] = ["is_empty", "is_null", "has_id", "has_vector", "nested"];

/// The ways to match.
const MATCHES: [&str; 6] = ["value", "any", "except", "text", "text_any", "phrase"];

/// Whether an object is a filter of this form: a word of it with conditions behind. A payload key may be called so as well, but a list
/// of its values stands in `in` then.
pub(super) fn is_filter(entries: &[(String, Document)]) -> bool {
    entries.iter().any(|(word, value)| {
        CLAUSES.contains(&word.as_str())
            && match value {
                Document::List(_) => true,
                Document::Object(entries) => {
                    is_filter(entries) || is_condition(entries) || word == "min_should"
                }
                _ => false,
            }
    })
}

/// Whether an object is a condition of this form.
pub(super) fn is_condition(entries: &[(String, Document)]) -> bool {
    let has = |words: &[&str]| entries.iter().any(|(word, _)| words.contains(&word.as_str()));
    if names_key(entries) && has(&FIELD_WORDS) {
        return true;
    }
    let [(word, value)] = entries else { return false };
    match (word.as_str(), value) {
        ("has_id", Document::List(_)) | ("has_vector", Document::Text(_)) => true,
        ("is_empty" | "is_null", Document::Object(of)) => {
            matches!(of.as_slice(), [(word, _)] if word == "key")
        }
        ("nested", Document::Object(of)) => of.iter().any(|(word, _)| word == "filter"),
        _ => false,
    }
}

fn names_key(entries: &[(String, Document)]) -> bool {
    entries
        .iter()
        .any(|(word, value)| word == "key" && matches!(value, Document::Text(_)))
}

impl Reader<'_> {
    pub(super) fn own_filter(
        &mut self,
        entries: &[(String, Document)],
        path: &Path,
        depth: usize,
    ) -> Result<Filter, Mistake> {
        let mut filter = Filter::default();
        for (word, value) in entries {
            let path = path.key(word);
            match word.as_str() {
                "must" => filter.must = self.own_conditions(value, &path, depth)?,
                "should" => filter.should = self.own_conditions(value, &path, depth)?,
                "must_not" => filter.must_not = self.own_conditions(value, &path, depth)?,
                "min_should" => filter.min_should = Some(self.min_should(value, &path, depth)?),
                _ => {
                    return path.mistake(format!(
                        "Qdrant's own form has {} only: put this into must as {{\"key\": \"{word}\", \"match\": {{\"value\": ..}}}}",
                        listed(&CLAUSES)
                    ));
                }
            }
        }
        Ok(filter)
    }

    fn min_should(&mut self, value: &Document, path: &Path, depth: usize) -> Result<MinShould, Mistake> {
        let mut min_should = MinShould::default();
        let mut counted = false;
        let Document::Object(entries) = value else {
            return path.mistake(format!("an object is needed, and this is {}", value.kind()));
        };
        for (word, value) in entries {
            let path = path.key(word);
            match (word.as_str(), value) {
                ("conditions", value) => min_should.conditions = self.own_conditions(value, &path, depth)?,
                ("min_count", Document::Integer(count)) if *count > 0 => {
                    min_should.min_count = count.unsigned_abs();
                    counted = true;
                }
                ("min_count", _) => return path.mistake("a whole number from 1 is needed"),
                _ => return path.mistake("min_should has conditions and min_count"),
            }
        }
        if !counted || min_should.conditions.is_empty() {
            return path.mistake("min_should needs conditions and min_count");
        }
        Ok(min_should)
    }

    /// A list of conditions, or one.
    fn own_conditions(
        &mut self,
        value: &Document,
        path: &Path,
        depth: usize,
    ) -> Result<Vec<Condition>, Mistake> {
        match value {
            Document::List(conditions) => {
                let mut read = Vec::with_capacity(conditions.len());
                for (index, condition) in conditions.iter().enumerate() {
                    read.push(self.own_or_small(condition, &path.item(index), depth)?);
                }
                Ok(read)
            }
            value => Ok(vec![self.own_or_small(value, path, depth)?]),
        }
    }

    /// What names its key is of this form here, also when its other words are wrong.
    fn own_or_small(&mut self, value: &Document, path: &Path, depth: usize) -> Result<Condition, Mistake> {
        match value {
            Document::Object(entries) if names_key(entries) => self.own_condition(entries, path, depth),
            value => Ok(condition_of(self.filter(value, path, depth)?)),
        }
    }

    pub(super) fn own_condition(
        &mut self,
        entries: &[(String, Document)],
        path: &Path,
        depth: usize,
    ) -> Result<Condition, Mistake> {
        let mut key = None;
        let mut rest = Vec::new();
        for (word, value) in entries {
            match (word.as_str(), value) {
                ("key", Document::Text(name)) => key = Some(self.key(name, &path.key("key"))?),
                _ => rest.push((word.as_str(), value)),
            }
        }
        let [(word, value)] = rest.as_slice() else {
            return path.mistake(format!(
                "a condition has one of {} beside its key; put several into conditions of their own",
                listed(&FIELD_WORDS)
            ));
        };
        let path = path.key(word);
        match key {
            Some(key) => self.own_field(&key, word, value, &path),
            None => self.own_other(word, value, &path, depth),
        }
    }

    fn own_field(&self, key: &str, word: &str, value: &Document, path: &Path) -> Result<Condition, Mistake> {
        match (word, value) {
            ("match", Document::Object(way)) => self.own_match(key, way, path),
            ("range", Document::Object(ends)) => {
                let ends: Vec<(&str, &Document)> = ends
                    .iter()
                    .filter(|(_, value)| *value != Document::Null)
                    .map(|(end, value)| (end.as_str(), value))
                    .collect();
                if let Some((end, _)) = ends.iter().find(|(end, _)| !ENDS.contains(end)) {
                    return path.key(end).mistake(format!("a range has {}", listed(&ENDS)));
                }
                if ends.is_empty() {
                    return path.mistake(format!("a range needs one of {}", listed(&ENDS)));
                }
                between(key, &ends, path)
            }
            ("values_count", value) => counted(key, value, path),
            ("is_empty", value) => yes(value, path, is_empty(key), none(vec![is_empty(key)])),
            ("is_null", value) => yes(value, path, is_null(key), none(vec![is_null(key)])),
            (word, value) if geo::WORDS.contains(&word) => geo::condition(key, word, value, path),
            ("match" | "range", value) => {
                path.mistake(format!("an object is needed, and this is {}", value.kind()))
            }
            _ => path.mistake(format!(
                "unknown condition; known beside a key are {}",
                listed(&FIELD_WORDS)
            )),
        }
    }

    fn own_match(&self, key: &str, way: &[(String, Document)], path: &Path) -> Result<Condition, Mistake> {
        let [(word, value)] = way else {
            return path.mistake(format!("match has one of {}", listed(&MATCHES)));
        };
        let path = path.key(word);
        // As they are written: this form says exactly what is asked of the server.
        let value = match (word.as_str(), value) {
            ("value", Document::Text(text)) => MatchValue::Keyword(text.clone()),
            ("value", Document::Integer(number)) => MatchValue::Integer(*number),
            ("value", Document::Bool(value)) => MatchValue::Boolean(*value),
            ("value", _) => {
                return path.mistake(
                    "text, a whole number, or true or false is needed; use range for other numbers",
                );
            }
            ("any", Document::List(values)) => match texts_or_integers(values, &path)? {
                Ok(strings) => MatchValue::Keywords(RepeatedStrings { strings }),
                Err(integers) => MatchValue::Integers(RepeatedIntegers { integers }),
            },
            ("except", Document::List(values)) => match texts_or_integers(values, &path)? {
                Ok(strings) => MatchValue::ExceptKeywords(RepeatedStrings { strings }),
                Err(integers) => MatchValue::ExceptIntegers(RepeatedIntegers { integers }),
            },
            ("any" | "except", value) => {
                return path.mistake(format!("a list is needed, and this is {}", value.kind()));
            }
            ("text", value) => MatchValue::Text(text(value, &path)?),
            ("text_any", value) => MatchValue::TextAny(text(value, &path)?),
            ("phrase", value) => return self.phrase(key, text(value, &path)?, &path),
            _ => return path.mistake(format!("unknown; match has one of {}", listed(&MATCHES))),
        };
        Ok(matches(key, value))
    }

    fn own_other(
        &mut self,
        word: &str,
        value: &Document,
        path: &Path,
        depth: usize,
    ) -> Result<Condition, Mistake> {
        match (word, value) {
            ("has_id", value) => ids(value, path),
            ("has_vector", value) => has_vector(value, path),
            ("is_empty" | "is_null", Document::Object(of)) => {
                let [(_, Document::Text(name))] = of.as_slice() else {
                    return path.mistake("{\"key\": ..} is needed");
                };
                let key = self.key(name, &path.key("key"))?;
                Ok(if word == "is_null" {
                    is_null(&key)
                } else {
                    is_empty(&key)
                })
            }
            ("nested", Document::Object(parts)) => {
                let mut nested = NestedCondition::default();
                for (part, value) in parts {
                    let path = path.key(part);
                    match (part.as_str(), value) {
                        ("key", Document::Text(name)) => nested.key = self.key(name, &path)?,
                        ("filter", value) => nested.filter = Some(self.filter(value, &path, depth)?),
                        _ => return path.mistake("nested has key, which is text, and filter"),
                    }
                }
                if nested.key.is_empty() || nested.filter.is_none() {
                    return path.mistake("nested needs key and filter");
                }
                Ok(of(ConditionOneOf::Nested(nested)))
            }
            _ => path.mistake(format!(
                "unknown condition; without a key known are {}",
                listed(&OTHER_WORDS)
            )),
        }
    }
}

/// The texts of a list, or the integers.
fn texts_or_integers(values: &[Document], path: &Path) -> Result<Result<Vec<String>, Vec<i64>>, Mistake> {
    let texts = values.iter().map(|value| match value {
        Document::Text(text) => Some(text.clone()),
        _ => None,
    });
    if let Some(texts) = texts.collect() {
        return Ok(Ok(texts));
    }
    let integers = values.iter().map(|value| match value {
        Document::Integer(number) => Some(*number),
        _ => None,
    });
    match integers.collect() {
        Some(integers) => Ok(Err(integers)),
        None => path.mistake("a list of texts, or a list of whole numbers, is needed"),
    }
}

//! The small form: `{"color": "red", "price": {"lt": 20}, "$or": [{..}, {..}]}`.

use qdrant_client::qdrant::condition::ConditionOneOf;
use qdrant_client::qdrant::r#match::MatchValue;
use qdrant_client::qdrant::{Condition, HasIdCondition, HasVectorCondition, NestedCondition};

use super::condition::{ENDS, between, counted, is_empty, is_null, matches};
use super::document::Document;
use super::{Mistake, Path, Reader, all, any, condition_of, geo, listed, none, of, own};
use crate::collection::IndexKind;

/// The words that stand in the place of a key.
const GROUPS: [&str; 6] = ["$and", "$or", "$nor", "$not", "$ids", "$has_vector"];

/// What can be said of a key's value, as errors list it.
const OPERATORS: [&str; 14] = [
    "gt",
    "gte",
    "lt",
    "lte",
    "eq",
    "ne",
    "in",
    "not",
    "text",
    "phrase",
    "exists",
    "is_null",
    "values_count",
    "geo_radius",
];

impl Reader<'_> {
    /// The conditions of an object, all of which must hold.
    pub(super) fn small(
        &mut self,
        entries: &[(String, Document)],
        path: &Path,
        depth: usize,
    ) -> Result<Vec<Condition>, Mistake> {
        let mut conditions = Vec::with_capacity(entries.len());
        for (name, value) in entries {
            let path = path.key(name);
            conditions.push(match name.as_str() {
                "$and" => all(self.filters(value, &path, depth)?),
                "$or" => any(self.filters(value, &path, depth)?),
                "$nor" => none(self.filters(value, &path, depth)?),
                "$not" => match value {
                    Document::List(_) => none(self.filters(value, &path, depth)?),
                    value => none(vec![condition_of(self.filter(value, &path, depth)?)]),
                },
                "$ids" | "$has_id" => ids(value, &path)?,
                "$has_vector" => has_vector(value, &path)?,
                name if name.starts_with('$') => {
                    return path.mistake(format!(
                        "unknown word; known are {}, and payload keys without a $",
                        listed(&GROUPS)
                    ));
                }
                name => self.key_condition(name, value, &path, depth)?,
            });
        }
        Ok(conditions)
    }

    /// Several filters, each as one condition.
    fn filters(&mut self, value: &Document, path: &Path, depth: usize) -> Result<Vec<Condition>, Mistake> {
        let Document::List(filters) = value else {
            return path.mistake(format!(
                "a list of objects is needed, and this is {}",
                value.kind()
            ));
        };
        if filters.is_empty() {
            return path.mistake("the list is empty: name at least one condition");
        }
        let mut conditions = Vec::with_capacity(filters.len());
        for (index, filter) in filters.iter().enumerate() {
            conditions.push(condition_of(self.filter(filter, &path.item(index), depth)?));
        }
        Ok(conditions)
    }

    /// What must be of the value of a key.
    fn key_condition(
        &mut self,
        name: &str,
        value: &Document,
        path: &Path,
        depth: usize,
    ) -> Result<Condition, Mistake> {
        // Conditions on one and the same element of a list of objects.
        if let (Some(list), Document::Object(entries)) = (name.strip_suffix("[]"), value)
            && !entries.iter().all(|(word, _)| is_operator(word))
        {
            let filter = self.filter(value, path, depth)?;
            return Ok(of(ConditionOneOf::Nested(NestedCondition {
                key: self.key(list, path)?,
                filter: Some(filter),
            })));
        }
        let key = self.key(name, path)?;
        match value {
            Document::List(values) => self.among(&key, values, path),
            Document::Object(operators) => self.operators(&key, operators, path, depth),
            value => self.equal(&key, value, path),
        }
    }

    fn operators(
        &mut self,
        key: &str,
        operators: &[(String, Document)],
        path: &Path,
        depth: usize,
    ) -> Result<Condition, Mistake> {
        let Some(depth) = depth.checked_sub(1) else {
            return path.mistake(format!(
                "conditions are nested more than {} levels deep",
                super::DEPTH
            ));
        };
        if operators.is_empty() {
            return path.mistake(format!(
                "an operator is missing; known are {}",
                listed(&OPERATORS)
            ));
        }
        let mut ends: Vec<(&str, &Document)> = Vec::new();
        let mut conditions = Vec::new();
        for (word, value) in operators {
            let path = path.key(word);
            let word = plain(word);
            if ENDS.contains(&word) {
                if ends.iter().any(|(end, _)| *end == word) {
                    return path.mistake("this operator stands here twice");
                }
                ends.push((word, value));
                continue;
            }
            conditions.push(match word {
                "eq" | "value" => match value {
                    Document::List(values) => self.among(key, values, &path)?,
                    value => self.equal(key, value, &path)?,
                },
                "in" | "any" => self.among(key, listed_values(value, &path)?, &path)?,
                "nin" | "except" => none(vec![self.among(key, listed_values(value, &path)?, &path)?]),
                "ne" | "not" => none(vec![match value {
                    Document::List(values) => self.among(key, values, &path)?,
                    Document::Object(operators) => self.operators(key, operators, &path, depth)?,
                    value => self.equal(key, value, &path)?,
                }]),
                "text" => matches(key, MatchValue::Text(text(value, &path)?)),
                "text_any" => matches(key, MatchValue::TextAny(text(value, &path)?)),
                "phrase" => self.phrase(key, text(value, &path)?, &path)?,
                "exists" => yes(value, &path, none(vec![is_empty(key)]), is_empty(key))?,
                "is_empty" => yes(value, &path, is_empty(key), none(vec![is_empty(key)]))?,
                "is_null" => yes(value, &path, is_null(key), none(vec![is_null(key)]))?,
                "values_count" => counted(key, value, &path)?,
                // Qdrant's own form, without its list around it.
                "match" | "range" => match value {
                    Document::Object(operators) => self.operators(key, operators, &path, depth)?,
                    value => {
                        return path.mistake(format!("an object is needed, and this is {}", value.kind()));
                    }
                },
                word if geo::WORDS.contains(&word) => geo::condition(key, word, value, &path)?,
                _ => {
                    return path.mistake(format!(
                        "unknown operator; known are {}; a key inside an object is written \"{key}.{word}\"",
                        listed(&OPERATORS)
                    ));
                }
            });
        }
        if !ends.is_empty() {
            conditions.push(between(key, &ends, path)?);
        }
        Ok(all(conditions))
    }

    /// Words in this order.
    pub(super) fn phrase(&self, key: &str, phrase: String, path: &Path) -> Result<Condition, Mistake> {
        let index = self.shape.indexes.get(key);
        if index.is_some_and(|index| index.kind == IndexKind::Text && !index.phrases) {
            return path.mistake(format!(
                "the index on \"{key}\" does not keep where words stand: use text, which finds the words in any order"
            ));
        }
        Ok(matches(key, MatchValue::Phrase(phrase)))
    }
}

/// That the point has one of these ids.
pub(super) fn ids(value: &Document, path: &Path) -> Result<Condition, Mistake> {
    let one = std::slice::from_ref(value);
    let ids = match value {
        Document::List(ids) => ids.as_slice(),
        _ => one,
    };
    if ids.is_empty() {
        return path.mistake("the list is empty: name at least one id");
    }
    let mut has_id = Vec::with_capacity(ids.len());
    for (index, id) in ids.iter().enumerate() {
        let id = match id {
            Document::Integer(number) => crate::value::id_from_number(*number),
            Document::Text(text) => crate::value::id_from_text(text),
            _ => None,
        };
        match id {
            Some(id) => has_id.push(id),
            None => return path.item(index).mistake(crate::value::NO_ID),
        }
    }
    Ok(of(ConditionOneOf::HasId(HasIdCondition { has_id })))
}

/// That the point has a vector of this name.
pub(super) fn has_vector(value: &Document, path: &Path) -> Result<Condition, Mistake> {
    let Document::Text(name) = value else {
        return path.mistake(format!(
            "the name of a vector is needed, and this is {}",
            value.kind()
        ));
    };
    // The empty name is that of the unnamed vector.
    Ok(of(ConditionOneOf::HasVector(HasVectorCondition {
        has_vector: name.clone(),
    })))
}

fn is_operator(word: &str) -> bool {
    let word = plain(word);
    OPERATORS.contains(&word)
        || geo::WORDS.contains(&word)
        || own::FIELD_WORDS.contains(&word)
        || matches!(word, "value" | "any" | "nin" | "except" | "text_any" | "is_empty")
}

/// An operator without its `$`, signs as words.
fn plain(word: &str) -> &str {
    match word.strip_prefix('$').unwrap_or(word) {
        ">" => "gt",
        ">=" => "gte",
        "<" => "lt",
        "<=" => "lte",
        "=" | "==" => "eq",
        "!=" => "ne",
        word => word,
    }
}

fn listed_values<'a>(value: &'a Document, path: &Path) -> Result<&'a [Document], Mistake> {
    match value {
        Document::List(values) => Ok(values),
        value => path.mistake(format!("a list is needed, and this is {}", value.kind())),
    }
}

pub(super) fn text(value: &Document, path: &Path) -> Result<String, Mistake> {
    match value {
        Document::Text(text) if !text.trim().is_empty() => Ok(text.clone()),
        Document::Text(_) => path.mistake("the text is empty"),
        value => path.mistake(format!("text is needed, and this is {}", value.kind())),
    }
}

/// One of two conditions.
pub(super) fn yes(
    value: &Document,
    path: &Path,
    if_true: Condition,
    if_false: Condition,
) -> Result<Condition, Mistake> {
    match value {
        Document::Bool(true) => Ok(if_true),
        Document::Bool(false) => Ok(if_false),
        value => path.mistake(format!("true or false is needed, and this is {}", value.kind())),
    }
}

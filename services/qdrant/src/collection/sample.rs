//! What the payloads of a sample have in them: keys, types, examples.

use std::collections::{BTreeMap, HashMap};

use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Cut, Value};
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant;
use qdrant_client::qdrant::value::Kind;

use super::{IndexKind, Shape};
use crate::database::Session;
use crate::error::Error;
use crate::filter;
use crate::row::Columns;
use crate::scroll::{Position, Reader, Wanted};
use crate::value::{id_from_text, of, to_value};

/// The most keys that are told.
const MOST_KEYS: usize = 200;

/// The most keys that are remembered: payloads with ids as keys have no end of them.
const MOST_REMEMBERED: usize = 5_000;

/// How deep objects are looked into.
const DEPTH: usize = 6;

/// How many elements of a list are looked at.
const ELEMENTS: usize = 20;

/// How many examples a key has, and how many characters of each are shown.
const EXAMPLES: usize = 3;
const EXAMPLE: usize = 60;

/// A text with more characters, or with more words, is one to be searched for words.
const KEYWORD_CHARACTERS: usize = 60;
const KEYWORD_WORDS: usize = 8;

/// How many points are looked at for keys that hold texts.
const TEXTS: usize = 100;

/// The payload keys of a collection that hold texts, as far as its first points tell: long ones before short ones.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for the collection, the server's error, time-outs.
pub(crate) async fn text_keys(session: &Session, collection: &str) -> Result<Vec<String>, Error> {
    let shape = session.shape(collection).await?;
    let (keys, _) = Sample::take(session, &shape, TEXTS).await?.keys(&shape);
    let of = |kind: &'static str| {
        let keys = keys.iter().filter(move |key| key.r#type.contains(kind));
        keys.map(|key| key.key.clone())
    };
    let mut texts: Vec<String> = of("text").collect();
    texts.extend(
        of("keyword")
            .filter(|key| !texts.contains(key))
            .collect::<Vec<_>>(),
    );
    Ok(texts)
}

/// What a number of payloads have in them.
#[derive(Debug, Default)]
pub(super) struct Sample {
    keys: BTreeMap<String, Seen>,
}

/// What was seen of a key.
#[derive(Debug, Default)]
struct Seen {
    types: Vec<IndexKind>,
    /// Whether it is an object into which nobody looked.
    object: bool,
    list: bool,
    /// In how many payloads.
    payloads: u64,
    /// The last payload that it was seen in.
    last: usize,
    examples: Vec<Value>,
}

impl Sample {
    /// Looks at the first `wanted` points.
    pub(super) async fn take(session: &Session, shape: &Shape, wanted: usize) -> Result<Self, Error> {
        let mut sample = Self::default();
        let wants = Wanted {
            filter: None,
            order: None,
            columns: Columns::default(),
        };
        let mut reader = Reader::new(session, &shape.collection, wants, Position::Start);
        let mut taken = 0;
        while taken < wanted
            && let Some(points) = reader.next(wanted - taken).await?
        {
            for (_, point) in points {
                taken += 1;
                sample.add(taken, point.payload);
            }
        }
        Ok(sample)
    }

    fn add(&mut self, number: usize, payload: HashMap<String, qdrant::Value>) {
        for (key, value) in payload {
            self.look(number, filter::quoted(&key).into_owned(), value, DEPTH, false);
        }
    }

    fn look(&mut self, number: usize, key: String, value: qdrant::Value, depth: usize, in_list: bool) {
        let Some(kind) = value.kind else { return };
        match kind {
            Kind::StructValue(object) if depth > 0 && !object.fields.is_empty() && !is_place(&object) => {
                let key = if in_list { format!("{key}[]") } else { key };
                for (name, value) in object.fields {
                    let key = format!("{key}.{}", filter::quoted(&name));
                    self.look(number, key, value, depth - 1, false);
                }
            }
            Kind::ListValue(list) if depth > 0 && !in_list => {
                if list.values.is_empty() {
                    if let Some(seen) = self.seen(number, key) {
                        seen.list = true;
                    }
                    return;
                }
                for value in list.values.into_iter().take(ELEMENTS) {
                    self.look(number, key.clone(), value, depth - 1, true);
                }
            }
            kind => {
                let Some(seen) = self.seen(number, key) else {
                    return;
                };
                seen.list |= in_list;
                seen.note(kind);
            }
        }
    }

    fn seen(&mut self, number: usize, key: String) -> Option<&mut Seen> {
        if self.keys.len() >= MOST_REMEMBERED && !self.keys.contains_key(&key) {
            return None;
        }
        let seen = self.keys.entry(key).or_default();
        if seen.last != number {
            seen.last = number;
            seen.payloads += 1;
        }
        Some(seen)
    }

    /// The keys, those with an index first among those that are told, and how many are not told.
    pub(super) fn keys(mut self, shape: &Shape) -> (Vec<pb::PayloadKey>, usize) {
        let mut keys: Vec<pb::PayloadKey> = Vec::new();
        for (key, index) in &shape.indexes {
            let seen = self.keys.remove(key).unwrap_or_default();
            let list = if seen.list { "[]" } else { "" };
            keys.push(pb::PayloadKey {
                key: key.clone(),
                r#type: format!("{}{list}", index.kind.as_str()),
                indexed: true,
                points: index.points,
                examples: seen.examples,
            });
        }
        let others = self.keys.into_iter().map(|(key, seen)| pb::PayloadKey {
            key,
            r#type: seen.type_name(),
            indexed: false,
            points: Some(seen.payloads),
            examples: seen.examples,
        });
        keys.extend(others);
        let more = keys.len().saturating_sub(MOST_KEYS);
        keys.truncate(MOST_KEYS);
        keys.sort_unstable_by(|left, right| left.key.cmp(&right.key));
        (keys, more)
    }
}

impl Seen {
    fn note(&mut self, kind: Kind) {
        let of_kind = match &kind {
            Kind::NullValue(_) => return,
            Kind::BoolValue(_) => Some(IndexKind::Bool),
            Kind::IntegerValue(_) => Some(IndexKind::Integer),
            Kind::DoubleValue(_) => Some(IndexKind::Float),
            Kind::StringValue(text) => Some(text_kind(text)),
            Kind::StructValue(object) if is_place(object) => Some(IndexKind::Geo),
            Kind::StructValue(_) | Kind::ListValue(_) => None,
        };
        match of_kind {
            Some(kind) if !self.types.contains(&kind) => self.types.push(kind),
            Some(_) => {}
            None => {
                self.object = true;
                return;
            }
        }
        if self.examples.len() < EXAMPLES {
            let example = example(to_value(qdrant::Value { kind: Some(kind) }));
            if !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
    }

    /// One type where one says all: an integer is a float as well, and a time a text.
    fn type_name(&self) -> String {
        let has = |kind: IndexKind| self.types.contains(&kind);
        let mut types = self.types.clone();
        types.retain(|kind| match kind {
            IndexKind::Integer => !has(IndexKind::Float),
            IndexKind::Keyword => !has(IndexKind::Text),
            IndexKind::Datetime | IndexKind::Uuid => !has(IndexKind::Keyword) && !has(IndexKind::Text),
            _ => true,
        });
        let mut names: Vec<&str> = types.iter().map(|kind| kind.as_str()).collect();
        if self.object {
            names.push("object");
        }
        names.sort_unstable();
        let list = if self.list { "[]" } else { "" };
        format!("{}{list}", names.join(" or "))
    }
}

/// What kind of text it is.
fn text_kind(text: &str) -> IndexKind {
    if text.len() >= 32 && id_from_text(text).is_some() {
        IndexKind::Uuid
    } else if filter::timestamp(text).is_some() {
        IndexKind::Datetime
    } else if text.chars().count() > KEYWORD_CHARACTERS || text.split_whitespace().count() > KEYWORD_WORDS {
        IndexKind::Text
    } else {
        IndexKind::Keyword
    }
}

/// Whether an object is what Qdrant takes for a place.
fn is_place(object: &qdrant::Struct) -> bool {
    let number = |name: &str| {
        let value = object.fields.get(name).and_then(|value| value.kind.as_ref());
        matches!(value, Some(Kind::DoubleValue(_) | Kind::IntegerValue(_)))
    };
    object.fields.len() == 2 && number("lon") && number("lat")
}

/// A value, shortened.
fn example(value: Value) -> Value {
    match value.kind {
        Some(Form::Text(text)) => {
            let length = text.chars().count();
            if length <= EXAMPLE {
                return of(Form::Text(text));
            }
            of(Form::Cut(Cut {
                text: text.chars().take(EXAMPLE).collect(),
                length: length as u64,
            }))
        }
        kind => Value { kind },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::value_to_payload;

    fn sampled(payloads: &[&str]) -> Vec<(String, String, u64, Vec<String>)> {
        let mut sample = Sample::default();
        for (number, json) in payloads.iter().enumerate() {
            let payload = value_to_payload(&of(Form::Json((*json).to_owned()))).expect(json);
            sample.add(number + 1, payload);
        }
        let shown = |value: &Value| {
            let mut out = String::new();
            mcp_hub_proto::json::write_value(&mut out, value);
            out
        };
        let keys = sample.keys.into_iter();
        keys.map(|(key, seen)| {
            let examples = seen.examples.iter().map(shown).collect();
            (key, seen.type_name(), seen.payloads, examples)
        })
        .collect()
    }

    #[test]
    fn keys_types_and_examples_are_seen() {
        let seen = sampled(&[
            r#"{"a": 1, "b": {"c": "x", "d e": true}, "l": [1, 2, 2], "o": [{"p": 1.5}, {"p": 2}], "n": null, "e": []}"#,
            r#"{"a": 1.5, "t": "2024-01-31", "u": "f47ac10b-58cc-4372-a567-0e02b2c3d479", "g": {"lon": 1.5, "lat": 2}}"#,
            r#"{"a": 2, "t": "soon", "m": [[1], [2]], "w": "one two three four five six seven eight nine", "x": {}}"#,
            r#"{"a": "many", "b": 7}"#,
        ]);
        let shown: Vec<String> = seen
            .iter()
            .map(|(key, kind, payloads, examples)| format!("{key}: {kind} {payloads} {}", examples.join(" ")))
            .collect();
        assert_eq!(
            shown,
            [
                "a: float or keyword 4 1 1.5 2",
                "b: integer 1 7",
                "b.\"d e\": bool 1 true",
                "b.c: keyword 1 \"x\"",
                "e: [] 1 ",
                "g: geo 1 {\"lat\":2,\"lon\":1.5}",
                "l: integer[] 1 1 2",
                "m: object[] 1 ",
                "n:  1 ",
                "o[].p: float 1 1.5 2",
                "t: keyword 2 \"2024-01-31\" \"soon\"",
                "u: uuid 1 \"f47ac10b-58cc-4372-a567-0e02b2c3d479\"",
                "w: text 1 \"one two three four five six seven eight nine\"",
                "x: object 1 ",
            ]
        );
    }

    #[test]
    fn a_long_example_is_shortened() {
        let long = format!(r#"{{"a": "{}"}}"#, "ä".repeat(100));
        let seen = sampled(&[&long]);
        assert_eq!(
            seen[0].3,
            [format!(r#"{{"$cut":"{}","len":100}}"#, "ä".repeat(60))]
        );
    }
}

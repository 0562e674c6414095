//! A filter as a caller sent it: any JSON, made one plain tree, bounded in size and depth.

use std::collections::HashSet;
use std::fmt;

use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::{DEPTH, Mistake, Path, SIZE};

/// A tree of JSON. A number is an integer where it is written as one.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Document {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Document>),
    Object(Vec<(String, Document)>),
}

impl Document {
    /// What it is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Object(_) => "an object",
        }
    }
}

/// Reads the argument; `None` when nothing is wanted. A text may hold the JSON: some callers send objects so.
pub(super) fn read(filter: Option<&Value>) -> Result<Option<Document>, Mistake> {
    let Some(kind) = filter.and_then(|filter| filter.kind.as_ref()) else {
        return Ok(None);
    };
    let mut reader = Reader { left: SIZE };
    let document = match kind {
        Kind::Text(text) if text.trim().is_empty() => return Ok(None),
        Kind::Text(text) => reader.json_text(text, &Path::root())?,
        kind => reader.value(kind, &Path::root(), MOST_LEVELS)?,
    };
    Ok(match document {
        Document::Null => None,
        Document::Object(entries) if entries.is_empty() => None,
        document => Some(document),
    })
}

/// What is said of a key with two values: one of them would be left out.
const TWICE: &str = "this key stands here twice: put several conditions on a key into one object";

/// A condition may take several levels of JSON.
const MOST_LEVELS: usize = 4 * DEPTH;

struct Reader {
    /// How many more values there may be.
    left: usize,
}

impl Reader {
    fn value(&mut self, kind: &Kind, path: &Path, levels: usize) -> Result<Document, Mistake> {
        let levels = self.count(path, levels)?;
        Ok(match kind {
            Kind::Null(_) => Document::Null,
            Kind::Bool(value) => Document::Bool(*value),
            Kind::Int(number) => Document::Integer(*number),
            Kind::Uint(number) => match i64::try_from(*number) {
                Ok(number) => Document::Integer(number),
                Err(_) => return path.mistake(too_big(&number.to_string())),
            },
            Kind::Double(number) => finite(*number, path)?,
            Kind::Text(text) => Document::Text(text.clone()),
            Kind::Temporal(temporal) => Document::Text(temporal.text.clone()),
            Kind::Number(text) => number(text, path)?,
            Kind::Json(text) => self.json_text(text, path)?,
            Kind::List(list) => {
                let mut items = Vec::with_capacity(list.values.len());
                for (index, item) in list.values.iter().enumerate() {
                    items.push(match &item.kind {
                        Some(kind) => self.value(kind, &path.item(index), levels)?,
                        None => Document::Null,
                    });
                }
                Document::List(items)
            }
            Kind::Map(map) => {
                let mut entries: Vec<(String, Document)> = Vec::with_capacity(map.entries.len());
                let mut seen = HashSet::new();
                for entry in &map.entries {
                    let path = path.key(&entry.key);
                    if !seen.insert(entry.key.as_str()) {
                        return path.mistake(TWICE);
                    }
                    let value = match entry.value.as_ref().and_then(|value| value.kind.as_ref()) {
                        Some(kind) => self.value(kind, &path, levels)?,
                        None => Document::Null,
                    };
                    entries.push((entry.key.clone(), value));
                }
                Document::Object(entries)
            }
            _ => return path.mistake("a filter is JSON, which has no such value"),
        })
    }

    fn json_text(&mut self, text: &str, path: &Path) -> Result<Document, Mistake> {
        match serde_json::from_str(text) {
            Ok(document) => {
                self.count_all(&document, path, MOST_LEVELS)?;
                Ok(document)
            }
            Err(error) => path.mistake(format!(
                "a filter is an object such as {{\"color\": \"red\"}}; this text can't be read: {error}"
            )),
        }
    }

    fn count_all(&mut self, document: &Document, path: &Path, levels: usize) -> Result<(), Mistake> {
        let levels = self.count(path, levels)?;
        match document {
            Document::List(items) => items
                .iter()
                .try_for_each(|item| self.count_all(item, path, levels)),
            Document::Object(entries) => entries
                .iter()
                .try_for_each(|(key, value)| self.count_all(value, &path.key(key), levels)),
            _ => Ok(()),
        }
    }

    fn count(&mut self, path: &Path, levels: usize) -> Result<usize, Mistake> {
        let Some(left) = self.left.checked_sub(1) else {
            return Path::root().mistake(format!(
                "it has more than {SIZE} values and conditions: split the call"
            ));
        };
        self.left = left;
        match levels.checked_sub(1) {
            Some(levels) => Ok(levels),
            None => path.mistake(format!("it is nested more than {MOST_LEVELS} levels deep")),
        }
    }
}

fn number(text: &str, path: &Path) -> Result<Document, Mistake> {
    if let Ok(number) = text.parse() {
        return Ok(Document::Integer(number));
    }
    if !text.contains(['.', 'e', 'E']) {
        return path.mistake(too_big(text));
    }
    match text.parse::<f64>() {
        Ok(number) => finite(number, path),
        Err(_) => path.mistake(format!("{text} is no number")),
    }
}

fn too_big(text: &str) -> String {
    format!("{text} is no integer of 64 bits")
}

fn finite(number: f64, path: &Path) -> Result<Document, Mistake> {
    if number.is_finite() {
        Ok(Document::Float(number))
    } else {
        path.mistake("a filter has finite numbers only")
    }
}

/// The tree of `serde_json` itself forgets a key that stands there twice.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Json)
    }
}

struct Json;

impl<'de> Visitor<'de> for Json {
    type Value = Document;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Document, E> {
        Ok(Document::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Document, E> {
        Ok(Document::Bool(value))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Document, E> {
        Ok(Document::Integer(number))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Document, E> {
        let integer = i64::try_from(number).map(Document::Integer);
        integer.map_err(|_| E::custom(too_big(&number.to_string())))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Document, E> {
        Ok(Document::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Document, E> {
        Ok(Document::Text(text.to_owned()))
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Document, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Document::List(list))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut entries: A) -> Result<Document, A::Error> {
        let mut object: Vec<(String, Document)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some((key, value)) = entries.next_entry::<String, _>()? {
            if !seen.insert(key.clone()) {
                return Err(de::Error::custom(format!("\"{key}\": {TWICE}")));
            }
            object.push((key, value));
        }
        Ok(Document::Object(object))
    }
}

//! A filter as a caller sent it: any JSON, made one plain tree, bounded in size and depth.

use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;

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
                for entry in &map.entries {
                    let path = path.key(&entry.key);
                    let value = match entry.value.as_ref().and_then(|value| value.kind.as_ref()) {
                        Some(kind) => self.value(kind, &path, levels)?,
                        None => Document::Null,
                    };
                    add(&mut entries, entry.key.clone(), value, &path)?;
                }
                Document::Object(entries)
            }
            _ => return path.mistake("a filter is JSON, which has no such value"),
        })
    }

    fn json_text(&mut self, text: &str, path: &Path) -> Result<Document, Mistake> {
        match serde_json::from_str(text) {
            Ok(json) => self.json(json, path, MOST_LEVELS),
            Err(error) => path.mistake(format!(
                "a filter is an object such as {{\"color\": \"red\"}}; this text is no JSON: {error}"
            )),
        }
    }

    fn json(&mut self, json: serde_json::Value, path: &Path, levels: usize) -> Result<Document, Mistake> {
        use serde_json::Value as Json;
        let levels = self.count(path, levels)?;
        Ok(match json {
            Json::Null => Document::Null,
            Json::Bool(value) => Document::Bool(value),
            Json::Number(text) => number(&text.to_string(), path)?,
            Json::String(text) => Document::Text(text),
            Json::Array(items) => {
                let items = items.into_iter().enumerate();
                let items = items.map(|(index, item)| self.json(item, &path.item(index), levels));
                Document::List(items.collect::<Result<_, _>>()?)
            }
            Json::Object(object) => {
                let entries = object.into_iter();
                let entries = entries.map(|(key, value)| {
                    let value = self.json(value, &path.key(&key), levels)?;
                    Ok((key, value))
                });
                Document::Object(entries.collect::<Result<_, _>>()?)
            }
        })
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

fn add(
    entries: &mut Vec<(String, Document)>,
    key: String,
    value: Document,
    path: &Path,
) -> Result<(), Mistake> {
    if entries.iter().any(|(known, _)| *known == key) {
        return path.mistake("this key stands here twice: put several conditions on a key into one object");
    }
    entries.push((key, value));
    Ok(())
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

//! From the server's text to [`Value`]s: pure functions, no driver, no catalogue.
//!
//! Each type has one text form, chosen by the session's settings (ISO dates, UTC, ISO 8601 intervals, hexadecimal bytes). A text
//! that is not of the expected form stays text: a value is never an error and never lost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Bytes, Entry, List, Map, Temporal, TemporalKind, Value, Vector};

use crate::types::{Kind, Type};

pub(crate) mod array;
pub(crate) mod composite;
pub(crate) mod hstore;
pub(crate) mod range;

/// NULL.
pub(crate) fn null() -> Value {
    Form::Null(0).into_value()
}

/// A value from the text that the server sent for it.
pub(crate) fn decode(text: Option<&[u8]>, kind: &Type) -> Value {
    let Some(bytes) = text else { return null() };
    // Only a database in SQL_ASCII sends what is not UTF-8.
    let text = String::from_utf8_lossy(bytes);
    read(&text, kind)
        .unwrap_or_else(|| Form::Text(text.into_owned()))
        .into_value()
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for Form {
    fn into_value(self) -> Value {
        Value { kind: Some(self) }
    }
}

fn read(text: &str, kind: &Type) -> Option<Form> {
    Some(match &kind.kind {
        Kind::Text => return None,
        Kind::Bool => Form::Bool(match text {
            "t" => true,
            "f" => false,
            _ => return None,
        }),
        Kind::Integer => Form::Int(text.parse().ok()?),
        Kind::Unsigned => Form::Uint(text.parse().ok()?),
        // The server prints the shortest digits that read back as the same value, for float4 the same single.
        Kind::Float => Form::Double(text.parse().ok()?),
        Kind::Numeric => Form::Number(text.to_owned()),
        Kind::Date => temporal(TemporalKind::Date, text.to_owned()),
        Kind::Time => temporal(TemporalKind::Time, text.to_owned()),
        Kind::ZonedTime => temporal(TemporalKind::ZonedTime, zoned(text, false)),
        Kind::Timestamp => temporal(TemporalKind::DateTime, text.replacen(' ', "T", 1)),
        Kind::ZonedTimestamp => temporal(TemporalKind::ZonedDateTime, zoned_timestamp(text)),
        Kind::Interval => temporal(TemporalKind::Duration, text.to_owned()),
        Kind::Bytes => {
            let data = bytes(text)?;
            let length = data.len() as u64;
            Form::Bytes(Bytes { data, length })
        }
        Kind::Json => Form::Json(text.to_owned()),
        Kind::Array { element, delimiter } => {
            let parsed = array::parse(text, *delimiter)?;
            Form::List(List {
                values: parsed
                    .items
                    .into_iter()
                    .map(|item| from_item(item, element))
                    .collect(),
                lower_bounds: parsed.lower_bounds,
            })
        }
        Kind::Composite(fields) => {
            let mut values = composite::parse(text)?;
            if fields.is_empty() && text == "()" {
                values.clear();
            }
            if values.len() != fields.len() {
                return None;
            }
            let entries = fields.iter().zip(values).map(|((name, kind), value)| Entry {
                key: name.clone(),
                value: Some(decode(value.as_deref().map(str::as_bytes), kind)),
            });
            Form::Map(Map {
                entries: entries.collect(),
            })
        }
        Kind::Record => {
            let values = composite::parse(text)?.into_iter().enumerate();
            text_map(values.map(|(index, value)| (format!("f{}", index + 1), value)))
        }
        Kind::Hstore => text_map(hstore::parse(text)?.into_iter()),
        Kind::Multirange => {
            let ranges = range::parse(text)?;
            Form::List(List {
                values: ranges
                    .into_iter()
                    .map(|range| Form::Text(range).into_value())
                    .collect(),
                lower_bounds: vec![],
            })
        }
        Kind::Vector => {
            let inner = text.strip_prefix('[')?.strip_suffix(']')?;
            let values = inner
                .split(',')
                .map(str::parse)
                .collect::<Result<Vec<f32>, _>>()
                .ok()?;
            let dimensions = u32::try_from(values.len()).ok()?;
            Form::Vector(Vector { values, dimensions })
        }
    })
}

fn from_item(item: array::Item, element: &Type) -> Value {
    match item {
        array::Item::Null => null(),
        array::Item::Text(text) => decode(Some(text.as_bytes()), element),
        array::Item::Array(items) => Form::List(List {
            values: items.into_iter().map(|item| from_item(item, element)).collect(),
            lower_bounds: vec![],
        })
        .into_value(),
    }
}

fn text_map(entries: impl Iterator<Item = (String, Option<String>)>) -> Form {
    let entries = entries.map(|(key, value)| Entry {
        key,
        value: Some(value.map_or_else(null, |value| Form::Text(value).into_value())),
    });
    Form::Map(Map {
        entries: entries.collect(),
    })
}

fn temporal(kind: TemporalKind, text: String) -> Form {
    Form::Temporal(Temporal {
        kind: kind.into(),
        text,
    })
}

/// `2024-01-01 10:00:00+00` -> `2024-01-01T10:00:00Z`, as RFC 3339 writes it.
fn zoned_timestamp(text: &str) -> String {
    let (text, era) = match text.strip_suffix(" BC") {
        Some(text) => (text, " BC"),
        None => (text, ""),
    };
    match text.split_once(' ') {
        Some((date, time)) => format!("{date}T{}{era}", zoned(time, true)),
        // infinity, -infinity
        None => format!("{text}{era}"),
    }
}

/// A time of day with the server's short offset (`+02`) made long (`+02:00`), or `Z`.
fn zoned(time: &str, utc_is_z: bool) -> String {
    match time.rfind(['+', '-']) {
        Some(sign) if utc_is_z && &time[sign..] == "+00" => format!("{}Z", &time[..sign]),
        Some(sign) if time.len() - sign == 3 => format!("{time}:00"),
        _ => time.to_owned(),
    }
}

/// A `bytea` in either of the server's forms.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let Some(digits) = text.strip_prefix("\\x") else {
        return escaped_bytes(text.as_bytes());
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
            _ => None,
        })
        .collect()
}

fn escaped_bytes(mut text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    loop {
        match text {
            [] => return Some(bytes),
            [b'\\', b'\\', rest @ ..] => {
                bytes.push(b'\\');
                text = rest;
            }
            [b'\\', digits @ ..] => {
                let octal = std::str::from_utf8(digits.get(..3)?).ok()?;
                bytes.push(u8::from_str_radix(octal, 8).ok()?);
                text = &digits[3..];
            }
            [byte, rest @ ..] => {
                bytes.push(*byte);
                text = rest;
            }
        }
    }
}

/// The bytes that `{"$bytes": base64}` holds, so that what an answer showed can be sent back.
pub(crate) fn shown_bytes(map: &Map) -> Option<Vec<u8>> {
    let entry = map.entries.iter().find(|entry| entry.key == "$bytes")?;
    match entry.value.as_ref()?.kind.as_ref()? {
        Form::Text(text) => STANDARD.decode(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

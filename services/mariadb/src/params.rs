//! From a caller's values to the typed arguments of a prepared statement.
//!
//! The protocol does not tell which type a `?` wants, so the value's own form decides: an integer is sent as one, an exact number as a
//! decimal, a text as a text that the server compares and converts as it does with a literal. What only looks convertible (a value
//! that was cut) is a mistake that names the parameter.

use std::borrow::Cow;
use std::sync::LazyLock;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Map, Temporal, TemporalKind, Value};
use mcp_hub_proto::json;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::mysql::{MySql, MySqlArguments, MySqlTypeInfo};
use sqlx::{Arguments as _, Encode, Type};

use crate::value::shown_bytes;

mod zone;

/// The arguments of a statement.
///
/// # Errors
/// `ARGUMENT_INVALID` that names the parameter.
pub(crate) fn encode(params: &[Value]) -> Result<MySqlArguments, Fault> {
    let mut arguments = MySqlArguments::default();
    for (index, value) in params.iter().enumerate() {
        add(&mut arguments, value).map_err(|mistake| {
            let field = format!("params[{index}]");
            Fault::argument(&field, format!("{field}: {mistake}"))
        })?;
    }
    Ok(arguments)
}

/// The types that [`encode`] gives to these values, a letter for each.
pub(crate) fn signature(params: &[Value]) -> String {
    let letter = |value: &Value| match value.kind.as_ref() {
        None | Some(Form::Null(_)) => 'n',
        Some(Form::Bool(_)) => 'o',
        Some(Form::Int(_)) => 'i',
        Some(Form::Uint(_)) => 'u',
        Some(Form::Double(_)) => 'f',
        Some(Form::Number(_)) => 'd',
        Some(Form::Temporal(temporal)) => match temporal.kind() {
            TemporalKind::Date => 'a',
            TemporalKind::DateTime => 'e',
            TemporalKind::ZonedDateTime => 'z',
            _ => 'c',
        },
        Some(Form::Bytes(_) | Form::Vector(_)) => 'b',
        Some(Form::Map(map)) if map.entries.first().is_some_and(|entry| entry.key == "$bytes") => 'b',
        Some(_) => 't',
    };
    params.iter().map(letter).collect()
}

fn add(arguments: &mut MySqlArguments, value: &Value) -> Result<(), Cow<'static, str>> {
    let added = match value.kind.as_ref() {
        None | Some(Form::Null(_)) => arguments.add(None::<String>),
        Some(Form::Bool(value)) => arguments.add(*value),
        Some(Form::Int(number)) => arguments.add(*number),
        Some(Form::Uint(number)) => arguments.add(*number),
        Some(Form::Double(number)) if number.is_finite() => arguments.add(*number),
        Some(Form::Double(_)) => {
            return Err("the server has no number for infinity and for what is no number".into());
        }
        Some(Form::Text(text) | Form::Json(text)) => arguments.add(text.as_str()),
        Some(Form::Number(text)) => arguments.add(Exact(text)),
        Some(Form::Temporal(temporal)) => arguments.add(time(temporal)?),
        Some(Form::Bytes(bytes)) if bytes.length > bytes.data.len() as u64 => return Err(CUT.into()),
        Some(Form::Bytes(bytes)) => arguments.add(bytes.data.as_slice()),
        Some(Form::Vector(vector)) if vector.dimensions as usize > vector.values.len() => {
            return Err(CUT.into());
        }
        // The form in which the server keeps vectors.
        Some(Form::Vector(vector)) => {
            let bytes: Vec<u8> = vector
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            arguments.add(bytes)
        }
        Some(Form::Map(map)) => match marked(map)? {
            Some(Marked::Bytes(bytes)) => arguments.add(bytes),
            Some(Marked::Text(text)) => arguments.add(text),
            None => arguments.add(document(value)),
        },
        Some(Form::List(_)) => arguments.add(document(value)),
        Some(Form::Cut(_)) => return Err(CUT.into()),
        Some(Form::Node(_) | Form::Relationship(_) | Form::Path(_)) => {
            return Err("a part of a graph is no value of this database".into());
        }
    };
    added.map_err(|error| error.to_string().into())
}

const CUT: &str = "a value that was cut can't be sent back: select it in full";

/// What an answer's marks hold, so that what it showed can be sent back.
enum Marked {
    Bytes(Vec<u8>),
    Text(String),
}

fn marked(map: &Map) -> Result<Option<Marked>, Cow<'static, str>> {
    let Some(first) = map.entries.first() else {
        return Ok(None);
    };
    let text = match first.value.as_ref().and_then(|value| value.kind.as_ref()) {
        Some(Form::Text(text)) => Some(text),
        _ => None,
    };
    match (first.key.as_str(), text) {
        ("$bytes", _) => {
            let bytes = shown_bytes(map).ok_or("give {\"$bytes\": base64}")?;
            let length = map.entries.iter().find(|entry| entry.key == "len");
            let length = length.and_then(|entry| entry.value.as_ref()?.kind.as_ref());
            match length {
                Some(Form::Int(length))
                    if usize::try_from(*length).is_ok_and(|length| length > bytes.len()) =>
                {
                    Err(CUT.into())
                }
                _ => Ok(Some(Marked::Bytes(bytes))),
            }
        }
        ("$json", Some(text)) => Ok(Some(Marked::Text(text.clone()))),
        ("$cut" | "$vector", _) => Err(CUT.into()),
        _ => Ok(None),
    }
}

/// A date or time as the server writes it: in UTC where it has a zone, like our sessions.
fn time(temporal: &Temporal) -> Result<String, Cow<'static, str>> {
    let text = &temporal.text;
    match temporal.kind() {
        TemporalKind::ZonedDateTime => zone::in_utc(text).ok_or_else(|| {
            format!("{text:?} is no date and time with a zone, such as 2024-01-31T12:00:00Z").into()
        }),
        TemporalKind::DateTime => Ok(text.replacen('T', " ", 1)),
        TemporalKind::ZonedTime => Err("the server has no times of day with a zone".into()),
        TemporalKind::Duration if text.starts_with(['P', '-']) && text.contains('P') => {
            Err("give a length of time as hours, minutes and seconds: 36:00:00".into())
        }
        _ => Ok(text.clone()),
    }
}

/// A value as a JSON document.
fn document(value: &Value) -> String {
    let mut out = String::new();
    json::write_argument(&mut out, value);
    out
}

/// An exact number. As a text the server would compare it as a double.
struct Exact<'a>(&'a str);

/// The driver has this type for crates of decimals only, which know fewer digits than the server.
static DECIMAL: LazyLock<MySqlTypeInfo> = LazyLock::new(|| {
    serde_json::from_value(serde_json::json!({
        "type": "NewDecimal",
        "flags": "BINARY",
        "collation": 63,
    }))
    .expect("the form in which the driver serialises a type")
});

impl Type<MySql> for Exact<'_> {
    fn type_info() -> MySqlTypeInfo {
        DECIMAL.clone()
    }
}

impl Encode<'_, MySql> for Exact<'_> {
    fn encode_by_ref(&self, buffer: &mut Vec<u8>) -> Result<IsNull, BoxDynError> {
        <&str as Encode<'_, MySql>>::encode_by_ref(&self.0, buffer)
    }
}

#[cfg(test)]
mod tests;

//! Values of SQLite as values of the contract, and back. Pure.
//!
//! SQLite types values, not columns. A value becomes what it is (INTEGER, REAL, TEXT, BLOB, NULL); the declared type of its column
//! only adds what the storage can't say, and only when the value bears it out: JSON text that is valid, 0 and 1 in a BOOLEAN column.

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Bytes, Map, Value};
use mcp_hub_proto::json;
use rusqlite::types::{Value as Owned, ValueRef};
use serde::de::IgnoredAny;

/// What a column's declared type adds to its values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Declared {
    /// Nothing.
    #[default]
    Plain,
    /// Text is a JSON document.
    Json,
    /// 0 and 1 are false and true.
    Boolean,
}

impl Declared {
    /// Reads a declared type.
    pub(crate) fn of(declared: Option<&str>) -> Self {
        match declared.map(str::to_ascii_uppercase).as_deref() {
            Some("JSON" | "JSON TEXT" | "JSONB") => Self::Json,
            Some("BOOL" | "BOOLEAN") => Self::Boolean,
            _ => Self::Plain,
        }
    }
}

/// A value as it leaves.
pub(crate) fn from_sqlite(value: ValueRef<'_>, declared: Declared) -> Value {
    let kind = match value {
        ValueRef::Null => Kind::Null(0),
        ValueRef::Integer(value @ (0 | 1)) if declared == Declared::Boolean => Kind::Bool(value == 1),
        ValueRef::Integer(value) => Kind::Int(value),
        ValueRef::Real(value) => Kind::Double(value),
        ValueRef::Text(text) => match std::str::from_utf8(text) {
            Ok(text) if declared == Declared::Json && is_json(text) => Kind::Json(text.to_owned()),
            Ok(text) => Kind::Text(text.to_owned()),
            // SQLite stores what it is given; text that is none is shown as the bytes that it is.
            Err(_) => bytes(text),
        },
        ValueRef::Blob(blob) => bytes(blob),
    };
    Value { kind: Some(kind) }
}

fn bytes(data: &[u8]) -> Kind {
    Kind::Bytes(Bytes {
        data: data.to_vec(),
        length: data.len() as u64,
    })
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// SQLite's name of the type of a value.
pub(crate) fn storage_class(value: ValueRef<'_>) -> &'static str {
    match value {
        ValueRef::Null => "null",
        ValueRef::Integer(_) => "integer",
        ValueRef::Real(_) => "real",
        ValueRef::Text(_) => "text",
        ValueRef::Blob(_) => "blob",
    }
}

/// A parameter as it is bound. `position` is its 1-based number, for the error.
///
/// An exact number becomes an INTEGER or a REAL where that is the same number, else TEXT, which a numeric column takes as a number
/// too. Lists and maps become JSON text, for `json_each`.
///
/// # Errors
/// `ARGUMENT_INVALID` for a value that SQLite can't hold.
pub(crate) fn to_sqlite(value: &Value, position: usize) -> Result<Owned, Fault> {
    let refuse = |why: &str| {
        let message = format!("params: value {position} {why}");
        Fault::argument("params", message)
    };
    match value.kind.as_ref() {
        None | Some(Kind::Null(_)) => Ok(Owned::Null),
        Some(Kind::Bool(value)) => Ok(Owned::Integer((*value).into())),
        Some(Kind::Int(value)) => Ok(Owned::Integer(*value)),
        Some(Kind::Uint(value)) => i64::try_from(*value).map(Owned::Integer).map_err(|_| {
            refuse("is larger than SQLite's largest integer, 9223372036854775807: pass it as text")
        }),
        // SQLite would silently store NULL.
        Some(Kind::Double(value)) if value.is_nan() => Err(refuse("is NaN, which SQLite does not have")),
        Some(Kind::Double(value)) => Ok(Owned::Real(*value)),
        Some(Kind::Text(text) | Kind::Json(text)) => Ok(Owned::Text(text.clone())),
        Some(Kind::Number(text)) => Ok(number(text)),
        Some(Kind::Temporal(temporal)) => Ok(Owned::Text(temporal.text.clone())),
        Some(Kind::Bytes(bytes)) if bytes.length > bytes.data.len() as u64 => {
            Err(refuse("is the beginning of a longer byte string"))
        }
        Some(Kind::Bytes(bytes)) => Ok(Owned::Blob(bytes.data.clone())),
        Some(Kind::List(_) | Kind::Map(_) | Kind::Vector(_)) => {
            let mut text = String::new();
            write_document(&mut text, value).map_err(refuse)?;
            Ok(Owned::Text(text))
        }
        Some(Kind::Node(_) | Kind::Relationship(_) | Kind::Path(_)) => Err(refuse("is a part of a graph")),
        Some(Kind::Cut(_)) => Err(refuse("is the beginning of a longer value")),
    }
}

fn number(text: &str) -> Owned {
    if let Ok(integer) = text.parse::<i64>() {
        return Owned::Integer(integer);
    }
    match text.parse::<f64>() {
        Ok(real) if json::is_safe_number(text) => Owned::Real(real),
        _ => Owned::Text(text.to_owned()),
    }
}

/// Writes a value as a JSON document for SQLite's JSON functions, which keep 64-bit integers.
fn write_document(out: &mut String, value: &Value) -> Result<(), &'static str> {
    const UNFIT: &str = "holds something that JSON has no form for";
    match value.kind.as_ref() {
        Some(Kind::Int(value)) => out.push_str(&value.to_string()),
        Some(Kind::Uint(value)) => out.push_str(&value.to_string()),
        Some(Kind::Double(value)) if !value.is_finite() => return Err(UNFIT),
        Some(Kind::Number(text) | Kind::Json(text)) if is_json(text) => out.push_str(text),
        Some(Kind::List(list)) => {
            out.push('[');
            for (index, value) in list.values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_document(out, value)?;
            }
            out.push(']');
        }
        Some(Kind::Map(map)) => write_object(out, map)?,
        Some(Kind::Vector(vector)) => {
            if vector.dimensions as usize > vector.values.len()
                || vector.values.iter().any(|value| !value.is_finite())
            {
                return Err(UNFIT);
            }
            // Finite numbers always have a JSON form.
            out.push_str(&serde_json::to_string(&vector.values).unwrap_or_default());
        }
        None
        | Some(
            Kind::Null(_)
            | Kind::Bool(_)
            | Kind::Double(_)
            | Kind::Text(_)
            | Kind::Number(_)
            | Kind::Temporal(_),
        ) => {
            json::write_value(out, value);
        }
        Some(
            Kind::Json(_)
            | Kind::Bytes(_)
            | Kind::Node(_)
            | Kind::Relationship(_)
            | Kind::Path(_)
            | Kind::Cut(_),
        ) => return Err(UNFIT),
    }
    Ok(())
}

fn write_object(out: &mut String, map: &Map) -> Result<(), &'static str> {
    out.push('{');
    for (index, entry) in map.entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        json::write_string(out, &entry.key);
        out.push(':');
        match &entry.value {
            None => out.push_str("null"),
            Some(value) => write_document(out, value)?,
        }
    }
    out.push('}');
    Ok(())
}

#[cfg(test)]
mod tests;

//! From a caller's values to the texts of parameters: the text of a value depends on the type that the statement wants.
//!
//! Callers mostly have JSON: numbers, text, booleans, null, lists and maps. Anything whose text the type itself reads is left to the
//! type ("2024-01-01" for a date); what only looks convertible (a list for a number) is a mistake that names the parameter.

use std::sync::Arc;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Map, Value};
use mcp_hub_proto::json;

use crate::types::{Kind, Type};
use crate::value::{array, composite, hstore, shown_bytes};

/// The texts of all parameters; `None` is NULL.
///
/// # Errors
/// `ARGUMENT_INVALID` that names the parameter and the type that it needs.
pub(crate) fn encode(
    params: &[Value],
    kinds: impl Iterator<Item = Option<Arc<Type>>>,
) -> Result<Vec<Option<String>>, Fault> {
    let encoded = params
        .iter()
        .zip(kinds)
        .enumerate()
        .map(|(index, (value, kind))| {
            let Some(kind) = kind else {
                return Ok(plain(value));
            };
            text(value, &kind).map_err(|mistake| {
                let field = format!("params[{index}]");
                let message = format!("{field} (${}) must be {}: {mistake}", index + 1, kind.name);
                Fault::argument(&field, message)
            })
        });
    encoded.collect()
}

/// A value's text for a type; what is wrong with it otherwise.
fn text(value: &Value, kind: &Type) -> Result<Option<String>, String> {
    let Some(form) = value.kind.as_ref().filter(|form| !matches!(form, Form::Null(_))) else {
        return Ok(None);
    };
    let text = match (&kind.kind, form) {
        (Kind::Json, form) => document(value, form),
        // Any type reads its own text.
        (_, Form::Text(text) | Form::Number(text) | Form::Json(text)) => text.clone(),
        (_, Form::Temporal(temporal)) => temporal.text.clone(),
        (_, Form::Cut(_)) => {
            return Err("a value that was cut can't be sent back: select it in full".to_owned());
        }
        (Kind::Bytes, Form::Bytes(bytes)) => hexadecimal(&bytes.data),
        (Kind::Bytes, Form::Map(map)) => {
            hexadecimal(&shown_bytes(map).ok_or("give text, or {\"$bytes\": base64}")?)
        }
        (Kind::Bytes, _) => return Err("give text, or {\"$bytes\": base64}".to_owned()),
        (Kind::Array { element, delimiter }, Form::List(list)) => {
            self::list(&list.values, element, *delimiter)?
        }
        (Kind::Array { .. }, Form::Vector(vector)) => {
            let items: Vec<String> = vector.values.iter().map(f32::to_string).collect();
            format!("{{{}}}", items.join(","))
        }
        (Kind::Array { .. }, _) => return Err("give a list".to_owned()),
        (Kind::Composite(fields), Form::Map(map)) => row(map, fields)?,
        (Kind::Composite(fields), Form::List(list)) => {
            if list.values.len() != fields.len() {
                return Err(format!("it has {} fields", fields.len()));
            }
            let texts = list
                .values
                .iter()
                .zip(fields)
                .map(|(value, (_, kind))| self::text(value, kind));
            let texts: Vec<Option<String>> = texts.collect::<Result<_, _>>()?;
            composite::print(texts.iter().map(Option::as_deref))
        }
        (Kind::Composite(_), _) => return Err("give an object of its fields".to_owned()),
        (Kind::Hstore, Form::Map(map)) => {
            let entries = map.entries.iter().map(|entry| {
                let value = entry.value.as_ref().and_then(plain);
                (entry.key.as_str(), value)
            });
            hstore::print(entries)
        }
        (Kind::Multirange, Form::List(list)) => {
            let ranges: Vec<String> = list.values.iter().filter_map(plain).collect();
            format!("{{{}}}", ranges.join(","))
        }
        (Kind::Vector, Form::List(_)) => shown(value),
        (Kind::Vector, Form::Vector(vector)) => {
            let items: Vec<String> = vector.values.iter().map(f32::to_string).collect();
            format!("[{}]", items.join(","))
        }
        (Kind::Integer | Kind::Unsigned, Form::Double(number)) if number.fract() != 0.0 => {
            return Err(format!("{number} is no whole number"));
        }
        // A number that JSON wrote as 3.0 or 1e3; `{:.0}` has no exponent.
        (Kind::Integer | Kind::Unsigned, Form::Double(number)) => format!("{number:.0}"),
        (
            Kind::Date
            | Kind::Time
            | Kind::ZonedTime
            | Kind::Timestamp
            | Kind::ZonedTimestamp
            | Kind::Interval,
            Form::Int(_) | Form::Uint(_) | Form::Double(_) | Form::Bool(_),
        ) => return Err("give it as text, such as \"2024-01-31\" or \"PT1H\"".to_owned()),
        (Kind::Bool, Form::Int(_) | Form::Uint(_) | Form::Double(_)) => {
            return Err("give true or false".to_owned());
        }
        (Kind::Integer | Kind::Unsigned | Kind::Float | Kind::Numeric, Form::Bool(_)) => {
            return Err("give a number".to_owned());
        }
        _ => plain(value).ok_or("a list or an object does not fit")?,
    };
    Ok(Some(text))
}

/// The text of a value that has one whatever the type.
fn plain(value: &Value) -> Option<String> {
    Some(match value.kind.as_ref()? {
        Form::Bool(value) => value.to_string(),
        Form::Int(value) => value.to_string(),
        Form::Uint(value) => value.to_string(),
        Form::Double(value) if value.is_infinite() => {
            if *value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
        }
        Form::Double(value) => value.to_string(),
        Form::Text(text) | Form::Number(text) | Form::Json(text) => text.clone(),
        Form::Temporal(temporal) => temporal.text.clone(),
        Form::Bytes(bytes) => hexadecimal(&bytes.data),
        _ => return None,
    })
}

/// A JSON document. A text that is a JSON object or array is that document, because models send documents as text more often than
/// they mean a text full of braces; every other text is a JSON string.
fn document(value: &Value, form: &Form) -> String {
    match form {
        Form::Json(text) | Form::Number(text) => text.clone(),
        Form::Text(text) if is_container(text) => text.clone(),
        _ => shown(value),
    }
}

fn is_container(text: &str) -> bool {
    text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn shown(value: &Value) -> String {
    let mut out = String::new();
    json::write_argument(&mut out, value);
    out
}

fn list(values: &[Value], element: &Type, delimiter: char) -> Result<String, String> {
    let mut items = Vec::with_capacity(values.len());
    for value in values {
        items.push(match value.kind.as_ref() {
            // Another dimension; elements that are arrays themselves do not exist.
            Some(Form::List(inner)) if takes_no_list(element) => list(&inner.values, element, delimiter)?,
            _ => match text(value, element)? {
                Some(text) => array::quote(&text),
                None => "NULL".to_owned(),
            },
        });
    }
    Ok(format!("{{{}}}", items.join(&delimiter.to_string())))
}

fn takes_no_list(kind: &Type) -> bool {
    !matches!(
        kind.kind,
        Kind::Json | Kind::Composite(_) | Kind::Multirange | Kind::Vector
    )
}

fn row(map: &Map, fields: &[(String, Arc<Type>)]) -> Result<String, String> {
    if let Some(stray) = map
        .entries
        .iter()
        .find(|entry| !fields.iter().any(|(name, _)| *name == entry.key))
    {
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        return Err(format!(
            "it has no field {:?}; its fields are {}",
            stray.key,
            names.join(", ")
        ));
    }
    let texts = fields.iter().map(|(name, kind)| {
        let entry = map.entries.iter().find(|entry| entry.key == *name);
        match entry.and_then(|entry| entry.value.as_ref()) {
            Some(value) => text(value, kind),
            None => Ok(None),
        }
    });
    let texts: Vec<Option<String>> = texts.collect::<Result<_, _>>()?;
    Ok(composite::print(texts.iter().map(Option::as_deref)))
}

fn hexadecimal(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text
}

#[cfg(test)]
mod tests;

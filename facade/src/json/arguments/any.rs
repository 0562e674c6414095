//! Any JSON value as a `mcphub.data.v1.Value`.

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Bytes, Entry, List, Map, Value};
use serde_json::Value as Json;
use serde_json::value::RawValue;

use super::scalar::base64;
use super::{At, refuse, wrong};
use crate::tool::Object;

/// How deep lists and maps may lie in each other: less than half of what a protobuf reader takes, because each is two messages.
const MAX_NESTING: usize = 32;

/// Any JSON value as a value of a database. `{"$bytes": base64}` and `{"$json": text}` are read back as what an answer shows so.
pub(super) fn any(value: &Json, at: At<'_>) -> Result<Value, Fault> {
    nested(value, at, 0)
}

fn nested(value: &Json, at: At<'_>, nesting: usize) -> Result<Value, Fault> {
    if nesting > MAX_NESTING {
        return Err(refuse(at, "is nested too deeply"));
    }
    let form = match value {
        Json::Null => Form::Null(0),
        Json::Bool(value) => Form::Bool(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(value), _) => Form::Int(value),
            (None, Some(value)) => Form::Uint(value),
            (None, None) => Form::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Form::Text(text.clone()),
        Json::Array(items) => {
            let values = items.iter().enumerate();
            let values = values.map(|(index, item)| nested(item, At::Item(&at, index), nesting + 1));
            Form::List(List {
                values: values.collect::<Result<_, _>>()?,
                lower_bounds: vec![],
            })
        }
        Json::Object(object) => {
            if let Some(form) = marked(object, at)? {
                return Ok(Value { kind: Some(form) });
            }
            let entries = object.iter().map(|(key, value)| {
                Ok(Entry {
                    key: key.clone(),
                    value: Some(nested(value, At::Property(&at, key), nesting + 1)?),
                })
            });
            Form::Map(Map {
                entries: entries.collect::<Result<_, Fault>>()?,
            })
        }
    };
    Ok(Value { kind: Some(form) })
}

/// The value that an object with a `$` key stands for.
fn marked(object: &Object, at: At<'_>) -> Result<Option<Form>, Fault> {
    if let Some(text) = object.get("$json").filter(|_| object.len() == 1) {
        let document = text.as_str().unwrap_or_default();
        if serde_json::from_str::<&RawValue>(document).is_err() {
            return Err(wrong(at, "must have a JSON document as the text of $json", text));
        }
        return Ok(Some(Form::Json(document.to_owned())));
    }
    let others = object.keys().all(|key| key == "$bytes" || key == "len");
    let Some(text) = object.get("$bytes").filter(|_| others) else {
        return Ok(None);
    };
    let data = text.as_str().and_then(base64);
    let data = data.ok_or_else(|| wrong(at, "must have base64 text as $bytes", text))?;
    let length = data.len() as u64;
    if object.get("len").is_some_and(|len| len.as_u64() != Some(length)) {
        return Err(refuse(
            at,
            "has only the beginning of a longer byte string: read all of it first",
        ));
    }
    Ok(Some(Form::Bytes(Bytes { data, length })))
}

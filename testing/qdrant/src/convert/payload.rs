//! Payloads, as JSON.

use std::collections::HashMap;

use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{ListValue, Struct, Value as ApiValue};
use qdrant_edge::Payload;
use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// A payload from a client. A number that JSON can't write is refused.
pub(crate) fn from_api(payload: HashMap<String, ApiValue>) -> Result<Payload> {
    object(payload).map(Payload)
}

/// Named values.
pub(crate) fn object(fields: HashMap<String, ApiValue>) -> Result<Map<String, Value>> {
    fields
        .into_iter()
        .map(|(key, value)| Ok((key, value_from_api(value)?)))
        .collect()
}

fn value_from_api(value: ApiValue) -> Result<Value> {
    Ok(match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::IntegerValue(integer)) => integer.into(),
        Some(Kind::DoubleValue(double)) => Number::from_f64(double)
            .map(Value::Number)
            .ok_or_else(|| Error::malformed("cannot convert to json number"))?,
        Some(Kind::StringValue(text)) => Value::String(text),
        Some(Kind::ListValue(list)) => list
            .values
            .into_iter()
            .map(value_from_api)
            .collect::<Result<_>>()?,
        Some(Kind::StructValue(fields)) => Value::Object(object(fields.fields)?),
    })
}

/// A payload for a client.
pub(crate) fn to_api(payload: Payload) -> HashMap<String, ApiValue> {
    fields_to_api(payload.0)
}

fn fields_to_api(fields: Map<String, Value>) -> HashMap<String, ApiValue> {
    fields
        .into_iter()
        .map(|(key, value)| (key, value_to_api(value)))
        .collect()
}

fn value_to_api(value: Value) -> ApiValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(flag),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Kind::IntegerValue(integer),
            // What is no i64 has a nearest double: numbers of arbitrary size are not compiled in.
            None => Kind::DoubleValue(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => Kind::ListValue(ListValue {
            values: values.into_iter().map(value_to_api).collect(),
        }),
        Value::Object(fields) => Kind::StructValue(Struct {
            fields: fields_to_api(fields),
        }),
    };
    ApiValue { kind: Some(kind) }
}

//! Qdrant's values as the contract's, and back: ids, payloads, vectors. Pure conversion.

use std::collections::HashMap;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Entry, List, Map, Value};
use qdrant_client::qdrant::point_id::PointIdOptions;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::vector_output::Vector;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{self, ListValue, PointId, Struct, VectorOutput, VectorsOutput};

/// How deep a payload may be that a caller sends: a level is three messages, and decoders of protobuf go 100 deep.
const DEPTH: usize = 32;

/// The id of a point: a number, or a UUID as text.
pub(crate) fn id_to_value(id: &PointId) -> Value {
    of(match &id.point_id_options {
        Some(PointIdOptions::Num(number)) => Form::Uint(*number),
        Some(PointIdOptions::Uuid(uuid)) => Form::Text(uuid.clone()),
        None => Form::Null(0),
    })
}

/// An id as sentences name it.
pub(crate) fn id_text(id: &PointId) -> String {
    match &id.point_id_options {
        Some(PointIdOptions::Num(number)) => number.to_string(),
        Some(PointIdOptions::Uuid(uuid)) => uuid.clone(),
        None => String::new(),
    }
}

/// The ids in the argument `field`.
///
/// # Errors
/// `ARGUMENT_INVALID` for a value that is no id.
pub(crate) fn ids_from_values(field: &str, ids: &[Value]) -> Result<Vec<PointId>, Fault> {
    let ids = ids
        .iter()
        .map(|id| id_from_value(id).map_err(|why| Fault::argument(field, format!("{field}: {why}"))));
    ids.collect()
}

/// What is said of what is none.
pub(crate) const NO_ID: &str = "an id is a whole number from 0 or a UUID";

/// An id as a caller gives it: a number, also as text, or a UUID in any of its spellings.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn id_from_value(id: &Value) -> Result<PointId, String> {
    let id = match &id.kind {
        Some(Form::Uint(number)) => Some(PointId::from(*number)),
        Some(Form::Int(number)) => id_from_number(*number),
        Some(Form::Text(text) | Form::Number(text)) => id_from_text(text),
        _ => None,
    };
    id.ok_or_else(|| NO_ID.to_owned())
}

/// A number as an id.
pub(crate) fn id_from_number(number: i64) -> Option<PointId> {
    u64::try_from(number).ok().map(PointId::from)
}

/// A number or a UUID as an id.
pub(crate) fn id_from_text(text: &str) -> Option<PointId> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    Some(PointId {
        point_id_options: Some(PointIdOptions::Uuid(uuid(text)?)),
    })
}

/// A UUID as Qdrant prints it.
fn uuid(text: &str) -> Option<String> {
    let bare = text.trim();
    let bare = bare.strip_prefix("urn:uuid:").unwrap_or(bare);
    let bare = bare
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or(bare);
    let hyphens = [8, 13, 18, 23];
    let digits: String = match bare.len() {
        32 => bare.to_owned(),
        36 if hyphens.iter().all(|index| bare.as_bytes()[*index] == b'-') => bare.replace('-', ""),
        _ => return None,
    };
    if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let digits = digits.to_ascii_lowercase();
    let parts = [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ];
    Some(parts.join("-"))
}

/// A payload as an object. Keys come in any order, so they are sorted.
pub(crate) fn payload_to_value(payload: HashMap<String, qdrant::Value>) -> Value {
    let mut entries: Vec<Entry> = payload
        .into_iter()
        .map(|(key, value)| Entry {
            key,
            value: Some(to_value(value)),
        })
        .collect();
    entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    of(Form::Map(Map { entries }))
}

/// A value of a payload. Times stay the text that they are; an integer stays one, and so does a float.
pub(crate) fn to_value(value: qdrant::Value) -> Value {
    of(match value.kind {
        None | Some(Kind::NullValue(_)) => Form::Null(0),
        Some(Kind::BoolValue(value)) => Form::Bool(value),
        Some(Kind::IntegerValue(number)) => Form::Int(number),
        Some(Kind::DoubleValue(number)) => Form::Double(number),
        Some(Kind::StringValue(text)) => Form::Text(text),
        Some(Kind::ListValue(list)) => list_of(list.values.into_iter().map(to_value)),
        Some(Kind::StructValue(object)) => return payload_to_value(object.fields),
    })
}

/// A caller's JSON object as a payload.
///
/// # Errors
/// What is wrong with it, beginning with the path to it.
pub(crate) fn value_to_payload(value: &Value) -> Result<HashMap<String, qdrant::Value>, String> {
    match &value.kind {
        Some(Form::Map(map)) => fields(map, "", DEPTH),
        Some(Form::Json(text)) => match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(object)) => object
                .into_iter()
                .map(|(key, value)| Ok((key.clone(), from_json(value, &key, DEPTH)?)))
                .collect(),
            _ => Err("a JSON object is needed".to_owned()),
        },
        _ => Err("a JSON object is needed".to_owned()),
    }
}

fn fields(map: &Map, path: &str, depth: usize) -> Result<HashMap<String, qdrant::Value>, String> {
    let mut fields = HashMap::with_capacity(map.entries.len());
    for entry in &map.entries {
        let path = if path.is_empty() {
            entry.key.clone()
        } else {
            format!("{path}.{}", entry.key)
        };
        let value = match &entry.value {
            Some(value) => from_value(value, &path, depth)?,
            None => null(),
        };
        if fields.insert(entry.key.clone(), value).is_some() {
            return Err(format!("{path}: this key stands here twice"));
        }
    }
    Ok(fields)
}

/// A caller's value, as Qdrant keeps it in a payload.
fn from_value(value: &Value, path: &str, depth: usize) -> Result<qdrant::Value, String> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("{path}: nested more than {DEPTH} levels deep"));
    };
    let cut = || {
        Err(format!(
            "{path}: a value that was cut can't be sent back: get the point again"
        ))
    };
    let kind = match &value.kind {
        None | Some(Form::Null(_)) => return Ok(null()),
        Some(Form::Bool(value)) => Kind::BoolValue(*value),
        Some(Form::Int(number)) => Kind::IntegerValue(*number),
        Some(Form::Uint(number)) => match i64::try_from(*number) {
            Ok(number) => Kind::IntegerValue(number),
            Err(_) => {
                return Err(format!(
                    "{path}: {number} is no integer of 64 bits: send it as text"
                ));
            }
        },
        Some(Form::Double(number)) if number.is_finite() => Kind::DoubleValue(*number),
        Some(Form::Double(_)) => return Err(format!("{path}: a payload has finite numbers only")),
        Some(Form::Text(text)) => Kind::StringValue(text.clone()),
        Some(Form::Number(text)) => return from_number(text, path),
        Some(Form::Temporal(temporal)) => Kind::StringValue(temporal.text.clone()),
        Some(Form::Json(text)) => {
            let json = serde_json::from_str(text).map_err(|_| format!("{path}: this is not valid JSON"))?;
            return from_json(json, path, depth);
        }
        Some(Form::List(list)) => {
            let values = list.values.iter().enumerate();
            let values = values.map(|(index, value)| from_value(value, &format!("{path}[{index}]"), depth));
            Kind::ListValue(ListValue {
                values: values.collect::<Result<_, _>>()?,
            })
        }
        Some(Form::Vector(vector)) if vector.values.len() < vector.dimensions as usize => return cut(),
        Some(Form::Vector(vector)) => Kind::ListValue(ListValue {
            values: vector
                .values
                .iter()
                .map(|number| qdrant::Value {
                    kind: Some(Kind::DoubleValue(shortest(*number))),
                })
                .collect(),
        }),
        Some(Form::Map(map)) => {
            if let [entry, ..] = map.entries.as_slice()
                && matches!(entry.key.as_str(), "$cut" | "$vector")
            {
                return cut();
            }
            Kind::StructValue(Struct {
                fields: fields(map, path, depth)?,
            })
        }
        Some(Form::Cut(_)) => return cut(),
        Some(Form::Bytes(_) | Form::Node(_) | Form::Relationship(_) | Form::Path(_)) => {
            return Err(format!("{path}: a payload is JSON, which has no such value"));
        }
    };
    Ok(qdrant::Value { kind: Some(kind) })
}

/// An exact number that a payload can keep.
fn from_number(text: &str, path: &str) -> Result<qdrant::Value, String> {
    let kind = match (text.parse(), text.parse::<f64>()) {
        (Ok(number), _) => Kind::IntegerValue(number),
        (Err(_), Ok(number)) if number.is_finite() && mcp_hub_proto::json::is_safe_number(text) => {
            Kind::DoubleValue(number)
        }
        _ => {
            return Err(format!(
                "{path}: {text} is more exact than a payload's numbers: send it as text"
            ));
        }
    };
    Ok(qdrant::Value { kind: Some(kind) })
}

fn from_json(json: serde_json::Value, path: &str, depth: usize) -> Result<qdrant::Value, String> {
    use serde_json::Value as Json;
    let Some(depth) = depth.checked_sub(1) else {
        return Err(format!("{path}: nested more than {DEPTH} levels deep"));
    };
    let kind = match json {
        Json::Null => return Ok(null()),
        Json::Bool(value) => Kind::BoolValue(value),
        Json::Number(number) => return from_number(&number.to_string(), path),
        Json::String(text) => Kind::StringValue(text),
        Json::Array(items) => {
            let items = items.into_iter().enumerate();
            let items = items.map(|(index, item)| from_json(item, &format!("{path}[{index}]"), depth));
            Kind::ListValue(ListValue {
                values: items.collect::<Result<_, _>>()?,
            })
        }
        Json::Object(object) => {
            let fields = object.into_iter().map(|(key, item)| {
                let item = from_json(item, &format!("{path}.{key}"), depth)?;
                Ok((key, item))
            });
            Kind::StructValue(Struct {
                fields: fields.collect::<Result<_, String>>()?,
            })
        }
    };
    Ok(qdrant::Value { kind: Some(kind) })
}

fn null() -> qdrant::Value {
    qdrant::Value {
        kind: Some(Kind::NullValue(qdrant::NullValue::NullValue.into())),
    }
}

/// The vectors of a point in full: one as it is, named ones as an object.
pub(crate) fn vectors_to_value(vectors: VectorsOutput) -> Value {
    match vectors.vectors_options {
        None => of(Form::Null(0)),
        Some(VectorsOptions::Vector(vector)) => vector_to_value(vector),
        Some(VectorsOptions::Vectors(named)) => {
            let mut entries: Vec<Entry> = named
                .vectors
                .into_iter()
                .map(|(key, vector)| Entry {
                    key,
                    value: Some(vector_to_value(vector)),
                })
                .collect();
            entries.sort_unstable_by(|left, right| left.key.cmp(&right.key));
            of(Form::Map(Map { entries }))
        }
    }
}

/// A dense vector as a list, a sparse one as `{"indices", "values"}`, several as a list of lists.
#[expect(deprecated, reason = "servers before 1.16 send only these fields")]
fn vector_to_value(output: VectorOutput) -> Value {
    if let Some(vector) = output.vector {
        return match vector {
            Vector::Dense(dense) => numbers(&dense.data),
            Vector::Sparse(sparse) => sparse_value(&sparse.indices, &sparse.values),
            Vector::MultiDense(multi) => of(list_of(multi.vectors.iter().map(|dense| numbers(&dense.data)))),
        };
    }
    if let Some(indices) = output.indices {
        return sparse_value(&indices.data, &output.data);
    }
    match output
        .vectors_count
        .and_then(|count| output.data.len().checked_div(count as usize))
    {
        Some(size) if size > 0 => of(list_of(output.data.chunks(size).map(numbers))),
        _ => numbers(&output.data),
    }
}

fn numbers(values: &[f32]) -> Value {
    let values = values.iter().map(|number| of(Form::Double(shortest(*number))));
    of(list_of(values))
}

fn sparse_value(indices: &[u32], values: &[f32]) -> Value {
    let indices = indices.iter().map(|index| of(Form::Uint((*index).into())));
    let entry = |key: &str, value| Entry {
        key: key.to_owned(),
        value: Some(value),
    };
    of(Form::Map(Map {
        entries: vec![
            entry("indices", of(list_of(indices))),
            entry("values", numbers(values)),
        ],
    }))
}

/// The double whose shortest decimal is that of the single: 0.1, and not 0.10000000149011612.
pub(crate) fn shortest(number: f32) -> f64 {
    number.to_string().parse().unwrap_or(f64::from(number))
}

fn list_of(values: impl Iterator<Item = Value>) -> Form {
    Form::List(List {
        values: values.collect(),
        lower_bounds: vec![],
    })
}

/// A value of a form.
pub(crate) fn of(kind: Form) -> Value {
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests;

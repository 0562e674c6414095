//! What the schema of an answer says of its fields: their types, and not all that is inside.

use prost_reflect::{FieldDescriptor, Kind};
use serde_json::{Value, json};

use super::{object, type_name};
use crate::json::shared_type;
use crate::tool::Object;

/// What an answer shows of a field: its type, and that of its items.
pub(super) fn shown(field: &FieldDescriptor) -> Object {
    if field.is_map() {
        return object([("type", json!("object"))]);
    }
    let item = match field.kind() {
        Kind::Message(message) => match shared_type(&message) {
            Some("Value") => json!({}),
            Some("Row" | "List") => json!({"type": "array"}),
            Some("Temporal") => json!({"type": "string"}),
            _ => json!({"type": "object"}),
        },
        // Beyond what a double keeps, an integer is a string; and NaN has no other form.
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => {
            json!({"type": ["integer", "string"]})
        }
        Kind::Double | Kind::Float => json!({"type": ["number", "string"]}),
        kind => json!({"type": type_name(&kind)}),
    };
    if field.is_list() {
        return object([("type", json!("array")), ("items", item)]);
    }
    match item {
        Value::Object(object) => object,
        _ => Object::new(),
    }
}

/// The properties of a result set, which stand directly in the answer.
pub(super) fn result_set() -> Vec<(String, Value)> {
    let properties = [
        (
            "columns",
            json!({"type": "array", "items": {"type": "object"}, "description": "name and type of each column"}),
        ),
        (
            "rows",
            json!({"type": "array", "items": {"type": "array"}, "description": "values in the order of columns"}),
        ),
        (
            "truncated",
            json!({"type": "object", "description": "set when there is more: reason, next_cursor"}),
        ),
        ("notices", json!({"type": "array", "items": {"type": "string"}})),
        ("elapsed_ms", json!({"type": "integer"})),
    ];
    properties.map(|(name, schema)| (name.to_owned(), schema)).into()
}

//! JSON <-> protobuf, by the descriptors alone.
//!
//! [`arguments`] turns the arguments of a call into the encoded request, with errors that a model can act on; [`answer`] turns the
//! encoded response into the text of a JSON object; [`content`] reads what of it is no JSON. The first two walk the wire format itself ([`wire`]): a table of results is decoded once,
//! into the typed message that `mcp_hub_proto::json` writes, and never into a tree of dynamic values.
//! Messages of `mcphub.data.v1` have a JSON form of their own; all others are objects with the names of their fields.

use prost_reflect::{EnumDescriptor, FieldDescriptor, MessageDescriptor};

pub(crate) mod answer;
pub(crate) mod arguments;
pub(crate) mod content;
pub(crate) mod wire;

#[cfg(test)]
mod tests;

/// How deep messages may lie in each other: far more than any tool needs, and far less than a stack holds.
pub(crate) const MAX_DEPTH: usize = 16;

/// `mcp_hub_proto::json::MAX_SAFE_INTEGER` as a double.
pub(crate) const MAX_SAFE_DOUBLE: f64 = 9_007_199_254_740_991.0;

/// The message of `mcphub.data.v1` that this is: `ResultSet`, `Value` and so on.
pub(crate) fn shared_type(message: &MessageDescriptor) -> Option<&str> {
    message.full_name().strip_prefix("mcphub.data.v1.")
}

/// Whether a field has to be given: it is singular and not `optional`.
pub(crate) fn is_required(field: &FieldDescriptor) -> bool {
    !field.is_list() && !field.is_map() && field.containing_oneof().is_none()
}

/// How a value of an enum is shown: `OBJECT_KIND_TABLE` of `ObjectKind` is `table`.
pub(crate) fn enum_label(descriptor: &EnumDescriptor, value: &str) -> String {
    let prefix = format!("{}_", snake_case(descriptor.name()).to_uppercase());
    value.strip_prefix(&prefix).unwrap_or(value).to_lowercase()
}

/// The values of an enum as they are shown, the unspecified one left out.
pub(crate) fn enum_labels(descriptor: &EnumDescriptor) -> impl Iterator<Item = (i32, String)> + '_ {
    descriptor
        .values()
        .map(|value| (value.number(), enum_label(descriptor, value.name())))
        .filter(|(number, label)| *number != 0 || label != "unspecified")
}

/// `ListTables` as `list_tables`, `GetURL` as `get_url`.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let characters: Vec<char> = name.chars().collect();
    for (index, character) in characters.iter().enumerate() {
        if character.is_uppercase() && index > 0 {
            let after = characters[index - 1];
            let before_lower = characters.get(index + 1).is_some_and(|next| next.is_lowercase());
            let word_begins =
                after.is_lowercase() || after.is_ascii_digit() || (after.is_uppercase() && before_lower);
            if word_begins {
                snake.push('_');
            }
        }
        snake.extend(character.to_lowercase());
    }
    snake
}

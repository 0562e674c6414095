//! What is special of a prompt: its arguments are strings, and its response is a list of messages.

use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value;

use super::Unusable;
use crate::json::is_required;
use crate::tool::Object;

/// The messages of a prompt, by their type.
const MESSAGE: &str = "mcphub.prompt.v1.PromptMessage";

/// One argument of a prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Argument {
    pub(crate) name: String,
    /// What it is, for people; empty when nobody said.
    pub(crate) description: String,
    /// Whether the prompt can't be had without it.
    pub(crate) required: bool,
}

/// The arguments that the fields of a request are, `schema` being the schema of the request.
pub(super) fn arguments(request: &MessageDescriptor, schema: &Object) -> Result<Vec<Argument>, Unusable> {
    let argument = |field: FieldDescriptor| {
        if field.is_list() || field.is_map() || field.kind() != Kind::String {
            return Err(Unusable::Argument(field.name().to_owned()));
        }
        let description = schema
            .get("properties")
            .and_then(|properties| properties.get(field.name())?.get("description"))
            .and_then(Value::as_str);
        Ok(Argument {
            name: field.name().to_owned(),
            description: description.unwrap_or_default().to_owned(),
            required: is_required(&field),
        })
    };
    request.fields().map(argument).collect()
}

/// The number of the field that has the messages; none when there is no such field, or more than one.
pub(crate) fn messages(response: &MessageDescriptor) -> Option<u32> {
    let is_messages = |field: &FieldDescriptor| {
        field.is_list() && matches!(field.kind(), Kind::Message(message) if message.full_name() == MESSAGE)
    };
    let mut found = response.fields().filter(is_messages);
    let field = found.next()?;
    found.next().is_none().then(|| field.number())
}

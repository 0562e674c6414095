//! Message descriptors as JSON Schema, in the part of 2020-12 that every client and model provider takes: an object at the root,
//! no `$ref`, no `oneOf` or `anyOf`. A model pays for each word, so nothing stands there that does not help to make a call.

use std::cell::Cell;

use mcp_hub_proto::tool::v1::Field as FieldOption;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Syntax};
use serde_json::{Value, json};

use crate::json::content::is_content;
use crate::json::wire::{Fields, Raw};
use crate::json::{MAX_DEPTH, MAX_SAFE_DOUBLE, enum_labels, is_required, shared_type};
use crate::tool::Object;
use crate::words;
use answer::{result_set, shown};

pub(crate) use comments::Comments;

mod answer;
mod comments;

/// The numbers of our extensions in `tool.proto`.
const FIELD_OPTION: u32 = 50002;

/// How many properties and enum values one tool's schemas may have together. One message can be the type of many fields, so that a
/// small file would declare millions.
const MAX_PROPERTIES: usize = 500;

/// How many bytes of words one tool's schemas may have together, for the same reason: names, comments, options.
const MAX_WORDS: usize = 32 * 1024;

/// Why a message can't be the schema of a tool.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unfit {
    /// It contains itself.
    #[error("{0} contains itself")]
    Recursive(String),
    /// It has a oneof.
    #[error("{0} has a oneof")]
    OneOf(String),
    /// It, or what it contains, has too many fields.
    #[error("it has more than {MAX_PROPERTIES} properties")]
    TooLarge,
    /// The same of words.
    #[error("it has more than {MAX_WORDS} bytes of names, comments and options")]
    TooLong,
    /// What it declares has a meaning of its own in every version of the language.
    #[error("{0} is not written in proto3")]
    Syntax(String),
    /// Clients refuse the name of a field or of an enum value.
    #[error("{0} is not a name of 64 letters, digits and underscores at most")]
    Name(String),
    /// The bounds admit no number.
    #[error("the minimum and maximum of {0} are no range")]
    Range(String),
    /// The default, or an example, could not be given as argument.
    #[error("the {option} of {field} is not of its type")]
    Type {
        /// The option.
        option: &'static str,
        /// The full name of the field.
        field: String,
    },
    /// Two fields would have one name.
    #[error("{0} has two properties named {1:?}")]
    Clash(String, String),
    /// An option is no JSON literal.
    #[error("the {option} of {field} is not JSON")]
    Literal {
        /// The option.
        option: &'static str,
        /// The full name of the field.
        field: String,
    },
}

/// Our own option of a descriptor, read from the bytes: what type the adapter's file gives the extension does not matter.
pub(crate) fn option<M: Message + Default>(options: &DynamicMessage, number: u32) -> Option<M> {
    let bytes = options.encode_to_vec();
    let found = Fields(&bytes)
        .filter_map(Result::ok)
        .filter_map(|(n, raw)| match raw {
            Raw::Bytes(bytes) if n == number => Some(bytes),
            _ => None,
        })
        .last();
    found.and_then(|bytes| M::decode(bytes).ok())
}

/// The schemas of one tool, in the making.
#[derive(Debug)]
pub(crate) struct Schemas<'a> {
    comments: &'a Comments,
    left: Cell<usize>,
    words_left: Cell<usize>,
}

impl<'a> Schemas<'a> {
    /// Schemas with descriptions from `comments`.
    pub(crate) fn new(comments: &'a Comments) -> Self {
        Self {
            comments,
            left: Cell::new(MAX_PROPERTIES),
            words_left: Cell::new(MAX_WORDS),
        }
    }

    /// The schema of a request: a closed object.
    ///
    /// # Errors
    /// The message breaks the contract.
    pub(crate) fn input(&self, message: &MessageDescriptor) -> Result<Object, Unfit> {
        self.closed(message, &mut Vec::new())
    }

    /// The schema of a response: an open object. It says what is there, not all that is inside. None for one that is nothing but content.
    ///
    /// # Errors
    /// The message breaks the contract.
    pub(crate) fn output(&self, message: &MessageDescriptor) -> Result<Option<Object>, Unfit> {
        self.check_recursion(message, &mut Vec::new())?;
        let (mut properties, mut content) = (Object::new(), false);
        for field in message.fields() {
            if is_content(&field) {
                content = true;
                continue;
            }
            let clash = || Unfit::Clash(message.full_name().to_owned(), field.name().to_owned());
            match field.kind() {
                Kind::Message(inner) if !field.is_list() && shared_type(&inner) == Some("ResultSet") => {
                    for (name, schema) in result_set() {
                        if properties.insert(name.clone(), schema).is_some() {
                            return Err(Unfit::Clash(message.full_name().to_owned(), name));
                        }
                    }
                }
                _ => {
                    let mut schema = shown(&field);
                    self.describe(&mut schema, &field)?;
                    if properties
                        .insert(field.name().to_owned(), schema.into())
                        .is_some()
                    {
                        return Err(clash());
                    }
                }
            }
        }
        let only_content = content && properties.is_empty();
        Ok((!only_content).then(|| object([("type", json!("object")), ("properties", properties.into())])))
    }

    /// Counts properties or enum values, before anything is made of them.
    fn spend(&self, count: usize) -> Result<(), Unfit> {
        self.left
            .set(self.left.get().checked_sub(count).ok_or(Unfit::TooLarge)?);
        Ok(())
    }

    fn spend_words(&self, bytes: usize) -> Result<(), Unfit> {
        self.words_left
            .set(self.words_left.get().checked_sub(bytes).ok_or(Unfit::TooLong)?);
        Ok(())
    }

    /// Counts what a message declares, and refuses what no client could use.
    fn check(&self, message: &MessageDescriptor) -> Result<(), Unfit> {
        self.spend(message.fields().len())?;
        if message.parent_file().syntax() != Syntax::Proto3 {
            return Err(Unfit::Syntax(message.full_name().to_owned()));
        }
        for field in message.fields() {
            self.check_name(field.name(), field.full_name())?;
        }
        Ok(())
    }

    fn check_name(&self, name: &str, full_name: &str) -> Result<(), Unfit> {
        self.spend_words(name.len())?;
        if words::is_name(name) {
            Ok(())
        } else {
            Err(Unfit::Name(full_name.to_owned()))
        }
    }

    fn describe(&self, schema: &mut Object, field: &FieldDescriptor) -> Result<(), Unfit> {
        let comment = self.comments.of_field(field);
        self.spend_words(comment.len())?;
        if !comment.is_empty() {
            schema.insert("description".to_owned(), comment.into());
        }
        Ok(())
    }

    /// Refuses a response that contains itself, outside of `mcphub.data.v1`, where values do and are written by a walker of their own.
    fn check_recursion(&self, message: &MessageDescriptor, inside: &mut Vec<String>) -> Result<(), Unfit> {
        enter(message, inside)?;
        self.check(message)?;
        for field in message.fields() {
            if let Kind::Message(inner) = field.kind()
                && shared_type(&inner).is_none()
            {
                self.check_recursion(&inner, inside)?;
            }
        }
        inside.pop();
        Ok(())
    }

    fn closed(&self, message: &MessageDescriptor, inside: &mut Vec<String>) -> Result<Object, Unfit> {
        enter(message, inside)?;
        self.check(message)?;
        if let Some(oneof) = message.oneofs().find(|oneof| !oneof.is_synthetic()) {
            return Err(Unfit::OneOf(oneof.parent_message().full_name().to_owned()));
        }
        let mut properties = Object::new();
        let mut required = Vec::new();
        for field in message.fields() {
            if is_required(&field) {
                required.push(Value::from(field.name()));
            }
            properties.insert(field.name().to_owned(), self.property(&field, inside)?.into());
        }
        inside.pop();
        let mut schema = object([("type", json!("object")), ("properties", properties.into())]);
        if !required.is_empty() {
            schema.insert("required".to_owned(), required.into());
        }
        schema.insert("additionalProperties".to_owned(), false.into());
        Ok(schema)
    }

    fn property(&self, field: &FieldDescriptor, inside: &mut Vec<String>) -> Result<Object, Unfit> {
        let mut schema = if field.is_map() {
            let Kind::Message(entry) = field.kind() else {
                return Ok(Object::new());
            };
            let values = self.item(&entry.map_entry_value_field(), inside)?;
            object([("type", json!("object")), ("additionalProperties", values.into())])
        } else if field.is_list() {
            object([
                ("type", json!("array")),
                ("items", self.item(field, inside)?.into()),
            ])
        } else {
            self.item(field, inside)?
        };
        self.describe(&mut schema, field)?;
        self.options(&mut schema, field)?;
        Ok(schema)
    }

    /// Adds what the option of a field says.
    fn options(&self, schema: &mut Object, field: &FieldDescriptor) -> Result<(), Unfit> {
        let options = field.options();
        self.spend_words(options.encoded_len())?;
        let Some(option) = option::<FieldOption>(&options, FIELD_OPTION) else {
            return Ok(());
        };
        let literal = |name: &'static str, text: &str| {
            let literal = serde_json::from_str::<Value>(&words::visible(text));
            let field = || field.full_name().to_owned();
            match literal {
                Ok(literal) if takes(schema, &literal) => Ok(literal),
                Ok(_) => Err(Unfit::Type {
                    option: name,
                    field: field(),
                }),
                Err(_) => Err(Unfit::Literal {
                    option: name,
                    field: field(),
                }),
            }
        };
        let default = match option.default.as_str() {
            "" => None,
            text => Some(literal("default", text)?),
        };
        let examples = option.examples.iter().map(|text| literal("example", text));
        let examples = examples.collect::<Result<Vec<_>, _>>()?;
        let (minimum, maximum) = (option.minimum, option.maximum);
        let (least, most) = (minimum.unwrap_or(f64::MIN), maximum.unwrap_or(f64::MAX));
        // Neither infinite nor without order: JSON has no such numbers.
        if !(least.is_finite() && most.is_finite() && least <= most) {
            return Err(Unfit::Range(field.full_name().to_owned()));
        }
        if let Some(default) = default {
            schema.insert("default".to_owned(), default);
        }
        for (name, bound) in [("minimum", minimum), ("maximum", maximum)] {
            if let Some(bound) = bound {
                schema.insert(name.to_owned(), number(bound));
            }
        }
        if !examples.is_empty() {
            schema.insert("examples".to_owned(), examples.into());
        }
        Ok(())
    }

    /// The schema of one value of a field, its being a list left aside.
    fn item(&self, field: &FieldDescriptor, inside: &mut Vec<String>) -> Result<Object, Unfit> {
        Ok(match field.kind() {
            Kind::Message(message) if shared_type(&message) == Some("Value") => Object::new(),
            Kind::Message(message) => self.closed(&message, inside)?,
            Kind::Enum(descriptor) => {
                self.spend(descriptor.values().len())?;
                for value in descriptor.values() {
                    self.check_name(value.name(), value.full_name())?;
                }
                let labels: Vec<String> = enum_labels(&descriptor).map(|(_, label)| label).collect();
                object([("type", json!("string")), ("enum", labels.into())])
            }
            Kind::Bytes => object([("type", json!("string")), ("contentEncoding", json!("base64"))]),
            Kind::Uint32 | Kind::Fixed32 | Kind::Uint64 | Kind::Fixed64 => {
                object([("type", json!("integer")), ("minimum", json!(0))])
            }
            kind => object([("type", json!(type_name(&kind)))]),
        })
    }
}

/// Whether a literal is of the type that a schema of ours says. What lies inside of it is not looked at.
fn takes(schema: &Object, literal: &Value) -> bool {
    let labels = schema.get("enum").and_then(Value::as_array);
    labels.is_none_or(|labels| labels.contains(literal))
        && match schema.get("type").and_then(Value::as_str) {
            Some("string") => literal.is_string(),
            Some("boolean") => literal.is_boolean(),
            Some("integer") => literal.is_i64() || literal.is_u64(),
            Some("number") => literal.is_number(),
            Some("array") => literal.is_array(),
            Some("object") => literal.is_object(),
            // Any value.
            _ => true,
        }
}

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "number",
        Kind::Bool => "boolean",
        Kind::String | Kind::Bytes | Kind::Enum(_) => "string",
        Kind::Message(_) => "object",
        _ => "integer",
    }
}

fn enter(message: &MessageDescriptor, inside: &mut Vec<String>) -> Result<(), Unfit> {
    let name = message.full_name();
    if inside.len() >= MAX_DEPTH || inside.iter().any(|outer| outer == name) {
        return Err(Unfit::Recursive(name.to_owned()));
    }
    inside.push(name.to_owned());
    Ok(())
}

/// A bound as it is written: `100`, not `100.0`.
fn number(value: f64) -> Value {
    if value.fract() != 0.0 || value.abs() > MAX_SAFE_DOUBLE {
        return value.into();
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    let whole = value as i64;
    whole.into()
}

fn object<const N: usize>(entries: [(&str, Value); N]) -> Object {
    entries
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect()
}

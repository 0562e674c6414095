//! Message descriptors as JSON Schema, in the part of 2020-12 that every client and model provider takes: an object at the root,
//! no `$ref`, no `oneOf` or `anyOf`. A model pays for each word, so nothing stands there that does not help to make a call.

use std::cell::Cell;
use std::collections::HashMap;

use mcp_hub_proto::tool::v1::Field as FieldOption;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Value, json};

use crate::json::wire::{Fields, Raw};
use crate::json::{MAX_DEPTH, MAX_SAFE_DOUBLE, enum_labels, is_required, shared_type};
use crate::tool::Object;

/// The numbers of our extensions in `tool.proto`.
const FIELD_OPTION: u32 = 50002;

/// How many properties one tool's schemas may have together.
const MAX_PROPERTIES: usize = 500;

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

/// The comments of a pool's files, by file and path.
#[derive(Debug, Default)]
pub(crate) struct Comments(HashMap<String, HashMap<Vec<i32>, String>>);

impl Comments {
    /// The leading comments of all files.
    pub(crate) fn of(pool: &DescriptorPool) -> Self {
        let files = pool.files().map(|file| {
            let descriptor = file.file_descriptor_proto();
            let locations = descriptor.source_code_info.iter().flat_map(|info| &info.location);
            let comments = locations.filter_map(|location| {
                let comment = unwrap_lines(location.leading_comments());
                (!comment.is_empty()).then(|| (location.path.clone(), comment))
            });
            (file.name().to_owned(), comments.collect())
        });
        Self(files.collect())
    }

    /// The comment at a path; empty when there is none.
    pub(crate) fn at(&self, file: &str, path: &[i32]) -> &str {
        self.0
            .get(file)
            .and_then(|comments| comments.get(path))
            .map_or("", String::as_str)
    }

    fn of_field(&self, field: &FieldDescriptor) -> &str {
        self.at(field.parent_file().name(), field.path())
    }
}

/// The lines of a paragraph as one line. An empty line parts paragraphs, and the item of a list keeps its own line.
fn unwrap_lines(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    let mut paragraph_ends = false;
    for line in comment.lines().map(str::trim) {
        if line.is_empty() {
            paragraph_ends = !text.is_empty();
            continue;
        }
        if paragraph_ends {
            text.push_str("\n\n");
        } else if line.starts_with("- ") || line.starts_with("* ") {
            text.push('\n');
        } else if !text.is_empty() {
            text.push(' ');
        }
        paragraph_ends = false;
        text.push_str(line);
    }
    text.trim_start().to_owned()
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
}

impl<'a> Schemas<'a> {
    /// Schemas with descriptions from `comments`.
    pub(crate) fn new(comments: &'a Comments) -> Self {
        Self {
            comments,
            left: Cell::new(MAX_PROPERTIES),
        }
    }

    /// The schema of a request: a closed object.
    ///
    /// # Errors
    /// The message breaks the contract.
    pub(crate) fn input(&self, message: &MessageDescriptor) -> Result<Object, Unfit> {
        self.closed(message, &mut Vec::new())
    }

    /// The schema of a response: an open object. It says what is there, not all that is inside.
    ///
    /// # Errors
    /// The message breaks the contract.
    pub(crate) fn output(&self, message: &MessageDescriptor) -> Result<Object, Unfit> {
        check_recursion(message, &mut Vec::new(), &self.left)?;
        let mut properties = Object::new();
        for field in message.fields() {
            self.spend()?;
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
                    describe(&mut schema, self.comments.of_field(&field));
                    if properties
                        .insert(field.name().to_owned(), schema.into())
                        .is_some()
                    {
                        return Err(clash());
                    }
                }
            }
        }
        Ok(object([
            ("type", json!("object")),
            ("properties", properties.into()),
        ]))
    }

    fn spend(&self) -> Result<(), Unfit> {
        self.left
            .set(self.left.get().checked_sub(1).ok_or(Unfit::TooLarge)?);
        Ok(())
    }

    fn closed(&self, message: &MessageDescriptor, inside: &mut Vec<String>) -> Result<Object, Unfit> {
        enter(message, inside)?;
        if let Some(oneof) = message.oneofs().find(|oneof| !oneof.is_synthetic()) {
            return Err(Unfit::OneOf(oneof.parent_message().full_name().to_owned()));
        }
        let mut properties = Object::new();
        let mut required = Vec::new();
        for field in message.fields() {
            self.spend()?;
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
        describe(&mut schema, self.comments.of_field(field));
        let Some(option) = option::<FieldOption>(&field.options(), FIELD_OPTION) else {
            return Ok(schema);
        };
        let literal = |name: &'static str, text: &str| {
            serde_json::from_str::<Value>(text).map_err(|_| Unfit::Literal {
                option: name,
                field: field.full_name().to_owned(),
            })
        };
        if !option.default.is_empty() {
            schema.insert("default".to_owned(), literal("default", &option.default)?);
        }
        for (name, bound) in [("minimum", option.minimum), ("maximum", option.maximum)] {
            if let Some(bound) = bound {
                schema.insert(name.to_owned(), number(bound));
            }
        }
        if !option.examples.is_empty() {
            let examples = option.examples.iter().map(|text| literal("example", text));
            schema.insert(
                "examples".to_owned(),
                examples.collect::<Result<Vec<_>, _>>()?.into(),
            );
        }
        Ok(schema)
    }

    /// The schema of one value of a field, its being a list left aside.
    fn item(&self, field: &FieldDescriptor, inside: &mut Vec<String>) -> Result<Object, Unfit> {
        Ok(match field.kind() {
            Kind::Message(message) if shared_type(&message) == Some("Value") => Object::new(),
            Kind::Message(message) => self.closed(&message, inside)?,
            Kind::Enum(descriptor) => {
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

fn type_name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Double | Kind::Float => "number",
        Kind::Bool => "boolean",
        Kind::String | Kind::Bytes | Kind::Enum(_) => "string",
        Kind::Message(_) => "object",
        _ => "integer",
    }
}

/// What an answer shows of a field: its type, and that of its items.
fn shown(field: &FieldDescriptor) -> Object {
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
fn result_set() -> Vec<(String, Value)> {
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

/// Refuses a response that contains itself, outside of `mcphub.data.v1`, where values do and are written by a walker of their own.
fn check_recursion(
    message: &MessageDescriptor,
    inside: &mut Vec<String>,
    left: &Cell<usize>,
) -> Result<(), Unfit> {
    enter(message, inside)?;
    for field in message.fields() {
        if let Kind::Message(inner) = field.kind()
            && shared_type(&inner).is_none()
        {
            left.set(left.get().checked_sub(1).ok_or(Unfit::TooLarge)?);
            check_recursion(&inner, inside, left)?;
        }
    }
    inside.pop();
    Ok(())
}

fn enter(message: &MessageDescriptor, inside: &mut Vec<String>) -> Result<(), Unfit> {
    let name = message.full_name();
    if inside.len() >= MAX_DEPTH || inside.iter().any(|outer| outer == name) {
        return Err(Unfit::Recursive(name.to_owned()));
    }
    inside.push(name.to_owned());
    Ok(())
}

fn describe(schema: &mut Object, comment: &str) {
    if !comment.is_empty() {
        schema.insert("description".to_owned(), comment.into());
    }
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

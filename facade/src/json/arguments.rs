//! The arguments of a call as the encoded request of its RPC.
//!
//! Whatever a model plausibly means and can mean only one thing is taken: camel case names, integers written as `5.0` or `"5"`, enum
//! values in either form, `null` for an absent optional, a list or an object inside a string. Everything else is refused with a
//! sentence that says what to write instead.

use std::fmt;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::similar;
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};
use serde_json::Value as Json;

use super::{MAX_DEPTH, is_required, shared_type};
use crate::tool::Object;
use any::any;
use scalar::{base64, boolean, choice, real, single, whole};

mod any;
mod scalar;

/// The encoded request.
///
/// # Errors
/// `ARGUMENT_INVALID`: a name that does not exist, a missing argument, a value of the wrong type.
pub(crate) fn encode(message: &MessageDescriptor, arguments: &Object) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::new();
    put_fields(&mut out, message, arguments, At::Root, 0)?;
    Ok(out)
}

/// Where in the arguments a value stands.
#[derive(Clone, Copy)]
enum At<'a> {
    Root,
    Property(&'a At<'a>, &'a str),
    Item(&'a At<'a>, usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => formatter.write_str("arguments"),
            Self::Property(Self::Root, name) => formatter.write_str(name),
            Self::Property(parent, name) => write!(formatter, "{parent}.{name}"),
            Self::Item(parent, index) => write!(formatter, "{parent}[{index}]"),
        }
    }
}

fn put_fields(
    out: &mut Vec<u8>,
    message: &MessageDescriptor,
    object: &Object,
    at: At<'_>,
    depth: usize,
) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(refuse(at, "is nested too deeply"));
    }
    let mut given: Vec<(FieldDescriptor, &Json)> = Vec::with_capacity(object.len());
    for (name, value) in object {
        let field = message
            .get_field_by_name(name)
            .or_else(|| message.get_field_by_json_name(name))
            .ok_or_else(|| unknown(message, name, at))?;
        if given.iter().any(|(other, _)| *other == field) {
            return Err(refuse(At::Property(&at, field.name()), "is given twice"));
        }
        if !value.is_null() || takes_null(&field) {
            given.push((field, value));
        }
    }
    let missing: Vec<String> = message
        .fields()
        .filter(|field| is_required(field) && !given.iter().any(|(other, _)| other == field))
        .map(|field| At::Property(&at, field.name()).to_string())
        .collect();
    if let Some(first) = missing.first() {
        let verb = if missing.len() == 1 { "is" } else { "are" };
        return Err(Fault::argument(
            first,
            format!("{} {verb} missing", missing.join(", ")),
        ));
    }
    given.sort_by_key(|(field, _)| field.number());
    for (field, value) in given {
        put_field(out, &field, value, At::Property(&at, field.name()), depth)?;
    }
    Ok(())
}

fn takes_null(field: &FieldDescriptor) -> bool {
    let Kind::Message(message) = field.kind() else {
        return false;
    };
    is_required(field) && shared_type(&message) == Some("Value")
}

fn unknown(message: &MessageDescriptor, name: &str, at: At<'_>) -> Fault {
    let fields: Vec<_> = message.fields().collect();
    let known: Vec<&str> = fields.iter().map(FieldDescriptor::name).collect();
    let place = match at {
        At::Root => String::new(),
        at => format!(" in {at}"),
    };
    let message = if known.is_empty() {
        format!("unknown argument {name:?}{place}: there are none")
    } else {
        format!(
            "unknown argument {name:?}{place}: the arguments are {}",
            known.join(", ")
        )
    };
    let similar = similar(name, known.iter().copied()).join(", ");
    Fault::argument(name, message).with("did_you_mean", similar)
}

fn put_field(
    out: &mut Vec<u8>,
    field: &FieldDescriptor,
    value: &Json,
    at: At<'_>,
    depth: usize,
) -> Result<(), Fault> {
    if field.is_map() {
        return put_map(out, field, value, at, depth);
    }
    if !field.is_list() {
        return put_one(out, field, value, at, depth);
    }
    let parsed = parsed(value, '[');
    let Json::Array(items) = parsed.as_ref().unwrap_or(value) else {
        return Err(wrong(at, "must be an array", value));
    };
    for (index, item) in items.iter().enumerate() {
        put_one(out, field, item, At::Item(&at, index), depth)?;
    }
    Ok(())
}

fn put_map(
    out: &mut Vec<u8>,
    field: &FieldDescriptor,
    value: &Json,
    at: At<'_>,
    depth: usize,
) -> Result<(), Fault> {
    let parsed = parsed(value, '{');
    let (Kind::Message(entry), Json::Object(object)) = (field.kind(), parsed.as_ref().unwrap_or(value))
    else {
        return Err(wrong(at, "must be an object", value));
    };
    for (name, value) in object {
        let at = At::Property(&at, name);
        let mut bytes = Vec::new();
        put_one(
            &mut bytes,
            &entry.map_entry_key_field(),
            &Json::String(name.clone()),
            at,
            depth,
        )?;
        put_one(&mut bytes, &entry.map_entry_value_field(), value, at, depth)?;
        put_bytes(out, field.number(), &bytes);
    }
    Ok(())
}

fn put_one(
    out: &mut Vec<u8>,
    field: &FieldDescriptor,
    value: &Json,
    at: At<'_>,
    depth: usize,
) -> Result<(), Fault> {
    let number = field.number();
    match field.kind() {
        Kind::Message(message) if shared_type(&message) == Some("Value") => {
            put_bytes(out, number, &any(value, at)?.encode_to_vec());
        }
        Kind::Message(message) => {
            let parsed = parsed(value, '{');
            let Json::Object(object) = parsed.as_ref().unwrap_or(value) else {
                return Err(wrong(at, "must be an object", value));
            };
            let mut bytes = Vec::new();
            put_fields(&mut bytes, &message, object, at, depth + 1)?;
            put_bytes(out, number, &bytes);
        }
        Kind::String => match value {
            Json::String(text) => put_bytes(out, number, text.as_bytes()),
            _ => return Err(wrong(at, "must be a string", value)),
        },
        Kind::Bytes => {
            let bytes = value.as_str().and_then(base64);
            put_bytes(
                out,
                number,
                &bytes.ok_or_else(|| wrong(at, "must be base64 text", value))?,
            );
        }
        Kind::Bool => put_varint(out, number, u64::from(boolean(value, at)?)),
        Kind::Enum(descriptor) => {
            // A negative number travels with its sign extended to 64 bits.
            put_varint(
                out,
                number,
                i64::from(choice(&descriptor, value, at)?).cast_unsigned(),
            );
        }
        Kind::Double => put_fixed64(out, number, real(value, at)?.to_bits()),
        Kind::Float => {
            let value = real(value, at)
                .and_then(|real| single(real).ok_or_else(|| wrong(at, "is too large", value)))?;
            put_fixed32(out, number, value.to_bits());
        }
        Kind::Int32 => put_varint(out, number, i64::from(whole::<i32>(value, at)?).cast_unsigned()),
        Kind::Int64 => put_varint(out, number, whole::<i64>(value, at)?.cast_unsigned()),
        Kind::Uint32 => put_varint(out, number, whole::<u32>(value, at)?.into()),
        Kind::Uint64 => put_varint(out, number, whole(value, at)?),
        Kind::Sint32 => put_varint(out, number, zigzag(whole::<i32>(value, at)?.into())),
        Kind::Sint64 => put_varint(out, number, zigzag(whole(value, at)?)),
        Kind::Fixed32 => put_fixed32(out, number, whole(value, at)?),
        Kind::Fixed64 => put_fixed64(out, number, whole(value, at)?),
        Kind::Sfixed32 => put_fixed32(out, number, whole::<i32>(value, at)?.cast_unsigned()),
        Kind::Sfixed64 => put_fixed64(out, number, whole::<i64>(value, at)?.cast_unsigned()),
    }
    Ok(())
}

/// What a string holds when it is the JSON text of an array or an object, which some clients send in place of it.
fn parsed(value: &Json, open: char) -> Option<Json> {
    let text = value.as_str()?.trim_start();
    if text.starts_with(open) {
        serde_json::from_str(text).ok()
    } else {
        None
    }
}

fn refuse(at: At<'_>, what: &str) -> Fault {
    Fault::argument(&at.to_string(), format!("{at} {what}"))
}

/// A sentence that ends with the value that was given, or the beginning of it.
fn wrong(at: At<'_>, must: &str, value: &Json) -> Fault {
    let text = value.to_string();
    let shown: String = text.chars().take(40).collect();
    let more = if shown.len() < text.len() { ".." } else { "" };
    refuse(at, &format!("{must}, not {shown}{more}"))
}

fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn put_varint(out: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

fn put_fixed32(out: &mut Vec<u8>, number: u32, value: u32) {
    encode_key(number, WireType::ThirtyTwoBit, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_fixed64(out: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::SixtyFourBit, out);
    out.extend_from_slice(&value.to_le_bytes());
}

fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

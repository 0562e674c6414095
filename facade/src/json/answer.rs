//! The encoded response of a tool as the text of a JSON object.
//!
//! Fields stand in the order of their numbers, under their own names. What says nothing is left out: an empty text, an empty list,
//! `false` and an unspecified enum of a field without presence. A number is always shown, and so is an `optional` field that is set,
//! and a list of objects of the answer itself: that there is no table, no foreign key, is an answer.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{ResultSet, Row, Value};
use mcp_hub_proto::json::{
    MAX_SAFE_INTEGER, write_double, write_result_set_fields, write_row, write_string, write_value,
};
use prost::Message;
use prost_reflect::{FieldDescriptor, Kind, MessageDescriptor};

use super::content::is_content;
use super::wire::{Fields, Malformed, Raw, array, varint};
use super::{MAX_DEPTH, enum_label, shared_type};

mod bounds;

pub(crate) use bounds::MAX_TEXT;

/// The most bytes of an encoded answer. Its text is hardly ever shorter, and that is bounded as well.
pub(crate) const MAX_BYTES: usize = 4 * 1024 * 1024;

/// From how many bytes on an answer takes so long to write that it is not done on a thread that serves others.
pub(crate) const LARGE: usize = 64 * 1024;

/// Why an encoded answer has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unreadable {
    /// It is not what its descriptor says.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It is more than anybody reads.
    #[error("the answer has too many parts or too long a text")]
    TooLarge,
}

/// The JSON object of an encoded message, its content left aside. What it costs is bounded, whatever the bytes are.
///
/// # Errors
/// The bytes are no such message, or it is too large.
pub(crate) fn write(message: &MessageDescriptor, bytes: &[u8]) -> Result<String, Unreadable> {
    bounds::check_parts(message, bytes)?;
    let mut out = String::with_capacity(bytes.len() * 2 + 2);
    write_object(&mut out, message, bytes, 0)?;
    bounds::check_text(&out)?;
    Ok(out)
}

fn write_object(
    out: &mut String,
    message: &MessageDescriptor,
    bytes: &[u8],
    depth: usize,
) -> Result<(), Malformed> {
    if depth > MAX_DEPTH {
        return Err(Malformed);
    }
    let mut occurrences: Vec<(u32, Raw<'_>)> = Fields(bytes).collect::<Result<_, _>>()?;
    // Those of one field together, in their order: a message of millions is not to be read once for each of hundreds of fields.
    occurrences.sort_by_key(|(number, _)| *number);
    out.push('{');
    let empty = out.len();
    for field in message.fields() {
        if depth == 0 && is_content(&field) {
            continue;
        }
        let number = field.number();
        let start = occurrences.partition_point(|(n, _)| *n < number);
        let end = occurrences.partition_point(|(n, _)| *n <= number);
        let mut values = occurrences[start..end].iter().map(|(_, raw)| *raw);
        if field.is_map() {
            let entries: Vec<_> = values.collect();
            if !entries.is_empty() {
                write_key(out, empty, field.name());
                write_map(out, &field, &entries, depth)?;
            }
        } else if field.is_list() {
            let items = unpack(&field, values)?;
            // What was asked for is said to be empty, rather than left out.
            let asked_for = depth == 0
                && matches!(field.kind(), Kind::Message(message) if shared_type(&message).is_none());
            if asked_for || !items.is_empty() {
                write_key(out, empty, field.name());
                write_list(out, &field, &items, depth)?;
            }
        } else if let Kind::Message(inner) = field.kind() {
            let Some(first) = values.next() else { continue };
            // A singular message in several pieces is their concatenation.
            let mut pieces = std::borrow::Cow::Borrowed(first.bytes()?);
            for more in values {
                pieces.to_mut().extend_from_slice(more.bytes()?);
            }
            if shared_type(&inner) == Some("ResultSet") {
                let result = decode::<ResultSet>(&pieces)?;
                separate(out, empty);
                write_result_set_fields(out, &result);
            } else {
                write_key(out, empty, field.name());
                write_message(out, &inner, &pieces, depth)?;
            }
        } else if let Some(value) = values.next_back() {
            if field.supports_presence() || !is_silent(&field, value) {
                write_key(out, empty, field.name());
                write_scalar(out, &field, value)?;
            }
        } else if !field.supports_presence() && is_number(&field.kind()) {
            write_key(out, empty, field.name());
            out.push('0');
        }
    }
    out.push('}');
    Ok(())
}

/// Writes a message as a value of its own.
fn write_message(
    out: &mut String,
    message: &MessageDescriptor,
    bytes: &[u8],
    depth: usize,
) -> Result<(), Malformed> {
    let form = match shared_type(message) {
        Some("Value") => {
            write_value(out, &decode(bytes)?);
            return Ok(());
        }
        Some("Row") => {
            write_row(out, &decode::<Row>(bytes)?);
            return Ok(());
        }
        Some("ResultSet") => {
            out.push('{');
            write_result_set_fields(out, &decode(bytes)?);
            out.push('}');
            return Ok(());
        }
        Some("Temporal") => Form::Temporal(decode(bytes)?),
        Some("Bytes") => Form::Bytes(decode(bytes)?),
        Some("List") => Form::List(decode(bytes)?),
        Some("Map") => Form::Map(decode(bytes)?),
        Some("Vector") => Form::Vector(decode(bytes)?),
        Some("Node") => Form::Node(decode(bytes)?),
        Some("Relationship") => Form::Relationship(decode(bytes)?),
        Some("Path") => Form::Path(decode(bytes)?),
        Some("Cut") => Form::Cut(decode(bytes)?),
        // `Column` and `Truncation` are plain objects.
        _ => return write_object(out, message, bytes, depth + 1),
    };
    write_value(out, &Value { kind: Some(form) });
    Ok(())
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, Malformed> {
    M::decode(bytes).map_err(|_| Malformed)
}

fn write_list(
    out: &mut String,
    field: &FieldDescriptor,
    items: &[Raw<'_>],
    depth: usize,
) -> Result<(), Malformed> {
    out.push('[');
    let empty = out.len();
    for item in items {
        separate(out, empty);
        write_one(out, field, *item, depth)?;
    }
    out.push(']');
    Ok(())
}

fn write_map(
    out: &mut String,
    field: &FieldDescriptor,
    entries: &[Raw<'_>],
    depth: usize,
) -> Result<(), Malformed> {
    let Kind::Message(entry) = field.kind() else {
        return Err(Malformed);
    };
    let (key, value) = (entry.map_entry_key_field(), entry.map_entry_value_field());
    out.push('{');
    let empty = out.len();
    for raw in entries {
        let (mut name, mut item) = (None, None);
        for occurrence in Fields(raw.bytes()?) {
            match occurrence? {
                (1, raw) => name = Some(raw),
                (2, raw) => item = Some(raw),
                _ => {}
            }
        }
        separate(out, empty);
        let mut text = String::new();
        write_one(&mut text, &key, name.unwrap_or(default_of(&key)), depth)?;
        if text.starts_with('"') {
            out.push_str(&text);
        } else {
            write_string(out, &text);
        }
        out.push(':');
        write_one(out, &value, item.unwrap_or(default_of(&value)), depth)?;
    }
    out.push('}');
    Ok(())
}

fn write_one(out: &mut String, field: &FieldDescriptor, raw: Raw<'_>, depth: usize) -> Result<(), Malformed> {
    match field.kind() {
        Kind::Message(inner) => write_message(out, &inner, raw.bytes()?, depth),
        _ => write_scalar(out, field, raw),
    }
}

fn write_scalar(out: &mut String, field: &FieldDescriptor, raw: Raw<'_>) -> Result<(), Malformed> {
    match field.kind() {
        Kind::Double => write_double(out, f64::from_bits(raw.fixed64()?)),
        Kind::Float => write_float(out, f32::from_bits(raw.fixed32()?)),
        Kind::Int32 => push(out, low(raw.varint()?).cast_signed()),
        Kind::Int64 => write_signed(out, raw.varint()?.cast_signed()),
        Kind::Uint32 => push(out, low(raw.varint()?)),
        Kind::Uint64 => write_unsigned(out, raw.varint()?),
        Kind::Sint32 => push(out, unzigzag(low(raw.varint()?).into())),
        Kind::Sint64 => write_signed(out, unzigzag(raw.varint()?)),
        Kind::Fixed32 => push(out, raw.fixed32()?),
        Kind::Fixed64 => write_unsigned(out, raw.fixed64()?),
        Kind::Sfixed32 => push(out, raw.fixed32()?.cast_signed()),
        Kind::Sfixed64 => write_signed(out, raw.fixed64()?.cast_signed()),
        Kind::Bool => push(out, raw.varint()? != 0),
        Kind::String => write_string(out, std::str::from_utf8(raw.bytes()?).map_err(|_| Malformed)?),
        Kind::Bytes => push(out, format_args!("\"{}\"", STANDARD.encode(raw.bytes()?))),
        Kind::Enum(descriptor) => {
            let number = low(raw.varint()?).cast_signed();
            match descriptor.get_value(number) {
                Some(value) => write_string(out, &enum_label(&descriptor, value.name())),
                // A value that the descriptor does not know stays a text, as the schema says.
                None => push(out, format_args!("\"{number}\"")),
            }
        }
        Kind::Message(_) => return Err(Malformed),
    }
    Ok(())
}

/// The items of a list, those of a packed one taken apart.
fn unpack<'a>(
    field: &FieldDescriptor,
    values: impl Iterator<Item = Raw<'a>>,
) -> Result<Vec<Raw<'a>>, Malformed> {
    let mut items = Vec::new();
    for value in values {
        let mut packed = match value {
            Raw::Bytes(bytes) if is_packable(&field.kind()) => bytes,
            other => {
                items.push(other);
                continue;
            }
        };
        while !packed.is_empty() {
            items.push(match field.kind() {
                Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => {
                    Raw::Fixed64(u64::from_le_bytes(array(&mut packed)?))
                }
                Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => {
                    Raw::Fixed32(u32::from_le_bytes(array(&mut packed)?))
                }
                _ => Raw::Varint(varint(&mut packed)?),
            });
        }
    }
    Ok(items)
}

fn is_packable(kind: &Kind) -> bool {
    !matches!(kind, Kind::String | Kind::Bytes | Kind::Message(_))
}

fn is_number(kind: &Kind) -> bool {
    is_packable(kind) && !matches!(kind, Kind::Bool | Kind::Enum(_))
}

/// Whether a value of a field without presence says nothing.
fn is_silent(field: &FieldDescriptor, value: Raw<'_>) -> bool {
    !is_number(&field.kind()) && matches!(value, Raw::Varint(0) | Raw::Bytes([]))
}

/// What an absent key or value of a map's entry means.
fn default_of(field: &FieldDescriptor) -> Raw<'static> {
    match field.kind() {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => Raw::Fixed64(0),
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => Raw::Fixed32(0),
        Kind::String | Kind::Bytes | Kind::Message(_) => Raw::Bytes(&[]),
        _ => Raw::Varint(0),
    }
}

/// The lower half of a varint: a negative 32-bit integer travels with its sign extended to 64 bits.
fn low(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

fn write_signed(out: &mut String, value: i64) {
    if value.unsigned_abs() <= MAX_SAFE_INTEGER {
        push(out, value);
    } else {
        push(out, format_args!("\"{value}\""));
    }
}

fn write_unsigned(out: &mut String, value: u64) {
    if value <= MAX_SAFE_INTEGER {
        push(out, value);
    } else {
        push(out, format_args!("\"{value}\""));
    }
}

/// Single precision keeps its own shortest digits; the names of special values are those of a double.
fn write_float(out: &mut String, value: f32) {
    if value.is_finite() {
        out.push_str(&serde_json::to_string(&value).unwrap_or_default());
    } else {
        write_double(out, f64::from(value));
    }
}

fn write_key(out: &mut String, empty: usize, name: &str) {
    separate(out, empty);
    write_string(out, name);
    out.push(':');
}

/// Appends a comma unless nothing was written since `empty`.
fn separate(out: &mut String, empty: usize) {
    if out.len() > empty {
        out.push(',');
    }
}

fn push(out: &mut String, value: impl std::fmt::Display) {
    // A `String` takes whatever is written to it.
    let _ = write!(out, "{value}");
}

//! How a [`Value`] looks in an answer: the one walker from values to JSON text.
//!
//! The facade writes answers with it; adapters measure rows with it while they stream, so that both mean the same by "60,000
//! characters". The table of forms is in docs/tools.md.

use std::collections::HashSet;
use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use crate::data::v1::value::Kind;
use crate::data::v1::{
    Column, Map, Node, Path, Relationship, ResultSet, Row, Truncation, TruncationReason, Value,
};

/// The largest integer that a reader with double-precision numbers keeps: 2^53 - 1.
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// How many bytes of a byte string an answer shows.
pub const BYTES_SHOWN: usize = 256;

/// How many components of a vector an answer shows.
pub const VECTOR_SHOWN: usize = 8;

/// How deep a document may be to be embedded: common readers take 128 levels, and the answer around it has its own.
const MAX_DOCUMENT_DEPTH: usize = 64;

/// Appends the JSON form of `value` to `out`.
pub fn write_value(out: &mut String, value: &Value) {
    match value.kind.as_ref() {
        None | Some(Kind::Null(_)) => out.push_str("null"),
        Some(Kind::Bool(value)) => out.push_str(if *value { "true" } else { "false" }),
        Some(Kind::Int(value)) => {
            write_integer(out, value.unsigned_abs() <= MAX_SAFE_INTEGER, value);
        }
        Some(Kind::Uint(value)) => write_integer(out, *value <= MAX_SAFE_INTEGER, value),
        Some(Kind::Double(value)) => write_double(out, *value),
        Some(Kind::Text(text) | Kind::Number(text)) => write_string(out, text),
        Some(Kind::Temporal(temporal)) => write_string(out, &temporal.text),
        Some(Kind::Bytes(bytes)) => {
            let shown = &bytes.data[..bytes.data.len().min(BYTES_SHOWN)];
            let len = bytes.length.max(bytes.data.len() as u64);
            push(
                out,
                format_args!(r#"{{"$bytes":"{}","len":{len}}}"#, STANDARD.encode(shown)),
            );
        }
        Some(Kind::Json(text)) => write_document(out, text),
        Some(Kind::List(list)) if list.lower_bounds.is_empty() => {
            write_all(out, ['[', ']'], &list.values, write_value);
        }
        Some(Kind::List(list)) => {
            out.push_str(r#"{"$array":"#);
            write_all(out, ['[', ']'], &list.values, write_value);
            out.push_str(r#","lower":"#);
            write_all(out, ['[', ']'], &list.lower_bounds, |out, bound| {
                push(out, format_args!("{bound}"));
            });
            out.push('}');
        }
        Some(Kind::Map(map)) => write_map(out, map),
        Some(Kind::Vector(vector)) => {
            let dimensions = (vector.dimensions as usize).max(vector.values.len());
            push(out, format_args!(r#"{{"$vector":{{"dim":{dimensions},"head":"#));
            write_all(out, ['[', ']'], &vector.values, |out, value| {
                write_single(out, *value);
            });
            out.push_str("}}");
        }
        Some(Kind::Node(node)) => write_node(out, node),
        Some(Kind::Relationship(relationship)) => write_relationship(out, relationship),
        Some(Kind::Path(path)) => write_path(out, path),
        Some(Kind::Cut(cut)) => {
            out.push_str(r#"{"$cut":"#);
            write_string(out, &cut.text);
            push(out, format_args!(r#","len":{}}}"#, cut.length));
        }
    }
}

/// Writes a value as a JSON document for a database, without the forms that only answers have: a big integer stays a number.
pub fn write_argument(out: &mut String, value: &Value) {
    match value.kind.as_ref() {
        Some(Kind::Int(number)) => push(out, format_args!("{number}")),
        Some(Kind::Uint(number)) => push(out, format_args!("{number}")),
        Some(Kind::Number(text) | Kind::Json(text)) => out.push_str(text),
        Some(Kind::List(list)) => write_all(out, ['[', ']'], &list.values, write_argument),
        Some(Kind::Map(map)) => write_entries(out, map, write_argument),
        _ => write_value(out, value),
    }
}

/// Appends a row: an array of its values.
pub fn write_row(out: &mut String, row: &Row) {
    write_all(out, ['[', ']'], &row.values, write_value);
}

/// Appends the fields of a result set, without the braces around them, because they stand directly in the answer.
pub fn write_result_set_fields(out: &mut String, result: &ResultSet) {
    out.push_str(r#""columns":"#);
    write_all(out, ['[', ']'], &result.columns, write_column);
    out.push_str(r#","rows":"#);
    write_all(out, ['[', ']'], &result.rows, write_row);
    if let Some(truncated) = &result.truncated {
        out.push_str(r#","truncated":"#);
        write_truncation(out, truncated);
    }
    if !result.notices.is_empty() {
        out.push_str(r#","notices":"#);
        write_all(out, ['[', ']'], &result.notices, |out, notice| {
            write_string(out, notice);
        });
    }
    push(out, format_args!(r#","elapsed_ms":{}"#, result.elapsed_ms));
}

/// Appends `text` as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    // Writing a `&str` into a `String` can't fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

fn write_column(out: &mut String, column: &Column) {
    out.push_str(r#"{"name":"#);
    write_string(out, &column.name);
    out.push_str(r#","type":"#);
    write_string(out, &column.r#type);
    out.push('}');
}

fn write_truncation(out: &mut String, truncation: &Truncation) {
    let reason = match truncation.reason() {
        TruncationReason::Unspecified => "unspecified",
        TruncationReason::Rows => "rows",
        TruncationReason::Bytes => "bytes",
    };
    push(out, format_args!(r#"{{"reason":"{reason}""#));
    if let Some(cursor) = &truncation.next_cursor {
        out.push_str(r#","next_cursor":"#);
        write_string(out, cursor);
    }
    if let Some(consistent) = truncation.consistent {
        push(out, format_args!(r#","consistent":{consistent}"#));
    }
    out.push('}');
}

fn write_integer(out: &mut String, safe: bool, value: &impl std::fmt::Display) {
    if safe {
        push(out, format_args!("{value}"));
    } else {
        push(out, format_args!(r#""{value}""#));
    }
}

/// Appends a double: the shortest digits that read back as the same value, or the name of a special one.
pub fn write_double(out: &mut String, value: f64) {
    if value.is_nan() {
        out.push_str(r#""NaN""#);
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 {
            r#""Infinity""#
        } else {
            r#""-Infinity""#
        });
    } else {
        out.push_str(&serde_json::to_string(&value).unwrap_or_default());
    }
}

fn write_single(out: &mut String, value: f32) {
    if value.is_finite() {
        out.push_str(&serde_json::to_string(&value).unwrap_or_default());
    } else {
        write_double(out, f64::from(value));
    }
}

/// Embeds a document as it is, unless a reader with double-precision numbers or unique keys would change it.
fn write_document(out: &mut String, text: &str) {
    if survives(text, MAX_DOCUMENT_DEPTH) {
        out.push_str(text);
    } else {
        out.push_str(r#"{"$json":"#);
        write_string(out, text);
        out.push('}');
    }
}

/// Whether a common JSON reader gives back the same document. Readers end at some depth; `depth` is how much of ours is left.
fn survives(text: &str, depth: usize) -> bool {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let inner = |item: &RawValue| depth > 0 && survives(item.get(), depth - 1);
    match text.as_bytes().first() {
        Some(b'{') => serde_json::from_str::<Entries<'_>>(text).is_ok_and(|entries| {
            let mut seen = HashSet::new();
            entries
                .0
                .iter()
                .all(|(key, value)| seen.insert(key.as_ref()) && inner(value))
        }),
        Some(b'[') => serde_json::from_str::<Vec<&RawValue>>(text)
            .is_ok_and(|items| items.iter().all(|item| inner(item))),
        Some(b'-' | b'0'..=b'9') => is_safe_number(text),
        _ => serde_json::from_str::<serde_json::Value>(text).is_ok(),
    }
}

/// An object's entries in order, repeated keys included.
struct Entries<'a>(Vec<(std::borrow::Cow<'a, str>, &'a RawValue)>);

impl<'de> serde::Deserialize<'de> for Entries<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    entries.push((key.into(), value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Whether a JSON number means the same after it has been a double.
pub fn is_safe_number(text: &str) -> bool {
    let Ok(value) = text.parse::<f64>() else {
        return false;
    };
    if !value.is_finite() || serde_json::from_str::<&RawValue>(text).is_err() {
        return false;
    }
    if !text.contains(['.', 'e', 'E']) {
        return text
            .parse::<i64>()
            .is_ok_and(|value| value.unsigned_abs() <= MAX_SAFE_INTEGER);
    }
    decimal(text) == decimal(&format!("{value:e}"))
}

/// A decimal number as its significant digits and the power of ten of the last one; zero is no digits.
fn decimal(text: &str) -> (bool, String, i64) {
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.parse::<i64>().unwrap_or(i64::MAX / 2);
    let digits = format!("{whole}{fraction}");
    let significant = digits.trim_end_matches('0');
    let dropped = length(&digits) - length(significant);
    let significant = significant.trim_start_matches('0').to_owned();
    if significant.is_empty() {
        return (false, significant, 0);
    }
    (negative, significant, exponent - length(fraction) + dropped)
}

fn length(text: &str) -> i64 {
    i64::try_from(text.len()).unwrap_or(i64::MAX / 4)
}

fn write_map(out: &mut String, map: &Map) {
    write_entries(out, map, write_value);
}

fn write_entries(out: &mut String, map: &Map, write: impl Fn(&mut String, &Value)) {
    write_all(out, ['{', '}'], &map.entries, |out, entry| {
        write_string(out, &entry.key);
        out.push(':');
        match &entry.value {
            None => out.push_str("null"),
            Some(value) => write(out, value),
        }
    });
}

fn write_properties(out: &mut String, properties: Option<&Map>) {
    out.push_str(r#","props":"#);
    match properties {
        None => out.push_str("{}"),
        Some(map) => write_map(out, map),
    }
}

fn write_node(out: &mut String, node: &Node) {
    out.push_str(r#"{"$node":"#);
    write_string(out, &node.id);
    out.push_str(r#","labels":"#);
    write_all(out, ['[', ']'], &node.labels, |out, label| {
        write_string(out, label);
    });
    write_properties(out, node.properties.as_ref());
    out.push('}');
}

fn write_relationship(out: &mut String, relationship: &Relationship) {
    for (key, value) in [
        (r#"{"$rel":"#, &relationship.id),
        (r#","type":"#, &relationship.r#type),
        (r#","start":"#, &relationship.start_id),
        (r#","end":"#, &relationship.end_id),
    ] {
        out.push_str(key);
        write_string(out, value);
    }
    write_properties(out, relationship.properties.as_ref());
    out.push('}');
}

fn write_path(out: &mut String, path: &Path) {
    out.push_str(r#"{"$path":"#);
    write_string(out, &drawn(path));
    out.push_str(r#","nodes":"#);
    write_all(out, ['[', ']'], &path.nodes, write_node);
    out.push_str(r#","rels":"#);
    write_all(out, ['[', ']'], &path.relationships, write_relationship);
    out.push('}');
}

/// A path as Cypher draws it, without ids and properties: `(:Person)-[:ACTED_IN]->(:Movie)`.
fn drawn(path: &Path) -> String {
    let mut out = String::new();
    for (index, node) in path.nodes.iter().enumerate() {
        if let Some(relationship) = index
            .checked_sub(1)
            .and_then(|before| path.relationships.get(before))
        {
            let backwards = relationship.start_id == node.id && relationship.end_id != node.id;
            out.push_str(if backwards { "<-[" } else { "-[" });
            draw_name(&mut out, &relationship.r#type);
            out.push_str(if backwards { "]-" } else { "]->" });
        }
        out.push('(');
        for label in &node.labels {
            draw_name(&mut out, label);
        }
        out.push(')');
    }
    out
}

fn draw_name(out: &mut String, name: &str) {
    let plain = name.starts_with(|first: char| first.is_alphabetic() || first == '_')
        && name
            .chars()
            .all(|character| character.is_alphanumeric() || character == '_');
    if plain {
        push(out, format_args!(":{name}"));
    } else {
        push(out, format_args!(":`{}`", name.replace('`', "``")));
    }
}

fn write_all<T>(
    out: &mut String,
    [open, close]: [char; 2],
    items: &[T],
    mut write: impl FnMut(&mut String, &T),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(close);
}

fn push(out: &mut String, arguments: std::fmt::Arguments<'_>) {
    // Writing into a `String` can't fail.
    let _ = out.write_fmt(arguments);
}

#[cfg(test)]
mod tests;

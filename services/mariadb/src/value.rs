//! From the binary protocol's bytes to [`Value`]s: pure functions, no catalogue.
//!
//! The driver gives the bytes of each value as they came. They are read here, and not by the driver's own types, so that zero and
//! partial dates, times beyond a day and every digit survive. Bytes that are not of the expected form stay bytes: a value is never an
//! error and never lost.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{self as data, Bytes, List, Map, TemporalKind, Value, Vector};
use sqlx::mysql::{MySql, MySqlRow};
use sqlx::{Decode, Row as _};

use crate::types::{Column, Kind};

mod geometry;
mod temporal;

/// NULL.
fn null() -> Value {
    Value {
        kind: Some(Form::Null(0)),
    }
}

/// A row's values, and how many bytes they had.
pub(crate) fn decode_row(row: &MySqlRow, columns: &[Column]) -> (data::Row, usize) {
    let mut size = 0;
    let values = columns.iter().enumerate().map(|(index, column)| {
        let raw = row.try_get_raw(index).ok();
        // The only failure is NULL.
        let bytes = raw.and_then(|raw| <&[u8] as Decode<MySql>>::decode(raw).ok());
        size += bytes.map_or(0, <[u8]>::len);
        bytes.map_or_else(null, |bytes| decode(bytes, column.kind))
    });
    let values = values.collect();
    (data::Row { values }, size)
}

/// A value from its bytes.
pub(crate) fn decode(bytes: &[u8], kind: Kind) -> Value {
    let form = read(bytes, kind).unwrap_or_else(|| unread(bytes));
    Value { kind: Some(form) }
}

fn read(bytes: &[u8], kind: Kind) -> Option<Form> {
    Some(match kind {
        Kind::Integer {
            bytes: width,
            unsigned,
        } => integer(bytes.get(..width)?, unsigned)?,
        Kind::Float => Form::Double(shortest(f32::from_le_bytes(bytes.try_into().ok()?))),
        Kind::Double => Form::Double(f64::from_le_bytes(bytes.try_into().ok()?)),
        Kind::Decimal => Form::Number(text(bytes)?),
        Kind::Date => temporal::form(TemporalKind::Date, temporal::date(bytes)?),
        Kind::Time(digits) => temporal::form(TemporalKind::Time, temporal::time(bytes, digits)?),
        Kind::DateTime(digits) => temporal::form(TemporalKind::DateTime, temporal::date_time(bytes, digits)?),
        Kind::Timestamp(digits) => temporal::timestamp(bytes, digits)?,
        Kind::Bit(width) => bit(bytes, width)?,
        Kind::Text => Form::Text(text(bytes)?),
        Kind::Json => Form::Json(text(bytes)?),
        Kind::Set => set(&text(bytes)?),
        Kind::Geometry => Form::Json(geometry::geo_json(bytes)?),
        Kind::Vector => vector(bytes)?,
        Kind::Bytes | Kind::Nothing => return None,
    })
}

/// Bytes as they are.
fn unread(bytes: &[u8]) -> Form {
    Form::Bytes(Bytes {
        data: bytes.to_vec(),
        length: bytes.len() as u64,
    })
}

fn text(bytes: &[u8]) -> Option<String> {
    std::str::from_utf8(bytes).ok().map(str::to_owned)
}

fn integer(bytes: &[u8], unsigned: bool) -> Option<Form> {
    let mut wide = [0; 8];
    wide.get_mut(..bytes.len())?.copy_from_slice(bytes);
    if unsigned {
        return Some(Form::Uint(u64::from_le_bytes(wide)));
    }
    // The sign goes on to the left.
    let unused = 64 - 8 * u32::try_from(bytes.len()).ok()?;
    Some(Form::Int(i64::from_le_bytes(wide).checked_shl(unused)? >> unused))
}

/// The double whose shortest digits are those of the single.
fn shortest(single: f32) -> f64 {
    single.to_string().parse().unwrap_or_else(|_| f64::from(single))
}

/// One bit is a truth value, more are digits.
fn bit(bytes: &[u8], width: usize) -> Option<Form> {
    if width == 1 {
        return Some(Form::Bool(*bytes.last()? != 0));
    }
    let unused = (8 * bytes.len()).checked_sub(width)?;
    let digits = (unused..8 * bytes.len()).map(|place| {
        let is_set = bytes[place / 8] & (0x80 >> (place % 8)) != 0;
        if is_set { '1' } else { '0' }
    });
    Some(Form::Text(digits.collect()))
}

fn set(text: &str) -> Form {
    // An element has no comma in it, and is empty only in a set that has an empty element.
    let elements = text.split(',').filter(|_| !text.is_empty());
    Form::List(List {
        values: elements
            .map(|element| Value {
                kind: Some(Form::Text(element.to_owned())),
            })
            .collect(),
        lower_bounds: vec![],
    })
}

fn vector(bytes: &[u8]) -> Option<Form> {
    let (components, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return None;
    }
    let values: Vec<f32> = components
        .iter()
        .map(|bytes| f32::from_le_bytes(*bytes))
        .collect();
    let dimensions = u32::try_from(values.len()).ok()?;
    Some(Form::Vector(Vector { values, dimensions }))
}

/// The bytes that `{"$bytes": base64}` holds, so that what an answer showed can be sent back.
pub(crate) fn shown_bytes(map: &Map) -> Option<Vec<u8>> {
    let entry = map.entries.iter().find(|entry| entry.key == "$bytes")?;
    match entry.value.as_ref()?.kind.as_ref()? {
        Form::Text(text) => STANDARD.decode(text).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;

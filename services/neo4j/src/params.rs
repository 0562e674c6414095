//! From a caller's values to the parameters of a statement.
//!
//! Callers mostly have JSON. What it has no form for is a map with one key: `{"$date": "2024-02-29"}`, `$time`, `$localtime`,
//! `$datetime`, `$localdatetime`, `$duration`, `$point`, `$bytes`. gRPC callers can give the contract's own forms as well.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Map, Temporal, TemporalKind, Value};
use mcp_hub_proto::json;

use crate::value::temporal;
use crate::wire::packstream::{Entries, Packed};

/// How deep a parameter may be nested. Readers of protobuf end before.
const DEPTH: usize = 50;

/// The parameters of a statement, in the order of their names.
///
/// # Errors
/// `ARGUMENT_INVALID` that names the parameter.
pub(crate) fn encode(params: &HashMap<String, Value>) -> Result<Entries, Fault> {
    let mut names: Vec<&String> = params.keys().collect();
    names.sort_unstable();
    let encoded = names.into_iter().map(|name| {
        let value = packed(&params[name], DEPTH).map_err(|mistake| {
            let field = format!("params.{name}");
            Fault::argument(&field, format!("{field}: {mistake}"))
        })?;
        // Cypher calls it `$name`, and so do those who are used to that.
        Ok((name.strip_prefix('$').unwrap_or(name).to_owned(), value))
    });
    encoded.collect()
}

fn packed(value: &Value, depth: usize) -> Result<Packed, String> {
    let Some(form) = &value.kind else {
        return Ok(Packed::Null);
    };
    let below = || {
        depth
            .checked_sub(1)
            .ok_or_else(|| format!("it is nested more than {DEPTH} levels deep"))
    };
    Ok(match form {
        Form::Null(_) => Packed::Null,
        Form::Bool(value) => Packed::Bool(*value),
        Form::Int(number) => Packed::Int(*number),
        Form::Uint(number) => integer(&number.to_string())?,
        Form::Double(number) => Packed::Float(*number),
        Form::Text(text) => Packed::Text(text.clone()),
        Form::Number(text) => number(text)?,
        Form::Temporal(temporal) => from_temporal(temporal)?,
        Form::Bytes(bytes) if bytes.length > bytes.data.len() as u64 => return Err(cut()),
        Form::Bytes(bytes) => Packed::Bytes(bytes.data.clone().into()),
        Form::Json(text) => {
            let document: serde_json::Value =
                serde_json::from_str(text).map_err(|_| "it is not valid JSON".to_owned())?;
            from_json(&document)?
        }
        Form::List(list) => {
            let depth = below()?;
            let items = list.values.iter().map(|item| packed(item, depth));
            Packed::List(items.collect::<Result<_, _>>()?)
        }
        Form::Vector(vector) if vector.dimensions as usize > vector.values.len() => return Err(cut()),
        Form::Vector(vector) => {
            let items = vector.values.iter().map(|number| Packed::Float((*number).into()));
            Packed::List(items.collect())
        }
        Form::Map(map) => {
            let depth = below()?;
            match marked(map)? {
                Some(value) => value,
                None => Packed::Map(entries(map, depth)?),
            }
        }
        Form::Node(_) | Form::Relationship(_) | Form::Path(_) => return Err(graph()),
        Form::Cut(_) => return Err(cut()),
    })
}

fn entries(map: &Map, depth: usize) -> Result<Entries, String> {
    let mut entries: Entries = Vec::with_capacity(map.entries.len());
    for entry in &map.entries {
        if entries.iter().any(|(key, _)| *key == entry.key) {
            return Err(format!("it has the key \"{}\" twice", entry.key));
        }
        let value = match &entry.value {
            Some(value) => packed(value, depth)?,
            None => Packed::Null,
        };
        entries.push((entry.key.clone(), value));
    }
    Ok(entries)
}

/// A map with one key that says what it stands for.
fn marked(map: &Map) -> Result<Option<Packed>, String> {
    let [entry] = map.entries.as_slice() else {
        // An answer shows bytes with their length beside.
        let shown = map.entries.iter().any(|entry| entry.key == "$bytes");
        return if shown { bytes(map).map(Some) } else { refused(map) };
    };
    let form = entry.value.as_ref().and_then(|value| value.kind.as_ref());
    let kind = match entry.key.as_str() {
        "$date" => TemporalKind::Date,
        "$time" => TemporalKind::ZonedTime,
        "$localtime" => TemporalKind::Time,
        "$datetime" => TemporalKind::ZonedDateTime,
        "$localdatetime" => TemporalKind::DateTime,
        "$duration" => TemporalKind::Duration,
        "$point" => {
            return match form {
                Some(Form::Map(point)) => from_point(point).map(Some),
                _ => Err(POINT.to_owned()),
            };
        }
        "$bytes" => return bytes(map).map(Some),
        _ => return refused(map),
    };
    let Some(Form::Text(text)) = form else {
        return Err(format!("{} needs text", entry.key));
    };
    temporal::parse(kind, text)
        .map(Some)
        .ok_or_else(|| format!("{text:?} is no {}", wanted(kind)))
}

/// Forms that only answers have: what they stand for can't be had back from them.
fn refused(map: &Map) -> Result<Option<Packed>, String> {
    match map.entries.first().map(|entry| entry.key.as_str()) {
        Some("$vector" | "$cut") => Err(cut()),
        Some("$node" | "$rel" | "$path") => Err(graph()),
        _ => Ok(None),
    }
}

fn graph() -> String {
    "a node, a relationship or a path can't be passed: pass its id and MATCH it WHERE elementId(n) = $id"
        .to_owned()
}

fn cut() -> String {
    "a value that was cut can't be sent back: MATCH it again".to_owned()
}

fn bytes(map: &Map) -> Result<Packed, String> {
    const WRONG: &str = "$bytes needs base64 text";
    let of = |key: &str| {
        let entry = map.entries.iter().find(|entry| entry.key == key);
        entry.and_then(|entry| entry.value.as_ref()?.kind.as_ref())
    };
    let Some(Form::Text(text)) = of("$bytes") else {
        return Err(WRONG.to_owned());
    };
    let data = STANDARD.decode(text).map_err(|_| WRONG.to_owned())?;
    match of("len") {
        Some(Form::Int(length)) if usize::try_from(*length).is_ok_and(|length| length > data.len()) => {
            Err(cut())
        }
        _ => Ok(Packed::Bytes(data.into())),
    }
}

const POINT: &str = "$point needs {\"srid\": 7203 or 9157, \"x\", \"y\", \"z\"} or {\"srid\": 4326 or 4979, \"lon\", \"lat\", \"height\"}";

fn from_point(map: &Map) -> Result<Packed, String> {
    let number = |names: [&str; 2]| {
        let entry = map
            .entries
            .iter()
            .find(|entry| names.contains(&entry.key.as_str()));
        match entry?.value.as_ref()?.kind.as_ref()? {
            Form::Double(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "coordinates are floats")]
            Form::Int(number) => Some(*number as f64),
            _ => None,
        }
    };
    let known = [
        "srid",
        "x",
        "y",
        "z",
        "lon",
        "lat",
        "height",
        "longitude",
        "latitude",
    ];
    if let Some(stray) = map
        .entries
        .iter()
        .find(|entry| !known.contains(&entry.key.as_str()))
    {
        return Err(format!("{POINT}; {:?} is none of them", stray.key));
    }
    let globe = map.entries.iter().any(|entry| entry.key.starts_with('l'));
    let (x, y) = if globe {
        (number(["lon", "longitude"]), number(["lat", "latitude"]))
    } else {
        (number(["x", "x"]), number(["y", "y"]))
    };
    let z = number(["z", "height"]);
    let (Some(x), Some(y)) = (x, y) else {
        return Err(POINT.to_owned());
    };
    let srid = match (number(["srid", "srid"]), globe, z.is_some()) {
        (Some(4326.0), _, false) | (None, true, false) => 4326,
        (Some(4979.0), _, true) | (None, true, true) => 4979,
        (Some(7203.0), _, false) | (None, false, false) => 7203,
        (Some(9157.0), _, true) | (None, false, true) => 9157,
        _ => return Err(POINT.to_owned()),
    };
    let mut fields = vec![Packed::Int(srid), Packed::Float(x), Packed::Float(y)];
    fields.extend(z.map(Packed::Float));
    Ok(Packed::Struct(if z.is_some() { b'Y' } else { b'X' }, fields))
}

fn from_temporal(temporal: &Temporal) -> Result<Packed, String> {
    let kind = temporal.kind();
    temporal::parse(kind, &temporal.text).ok_or_else(|| format!("{:?} is no {}", temporal.text, wanted(kind)))
}

/// What the text of a kind looks like.
fn wanted(kind: TemporalKind) -> &'static str {
    match kind {
        TemporalKind::Unspecified => "date or time: its kind is missing",
        TemporalKind::Date => "date such as \"2024-02-29\"",
        TemporalKind::Time => "time without a zone such as \"12:34:56.789\"; with one it is $time",
        TemporalKind::ZonedTime => {
            "time with a zone such as \"12:34:56+02:00\"; without one it is $localtime"
        }
        TemporalKind::DateTime => {
            "date and time without a zone such as \"2024-02-29T12:34:56\"; with one it is $datetime"
        }
        TemporalKind::ZonedDateTime => {
            "date and time with a zone such as \"2024-02-29T12:34:56+01:00\" or \"..+01:00[Europe/Paris]\"; without one it is $localdatetime"
        }
        TemporalKind::Duration => "duration such as \"P1Y2M3DT4H5M6.7S\"",
    }
}

/// An exact number: an integer, or a float that is the same number.
fn number(text: &str) -> Result<Packed, String> {
    if text.contains(['.', 'e', 'E']) {
        match text.parse::<f64>() {
            Ok(number) if json::is_safe_number(text) => Ok(Packed::Float(number)),
            _ => Err(format!(
                "{text} is more exact than a float, and Neo4j has no decimals: pass it as text"
            )),
        }
    } else {
        match text {
            "NaN" => Ok(Packed::Float(f64::NAN)),
            "Infinity" => Ok(Packed::Float(f64::INFINITY)),
            "-Infinity" => Ok(Packed::Float(f64::NEG_INFINITY)),
            text => integer(text),
        }
    }
}

fn integer(text: &str) -> Result<Packed, String> {
    let number = text.parse().map(Packed::Int);
    number.map_err(|_| format!("{text} is no integer of 64 bits: pass it as text"))
}

fn from_json(value: &serde_json::Value) -> Result<Packed, String> {
    use serde_json::Value as Json;
    Ok(match value {
        Json::Null => Packed::Null,
        Json::Bool(value) => Packed::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Packed::Int(number),
            None if number.is_u64() => {
                return Err(format!("{number} is no integer of 64 bits: pass it as text"));
            }
            None => Packed::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Packed::Text(text.clone()),
        Json::Array(items) => Packed::List(items.iter().map(from_json).collect::<Result<_, _>>()?),
        Json::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), from_json(value)?)));
            Packed::Map(entries.collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests;

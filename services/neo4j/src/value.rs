//! From what the server sends to values of the contract. Pure.
//!
//! Cypher types values, not columns: a column's type is what was seen in it.

use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{
    self as data, Bytes, Column, Entry, List, Map, Node, Path, Relationship, Temporal, TemporalKind, Value,
    Vector,
};
use mcp_hub_proto::json;

use crate::wire::packstream::Packed;

pub(crate) mod temporal;

/// A list of at least this many floats is an embedding, which an answer shows as one.
const EMBEDDING: usize = 64;

/// How many lists and maps may stand in each other: readers of protobuf end at 100 messages, and a map takes three. What is deeper
/// becomes a JSON document.
const DEPTH: usize = 24;

/// A column whose values are of several types.
const MIXED: &str = "ANY";

/// The longest name of a type.
const LONGEST: &str = "LOCAL DATETIME";

/// For whom values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detail {
    /// For an answer: an embedding is its beginning and its length.
    Shown,
    /// For a program: everything.
    Whole,
}

/// The columns of a statement, and what was seen in them.
#[derive(Debug)]
pub(crate) struct Columns {
    names: Vec<String>,
    types: Vec<Option<&'static str>>,
    detail: Detail,
}

impl Columns {
    pub(crate) fn new(names: Vec<String>, detail: Detail) -> Self {
        let types = vec![None; names.len()];
        Self { names, types, detail }
    }

    /// The columns before any row was seen. A type is as long as the longest that it can become, because the answer counts its
    /// characters from here.
    pub(crate) fn placeholders(&self) -> Vec<Column> {
        let columns = self.names.iter().map(|name| Column {
            name: name.clone(),
            r#type: LONGEST.to_owned(),
        });
        columns.collect()
    }

    /// Gives the columns the types that were seen.
    pub(crate) fn name(&self, columns: &mut [Column]) {
        for (column, seen) in columns.iter_mut().zip(&self.types) {
            seen.unwrap_or(MIXED).clone_into(&mut column.r#type);
        }
    }

    /// The columns with the types that were seen so far.
    pub(crate) fn seen(&self) -> Vec<Column> {
        let mut columns = self.placeholders();
        self.name(&mut columns);
        columns
    }

    /// A row's values.
    pub(crate) fn row(&mut self, values: &[Packed]) -> data::Row {
        for (known, value) in self.types.iter_mut().zip(values) {
            match (*known, type_of(value)) {
                (_, None) => {}
                (None, seen) => *known = seen,
                (Some(known_type), Some(seen)) if known_type == seen => {}
                _ => *known = Some(MIXED),
            }
        }
        data::Row {
            values: values.iter().map(|value| decode(value, self.detail)).collect(),
        }
    }
}

/// The type of a value in Cypher's words; `None` for null, which is of every type.
fn type_of(value: &Packed) -> Option<&'static str> {
    Some(match value {
        Packed::Null => return None,
        Packed::Bool(_) => "BOOLEAN",
        Packed::Int(_) => "INTEGER",
        Packed::Float(_) => "FLOAT",
        Packed::Bytes(_) => "BYTEARRAY",
        Packed::Text(_) => "STRING",
        Packed::List(_) => "LIST",
        Packed::Map(_) => "MAP",
        Packed::Struct(tag, _) => match tag {
            b'N' => "NODE",
            b'R' | b'r' => "RELATIONSHIP",
            b'P' => "PATH",
            b'D' => "DATE",
            b'T' => "ZONED TIME",
            b't' => "LOCAL TIME",
            b'I' | b'i' | b'F' | b'f' => "ZONED DATETIME",
            b'd' => LONGEST,
            b'E' => "DURATION",
            b'X' | b'Y' => "POINT",
            _ => MIXED,
        },
    })
}

/// A value of the contract.
pub(crate) fn decode(value: &Packed, detail: Detail) -> Value {
    at_depth(value, detail, DEPTH)
}

fn at_depth(value: &Packed, detail: Detail, depth: usize) -> Value {
    let form = match value {
        Packed::Null => Form::Null(0),
        Packed::Bool(value) => Form::Bool(*value),
        Packed::Int(number) => Form::Int(*number),
        Packed::Float(number) => Form::Double(*number),
        Packed::Bytes(data) => Form::Bytes(Bytes {
            data: data.to_vec(),
            length: data.len() as u64,
        }),
        Packed::Text(text) => Form::Text(text.clone()),
        Packed::List(items) => match embedding(items).filter(|_| detail == Detail::Shown) {
            Some(vector) => Form::Vector(vector),
            None if depth == 0 => document(value, detail),
            None => Form::List(List {
                values: items
                    .iter()
                    .map(|item| at_depth(item, detail, depth - 1))
                    .collect(),
                lower_bounds: vec![],
            }),
        },
        Packed::Map(_) if depth == 0 => document(value, detail),
        Packed::Map(entries) => Form::Map(map(entries, detail, depth - 1)),
        Packed::Struct(tag, fields) => structure(*tag, fields, detail)
            .unwrap_or_else(|| Form::Text(format!("a value of an unknown type ({tag:#04x})"))),
    };
    Value { kind: Some(form) }
}

fn map(entries: &[(String, Packed)], detail: Detail, depth: usize) -> Map {
    let entries = entries.iter().map(|(key, value)| Entry {
        key: key.clone(),
        value: Some(at_depth(value, detail, depth)),
    });
    Map {
        entries: entries.collect(),
    }
}

/// What is nested too deeply for a message, as JSON.
fn document(value: &Packed, detail: Detail) -> Form {
    let mut text = String::new();
    // The wire's own bound on depth keeps this from going deeper than four times.
    json::write_value(&mut text, &at_depth(value, detail, DEPTH));
    Form::Json(text)
}

/// A long list of nothing but floats.
fn embedding(items: &[Packed]) -> Option<Vector> {
    if items.len() < EMBEDDING || !items.iter().all(|item| matches!(item, Packed::Float(_))) {
        return None;
    }
    let head = items.iter().take(json::VECTOR_SHOWN);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an answer shows the beginning of it in single precision"
    )]
    let values = head
        .filter_map(Packed::as_float)
        .map(|number| number as f32)
        .collect();
    Some(Vector {
        values,
        dimensions: u32::try_from(items.len()).ok()?,
    })
}

fn structure(tag: u8, fields: &[Packed], detail: Detail) -> Option<Form> {
    let int = |index: usize| fields.get(index).and_then(Packed::as_int);
    let text = |kind: TemporalKind, text: String| {
        Some(Form::Temporal(Temporal {
            kind: kind.into(),
            text,
        }))
    };
    match tag {
        b'N' => Some(Form::Node(node(fields, detail)?)),
        b'R' => Some(Form::Relationship(relationship(fields, detail)?)),
        b'P' => Some(Form::Path(path(fields, detail)?)),
        b'D' => text(TemporalKind::Date, temporal::date(int(0)?)),
        b't' => text(TemporalKind::Time, temporal::time(int(0)?)),
        b'T' => text(TemporalKind::ZonedTime, temporal::zoned_time(int(0)?, int(1)?)),
        b'd' => text(TemporalKind::DateTime, temporal::date_time(int(0)?, int(1)?)),
        b'I' => text(
            TemporalKind::ZonedDateTime,
            temporal::offset_date_time(int(0)?, int(1)?, int(2)?),
        ),
        b'i' => text(
            TemporalKind::ZonedDateTime,
            temporal::zoned_date_time(int(0)?, int(1)?, fields.get(2)?.as_str()?),
        ),
        b'E' => text(
            TemporalKind::Duration,
            temporal::duration(int(0)?, int(1)?, int(2)?, int(3)?),
        ),
        b'X' | b'Y' => Some(Form::Map(point(int(0)?, &fields[1..])?)),
        _ => None,
    }
}

/// The identifier of a node or a relationship: its element id, which servers before version 5 do not have.
fn id(fields: &[Packed], element_id: usize, number: usize) -> Option<String> {
    match fields.get(element_id) {
        Some(id) => id.as_str().map(str::to_owned),
        None => Some(fields.get(number)?.as_int()?.to_string()),
    }
}

fn node(fields: &[Packed], detail: Detail) -> Option<Node> {
    let labels = fields.get(1)?.items().iter();
    Some(Node {
        id: id(fields, 3, 0)?,
        labels: labels.filter_map(Packed::as_str).map(str::to_owned).collect(),
        properties: Some(map(fields.get(2)?.entries(), detail, DEPTH)),
    })
}

fn relationship(fields: &[Packed], detail: Detail) -> Option<Relationship> {
    Some(Relationship {
        id: id(fields, 5, 0)?,
        r#type: fields.get(3)?.as_str()?.to_owned(),
        start_id: id(fields, 6, 1)?,
        end_id: id(fields, 7, 2)?,
        properties: Some(map(fields.get(4)?.entries(), detail, DEPTH)),
    })
}

/// A path comes as its different nodes and relationships, and as the way through them: pairs of a relationship, counted from 1 and
/// negative against its direction, and the node behind it.
fn path(fields: &[Packed], detail: Detail) -> Option<Path> {
    let [nodes, relationships, way] = fields else {
        return None;
    };
    let structs = |list: &Packed, wanted: u8| {
        let items = list.items().iter().map(|item| match item {
            Packed::Struct(tag, fields) if *tag == wanted => Some(fields.clone()),
            _ => None,
        });
        items.collect::<Option<Vec<_>>>()
    };
    let nodes = structs(nodes, b'N')?;
    let nodes: Vec<Node> = nodes
        .iter()
        .map(|fields| node(fields, detail))
        .collect::<Option<_>>()?;
    let relationships = structs(relationships, b'r')?;
    let mut path = Path {
        nodes: vec![nodes.first()?.clone()],
        relationships: vec![],
    };
    for step in way.items().chunks(2) {
        let [number, next] = step else { return None };
        let number = number.as_int()?;
        let index = usize::try_from(number.unsigned_abs()).ok()?.checked_sub(1)?;
        let fields = relationships.get(index)?;
        let next = nodes.get(usize::try_from(next.as_int()?).ok()?)?;
        let here = path.nodes.last()?.id.clone();
        let (start_id, end_id) = if number > 0 {
            (here, next.id.clone())
        } else {
            (next.id.clone(), here)
        };
        path.relationships.push(Relationship {
            id: id(fields, 3, 0)?,
            r#type: fields.get(1)?.as_str()?.to_owned(),
            start_id,
            end_id,
            properties: Some(map(fields.get(2)?.entries(), detail, DEPTH)),
        });
        path.nodes.push(next.clone());
    }
    Some(path)
}

/// A point's coordinates have other names on the globe.
fn point(srid: i64, coordinates: &[Packed]) -> Option<Map> {
    let names = match srid {
        4326 | 4979 => ["lon", "lat", "height"],
        _ => ["x", "y", "z"],
    };
    let entry = |key: &str, form: Form| Entry {
        key: key.to_owned(),
        value: Some(Value { kind: Some(form) }),
    };
    let mut entries = vec![entry("srid", Form::Int(srid))];
    for (name, coordinate) in names.into_iter().zip(coordinates) {
        entries.push(entry(name, Form::Double(coordinate.as_float()?)));
    }
    Some(Map { entries })
}

#[cfg(test)]
mod tests;

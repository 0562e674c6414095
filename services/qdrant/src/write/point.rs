//! The points of a call as they will be written: each checked against the shape of its collection before the first is sent.

use std::collections::{BTreeMap, HashMap};

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind as Form;
use mcp_hub_proto::data::v1::{Map, Value as Given};
use mcp_hub_proto::qdrant::v1 as pb;
use prost::Message as _;
use qdrant_client::qdrant::value::Kind;
use qdrant_client::qdrant::{
    self, NamedVectors, PointId, PointStruct, Struct, Value, vectors::VectorsOptions,
};

use super::identity;
use crate::binding;
use crate::collection::{Form as VectorForm, Shape, Vector as Target};
use crate::value;
use crate::vector::Vector;

/// The key of the payload that keeps a point's text.
pub(super) const TEXT: &str = "text";

/// The most points of a call.
const MOST_POINTS: usize = 1_000;

/// The most bytes of all payloads of a call, texts included.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// A point on its way.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Draft {
    /// What errors call it: `points[3]`.
    field: String,
    pub(super) id: PointId,
    /// Whether the caller gave the id.
    named: bool,
    /// The text to embed.
    pub(super) text: Option<String>,
    payload: HashMap<String, Value>,
    /// By name; those that the caller gave, and then those of the text.
    vectors: BTreeMap<String, qdrant::Vector>,
    /// Whether the caller said that there are none.
    bare: bool,
}

/// Reads the points of a call.
///
/// # Errors
/// `ARGUMENT_INVALID` with the point and what is wrong.
pub(super) fn read(points: &[pb::Point], shape: &Shape) -> Result<Vec<Draft>, Fault> {
    if points.is_empty() || points.len() > MOST_POINTS {
        let message = format!("give 1 to {MOST_POINTS} points; these are {}", points.len());
        return Err(Fault::argument("points", message));
    }
    let mut drafts: Vec<Draft> = Vec::with_capacity(points.len());
    let mut places = HashMap::with_capacity(points.len());
    let mut bytes = 0;
    for (index, point) in points.iter().enumerate() {
        let draft = Draft::read(format!("points[{index}]"), point, shape)?;
        bytes += size(&draft.payload);
        if bytes > MOST_BYTES {
            return Err(too_large(
                "points",
                "up to here their payloads and texts have",
                bytes,
                &draft.field,
            ));
        }
        // The same point twice is one; two points of one id are a mistake, and only one of them would be left.
        if let Some(before) = places.insert(draft.id.clone(), index)
            && (draft.named || drafts[before].named)
        {
            let field = format!("{}.id", draft.field);
            let message = format!("{field} is that of points[{before}]: give each point an id of its own");
            return Err(Fault::argument(&field, message));
        }
        drafts.push(draft);
    }
    Ok(drafts)
}

/// Checks the size of a payload that many points will get.
///
/// # Errors
/// `ARGUMENT_INVALID` for one that is too large.
pub(super) fn check_size(field: &str, payload: &HashMap<String, Value>) -> Result<(), Fault> {
    match size(payload) {
        bytes if bytes > MOST_BYTES => Err(too_large(field, "it has", bytes, field)),
        _ => Ok(()),
    }
}

fn size(payload: &HashMap<String, Value>) -> usize {
    let fields = payload.clone();
    Struct { fields }.encoded_len()
}

fn too_large(field: &str, what: &str, bytes: usize, place: &str) -> Fault {
    let message = format!(
        "{place}: {what} {bytes} bytes, and a call takes at most {} MiB: split it",
        MOST_BYTES / 1024 / 1024
    );
    Fault::argument(field, message)
}

impl Draft {
    fn read(field: String, point: &pb::Point, shape: &Shape) -> Result<Self, Fault> {
        let wrong = |part: &str, why: String| {
            let field = format!("{field}.{part}");
            let message = format!("{field}: {why}");
            Fault::argument(&field, message)
        };
        let mut payload = match &point.payload {
            Some(payload) => value::value_to_payload(payload).map_err(|why| wrong("payload", why))?,
            None => HashMap::new(),
        };
        if let Some(text) = &point.text {
            if text.trim().is_empty() {
                return Err(wrong(
                    "text",
                    "it is empty: leave it out, or give words".to_owned(),
                ));
            }
            keep(text, &mut payload).map_err(|why| wrong("payload", why))?;
        }
        let place = format!("{field}.vector");
        let (vectors, bare) = match &point.vector {
            Some(given) => {
                let vectors = vectors(&place, given, shape)?;
                let bare = vectors.is_empty();
                (vectors, bare)
            }
            None => (BTreeMap::new(), false),
        };
        let id = match &point.id {
            Some(id) => value::id_from_value(id).map_err(|why| wrong("id", why))?,
            None => PointId::from(identity::of(&payload, &vectors).to_string()),
        };
        Ok(Self {
            field,
            id,
            named: point.id.is_some(),
            text: point.text.clone(),
            payload,
            vectors,
            bare,
        })
    }

    /// Whether its text is to become the vector of this name.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.text.is_some() && !self.vectors.contains_key(name)
    }

    /// Takes over a vector that its text became.
    pub(super) fn take(&mut self, name: &str, vector: impl Into<qdrant::Vector>) {
        self.vectors.insert(name.to_owned(), vector.into());
    }

    /// Checks that it has a vector where its collection has some, or was said to have none.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` with what is missing.
    pub(super) fn check(&self, shape: &Shape, text_search: &str) -> Result<(), Fault> {
        if !self.vectors.is_empty() || self.bare || shape.vectors.is_empty() {
            return Ok(());
        }
        let Self { field, .. } = self;
        let vectors = binding::names(&shape.vectors);
        let message = if self.text.is_some() {
            format!(
                "{field}.text can't become a vector of `{}`: text search is {text_search}. Give {field}.vector ({vectors})",
                shape.name()
            )
        } else {
            format!(
                "{field} has no vector: give text, which text search in `{}` makes one of ({text_search}), or vector ({vectors}), \
                 or the vector {{}} for a point that is not to be found by one",
                shape.name()
            )
        };
        Err(Fault::argument(&format!("{field}.vector"), message))
    }
}

impl From<Draft> for PointStruct {
    fn from(mut draft: Draft) -> Self {
        let only = draft.vectors.len() == 1;
        let vectors = match draft.vectors.remove("") {
            Some(vector) if only => VectorsOptions::Vector(vector),
            unnamed => {
                let unnamed = unnamed.map(|vector| (String::new(), vector));
                VectorsOptions::Vectors(NamedVectors {
                    vectors: draft.vectors.into_iter().chain(unnamed).collect(),
                })
            }
        };
        Self {
            id: Some(draft.id),
            payload: draft.payload,
            vectors: Some(qdrant::Vectors {
                vectors_options: Some(vectors),
            }),
        }
    }
}

/// Keeps a text in a payload that may have it already.
fn keep(text: &str, payload: &mut HashMap<String, Value>) -> Result<(), String> {
    let kind = Some(Kind::StringValue(text.to_owned()));
    let kept = Value { kind };
    match payload.get(TEXT) {
        Some(there) if *there != kept => Err(format!(
            "its `{TEXT}` is another one than the point's text, which is kept there: leave one of them out"
        )),
        _ => {
            payload.insert(TEXT.to_owned(), kept);
            Ok(())
        }
    }
}

/// The given vectors by their names; an empty object is none.
fn vectors(field: &str, given: &Given, shape: &Shape) -> Result<BTreeMap<String, qdrant::Vector>, Fault> {
    let named = match &given.kind {
        Some(Form::Map(map)) if !is_sparse(map, shape) => map,
        _ => {
            let vector = Vector::read(field, given)?;
            let target = only(field, &vector, shape)?;
            return Ok(BTreeMap::from([(
                target.name.clone(),
                fitting(field, vector, target)?,
            )]));
        }
    };
    let mut vectors = BTreeMap::new();
    for entry in &named.entries {
        let name = &entry.key;
        let target = shape.vectors.iter().find(|target| target.name == *name);
        let target = target.ok_or_else(|| {
            let message = format!(
                "{field}: `{}` has no vector {name:?}; it has: {}",
                shape.name(),
                binding::names(&shape.vectors)
            );
            Fault::argument(field, message)
        })?;
        let field = format!("{field}.{name}");
        let vector = Vector::read(&field, entry.value.as_ref().unwrap_or(&Given::default()))?;
        let vector = fitting(&field, vector, target)?;
        if vectors.insert(name.clone(), vector).is_some() {
            return Err(Fault::argument(&field, format!("{field} stands twice")));
        }
    }
    Ok(vectors)
}

/// Whether an object is a sparse vector, and not vectors by their names.
fn is_sparse(map: &Map, shape: &Shape) -> bool {
    let of_sparse = |key: &str| matches!(key, "indices" | "values" | "$vector");
    let is_name = |key: &str| shape.vectors.iter().any(|vector| vector.name == key);
    !map.entries.is_empty()
        && map
            .entries
            .iter()
            .all(|entry| of_sparse(&entry.key) && !is_name(&entry.key))
}

/// Which vector of the collection one without a name is: the unnamed one, or the only one of its kind.
fn only<'s>(field: &str, vector: &Vector, shape: &'s Shape) -> Result<&'s Target, Fault> {
    let sparse = matches!(vector, Vector::Sparse { .. });
    let mut fitting = shape
        .vectors
        .iter()
        .filter(|target| matches!(target.form, VectorForm::Sparse { .. }) == sparse);
    let unnamed = |target: &&Target| target.name.is_empty();
    match (fitting.clone().find(unnamed), fitting.next(), fitting.next()) {
        (Some(target), _, _) | (None, Some(target), None) => Ok(target),
        (None, Some(_), Some(_)) => {
            let message = format!(
                "{field}: `{}` has several vectors, so name the one that is meant, {{name: vector}}: {}",
                shape.name(),
                binding::names(&shape.vectors)
            );
            Err(Fault::argument(field, message))
        }
        (None, None, _) => {
            let has = match shape.vectors.as_slice() {
                [] => "no vectors at all".to_owned(),
                vectors => binding::names(vectors),
            };
            let message = format!(
                "{field}: this is a {} vector, and `{}` has {has}",
                vector.kind(),
                shape.name()
            );
            Err(Fault::argument(field, message))
        }
    }
}

/// The vector as its target takes it.
fn fitting(field: &str, vector: Vector, target: &Target) -> Result<qdrant::Vector, Fault> {
    let vector = match (vector, target.form) {
        // Several are asked for, and one is several.
        (Vector::Dense(vector), VectorForm::Multi) => Vector::Multi(vec![vector]),
        (vector, _) => vector,
    };
    if vector.kind() != target.form.as_str() {
        let message = format!(
            "{field}: the {} is a {} one, and this is a {} vector",
            target.title(),
            target.form.as_str(),
            vector.kind()
        );
        return Err(Fault::argument(field, message));
    }
    if vector.dimensions() != target.size() {
        let message = format!(
            "{field}: the {} has {} dimensions, and this vector has {}",
            target.title(),
            target.size().unwrap_or_default(),
            vector.dimensions().unwrap_or_default()
        );
        return Err(Fault::argument(field, message));
    }
    Ok(vector.into())
}

#[cfg(test)]
mod tests;

//! A caller's vector: one list of numbers, a sparse one, or a list of vectors.
//!
//! Strict, because a vector that is read wrongly finds wrong points without an error. Whether it fits a collection is
//! [`search`](crate::search)'s and `write`'s matter.

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::data::v1::{Map, Value};
use qdrant_client::qdrant as q;

/// The most dimensions of a Qdrant vector.
const MOST_DIMENSIONS: usize = 65_536;

/// The most numbers of a list of vectors, as Qdrant has it.
const MOST_NUMBERS: usize = 1_048_576;

/// The forms, for errors.
const FORMS: &str =
    "a vector is a list of numbers, {\"indices\": [..], \"values\": [..]} if sparse, or a list of vectors";

/// A vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Vector {
    /// One number for each dimension.
    Dense(Vec<f32>),
    /// The dimensions that are not zero, in ascending order.
    Sparse {
        /// Which.
        indices: Vec<u32>,
        /// Their numbers.
        values: Vec<f32>,
    },
    /// Several dense vectors of the same dimensions.
    Multi(Vec<Vec<f32>>),
}

impl Vector {
    /// Reads the argument `field`.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` with what is wrong.
    pub(crate) fn read(field: &str, value: &Value) -> Result<Self, Fault> {
        read(value).map_err(|why| Fault::argument(field, format!("{field}: {why}")))
    }

    /// What it is called: "dense", "sparse" or "multi".
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Dense(_) => "dense",
            Self::Sparse { .. } => "sparse",
            Self::Multi(_) => "multi",
        }
    }

    /// The dimensions, unless it is sparse.
    pub(crate) fn dimensions(&self) -> Option<usize> {
        match self {
            Self::Dense(numbers) => Some(numbers.len()),
            Self::Sparse { .. } => None,
            Self::Multi(vectors) => vectors.first().map(Vec::len),
        }
    }
}

impl From<Vector> for q::VectorInput {
    fn from(vector: Vector) -> Self {
        use q::vector_input::Variant;
        let dense = |data| q::DenseVector { data };
        let variant = match vector {
            Vector::Dense(data) => Variant::Dense(dense(data)),
            Vector::Sparse { indices, values } => Variant::Sparse(q::SparseVector { values, indices }),
            Vector::Multi(vectors) => Variant::MultiDense(q::MultiDenseVector {
                vectors: vectors.into_iter().map(dense).collect(),
            }),
        };
        Self {
            variant: Some(variant),
        }
    }
}

impl From<Vector> for q::Vector {
    fn from(vector: Vector) -> Self {
        use q::vector::Vector as Variant;
        let dense = |data| q::DenseVector { data };
        let variant = match vector {
            Vector::Dense(data) => Variant::Dense(dense(data)),
            Vector::Sparse { indices, values } => Variant::Sparse(q::SparseVector { values, indices }),
            Vector::Multi(vectors) => Variant::MultiDense(q::MultiDenseVector {
                vectors: vectors.into_iter().map(dense).collect(),
            }),
        };
        Self {
            vector: Some(variant),
            ..Self::default()
        }
    }
}

fn read(value: &Value) -> Result<Vector, String> {
    match value.kind.as_ref() {
        Some(Kind::Vector(vector))
            if vector.values.len() == vector.dimensions as usize || vector.dimensions == 0 =>
        {
            finite(&vector.values)?;
            dense(vector.values.clone()).map(Vector::Dense)
        }
        Some(Kind::Vector(_)) => Err(shortened()),
        Some(Kind::List(list)) => match list.values.first().and_then(|first| first.kind.as_ref()) {
            Some(Kind::List(_) | Kind::Vector(_)) => multi(&list.values),
            _ => dense(numbers(&list.values)?).map(Vector::Dense),
        },
        Some(Kind::Map(map)) => sparse(map),
        Some(Kind::Text(_)) => Err(format!("this is text; {FORMS}. For words use query_text")),
        _ => Err(FORMS.to_owned()),
    }
}

fn dense(numbers: Vec<f32>) -> Result<Vec<f32>, String> {
    match numbers.len() {
        0 => Err("it is empty".to_owned()),
        1..=MOST_DIMENSIONS => Ok(numbers),
        many => Err(format!(
            "it has {many} dimensions, and Qdrant takes at most {MOST_DIMENSIONS}"
        )),
    }
}

fn multi(values: &[Value]) -> Result<Vector, String> {
    let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(values.len());
    let mut all = 0;
    for (position, value) in values.iter().enumerate() {
        let Vector::Dense(vector) = read(value).map_err(|why| format!("vector {position}: {why}"))? else {
            return Err(format!("vector {position} is no list of numbers"));
        };
        if let Some(first) = vectors.first().filter(|first| first.len() != vector.len()) {
            return Err(format!(
                "vector {position} has {} dimensions, and vector 0 has {}",
                vector.len(),
                first.len()
            ));
        }
        all += vector.len();
        if all > MOST_NUMBERS {
            return Err(format!("it has more than {MOST_NUMBERS} numbers in all"));
        }
        vectors.push(vector);
    }
    Ok(Vector::Multi(vectors))
}

fn sparse(map: &Map) -> Result<Vector, String> {
    let (mut indices, mut values) = (None, None);
    for entry in &map.entries {
        let list = match entry.value.as_ref().and_then(|value| value.kind.as_ref()) {
            Some(Kind::List(list)) => Some(list.values.as_slice()),
            _ => None,
        };
        let place = match entry.key.as_str() {
            "indices" => &mut indices,
            "values" => &mut values,
            "$vector" => return Err(shortened()),
            key => return Err(format!("{key:?} is not known here; {FORMS}")),
        };
        if place
            .replace(list.ok_or_else(|| format!("{} is no list", entry.key))?)
            .is_some()
        {
            return Err(format!("{} stands twice", entry.key));
        }
    }
    let (Some(indices), Some(values)) = (indices, values) else {
        return Err("a sparse vector has both, indices and values".to_owned());
    };
    if indices.len() != values.len() {
        return Err(format!(
            "it has {} indices and {} values",
            indices.len(),
            values.len()
        ));
    }
    if indices.is_empty() {
        return Err("it is empty".to_owned());
    }
    let values = numbers(values)?;
    let mut pairs = Vec::with_capacity(indices.len());
    for (position, (index, value)) in indices.iter().zip(values).enumerate() {
        pairs.push((index_of(position, index)?, value));
    }
    pairs.sort_unstable_by_key(|(index, _)| *index);
    if let Some(twice) = pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("index {} stands twice", twice[0].0));
    }
    let (indices, values) = pairs.into_iter().unzip();
    Ok(Vector::Sparse { indices, values })
}

fn index_of(position: usize, value: &Value) -> Result<u32, String> {
    let index = match value.kind.as_ref() {
        Some(Kind::Int(number)) => u32::try_from(*number).ok(),
        Some(Kind::Uint(number)) => u32::try_from(*number).ok(),
        _ => None,
    };
    index.ok_or_else(|| format!("index {position} is no whole number from 0 to {}", u32::MAX))
}

fn numbers(values: &[Value]) -> Result<Vec<f32>, String> {
    let number = |(position, value): (usize, &Value)| {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "Qdrant's vectors are of single precision, so every client rounds"
        )]
        let number = match value.kind.as_ref() {
            Some(Kind::Double(number)) => *number as f32,
            Some(Kind::Int(number)) => *number as f32,
            Some(Kind::Uint(number)) => *number as f32,
            _ => return Err(format!("item {position} is no number; {FORMS}")),
        };
        // What is too large for single precision is infinite as well.
        if number.is_finite() {
            Ok(number)
        } else {
            Err(format!("item {position} is not a finite number"))
        }
    };
    values.iter().enumerate().map(number).collect()
}

fn finite(numbers: &[f32]) -> Result<(), String> {
    match numbers.iter().position(|number| !number.is_finite()) {
        Some(position) => Err(format!("item {position} is not a finite number")),
        None => Ok(()),
    }
}

/// Answers show the beginning of a vector only.
fn shortened() -> String {
    "this is the beginning of a vector as answers show it; give all its numbers (with_vectors shows them), or the point's id in \
     like_ids"
        .to_owned()
}

#[cfg(test)]
mod tests;

//! Vectors.

use qdrant_client::qdrant::vector::Vector as ApiKind;
use qdrant_client::qdrant::vector_output::Vector as ApiOutput;
use qdrant_client::qdrant::vectors::VectorsOptions;
use qdrant_client::qdrant::vectors_output::VectorsOptions as OutputOptions;
use qdrant_client::qdrant::{
    DenseVector, MultiDenseVector, NamedVectorsOutput, SparseVector as ApiSparse, Vector as ApiVector,
    VectorOutput, Vectors as ApiVectors, VectorsOutput,
};
use qdrant_edge::{SparseVector, Vector, VectorInternal, VectorStructInternal, VectorStructPersisted};

use crate::error::{Error, Result};
use crate::inference;

/// Where the one vector of a point is in its message.
const ONE: &str = "vectors.vectors_options";
/// Where its named vectors are.
const NAMED: &str = "vectors.vectors_options.vectors.[]";

/// The vectors of a point that is written. Texts become vectors here.
pub(crate) fn stored(vectors: Option<ApiVectors>, missing: &str) -> Result<VectorStructPersisted> {
    let vectors = vectors.ok_or_else(|| Error::malformed(missing))?;
    let vectors = match vectors.vectors_options {
        Some(VectorsOptions::Vector(vector)) => match written(vector).map_err(|error| error.within(ONE))? {
            VectorInternal::Dense(vector) => VectorStructInternal::Single(vector),
            VectorInternal::MultiDense(vectors) => VectorStructInternal::MultiDense(vectors),
            VectorInternal::Sparse(_) => return Err(Error::malformed("Sparse vector must be named")),
        },
        Some(VectorsOptions::Vectors(named)) => VectorStructInternal::Named(
            named
                .vectors
                .into_iter()
                .map(|(name, vector)| Ok((name, written(vector).map_err(|error| error.within(NAMED))?)))
                .collect::<Result<_>>()?,
        ),
        None => return Err(Error::malformed("No Vector Provided")),
    };
    Ok(vectors.into())
}

#[expect(
    deprecated,
    reason = "older clients send vectors in the fields that preceded `vector`"
)]
fn written(vector: ApiVector) -> Result<VectorInternal> {
    match vector.vector {
        Some(ApiKind::Dense(vector)) => Ok(VectorInternal::Dense(vector.data)),
        Some(ApiKind::Sparse(vector)) => sparse(vector.indices, vector.values),
        Some(ApiKind::MultiDense(vectors)) => multi(vectors),
        Some(ApiKind::Document(document)) => inference::stored(document),
        Some(ApiKind::Image(_) | ApiKind::Object(_)) => Err(inference::remote()),
        None => match (vector.indices, vector.vectors_count) {
            (Some(indices), _) => sparse(indices.data, vector.data),
            (None, Some(_)) => Err(Error::Unimplemented(
                "multivectors in the form that preceded `vector`",
            )),
            (None, None) => Ok(VectorInternal::Dense(vector.data)),
        },
    }
}

/// A sparse vector; its values are in the order of its indices.
pub(crate) fn sparse(indices: Vec<u32>, values: Vec<f32>) -> Result<VectorInternal> {
    if indices.len() != values.len() {
        return Err(Error::invalid_at_all(
            "values",
            "must be the same length as indices",
        ));
    }
    let vector =
        SparseVector::new(indices, values).map_err(|_| Error::invalid_at_all("indices", "must be unique"))?;
    Ok(VectorInternal::Sparse(vector))
}

/// Several vectors of one length.
pub(crate) fn multi(vectors: MultiDenseVector) -> Result<VectorInternal> {
    let vectors: Vec<_> = vectors.vectors.into_iter().map(|vector| vector.data).collect();
    let invalid = |reason: &str| Err(Error::invalid("data", reason));
    let Some(length) = vectors.first().map(Vec::len) else {
        return invalid("multi vector must not be empty");
    };
    if vectors.iter().any(Vec::is_empty) {
        return invalid("all vectors must be non-empty");
    }
    if let Some(other) = vectors.iter().find(|vector| vector.len() != length) {
        return invalid(&format!(
            "all vectors must have the same dimension, found vector with dimension {}",
            other.len()
        ));
    }
    Ok(Vector::new_multi(vectors)?.0)
}

/// The vectors of a point, for a client.
pub(crate) fn to_api(vectors: VectorStructInternal) -> VectorsOutput {
    let options = match vectors {
        VectorStructInternal::Single(vector) => OutputOptions::Vector(output(VectorInternal::Dense(vector))),
        VectorStructInternal::MultiDense(vectors) => {
            OutputOptions::Vector(output(VectorInternal::MultiDense(vectors)))
        }
        VectorStructInternal::Named(named) => OutputOptions::Vectors(NamedVectorsOutput {
            vectors: named
                .into_iter()
                .map(|(name, vector)| (name, output(vector)))
                .collect(),
        }),
    };
    VectorsOutput {
        vectors_options: Some(options),
    }
}

fn output(vector: VectorInternal) -> VectorOutput {
    let vector = match vector {
        VectorInternal::Dense(data) => ApiOutput::Dense(DenseVector { data }),
        VectorInternal::Sparse(SparseVector { indices, values }) => {
            ApiOutput::Sparse(ApiSparse { values, indices })
        }
        VectorInternal::MultiDense(vectors) => ApiOutput::MultiDense(MultiDenseVector {
            vectors: vectors
                .into_multi_vectors()
                .into_iter()
                .map(|data| DenseVector { data })
                .collect(),
        }),
    };
    VectorOutput {
        vector: Some(vector),
        ..VectorOutput::default()
    }
}

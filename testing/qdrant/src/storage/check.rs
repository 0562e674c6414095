//! What Qdrant's server checks of a write before any of it is applied.

use std::collections::HashMap;

use qdrant_edge::{
    DEFAULT_VECTOR_NAME, EdgeVectorParams, PointInsertOperations, PointOperations, UpdateOperation,
    VectorPersisted, VectorStructPersisted,
};

use crate::error::{Error, Result};

/// That it is about at least one point, and that the vectors of new points have the length that they must have.
pub(super) fn update(operation: &UpdateOperation, vectors: &HashMap<String, EdgeVectorParams>) -> Result<()> {
    if operation.point_ids().is_some_and(|ids| ids.is_empty()) {
        return Err(Error::BadRequest("Empty update request".to_owned()));
    }
    let UpdateOperation::PointOperation(operation) = operation else {
        return Ok(());
    };
    let points = match operation {
        PointOperations::UpsertPoints(points) => points,
        PointOperations::UpsertPointsConditional(operation) => &operation.points_op,
        _ => return Ok(()),
    };
    let PointInsertOperations::PointsList(points) = points else {
        return Ok(());
    };
    for point in points {
        match &point.vector {
            VectorStructPersisted::Single(vector) => {
                length(vectors, DEFAULT_VECTOR_NAME, std::slice::from_ref(vector))?;
            }
            VectorStructPersisted::MultiDense(several) => length(vectors, DEFAULT_VECTOR_NAME, several)?,
            VectorStructPersisted::Named(named) => {
                for (name, vector) in named {
                    let several = match vector {
                        VectorPersisted::Dense(vector) => std::slice::from_ref(vector),
                        VectorPersisted::MultiDense(several) => several,
                        VectorPersisted::Sparse(_) => continue,
                    };
                    length(vectors, name, several)?;
                }
            }
        }
    }
    Ok(())
}

/// A name that the collection does not have is left to the engine.
fn length(params: &HashMap<String, EdgeVectorParams>, name: &str, vectors: &[Vec<f32>]) -> Result<()> {
    let Some(expected) = params.get(name).map(|params| params.size) else {
        return Ok(());
    };
    let Some(wrong) = vectors.iter().map(Vec::len).find(|length| *length != expected) else {
        return Ok(());
    };
    let of_which = match name {
        DEFAULT_VECTOR_NAME => String::new(),
        name => format!(" for vector '{name}'"),
    };
    Err(Error::BadInput(format!(
        "Vector dimension error: expected dim: {expected}, got {wrong}{of_which}"
    )))
}

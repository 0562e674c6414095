//! Writes. The engine applies each at once, so a write that is not waited for is done all the same.

use std::time::Instant;

use qdrant_client::qdrant::{
    ClearPayloadPoints, CreateFieldIndexCollection, DeleteFieldIndexCollection, DeletePayloadPoints,
    DeletePointVectors, DeletePoints, PointStruct, PointsOperationResponse, SetPayloadPoints,
    UpdateMode as ApiMode, UpdatePointVectors, UpdateResult, UpdateStatus, UpsertPoints,
};
use qdrant_edge::{
    ConditionalInsertOperation, CreateIndex, DeletePayloadOp, FieldIndexOperations, PayloadOps, PointIdsList,
    PointInsertOperations, PointOperations, PointStructPersisted, PointVectorsPersisted, SetPayloadOp,
    UpdateMode, UpdateOperation, UpdateVectorsOp, VectorOperations,
};

use crate::convert::select::{self, Selection};
use crate::convert::{filter, id, index, path, payload, vector};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::validate;

/// Applies one write.
fn apply(
    storage: &Storage,
    collection: &str,
    wait: Option<bool>,
    operation: impl FnOnce() -> Result<UpdateOperation>,
) -> Result<PointsOperationResponse> {
    let start = Instant::now();
    validate::name(collection)?;
    let operation = operation()?;
    let number = storage.get(collection)?.update(operation)?;
    let status = if wait.unwrap_or_default() {
        UpdateStatus::Completed
    } else {
        UpdateStatus::Acknowledged
    };
    Ok(PointsOperationResponse {
        result: Some(UpdateResult {
            operation_id: Some(number),
            status: status.into(),
        }),
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

/// Points as a whole.
pub(super) fn upsert(storage: &Storage, request: UpsertPoints) -> Result<PointsOperationResponse> {
    let mode = match request.update_mode() {
        ApiMode::Upsert => None,
        ApiMode::InsertOnly => Some(UpdateMode::InsertOnly),
        ApiMode::UpdateOnly => Some(UpdateMode::UpdateOnly),
    };
    apply(storage, &request.collection_name, request.wait, || {
        let points = request
            .points
            .into_iter()
            .enumerate()
            .map(|(number, one)| point(one).map_err(|error| error.within(&format!("points[{number}]"))));
        let points = points.collect::<Result<Vec<_>>>()?;
        let points = PointInsertOperations::PointsList(points);
        let condition = filter::optional(request.update_filter)?;
        let operation = if condition.is_none() && mode.is_none() {
            PointOperations::UpsertPoints(points)
        } else {
            PointOperations::UpsertPointsConditional(ConditionalInsertOperation {
                points_op: points,
                condition: condition.unwrap_or_default(),
                update_mode: mode,
            })
        };
        Ok(UpdateOperation::PointOperation(operation))
    })
}

fn point(point: PointStruct) -> Result<PointStructPersisted> {
    Ok(PointStructPersisted {
        vector: vector::stored(point.vectors, "Expected some vectors")?,
        id: id::required(point.id, "Empty ID is not allowed")?,
        payload: (!point.payload.is_empty())
            .then(|| payload::from_api(point.payload))
            .transpose()?,
    })
}

/// Points by their ids or a filter.
pub(super) fn delete(storage: &Storage, request: DeletePoints) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name, request.wait, || {
        let operation = match select::points(request.points, "PointSelector is missing")? {
            Selection::Ids(ids) => PointOperations::DeletePoints { ids },
            Selection::Filter(filter) => PointOperations::DeletePointsByFilter(filter),
        };
        Ok(UpdateOperation::PointOperation(operation))
    })
}

/// Vectors of points that are there.
pub(super) fn update_vectors(
    storage: &Storage,
    request: UpdatePointVectors,
) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name, request.wait, || {
        let points = request.points.into_iter().enumerate().map(|(number, point)| {
            let vector = vector::stored(point.vectors, "vectors is expected");
            Ok(PointVectorsPersisted {
                id: id::required(point.id, "id is expected")?,
                vector: vector.map_err(|error| error.within(&format!("points[{number}]")))?,
            })
        });
        Ok(UpdateOperation::VectorOperation(VectorOperations::UpdateVectors(
            UpdateVectorsOp {
                points: points.collect::<Result<_>>()?,
                update_filter: filter::optional(request.update_filter)?,
            },
        )))
    })
}

/// Named vectors of points.
pub(super) fn delete_vectors(
    storage: &Storage,
    request: DeletePointVectors,
) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name, request.wait, || {
        let selection = select::points(request.points_selector, "points_selector is expected")?;
        let names = request
            .vectors
            .ok_or_else(|| Error::malformed("vectors is expected"))?
            .names;
        let operation = match selection {
            Selection::Ids(ids) => VectorOperations::DeleteVectors(PointIdsList::from(ids), names),
            Selection::Filter(filter) => VectorOperations::DeleteVectorsByFilter(filter, names),
        };
        Ok(UpdateOperation::VectorOperation(operation))
    })
}

/// Some keys of the payload; the others stay.
pub(super) fn set_payload(storage: &Storage, request: SetPayloadPoints) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name.clone(), request.wait, || {
        Ok(UpdateOperation::PayloadOperation(PayloadOps::SetPayload(
            new_payload(request)?,
        )))
    })
}

/// The whole payload.
pub(super) fn overwrite_payload(
    storage: &Storage,
    request: SetPayloadPoints,
) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name.clone(), request.wait, || {
        let whole = SetPayloadPoints { key: None, ..request };
        Ok(UpdateOperation::PayloadOperation(PayloadOps::OverwritePayload(
            new_payload(whole)?,
        )))
    })
}

fn new_payload(request: SetPayloadPoints) -> Result<SetPayloadOp> {
    let key = request.key.as_deref().map(path).transpose()?;
    let (points, filter) = select::points(request.points_selector, "points_selector is expected")?.split();
    Ok(SetPayloadOp {
        payload: payload::from_api(request.payload)?,
        points,
        filter,
        key,
    })
}

/// Keys of the payload.
pub(super) fn delete_payload(
    storage: &Storage,
    request: DeletePayloadPoints,
) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name, request.wait, || {
        let keys = request.keys.iter().map(|key| path(key)).collect::<Result<_>>()?;
        let (points, filter) =
            select::points(request.points_selector, "points_selector is expected")?.split();
        Ok(UpdateOperation::PayloadOperation(PayloadOps::DeletePayload(
            DeletePayloadOp { keys, points, filter },
        )))
    })
}

/// Everything in the payload.
pub(super) fn clear_payload(
    storage: &Storage,
    request: ClearPayloadPoints,
) -> Result<PointsOperationResponse> {
    apply(storage, &request.collection_name, request.wait, || {
        let operation = match select::points(request.points, "PointSelector is missing")? {
            Selection::Ids(points) => PayloadOps::ClearPayload { points },
            Selection::Filter(filter) => PayloadOps::ClearPayloadByFilter(filter),
        };
        Ok(UpdateOperation::PayloadOperation(operation))
    })
}

/// An index of a key of the payload.
pub(super) fn create_field_index(
    storage: &Storage,
    request: CreateFieldIndexCollection,
) -> Result<PointsOperationResponse> {
    validate::not_empty("field_name", &request.field_name)?;
    apply(storage, &request.collection_name, request.wait, || {
        let create = CreateIndex {
            field_name: path(&request.field_name)?,
            field_schema: Some(index::from_api(request.field_type, request.field_index_params)?),
        };
        Ok(UpdateOperation::FieldIndexOperation(
            FieldIndexOperations::CreateIndex(create),
        ))
    })
}

/// The end of an index.
pub(super) fn delete_field_index(
    storage: &Storage,
    request: DeleteFieldIndexCollection,
) -> Result<PointsOperationResponse> {
    let DeleteFieldIndexCollection {
        collection_name,
        wait,
        field_name,
        ..
    } = request;
    validate::not_empty("field_name", &field_name)?;
    apply(storage, &collection_name, wait, || {
        let key = path(&field_name)?;
        Ok(UpdateOperation::FieldIndexOperation(
            FieldIndexOperations::DeleteIndex(key),
        ))
    })
}

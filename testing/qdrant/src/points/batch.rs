//! Several writes in one request: each is applied before the next is looked at, as the server does it.

use std::time::Instant;

use qdrant_client::qdrant::points_update_operation::Operation;
use qdrant_client::qdrant::{
    ClearPayloadPoints, DeletePayloadPoints, DeletePointVectors, DeletePoints, PointsOperationResponse,
    PointsUpdateOperation, SetPayloadPoints, UpdateBatchPoints, UpdateBatchResponse, UpdatePointVectors,
    UpsertPoints,
};

use super::write;
use crate::error::{Error, Result};
use crate::storage::Storage;

/// Several writes.
pub(super) fn update_batch(storage: &Storage, request: UpdateBatchPoints) -> Result<UpdateBatchResponse> {
    let start = Instant::now();
    let (collection, wait) = (request.collection_name, request.wait);
    let mut result = Vec::with_capacity(request.operations.len());
    for operation in request.operations {
        result.extend(one(storage, &collection, wait, operation)?.result);
    }
    Ok(UpdateBatchResponse {
        result,
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

fn one(
    storage: &Storage,
    collection: &str,
    wait: Option<bool>,
    operation: PointsUpdateOperation,
) -> Result<PointsOperationResponse> {
    let collection_name = collection.to_owned();
    match operation.operation {
        Some(Operation::Upsert(upsert)) => write::upsert(
            storage,
            UpsertPoints {
                collection_name,
                wait,
                points: upsert.points,
                update_filter: upsert.update_filter,
                update_mode: upsert.update_mode,
                ..UpsertPoints::default()
            },
        ),
        Some(Operation::SetPayload(set)) => write::set_payload(
            storage,
            SetPayloadPoints {
                collection_name,
                wait,
                payload: set.payload,
                points_selector: set.points_selector,
                key: set.key,
                ..SetPayloadPoints::default()
            },
        ),
        Some(Operation::OverwritePayload(overwrite)) => write::overwrite_payload(
            storage,
            SetPayloadPoints {
                collection_name,
                wait,
                payload: overwrite.payload,
                points_selector: overwrite.points_selector,
                ..SetPayloadPoints::default()
            },
        ),
        Some(Operation::DeletePayload(delete)) => write::delete_payload(
            storage,
            DeletePayloadPoints {
                collection_name,
                wait,
                keys: delete.keys,
                points_selector: delete.points_selector,
                ..DeletePayloadPoints::default()
            },
        ),
        Some(Operation::ClearPayload(clear)) => write::clear_payload(
            storage,
            ClearPayloadPoints {
                collection_name,
                wait,
                points: clear.points,
                ..ClearPayloadPoints::default()
            },
        ),
        Some(Operation::UpdateVectors(update)) => write::update_vectors(
            storage,
            UpdatePointVectors {
                collection_name,
                wait,
                points: update.points,
                update_filter: update.update_filter,
                ..UpdatePointVectors::default()
            },
        ),
        Some(Operation::DeleteVectors(delete)) => write::delete_vectors(
            storage,
            DeletePointVectors {
                collection_name,
                wait,
                points_selector: delete.points_selector,
                vectors: delete.vectors,
                ..DeletePointVectors::default()
            },
        ),
        Some(Operation::DeletePoints(delete)) => write::delete(
            storage,
            DeletePoints {
                collection_name,
                wait,
                points: delete.points,
                ..DeletePoints::default()
            },
        ),
        Some(_) => Err(Error::Unimplemented("a deprecated form of update_batch")),
        None => Err(Error::malformed("Operation is missing")),
    }
}

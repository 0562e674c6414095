//! Points without a search: by id, page by page, counted.

use std::time::Instant;

use qdrant_client::qdrant::{
    CountPoints, CountResponse, CountResult, FacetCounts, FacetResponse, GetPoints, GetResponse,
    ScrollPoints, ScrollResponse,
};
use qdrant_edge::{CountRequest, FacetRequest, OrderByInterface, ScrollRequest};

use crate::convert::{count as number, filter, id, path, result, select};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::validate;

/// Points by their ids, in the order in which they are asked for.
pub(super) fn get(storage: &Storage, request: GetPoints) -> Result<GetResponse> {
    let start = Instant::now();
    validate::name(&request.collection_name)?;
    let ids = id::list(request.ids)?;
    // Unlike a scroll, and unlike REST.
    let payload = select::payload(request.with_payload)?.unwrap_or_default();
    let vectors = select::vectors(request.with_vectors);
    let collection = storage.get(&request.collection_name)?;
    let records = collection.shard().retrieve(&ids, Some(payload), Some(vectors))?;
    Ok(GetResponse {
        result: records.into_iter().map(result::record).collect(),
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

/// A page of points, by id or by a key of the payload.
pub(super) fn scroll(storage: &Storage, request: ScrollPoints) -> Result<ScrollResponse> {
    let start = Instant::now();
    validate::name(&request.collection_name)?;
    validate::not_zero("limit", request.limit)?;
    let scroll = ScrollRequest {
        offset: request.offset.map(id::from_api).transpose()?,
        limit: request.limit.map(|limit| number(limit.into())),
        filter: filter::optional(request.filter)?,
        with_payload: select::payload(request.with_payload)?,
        with_vector: select::vectors(request.with_vectors),
        order_by: request
            .order_by
            .map(|order| select::order(order).map(OrderByInterface::Struct))
            .transpose()?,
    };
    if scroll.order_by.is_some() && scroll.offset.is_some() {
        return Err(Error::BadInput(
            "Cannot use an `offset` when using `order_by`. The alternative for paging is to use `order_by.start_from` and \
             a filter to exclude the IDs that you've already seen for the `order_by.start_from` value"
                .to_owned(),
        ));
    }
    let collection = storage.get(&request.collection_name)?;
    let (records, next) = collection.shard().scroll(scroll)?;
    Ok(ScrollResponse {
        next_page_offset: next.map(id::to_api),
        result: records.into_iter().map(result::record).collect(),
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

/// How many points there are.
pub(super) fn count(storage: &Storage, request: CountPoints) -> Result<CountResponse> {
    let start = Instant::now();
    validate::name(&request.collection_name)?;
    let count = CountRequest {
        filter: filter::optional(request.filter)?,
        exact: request.exact.unwrap_or(true),
    };
    let collection = storage.get(&request.collection_name)?;
    let count = collection.shard().count(count)?;
    Ok(CountResponse {
        result: Some(CountResult { count: count as u64 }),
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

/// How many points have each value of a key.
pub(super) fn facet(storage: &Storage, request: FacetCounts) -> Result<FacetResponse> {
    let start = Instant::now();
    validate::name(&request.collection_name)?;
    validate::not_empty("key", &request.key)?;
    validate::not_zero("timeout", request.timeout)?;
    let facet = FacetRequest {
        key: path(&request.key)?,
        limit: request.limit.map_or(FacetRequest::DEFAULT_LIMIT, number),
        filter: filter::optional(request.filter)?,
        exact: request.exact.unwrap_or_default(),
    };
    let collection = storage.get(&request.collection_name)?;
    // None are none, whatever the index.
    let hits = match facet.limit {
        0 => Vec::new(),
        _ => collection.shard().facet(facet)?.hits,
    };
    Ok(FacetResponse {
        hits: hits.into_iter().map(result::facet).collect(),
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

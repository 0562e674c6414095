//! Searches.

mod average;
mod group;
mod plan;
mod score;

use std::time::Instant;

use self::group::Grouping;
use self::plan::Planner;
use crate::convert::{count, path, result};
use crate::error::{Error, Result};
use crate::storage::Storage;
use crate::validate;
use qdrant_client::qdrant::{
    BatchResult, GroupsResult, QueryBatchPoints, QueryBatchResponse, QueryGroupsResponse, QueryPointGroups,
    QueryPoints, QueryResponse, ScoredPoint,
};

/// How many groups or points there are when a client does not say.
const DEFAULT_LIMIT: u64 = 10;
/// How many points a group has when a client does not say.
const DEFAULT_GROUP_SIZE: u64 = 3;

/// The universal query.
pub(super) fn query(storage: &Storage, request: QueryPoints) -> Result<QueryResponse> {
    let start = Instant::now();
    Ok(QueryResponse {
        result: points(storage, request)?,
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

/// Several of them; one that fails fails all.
pub(super) fn query_batch(storage: &Storage, request: QueryBatchPoints) -> Result<QueryBatchResponse> {
    let start = Instant::now();
    validate::name(&request.collection_name)?;
    for (number, query) in request.query_points.iter().enumerate() {
        validate::name(&query.collection_name)
            .map_err(|error| error.within(&format!("query_points[{number}]")))?;
    }
    let results = request.query_points.into_iter().map(|query| {
        let query = QueryPoints {
            collection_name: request.collection_name.clone(),
            ..query
        };
        Ok(BatchResult {
            result: points(storage, query)?,
        })
    });
    Ok(QueryBatchResponse {
        result: results.collect::<Result<_>>()?,
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

/// The best points of each value of a key.
pub(super) fn query_groups(storage: &Storage, request: QueryPointGroups) -> Result<QueryGroupsResponse> {
    let start = Instant::now();
    validate::not_empty("group_by", &request.group_by)?;
    validate::not_zero("group_size", request.group_size)?;
    if request.with_lookup.is_some() {
        return Err(Error::Unimplemented("with_lookup"));
    }
    let group_by = path(&request.group_by)?;
    let group_size = count(request.group_size.unwrap_or(DEFAULT_GROUP_SIZE));
    let groups = count(request.limit.unwrap_or(DEFAULT_LIMIT));
    let query = QueryPoints {
        collection_name: request.collection_name,
        prefetch: request.prefetch,
        query: request.query,
        using: request.using,
        filter: request.filter,
        params: request.params,
        score_threshold: request.score_threshold,
        limit: request.limit,
        with_payload: request.with_payload,
        with_vectors: request.with_vectors,
        lookup_from: request.lookup_from,
        timeout: request.timeout,
        ..QueryPoints::default()
    };
    let (planner, query) = plan(storage, query)?;
    let grouping = Grouping {
        group_by,
        groups,
        group_size,
    };
    Ok(QueryGroupsResponse {
        result: Some(GroupsResult {
            groups: grouping.run(planner.collection().shard(), query)?,
        }),
        time: start.elapsed().as_secs_f64(),
        usage: None,
    })
}

fn points(storage: &Storage, request: QueryPoints) -> Result<Vec<ScoredPoint>> {
    let (planner, query) = plan(storage, request)?;
    // The engine finds as many points as this takes, and leaves the cut to its callers.
    let offset = query.offset;
    let points = planner.collection().shard().query(query)?;
    Ok(points.into_iter().skip(offset).map(result::scored).collect())
}

fn plan(storage: &Storage, request: QueryPoints) -> Result<(Planner<'_>, qdrant_edge::QueryRequest)> {
    validate::name(&request.collection_name)?;
    validate::not_zero("limit", request.limit)?;
    validate::not_zero("timeout", request.timeout)?;
    let mut planner = Planner::new(storage, &request.collection_name)?;
    let query = planner.request(request)?;
    Ok((planner, query))
}

//! Which points, which parts of them, and how they are searched and ordered.

use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::start_from::Value as Start;
use qdrant_client::qdrant::with_payload_selector::SelectorOptions as PayloadOptions;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions as VectorOptions;
use qdrant_client::qdrant::{
    Direction as ApiDirection, OrderBy as ApiOrderBy, PointsSelector, SearchParams as ApiParams,
    WithPayloadSelector, WithVectorsSelector,
};
use qdrant_edge::{
    AcornSearchParams, DateTimeWrapper, Direction, Filter, OrderBy, PayloadSelectorExclude,
    PayloadSelectorInclude, PointId, QuantizationSearchParams, SearchParams, StartFrom, WithPayloadInterface,
    WithVector,
};

use super::{count, filter, id, path, time};
use crate::error::{Error, Result};

/// Points by their ids or by a filter.
pub(crate) enum Selection {
    Ids(Vec<PointId>),
    Filter(Filter),
}

impl Selection {
    /// The two alternatives as two options, as the engine has them.
    pub(crate) fn split(self) -> (Option<Vec<PointId>>, Option<Filter>) {
        match self {
            Self::Ids(ids) => (Some(ids), None),
            Self::Filter(filter) => (None, Some(filter)),
        }
    }
}

/// A selector that must be there.
pub(crate) fn points(selector: Option<PointsSelector>, missing: &str) -> Result<Selection> {
    let selector = selector.ok_or_else(|| Error::malformed(missing))?;
    match selector.points_selector_one_of {
        Some(PointsSelectorOneOf::Points(list)) => Ok(Selection::Ids(id::list(list.ids)?)),
        Some(PointsSelectorOneOf::Filter(filter)) => Ok(Selection::Filter(filter::from_api(filter)?)),
        None => Err(Error::malformed("Malformed PointsSelector type")),
    }
}

/// The part of the payload; `None` when the client leaves it to the kind of request.
pub(crate) fn payload(selector: Option<WithPayloadSelector>) -> Result<Option<WithPayloadInterface>> {
    let Some(selector) = selector else { return Ok(None) };
    let paths = |fields: Vec<String>| fields.iter().map(|field| path(field)).collect::<Result<_>>();
    Ok(Some(match selector.selector_options {
        Some(PayloadOptions::Enable(flag)) => flag.into(),
        Some(PayloadOptions::Include(fields)) => PayloadSelectorInclude::new(paths(fields.fields)?).into(),
        Some(PayloadOptions::Exclude(fields)) => PayloadSelectorExclude::new(paths(fields.fields)?).into(),
        None => return Err(Error::malformed("No PayloadSelector")),
    }))
}

/// Which vectors; none unless the client says so.
pub(crate) fn vectors(selector: Option<WithVectorsSelector>) -> WithVector {
    match selector.and_then(|selector| selector.selector_options) {
        Some(VectorOptions::Enable(flag)) => flag.into(),
        Some(VectorOptions::Include(names)) => WithVector::Selector(names.names),
        None => false.into(),
    }
}

/// How thoroughly to search.
pub(crate) fn params(params: ApiParams) -> SearchParams {
    SearchParams {
        hnsw_ef: params.hnsw_ef.map(count),
        exact: params.exact.unwrap_or_default(),
        quantization: params.quantization.map(|quantization| QuantizationSearchParams {
            ignore: quantization.ignore.unwrap_or_default(),
            rescore: quantization.rescore,
            oversampling: quantization.oversampling,
        }),
        indexed_only: params.indexed_only.unwrap_or_default(),
        acorn: params.acorn.map(|acorn| AcornSearchParams {
            enable: acorn.enable.unwrap_or_default(),
            max_selectivity: acorn.max_selectivity.map(Into::into),
        }),
    }
}

/// The order by a key of the payload.
pub(crate) fn order(order: ApiOrderBy) -> Result<OrderBy> {
    let direction = order.direction.and_then(|direction| {
        // An unknown number is none, as in Qdrant.
        Some(match ApiDirection::try_from(direction).ok()? {
            ApiDirection::Asc => Direction::Asc,
            ApiDirection::Desc => Direction::Desc,
        })
    });
    let start_from = order.start_from.and_then(|start| start.value).map(|start| {
        Ok::<_, Error>(match start {
            Start::Float(float) => StartFrom::Float(float),
            Start::Integer(integer) => StartFrom::Integer(integer),
            Start::Timestamp(timestamp) => StartFrom::Datetime(time::from_api(timestamp)?),
            Start::Datetime(text) => StartFrom::Datetime(
                text.parse::<DateTimeWrapper>()
                    .map_err(|error| Error::malformed(format!("Malformed datetime: {error}")))?,
            ),
        })
    });
    Ok(OrderBy {
        key: path(&order.key)?,
        direction,
        start_from: start_from.transpose()?,
    })
}

//! Points and counts, for clients.

use qdrant_client::qdrant::facet_value::Variant as ApiFacet;
use qdrant_client::qdrant::order_value::Variant as ApiOrder;
use qdrant_client::qdrant::{
    FacetHit, FacetValue as ApiFacetValue, OrderValue as ApiOrderValue, RetrievedPoint,
    ScoredPoint as ApiScored,
};
use qdrant_edge::external::uuid::Uuid;
use qdrant_edge::{FacetValue, FacetValueHit, OrderValue, Record, ScoredPoint};

use super::{id, payload, vector};

/// A point of a scroll.
pub(crate) fn record(record: Record) -> RetrievedPoint {
    RetrievedPoint {
        id: Some(id::to_api(record.id)),
        payload: record.payload.map(payload::to_api).unwrap_or_default(),
        vectors: record.vector.map(vector::to_api),
        shard_key: None,
        order_value: record.order_value.map(order),
    }
}

/// A point of a query.
pub(crate) fn scored(point: ScoredPoint) -> ApiScored {
    ApiScored {
        id: Some(id::to_api(point.id)),
        payload: point.payload.map(payload::to_api).unwrap_or_default(),
        score: point.score,
        version: point.version,
        vectors: point.vector.map(vector::to_api),
        shard_key: None,
        order_value: point.order_value.map(order),
    }
}

fn order(value: OrderValue) -> ApiOrderValue {
    let variant = match value {
        OrderValue::Int(integer) => ApiOrder::Int(integer),
        OrderValue::Float(float) => ApiOrder::Float(float),
    };
    ApiOrderValue {
        variant: Some(variant),
    }
}

/// A value and how many points have it.
pub(crate) fn facet(hit: FacetValueHit) -> FacetHit {
    let variant = match hit.value {
        FacetValue::Keyword(text) => ApiFacet::StringValue(text),
        FacetValue::Int(integer) => ApiFacet::IntegerValue(integer),
        FacetValue::Uuid(uuid) => ApiFacet::StringValue(Uuid::from_u128(uuid).to_string()),
        FacetValue::Bool(flag) => ApiFacet::BoolValue(flag),
    };
    FacetHit {
        value: Some(ApiFacetValue {
            variant: Some(variant),
        }),
        count: hit.count as u64,
    }
}

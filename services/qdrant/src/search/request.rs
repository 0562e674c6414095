//! The request that a search comes to, and the points of its answer.

use std::cmp::Ordering;

use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;
use qdrant_client::qdrant as q;

use super::Leg;
use crate::collection::Shape;
use crate::database::Session;
use crate::error::Error;
use crate::row::{Columns, Point};
use crate::value::of;

/// How many matches of each leg are fused at least: what is far down in one may be high up in the other.
const FUSED: u64 = 100;

/// Fused ranks are often equal, and the server gives equals in any order, each time another. So many matches before and behind a page
/// are had with it and put in order, so that none of them is on two pages or on none.
const EQUALS: u64 = 8;

/// A search.
pub(super) struct Request<'a> {
    /// One, or two that are fused.
    pub(super) legs: Vec<Leg<'a>>,
    pub(super) filter: Option<q::Filter>,
    pub(super) score_threshold: Option<f32>,
    /// Rows of earlier pages.
    pub(super) delivered: u64,
    /// The most matches, or groups.
    pub(super) limit: u32,
    /// The key that groups, and the most matches of a group.
    pub(super) group_by: Option<(&'a str, u32)>,
    pub(super) columns: &'a Columns,
}

impl Request<'_> {
    /// The points from where the last page ended, and how many of them are this page's rows; one more tells that there is another.
    pub(super) async fn send(self, session: &Session, shape: &Shape) -> Result<(Vec<Point>, u32), Error> {
        // One more than is shown tells whether there are more.
        let wanted = u64::from(self.limit) + 1;
        let (with_payload, with_vectors) = (self.columns.with_payload(), self.columns.with_vectors());
        let Asked {
            prefetch,
            query,
            using,
            filter,
        } = self.asked((self.delivered + wanted) * u64::from(self.group_by.map_or(1, |(_, size)| size)));
        let Some((key, group_size)) = self.group_by else {
            let around = if self.legs.len() > 1 { EQUALS } else { 0 };
            let before = self.delivered.min(around);
            let request = q::QueryPoints {
                prefetch,
                query: Some(query),
                using,
                filter,
                score_threshold: self.score_threshold,
                limit: Some(before + wanted + around),
                offset: Some(self.delivered - before),
                with_payload: Some(with_payload),
                with_vectors: Some(with_vectors),
                ..q::QueryPoints::default()
            };
            let mut points = Box::pin(session.ask(&shape.collection, request)).await?.result;
            if around > 0 {
                points.sort_by(in_order);
            }
            let points = points
                .into_iter()
                .skip(usize::try_from(before).unwrap_or_default());
            return Ok((points.map(Point::from).collect(), self.limit));
        };
        // Groups have no offset; as each has a point at least, so many of them hold all rows of earlier pages.
        let request = q::QueryPointGroups {
            prefetch,
            query: Some(query),
            using,
            filter,
            score_threshold: self.score_threshold,
            limit: Some(self.delivered + wanted),
            group_size: Some(group_size.into()),
            group_by: key.to_owned(),
            with_payload: Some(with_payload),
            with_vectors: Some(with_vectors),
            ..q::QueryPointGroups::default()
        };
        let result = Box::pin(session.ask(&shape.collection, request)).await?.result;
        let groups = result.map(|result| result.groups).unwrap_or_default();
        Ok(rows_of(groups, self.delivered, self.limit))
    }

    /// What is asked of one vector, or of the matches of two.
    fn asked(&self, reach: u64) -> Asked {
        if let [leg] = self.legs.as_slice() {
            return Asked {
                prefetch: vec![],
                query: leg.query.clone(),
                using: name(leg),
                filter: self.filter.clone(),
            };
        }
        let prefetch = self.legs.iter().map(|leg| q::PrefetchQuery {
            query: Some(leg.query.clone()),
            using: name(leg),
            filter: self.filter.clone(),
            limit: Some((reach + EQUALS).max(FUSED)),
            ..q::PrefetchQuery::default()
        });
        Asked {
            prefetch: prefetch.collect(),
            query: q::Query {
                variant: Some(q::query::Variant::Fusion(q::Fusion::Rrf.into())),
            },
            using: None,
            // Each leg has it already; what no filter lets through can't come back.
            filter: None,
        }
    }
}

/// The best first, and of equals numbers before UUIDs.
fn in_order(left: &q::ScoredPoint, right: &q::ScoredPoint) -> Ordering {
    use q::point_id::PointIdOptions as Id;
    let id = |point: &q::ScoredPoint| match point.id.as_ref()?.point_id_options.as_ref()? {
        Id::Num(number) => Some((*number, String::new())),
        Id::Uuid(uuid) => Some((u64::MAX, uuid.clone())),
    };
    right
        .score
        .total_cmp(&left.score)
        .then_with(|| id(left).cmp(&id(right)))
}

/// What both requests have in common.
struct Asked {
    prefetch: Vec<q::PrefetchQuery>,
    query: q::Query,
    using: Option<String>,
    filter: Option<q::Filter>,
}

/// The vector of a leg, as requests name it.
fn name(leg: &Leg<'_>) -> Option<String> {
    Some(leg.vector.name.clone()).filter(|name| !name.is_empty())
}

/// A search for what is nearest.
pub(super) fn nearest(input: q::VectorInput) -> q::Query {
    q::Query {
        variant: Some(q::query::Variant::Nearest(input)),
    }
}

/// The points of groups from where the last page ended, and how many of them belong to the first `limit` groups.
fn rows_of(groups: Vec<q::PointGroup>, delivered: u64, limit: u32) -> (Vec<Point>, u32) {
    let (mut points, mut rows, mut shown) = (vec![], 0, 0);
    let mut skipped = delivered;
    for group in groups {
        let id = group_value(group.id);
        let before = points.len();
        for hit in group.hits {
            if skipped > 0 {
                skipped -= 1;
                continue;
            }
            points.push(Point {
                group: Some(id.clone()),
                ..Point::from(hit)
            });
        }
        // The rest of a group that the last page began counts as one.
        shown += u32::from(points.len() > before);
        if shown <= limit {
            rows = u32::try_from(points.len()).unwrap_or(u32::MAX);
        }
    }
    (points, rows)
}

fn group_value(id: Option<q::GroupId>) -> Value {
    use q::group_id::Kind as Id;
    of(match id.and_then(|id| id.kind) {
        Some(Id::UnsignedValue(number)) => Kind::Uint(number),
        Some(Id::IntegerValue(number)) => Kind::Int(number),
        Some(Id::StringValue(text)) => Kind::Text(text),
        None => Kind::Null(0),
    })
}

#[cfg(test)]
mod tests;

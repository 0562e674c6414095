//! Groups, which this engine leaves to its callers: the best points of each value of a key, by looking at all points.

use qdrant_client::qdrant::group_id::Kind;
use qdrant_client::qdrant::{GroupId, PointGroup};
use qdrant_edge::{EdgeShard, JsonPath, QueryRequest, ScoredPoint};
use serde_json::Value;

use crate::convert::result;
use crate::error::Result;

/// What is grouped, and how much of it is wanted.
pub(super) struct Grouping {
    pub(super) group_by: JsonPath,
    pub(super) groups: usize,
    pub(super) group_size: usize,
}

impl Grouping {
    /// The best groups, by the best point of each.
    pub(super) fn run(&self, shard: &EdgeShard, query: QueryRequest) -> Result<Vec<PointGroup>> {
        let (payload, vectors) = (query.with_payload.clone(), query.with_vector.clone());
        let all = QueryRequest {
            limit: shard.info().points_count.max(1),
            with_payload: true.into(),
            with_vector: false.into(),
            ..query
        };
        let mut groups: Vec<(Kind, Vec<ScoredPoint>)> = Vec::new();
        for point in shard.query(all)? {
            for value in self.values(&point) {
                match groups.iter().position(|(known, _)| *known == value) {
                    Some(place) if groups[place].1.len() < self.group_size => {
                        groups[place].1.push(point.clone());
                    }
                    None if groups.len() < self.groups => groups.push((value, vec![point.clone()])),
                    _ => {}
                }
            }
        }
        groups
            .into_iter()
            .map(|(value, mut hits)| {
                for hit in &mut hits {
                    let parts = (Some(payload.clone()), Some(vectors.clone()));
                    let record = shard.retrieve(&[hit.id], parts.0, parts.1)?.pop();
                    (hit.payload, hit.vector) =
                        record.map_or((None, None), |record| (record.payload, record.vector));
                }
                Ok(PointGroup {
                    id: Some(GroupId { kind: Some(value) }),
                    hits: hits.into_iter().map(result::scored).collect(),
                    lookup: None,
                })
            })
            .collect()
    }

    /// The point's values that can name a group: texts and integers, each element of a list.
    fn values(&self, point: &ScoredPoint) -> Vec<Kind> {
        let mut kinds = Vec::new();
        let Some(payload) = &point.payload else {
            return kinds;
        };
        let values = self.group_by.value_get(&payload.0).into_iter();
        for value in values.flat_map(|value| match value {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        }) {
            let kind = match value {
                Value::String(text) => Kind::StringValue(text.clone()),
                Value::Number(number) => match (number.as_u64(), number.as_i64()) {
                    (Some(number), _) => Kind::UnsignedValue(number),
                    (None, Some(number)) => Kind::IntegerValue(number),
                    (None, None) => continue,
                },
                _ => continue,
            };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }
}

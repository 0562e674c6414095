//! Points to be like, or unlike.

use std::collections::HashMap;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::vectors_output::VectorsOptions;
use qdrant_client::qdrant::{self as q, PointId, RecommendStrategy};

use crate::collection::{Shape, Vector};
use crate::database::Session;
use crate::error::Error;
use crate::value::{id_text, ids_from_values};

/// The most points of either kind.
const MOST: usize = 100;

/// The points of a search.
#[derive(Debug)]
pub(super) struct Like {
    like: Vec<PointId>,
    unlike: Vec<PointId>,
}

impl Like {
    /// The points that the caller names; `None` without any.
    pub(super) fn of(request: &pb::SearchRequest) -> Result<Option<Self>, Fault> {
        for (field, ids) in [
            ("like_ids", &request.like_ids),
            ("unlike_ids", &request.unlike_ids),
        ] {
            if ids.len() > MOST {
                let message = format!("{field} has {} ids; at most {MOST} are taken", ids.len());
                return Err(Fault::argument(field, message));
            }
        }
        let like = ids_from_values("like_ids", &request.like_ids)?;
        let unlike = ids_from_values("unlike_ids", &request.unlike_ids)?;
        if let Some(both) = like.iter().find(|id| unlike.contains(id)) {
            let message = format!("point {} stands in like_ids and in unlike_ids", id_text(both));
            return Err(Fault::argument("unlike_ids", message));
        }
        let any = !like.is_empty() || !unlike.is_empty();
        Ok(any.then_some(Self { like, unlike }))
    }

    /// The query. The points are looked up first: the server names only one that is missing, and says nothing of those that have no
    /// such vector.
    pub(super) async fn query(
        self,
        session: &Session,
        shape: &Shape,
        vector: &Vector,
        notices: &mut Vec<String>,
    ) -> Result<q::Query, Error> {
        let has_vector = self.look_up(session, shape, vector).await?;
        let (mut missing, mut without) = (vec![], vec![]);
        for id in self.like.iter().chain(&self.unlike) {
            match has_vector.get(&id_text(id)) {
                None => missing.push(id_text(id)),
                Some(false) => without.push(id_text(id)),
                Some(true) => {}
            }
        }
        if !missing.is_empty() {
            let message = format!("`{}` has no point {}", shape.name(), missing.join(", "));
            return Err(Fault::new(Reason::ObjectNotFound, message).into());
        }
        let serves = |ids: &[PointId]| ids.iter().any(|id| has_vector.get(&id_text(id)) == Some(&true));
        if !without.is_empty() {
            let message = format!("point {} has no {}", without.join(", "), vector.title());
            // Without one to be like, the others can't be averaged.
            if !serves(if self.like.is_empty() {
                &self.unlike
            } else {
                &self.like
            }) {
                let message = format!("{message}: name another vector with using");
                return Err(Fault::argument("like_ids", message).into());
            }
            notices.push(format!("{message} and counts for nothing"));
        }
        let strategy = if self.like.is_empty() {
            notices.push(
                "score tells how unlike a point is: below 0, and the higher the more unlike".to_owned(),
            );
            RecommendStrategy::BestScore
        } else {
            RecommendStrategy::AverageVector
        };
        let inputs = |ids: Vec<PointId>| {
            let input = |id| q::VectorInput {
                variant: Some(q::vector_input::Variant::Id(id)),
            };
            let ids = ids.into_iter().filter(|id| !without.contains(&id_text(id)));
            ids.map(input).collect()
        };
        Ok(q::Query {
            variant: Some(q::query::Variant::Recommend(q::RecommendInput {
                positive: inputs(self.like),
                negative: inputs(self.unlike),
                strategy: Some(strategy.into()),
            })),
        })
    }

    /// Whether each point that there is has the vector.
    async fn look_up(
        &self,
        session: &Session,
        shape: &Shape,
        vector: &Vector,
    ) -> Result<HashMap<String, bool>, Error> {
        use q::with_payload_selector::SelectorOptions as Payload;
        use q::with_vectors_selector::SelectorOptions as Vectors;
        let vectors = if vector.name.is_empty() {
            Vectors::Enable(true)
        } else {
            Vectors::Include(q::VectorsSelector {
                names: vec![vector.name.clone()],
            })
        };
        let request = q::GetPoints {
            ids: self.like.iter().chain(&self.unlike).cloned().collect(),
            with_payload: Some(q::WithPayloadSelector {
                selector_options: Some(Payload::Enable(false)),
            }),
            with_vectors: Some(q::WithVectorsSelector {
                selector_options: Some(vectors),
            }),
            ..q::GetPoints::default()
        };
        let points = session.ask(&shape.collection, request).await?.result;
        let of_point = points.into_iter().map(|point| {
            let options = point.vectors.and_then(|vectors| vectors.vectors_options);
            let has = match options {
                Some(VectorsOptions::Vector(_)) => vector.name.is_empty(),
                Some(VectorsOptions::Vectors(named)) => named.vectors.contains_key(&vector.name),
                None => false,
            };
            (point.id.as_ref().map(id_text).unwrap_or_default(), has)
        });
        Ok(of_point.collect())
    }
}

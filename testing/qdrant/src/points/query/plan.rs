//! A query as the engine takes it: ids of points become their vectors, and texts become vectors too.

use std::sync::Arc;

use qdrant_client::qdrant::{LookupLocation, PrefetchQuery, Query, QueryPoints, VectorInput, vector_input};
use qdrant_edge::{
    Condition, Filter, HasIdCondition, PointId, Prefetch, QueryRequest, ScoringQuery, VectorInternal,
};

use super::{DEFAULT_LIMIT, score};
use crate::convert::{count, filter, id, select, vector};
use crate::error::{Error, Result};
use crate::inference;
use crate::storage::{Collection, Storage};
use crate::validate;

/// What is known while a query is translated.
pub(super) struct Planner<'a> {
    storage: &'a Storage,
    name: String,
    collection: Arc<Collection>,
    /// The points of this collection that the query names: they are no answer to it.
    named: Vec<PointId>,
}

/// Where a part of a query finds the vectors of the points that it names.
pub(super) struct Source {
    /// Another collection than the one that is searched.
    collection: Option<String>,
    vector: String,
}

impl<'a> Planner<'a> {
    /// For the collection of this name or alias.
    pub(super) fn new(storage: &'a Storage, name: &str) -> Result<Self> {
        Ok(Self {
            storage,
            name: name.to_owned(),
            collection: storage.get(name)?,
            named: Vec::new(),
        })
    }

    /// The collection that is searched.
    pub(super) fn collection(&self) -> &Collection {
        &self.collection
    }

    /// The whole query.
    pub(super) fn request(&mut self, request: QueryPoints) -> Result<QueryRequest> {
        let using = request.using.unwrap_or_default();
        let limit = count(request.limit.unwrap_or(DEFAULT_LIMIT));
        let prefetches = self.prefetches(request.prefetch)?;
        let query = self.scoring(request.query, using, request.lookup_from, limit)?;
        check(query.as_ref(), !prefetches.is_empty(), request.score_threshold)?;
        // The order of a sample means nothing, so its offset does not either.
        let sampled = prefetches.is_empty() && matches!(query, Some(ScoringQuery::Sample(_)));
        let offset = if sampled {
            0
        } else {
            request.offset.unwrap_or_default()
        };
        Ok(QueryRequest {
            prefetches,
            query,
            filter: self.without_named(filter::optional(request.filter)?),
            score_threshold: request.score_threshold.map(Into::into),
            limit,
            offset: count(offset),
            params: request.params.map(select::params),
            with_vector: select::vectors(request.with_vectors),
            with_payload: select::payload(request.with_payload)?.unwrap_or_default(),
        })
    }

    fn prefetches(&mut self, prefetches: Vec<PrefetchQuery>) -> Result<Vec<Prefetch>> {
        let prefetches = prefetches.into_iter().enumerate();
        prefetches
            .map(|(number, prefetch)| {
                self.prefetch(prefetch)
                    .map_err(|error| error.within(&format!("prefetch[{number}]")))
            })
            .collect()
    }

    fn prefetch(&mut self, prefetch: PrefetchQuery) -> Result<Prefetch> {
        validate::not_zero("limit", prefetch.limit)?;
        let using = prefetch.using.unwrap_or_default();
        let limit = count(prefetch.limit.unwrap_or(DEFAULT_LIMIT));
        let prefetches = self.prefetches(prefetch.prefetch)?;
        let query = self.scoring(prefetch.query, using, prefetch.lookup_from, limit)?;
        check(query.as_ref(), !prefetches.is_empty(), prefetch.score_threshold)?;
        Ok(Prefetch {
            prefetches,
            query,
            limit,
            params: prefetch.params.map(select::params),
            filter: filter::optional(prefetch.filter)?,
            score_threshold: prefetch.score_threshold.map(Into::into),
        })
    }

    fn scoring(
        &mut self,
        query: Option<Query>,
        using: String,
        lookup: Option<LookupLocation>,
        limit: usize,
    ) -> Result<Option<ScoringQuery>> {
        let Some(query) = query else { return Ok(None) };
        let (collection, vector) = match lookup {
            Some(lookup) => (Some(lookup.collection_name), lookup.vector_name),
            None => (None, None),
        };
        let source = Source {
            collection: collection.filter(|collection| *collection != self.name),
            vector: vector.unwrap_or_else(|| using.clone()),
        };
        score::query(self, &source, query, using, limit)
            .map(Some)
            .map_err(|error| error.within("query.variant"))
    }

    /// The vector that a client gives, or names by a point, or wants of a text.
    pub(super) fn vector(&mut self, source: &Source, input: VectorInput) -> Result<VectorInternal> {
        match input.variant {
            Some(vector_input::Variant::Id(point)) => self.vector_of(source, id::from_api(point)?),
            Some(vector_input::Variant::Dense(vector)) => Ok(VectorInternal::Dense(vector.data)),
            Some(vector_input::Variant::Sparse(vector)) => {
                vector::sparse(vector.indices, vector.values).map_err(|error| error.within("variant"))
            }
            Some(vector_input::Variant::MultiDense(vectors)) => {
                vector::multi(vectors).map_err(|error| error.within("variant"))
            }
            Some(vector_input::Variant::Document(document)) => inference::searched(document),
            Some(vector_input::Variant::Image(_) | vector_input::Variant::Object(_)) => {
                Err(Error::Inference(inference::remote().into()))
            }
            None => Err(Error::malformed("VectorInput variant is missing")),
        }
    }

    fn vector_of(&mut self, source: &Source, point: PointId) -> Result<VectorInternal> {
        let record = if let Some(name) = &source.collection {
            let collection = self.storage.get(name);
            let collection = collection.map_err(|_| Error::NoLookup(name.clone()))?;
            collection.point(point, &source.vector)?
        } else {
            self.named.push(point);
            self.collection.point(point, &source.vector)?
        };
        let record = record.ok_or(Error::NoPoint(point))?;
        match record.get_vector_by_name(&source.vector) {
            Some(vector) => Ok(vector.to_owned()),
            None => Err(Error::NoVector(source.vector.clone())),
        }
    }

    fn without_named(&self, filter: Option<Filter>) -> Option<Filter> {
        if self.named.is_empty() {
            return filter;
        }
        let named = Condition::HasId(self.named.iter().copied().collect::<HasIdCondition>());
        let mut filter = filter.unwrap_or_default();
        filter.must_not.get_or_insert_default().push(named);
        Some(filter)
    }
}

/// The combinations that Qdrant never takes.
fn check(query: Option<&ScoringQuery>, prefetches: bool, threshold: Option<f32>) -> Result<()> {
    let refuse = |reason: &str| Err(Error::BadRequest(reason.to_owned()));
    match query {
        None if prefetches => refuse(
            "A query is needed to merge the prefetches. Can't have prefetches without defining a query.",
        ),
        None if threshold.is_some() => refuse(
            "A query is needed to use the score_threshold. Can't have score_threshold without defining a query.",
        ),
        Some(ScoringQuery::OrderBy(_)) if threshold.is_some() => {
            refuse("Can't use score_threshold with an order_by query.")
        }
        _ => Ok(()),
    }
}

//! How a query scores points.

use qdrant_client::qdrant::query::Variant;
use qdrant_client::qdrant::{
    ContextInput, ContextInputPair, DiscoverInput, Fusion as ApiFusion, Mmr as ApiMmr, NearestInputWithMmr,
    Query as ApiQuery, RecommendInput, RecommendStrategy, Rrf, Sample as ApiSample, VectorInput,
};
use qdrant_edge::{
    ContextPair, ContextQuery, DiscoverQuery, Fusion, Mmr, NamedQuery, QueryEnum, RecommendQuery, Sample,
    ScoringQuery, VectorInternal,
};

use super::average::average;
use super::plan::{Planner, Source};
use crate::convert::{count, select};
use crate::error::{Error, Result};

/// Qdrant's constant of reciprocal rank fusion.
const RRF_K: usize = 2;
/// How much maximal marginal relevance heeds relevance.
const MMR_LAMBDA: f32 = 0.5;

/// The query of one stage.
pub(super) fn query(
    planner: &mut Planner<'_>,
    source: &Source,
    query: ApiQuery,
    using: String,
    limit: usize,
) -> Result<ScoringQuery> {
    let variant = query
        .variant
        .ok_or_else(|| Error::malformed("Query variant is missing"))?;
    let scoring = match variant {
        Variant::Nearest(input) => {
            let vector = planner.vector(source, input)?;
            QueryEnum::Nearest(NamedQuery::new(vector, using))
        }
        Variant::Recommend(input) => recommend(planner, source, input, using)?,
        Variant::Discover(input) => {
            let query = discover(planner, source, input)?;
            QueryEnum::Discover(NamedQuery::new(query, using))
        }
        Variant::Context(input) => {
            let query = ContextQuery {
                pairs: pairs(planner, source, input)?,
            };
            QueryEnum::Context(NamedQuery::new(query, using))
        }
        Variant::NearestWithMmr(input) => return mmr(planner, source, input, using, limit),
        Variant::Fusion(_) | Variant::Rrf(_) if !using.is_empty() => {
            return Err(Error::BadRequest(
                "Fusion queries cannot be combined with the 'using' field.".to_owned(),
            ));
        }
        Variant::Fusion(number) => return fusion(number).map(ScoringQuery::Fusion),
        Variant::Rrf(rrf) => return Ok(ScoringQuery::Fusion(weighted(rrf))),
        Variant::OrderBy(order) => return select::order(order).map(ScoringQuery::OrderBy),
        Variant::Sample(number) => return sample(number).map(ScoringQuery::Sample),
        Variant::Formula(_) => return Err(Error::Unimplemented("formula queries")),
        Variant::RelevanceFeedback(_) => return Err(Error::Unimplemented("relevance feedback")),
    };
    Ok(ScoringQuery::Vector(scoring))
}

fn recommend(
    planner: &mut Planner<'_>,
    source: &Source,
    input: RecommendInput,
    using: String,
) -> Result<QueryEnum> {
    let strategy = input.strategy();
    let mut vectors = |inputs: Vec<VectorInput>| {
        inputs
            .into_iter()
            .map(|input| planner.vector(source, input))
            .collect::<Result<Vec<VectorInternal>>>()
    };
    let (positive, negative) = (vectors(input.positive)?, vectors(input.negative)?);
    Ok(match strategy {
        RecommendStrategy::AverageVector => {
            let average = average(positive, negative)?;
            QueryEnum::Nearest(NamedQuery::new(average, using))
        }
        RecommendStrategy::BestScore => {
            QueryEnum::RecommendBestScore(NamedQuery::new(RecommendQuery::new(positive, negative), using))
        }
        RecommendStrategy::SumScores => {
            QueryEnum::RecommendSumScores(NamedQuery::new(RecommendQuery::new(positive, negative), using))
        }
    })
}

fn discover(
    planner: &mut Planner<'_>,
    source: &Source,
    input: DiscoverInput,
) -> Result<DiscoverQuery<VectorInternal>> {
    let target = input
        .target
        .ok_or_else(|| Error::malformed("DiscoverInput target is missing"))?;
    let context = input
        .context
        .ok_or_else(|| Error::malformed("DiscoverInput context is missing"))?;
    let target = planner.vector(source, target)?;
    Ok(DiscoverQuery::new(target, pairs(planner, source, context)?))
}

fn pairs(
    planner: &mut Planner<'_>,
    source: &Source,
    context: ContextInput,
) -> Result<Vec<ContextPair<VectorInternal>>> {
    let pair = |pair: ContextInputPair| {
        let missing = |side| Error::malformed(format!("ContextPair {side} is missing"));
        let positive = pair.positive.ok_or_else(|| missing("positive"))?;
        let negative = pair.negative.ok_or_else(|| missing("negative"))?;
        Ok(ContextPair {
            positive: planner.vector(source, positive)?,
            negative: planner.vector(source, negative)?,
        })
    };
    context.pairs.into_iter().map(pair).collect()
}

fn mmr(
    planner: &mut Planner<'_>,
    source: &Source,
    input: NearestInputWithMmr,
    using: String,
    limit: usize,
) -> Result<ScoringQuery> {
    let nearest = input
        .nearest
        .ok_or_else(|| Error::malformed("nearest vector is missing"))?;
    let ApiMmr {
        diversity,
        candidates_limit,
    } = input.mmr.ok_or_else(|| Error::malformed("mmr is missing"))?;
    if let Some(diversity) = diversity.filter(|diversity| !(0.0..=1.0).contains(diversity)) {
        return Err(Error::invalid(
            "mmr.diversity",
            format!("value {diversity:?} invalid, must be from 0.0 to 1.0"),
        ));
    }
    Ok(ScoringQuery::Mmr(Mmr {
        vector: planner.vector(source, nearest)?,
        using,
        lambda: diversity.map_or(MMR_LAMBDA, |diversity| 1.0 - diversity).into(),
        candidates_limit: candidates_limit.map_or(limit, |limit| count(limit.into())),
    }))
}

fn fusion(number: i32) -> Result<Fusion> {
    match ApiFusion::try_from(number) {
        Ok(ApiFusion::Rrf) => Ok(Fusion::Rrf {
            k: RRF_K,
            weights: None,
        }),
        Ok(ApiFusion::Dbsf) => Ok(Fusion::Dbsf),
        Err(_) => Err(Error::malformed(format!("invalid fusion type value {number}"))),
    }
}

fn weighted(rrf: Rrf) -> Fusion {
    let weights: Vec<_> = rrf.weights.into_iter().map(Into::into).collect();
    Fusion::Rrf {
        k: rrf.k.map_or(RRF_K, |k| count(k.into())),
        weights: Some(weights).filter(|weights| !weights.is_empty()),
    }
}

fn sample(number: i32) -> Result<Sample> {
    match ApiSample::try_from(number) {
        Ok(ApiSample::Random) => Ok(Sample::Random),
        Err(_) => Err(Error::malformed(format!("invalid sample type value {number}"))),
    }
}

//! `Count`: how many points match, and how many have each value of a payload key.

use std::time::Duration;

use mcp_hub_chassis::arguments::{Bounds, FOLLOWED_TIMEOUT_MS, TIMEOUT_MS};
use mcp_hub_chassis::progress::{self, Counter};
use mcp_hub_chassis::stream::Stream;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::qdrant::v1 as pb;
use qdrant_client::qdrant::facet_value::Variant;
use qdrant_client::qdrant::{CountPoints, FacetCounts, FacetHit, Filter};

use crate::collection::{Index, Shape};
use crate::database::{Database, Name, Session};
use crate::error::Error;
use crate::filter;
use crate::guard::guard;
use crate::value::of;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 20,
    maximum: 1000,
};

/// Counts points, exactly.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for the collection, `ARGUMENT_INVALID` for a key without an index that counts, the server's error, time-outs.
pub(crate) async fn count(
    database: &Database,
    request: &pb::CountRequest,
    remaining: Option<Duration>,
) -> Result<pb::CountResponse, Fault> {
    let mut notices = vec![];
    let timeout = TIMEOUT_MS.timeout(request.timeout_ms, remaining, &mut notices)?;
    run(database, request, timeout, notices, &Counter::default()).await
}

/// Does the same for a caller that wants to know that it goes on, and so waits longer. A caller that goes away cancels it.
///
/// # Errors
/// A wrong `timeout_ms`; everything else comes down the stream.
pub(crate) fn follow(
    database: Database,
    request: pb::CountRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<pb::FollowCountResponse>, Fault> {
    let mut notices = vec![];
    let timeout = FOLLOWED_TIMEOUT_MS.timeout(request.timeout_ms, remaining, &mut notices)?;
    let message = |progress, response| pb::FollowCountResponse { progress, response };
    Ok(progress::follow(
        lifecycle,
        timeout,
        message,
        move |counter| async move { run(&database, &request, timeout, notices, &counter).await },
    ))
}

/// Counts within `timeout`, and says what is done now.
async fn run(
    database: &Database,
    request: &pb::CountRequest,
    timeout: Duration,
    mut notices: Vec<String>,
    counter: &Counter,
) -> Result<pb::CountResponse, Fault> {
    let limit = guard(|| LIMIT.apply(request.limit, &mut notices))?;
    let session = database.read(timeout);
    counter.phase("looking at the collection");
    let shape = session.shape(&request.collection).await?;
    let filter = filter::parse(request.filter.as_ref(), &shape, &mut notices)?;
    let facet_key = request.facet_key.as_deref().filter(|key| !key.is_empty());
    let facets = async {
        match facet_key {
            Some(key) => facets(&session, &shape, key, filter.clone(), limit).await,
            None => Ok(vec![]),
        }
    };
    counter.phase("counting");
    let (count, facets) = tokio::try_join!(exact(&session, &shape.collection, filter.clone()), facets)?;
    let mut facets = facets;
    if facets.len() > limit as usize {
        facets.truncate(limit as usize);
        notices.push(format!(
            "there are more values: these are the {limit} most frequent"
        ));
    }
    Ok(pb::CountResponse {
        count,
        facets: facets.into_iter().map(facet).collect(),
        notices,
    })
}

/// The exact number of points that match; `None` if the server does not say.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for the collection, the server's error, time-outs.
pub(crate) async fn exact(
    session: &Session,
    collection: &Name,
    filter: Option<Filter>,
) -> Result<Option<u64>, Error> {
    let request = CountPoints {
        filter,
        exact: Some(true),
        ..CountPoints::default()
    };
    let answer = session.ask(collection, request).await?;
    Ok(answer.result.map(|result| result.count))
}

/// One more than `limit` of them, which tells whether there are more.
async fn facets(
    session: &Session,
    shape: &Shape,
    key: &str,
    filter: Option<Filter>,
    limit: u32,
) -> Result<Vec<FacetHit>, Error> {
    let key = shape.indexed("facet_key", key, Index::counts, session.config())?;
    let request = FacetCounts {
        key,
        filter,
        limit: Some(u64::from(limit) + 1),
        exact: Some(true),
        ..FacetCounts::default()
    };
    Ok(session.ask(&shape.collection, request).await?.hits)
}

fn facet(hit: FacetHit) -> pb::Facet {
    let value: Option<Value> = hit.value.and_then(|value| value.variant).map(|value| {
        of(match value {
            Variant::StringValue(text) => Kind::Text(text),
            Variant::IntegerValue(number) => Kind::Int(number),
            Variant::BoolValue(value) => Kind::Bool(value),
        })
    });
    pb::Facet {
        value,
        count: Some(hit.count),
    }
}

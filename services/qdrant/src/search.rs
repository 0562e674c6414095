//! `Search`: the points that are nearest to a text, a vector or other points.
//!
//! A search has one [`Leg`] for each vector that is asked, or, for a text, one by meaning and one by words, whose ranks Qdrant fuses.
//! [`choice`] and [`text`] decide on the vectors, [`like`] is about points, and what is sent is made in [`request`].

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Caps, Push};
use mcp_hub_chassis::arguments::{Bounds, FOLLOWED_TIMEOUT_MS, TIMEOUT_MS};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_chassis::progress::{self, Counter};
use mcp_hub_chassis::stream::Stream;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::value::Kind;
use mcp_hub_proto::qdrant::v1 as pb;
use prost::Message as _;
use qdrant_client::qdrant as q;

use crate::binding::Bindings;
use crate::collection;
use crate::database::{Database, Session};
use crate::embedding::Embeddings;
use crate::error::Error;
use crate::filter;
use crate::guard::guard;
use crate::row::{Columns, Table};
use crate::vector::Vector;

mod choice;
mod like;
mod request;
mod text;

use like::Like;
use request::Request;
use text::Text;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 5,
    maximum: 1_000,
};

const GROUP_SIZE: Bounds = Bounds {
    field: "group_size",
    default: 1,
    maximum: 100,
};

/// The longest text that is searched for. Models read far less.
const LONGEST_TEXT: usize = 10_000;

/// How far a search can be paged: the server finds all points before a page again.
const FURTHEST: u64 = 10_000;

/// What is asked of one vector.
#[derive(Clone, Debug)]
struct Leg<'s> {
    vector: &'s collection::Vector,
    query: q::Query,
}

/// Searches.
///
/// # Errors
/// Wrong arguments, among them vectors that fit no vector of the collection; `NOT_SUPPORTED` for text where nothing makes vectors of
/// it; `EMBEDDINGS_UNAVAILABLE`; the server's error, time-outs.
pub(crate) async fn search(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::SearchRequest,
    remaining: Option<Duration>,
) -> Result<pb::SearchResponse, Fault> {
    let mut notices = vec![];
    let timeout = TIMEOUT_MS.timeout(request.timeout_ms, remaining, &mut notices)?;
    run(
        database,
        embeddings,
        request,
        timeout,
        notices,
        &Counter::default(),
    )
    .await
}

/// Does the same for a caller that wants to know what is done, and so waits longer. A caller that goes away cancels it.
///
/// # Errors
/// A wrong `timeout_ms`; everything else comes down the stream.
pub(crate) fn follow(
    database: Database,
    embeddings: Embeddings,
    request: pb::SearchRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<pb::FollowSearchResponse>, Fault> {
    let mut notices = vec![];
    let timeout = FOLLOWED_TIMEOUT_MS.timeout(request.timeout_ms, remaining, &mut notices)?;
    let message = |progress, response| pb::FollowSearchResponse { progress, response };
    Ok(progress::follow(
        lifecycle,
        timeout,
        message,
        move |counter| async move { run(&database, &embeddings, &request, timeout, notices, &counter).await },
    ))
}

/// Searches within `timeout`, and says what is done now.
async fn run(
    database: &Database,
    embeddings: &Embeddings,
    request: &pb::SearchRequest,
    timeout: Duration,
    mut notices: Vec<String>,
    counter: &Counter,
) -> Result<pb::SearchResponse, Fault> {
    let begun = Instant::now();
    let (limit, group_size, wanted, score_threshold) = guard(|| {
        Ok((
            LIMIT.apply(request.limit, &mut notices)?,
            GROUP_SIZE.apply(request.group_size, &mut notices)?,
            Wanted::of(request)?,
            threshold(request.score_threshold)?,
        ))
    })?;

    let session = database.read(timeout);
    counter.phase("looking at the collection");
    let shape = session.shape(&request.collection).await?;
    let filter = filter::parse(request.filter.as_ref(), &shape, &mut notices)?;
    let bindings = Bindings::of(&shape, embeddings);
    let search = Search {
        session: &session,
        bindings: &bindings,
        embeddings,
        request,
        scored: score_threshold.is_some(),
        counter,
    };
    let legs = search.legs(wanted, &mut notices).await?;
    if let [leg] = legs.as_slice() {
        notices.extend(choice::lower_is_better(leg.vector));
    }

    let statement = identity(request, &legs);
    let delivered = statement.delivered(request.cursor.as_deref())?;
    if delivered > FURTHEST {
        let message = format!("a search can't be paged further than {FURTHEST} matches: narrow it by filter");
        return Err(Fault::argument("cursor", message));
    }
    let group_by = request.group_by.as_deref().filter(|key| !key.is_empty());
    let group_by = group_by.map(filter::key).transpose();
    let group_by = group_by.map_err(|why| Fault::argument("group_by", format!("group_by: {why}")))?;
    let columns = Columns {
        score: true,
        group: group_by.is_some(),
        vectors: request.with_vectors(),
        payload: filter::keys("payload_fields", &request.payload_fields)?,
    };
    let asked = Request {
        legs,
        filter,
        score_threshold,
        delivered,
        limit,
        group_by: group_by.as_deref().map(|key| (key, group_size)),
        columns: &columns,
    };
    counter.phase("searching");
    let (points, rows) = Box::pin(asked.send(&session, &shape)).await?;

    let mut table = Table::new(columns, Caps::rows(rows));
    for point in points {
        if table.push(point)? != Push::Added {
            break;
        }
    }
    for notice in notices {
        table.notice(notice);
    }
    let result = table.finish(begun.elapsed(), |rows| {
        Some(statement.cursor(delivered + rows as u64))
    });
    Ok(pb::SearchResponse { result: Some(result) })
}

/// A search in a collection.
struct Search<'a, 's> {
    session: &'a Session,
    bindings: &'a Bindings<'s>,
    embeddings: &'a Embeddings,
    request: &'a pb::SearchRequest,
    /// Whether scores are compared with a threshold.
    scored: bool,
    counter: &'a Counter,
}

impl<'s> Search<'_, 's> {
    /// What is asked of the collection's vectors.
    async fn legs(&self, wanted: Wanted<'_>, notices: &mut Vec<String>) -> Result<Vec<Leg<'s>>, Error> {
        let using = self.request.using.as_deref().filter(|name| !name.is_empty());
        match wanted {
            Wanted::Text(words) => {
                let text = Text {
                    session: self.session,
                    bindings: self.bindings,
                    embeddings: self.embeddings,
                    words,
                    mode: self.request.mode(),
                    using,
                    scored: self.scored,
                    counter: self.counter,
                };
                text.legs(notices).await
            }
            Wanted::Vector(vector) => Ok(vec![Leg {
                vector: choice::for_vector(self.bindings, using, &vector)?,
                query: request::nearest(vector.into()),
            }]),
            Wanted::Like(like) => {
                let vector = choice::for_points(self.bindings, using)?;
                let shape = self.bindings.shape();
                let query = like.query(self.session, shape, vector, notices).await?;
                Ok(vec![Leg { vector, query }])
            }
        }
    }
}

/// What is looked for.
#[derive(Debug)]
enum Wanted<'a> {
    Text(&'a str),
    Vector(Vector),
    Like(Like),
}

impl<'a> Wanted<'a> {
    fn of(request: &'a pb::SearchRequest) -> Result<Self, Fault> {
        let text = request.query_text.as_deref().map(str::trim);
        let text = text.filter(|text| !text.is_empty());
        let vector = request
            .vector
            .as_ref()
            .filter(|vector| !matches!(vector.kind, None | Some(Kind::Null(_))));
        let like = Like::of(request)?;
        let wanted = match (text, vector, like) {
            (Some(text), None, None) => {
                let characters = text.chars().count();
                if characters > LONGEST_TEXT {
                    let message = format!(
                        "query_text has {characters} characters; at most {LONGEST_TEXT} are searched for"
                    );
                    return Err(Fault::argument("query_text", message));
                }
                return Ok(Self::Text(text));
            }
            (None, Some(vector), None) => Self::Vector(Vector::read("vector", vector)?),
            (None, None, Some(like)) => Self::Like(like),
            (None, None, None) => {
                return Err(Fault::argument(
                    "query_text",
                    "give query_text, vector, or like_ids; scroll reads points without a search",
                ));
            }
            _ => {
                return Err(Fault::argument(
                    "query_text",
                    "give one of query_text, vector, and like_ids with unlike_ids: each is a search of its own",
                ));
            }
        };
        match request.mode() {
            pb::SearchMode::Unspecified | pb::SearchMode::Auto => Ok(wanted),
            _ => Err(Fault::argument(
                "mode",
                "mode is about query_text; the vector to search is named by using",
            )),
        }
    }
}

/// A threshold in the precision of Qdrant's scores.
fn threshold(given: Option<f64>) -> Result<Option<f32>, Fault> {
    let Some(given) = given else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, reason = "scores are of single precision")]
    let threshold = given as f32;
    if threshold.is_finite() {
        Ok(Some(threshold))
    } else {
        Err(Fault::argument(
            "score_threshold",
            "score_threshold is not a finite number",
        ))
    }
}

/// What a cursor must fit: all that decides which points come in which order, also the vectors that are searched.
fn identity(request: &pb::SearchRequest, legs: &[Leg<'_>]) -> Statement {
    let request = pb::SearchRequest {
        cursor: None,
        limit: None,
        timeout_ms: None,
        ..request.clone()
    };
    let request = request.encode_to_vec();
    let vectors = legs.iter().map(|leg| leg.vector.name.as_bytes());
    Statement::of([request.as_slice()].into_iter().chain(vectors))
}

/// Runs what belongs to a call but is not asked of the server, within the call's limit.
async fn within<T>(session: &Session, work: impl Future<Output = Result<T, Fault>>) -> Result<T, Error> {
    match tokio::time::timeout(session.remaining(), work).await {
        Ok(result) => Ok(result?),
        Err(_) => Err(Error::TimedOut(session.timeout())),
    }
}

//! `Scroll` and `StreamScroll`: the points of a collection, page by page or all in a row.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Caps, Push};
use mcp_hub_chassis::arguments::{Bounds, FOLLOWED_TIMEOUT_MS, TIMEOUT_MS};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_chassis::progress::{self, Counter};
use mcp_hub_chassis::stream::Stream;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::qdrant::v1 as pb;
use prost::Message;

use crate::collection::Shape;
use crate::config::Config;
use crate::database::Database;
use crate::filter;
use crate::guard::guard;
use crate::row::{Columns, Table};

mod order;
mod position;
mod reader;
mod stream;

use order::Order;
pub(crate) use position::Position;
pub(crate) use reader::{Reader, Wanted};
pub(crate) use stream::stream;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 100,
    maximum: 10_000,
};

/// Reads a page of points.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for the collection, wrong arguments, the server's error, time-outs.
pub(crate) async fn scroll(
    database: &Database,
    request: &pb::ScrollRequest,
    remaining: Option<Duration>,
) -> Result<pb::ScrollResponse, Fault> {
    let mut notices = vec![];
    let timeout = TIMEOUT_MS.timeout(request.timeout_ms, remaining, &mut notices)?;
    page(database, request, timeout, notices, Counter::default()).await
}

/// Does the same for a caller that wants to know how far it is, and so waits longer. A caller that goes away cancels it.
///
/// # Errors
/// A wrong `timeout_ms`; everything else comes down the stream.
pub(crate) fn follow(
    database: Database,
    request: pb::ScrollRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<pb::FollowScrollResponse>, Fault> {
    let mut notices = vec![];
    let timeout = FOLLOWED_TIMEOUT_MS.timeout(request.timeout_ms, remaining, &mut notices)?;
    let message = |progress, response| pb::FollowScrollResponse { progress, response };
    Ok(progress::follow(
        lifecycle,
        timeout,
        message,
        move |counter| async move { page(&database, &request, timeout, notices, counter).await },
    ))
}

/// Reads a page within `timeout`, and counts the points that come.
async fn page(
    database: &Database,
    request: &pb::ScrollRequest,
    timeout: Duration,
    mut notices: Vec<String>,
    counter: Counter,
) -> Result<pb::ScrollResponse, Fault> {
    let begun = Instant::now();
    let (limit, columns) = guard(|| {
        let columns = Columns {
            payload: filter::keys("payload_fields", &request.payload_fields)?,
            vectors: request.with_vectors(),
            ..Columns::default()
        };
        Ok((LIMIT.apply(request.limit, &mut notices)?, columns))
    })?;
    let session = database.read(timeout);
    counter.phase("looking at the collection");
    let shape = session.shape(&request.collection).await?;
    let order = order(request, &shape, session.config())?;
    let statement = identity(&shape, request);
    let position = match statement.position(request.cursor.as_deref())? {
        Some(bytes) => Position::decode(&bytes, order.is_some())?,
        None => Position::Start,
    };
    let wanted = Wanted {
        filter: filter::parse(request.filter.as_ref(), &shape, &mut notices)?,
        order,
        columns: columns.clone(),
    };
    if let (Some(order), Position::Start) = (&wanted.order, &position)
        && order.leaves_out_points(&shape)
    {
        notices.push(format!("points without \"{}\" are left out", order.key()));
    }

    counter.phase("reading points");
    let mut table = Table::new(columns, Caps::rows(limit)).counted(counter);
    for notice in notices {
        table.notice(notice);
    }
    let mut reader = Reader::new(&session, &shape.collection, wanted, position);
    let mut next = None;
    // One more than is shown tells whether there are more, and where they begin.
    'page: while let Some(points) = reader.next(limit as usize + 1 - table.rows()).await? {
        for (position, point) in points {
            if table.push(point.into())? != Push::Added {
                next = Some(position);
                break 'page;
            }
        }
    }
    let result = table.finish(begun.elapsed(), |_| Some(statement.cursor_at(&next?.encode())));
    Ok(pb::ScrollResponse { result: Some(result) })
}

fn order(request: &pb::ScrollRequest, shape: &Shape, config: &Config) -> Result<Option<Order>, Fault> {
    let text = request.order_by.as_deref().map(str::trim);
    let text = text.filter(|text| !text.is_empty());
    text.map(|text| Order::parse(text, shape, config)).transpose()
}

/// What a cursor must fit: what is asked for, and in what order. How much of each point is shown may change.
fn identity(shape: &Shape, request: &pb::ScrollRequest) -> Statement {
    let filter = request.filter.as_ref().map(Message::encode_to_vec);
    let order_by = request.order_by.as_deref().unwrap_or_default().trim();
    Statement::of([
        shape.name().as_bytes(),
        filter.unwrap_or_default().as_slice(),
        order_by.as_bytes(),
    ])
}

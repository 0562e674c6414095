//! `StreamScroll`: all points, in batches, with no more memory than a few of them.

use std::time::{Duration, Instant};

use mcp_hub_chassis::stream::{self, BATCH_BYTES, BATCH_ROWS, ROW_BYTES, Sender, Stream};
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{self as data, ResultSet};
use mcp_hub_proto::qdrant::v1::{StreamScrollRequest, StreamScrollResponse};
use prost::Message as _;

use super::position::Position;
use super::reader::{Reader, Wanted};
use crate::database::Database;
use crate::error::Error;
use crate::filter;
use crate::guard::guard;
use crate::row::{Columns, Point};

/// The points as they come. A caller that goes away cancels it.
///
/// # Errors
/// Wrong arguments; everything that the server is asked for comes down the stream.
pub(crate) fn stream(
    database: Database,
    request: StreamScrollRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<StreamScrollResponse>, Fault> {
    let (timeout, columns) = guard(|| {
        let columns = Columns {
            payload: filter::keys("payload_fields", &request.payload_fields)?,
            vectors: request.with_vectors(),
            ..Columns::default()
        };
        let timeout = stream::timeout(request.limit, request.timeout_ms, remaining)?;
        Ok((timeout, columns))
    })?;
    Ok(stream::start(lifecycle, move |sender| async move {
        Ok(send_all(&database, &request, columns, timeout, &sender).await?)
    }))
}

async fn send_all(
    database: &Database,
    request: &StreamScrollRequest,
    columns: Columns,
    timeout: Duration,
    sender: &Sender<StreamScrollResponse>,
) -> Result<(), Error> {
    let begun = Instant::now();
    let session = database.read(timeout);
    let shape = session.shape(&request.collection).await?;
    let mut batches = Batches {
        sender,
        batch: ResultSet {
            columns: columns.columns(),
            ..ResultSet::default()
        },
        bytes: 0,
        columns: columns.clone(),
    };
    let wanted = Wanted {
        filter: filter::parse(request.filter.as_ref(), &shape, &mut batches.batch.notices)?,
        order: None,
        columns,
    };
    let notices = std::mem::take(&mut batches.batch.notices);
    let mut reader = Reader::new(&session, &shape.collection, wanted, Position::Start);
    let mut left = request
        .limit
        .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
    let mut more = false;
    'all: while let Some(points) = reader.next(left.saturating_add(1)).await? {
        for (_, point) in points {
            if left == 0 {
                more = true;
                break 'all;
            }
            left -= 1;
            if !batches.push(point.into()).await? {
                return Ok(());
            }
        }
    }
    batches.batch.notices = notices;
    batches.batch.elapsed_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    batches.batch.truncated = more.then(|| data::Truncation {
        reason: data::TruncationReason::Rows.into(),
        next_cursor: None,
        consistent: None,
    });
    batches.send().await;
    Ok(())
}

/// Batches on their way to the caller.
struct Batches<'a> {
    sender: &'a Sender<StreamScrollResponse>,
    batch: ResultSet,
    bytes: usize,
    columns: Columns,
}

impl Batches<'_> {
    /// Adds a point; `false` when the caller has gone.
    async fn push(&mut self, point: Point) -> Result<bool, Error> {
        let row = self.columns.row(point);
        let bytes = row.encoded_len();
        if bytes > ROW_BYTES {
            return Err(Error::TooLarge(format!(
                "a point has {bytes} bytes, more than a message can hold: ask for fewer payload_fields, or without vectors"
            )));
        }
        // Before, so that the last batch, which tells the end, has the last points too.
        let full = self.batch.rows.len() >= BATCH_ROWS || self.bytes + bytes > BATCH_BYTES;
        if full && !self.batch.rows.is_empty() && !self.send().await {
            return Ok(false);
        }
        self.bytes += bytes;
        self.batch.rows.push(row);
        Ok(true)
    }

    async fn send(&mut self) -> bool {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let response = StreamScrollResponse { result: Some(batch) };
        self.sender.send(Ok(response)).await.is_ok()
    }
}

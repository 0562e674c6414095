//! `StreamQuery`: all rows of a read, in batches, with no more memory than a few of them.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::stream::{self, BATCH_BYTES, BATCH_ROWS, ROW_BYTES, Sender, Stream};
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{self as data, ResultSet};
use mcp_hub_proto::mariadb::v1::{StreamQueryRequest, StreamQueryResponse};

use super::check_count;
use crate::catalogue;
use crate::database::Database;
use crate::error::Error;
use crate::execution::{Plan, Sink};
use crate::guard::{self, Read};
use crate::traced::Shown;

/// The rows of a read as they come. A caller that goes away cancels it.
///
/// # Errors
/// The guard's refusal and wrong arguments; everything later comes down the stream.
pub(crate) fn stream(
    database: Database,
    request: StreamQueryRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<Stream<StreamQueryResponse>, Fault> {
    let read = guard::read(&request.sql)?.into_owned();
    check_count(&read, request.params.len())?;
    let timeout = stream::timeout(request.limit, request.timeout_ms, remaining)?;
    Ok(stream::start(lifecycle, move |sender| async move {
        send_all(&database, &request, &read, timeout, &sender).await
    }))
}

async fn send_all(
    database: &Database,
    request: &StreamQueryRequest,
    read: &Read<'_>,
    timeout: Duration,
    sender: &Sender<StreamQueryResponse>,
) -> Result<(), Fault> {
    let begun = Instant::now();
    let name = request.database.as_deref();
    catalogue::check_read(database, name, read).await?;
    let mut transaction = database.read(name, timeout).await?;
    if read.changes_session {
        transaction.taint();
    }
    // One more than is sent tells whether there are more.
    transaction
        .begin(request.limit.map(|limit| u64::from(limit) + 1))
        .await?;
    let batches = Batches {
        sender: sender.clone(),
        left: request.limit,
        batch: ResultSet::default(),
        bytes: 0,
    };
    let plan = Plan::new(&read.text, &request.params);
    let shown = Shown::theirs(read.kind.operation(), &read.relations);
    let mut batches = transaction.execute(shown, plan, batches).await?.sink;
    batches.batch.notices = transaction.take_notices().await.unwrap_or_default();
    batches.batch.elapsed_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    batches.send().await;
    Ok(())
}

/// Batches on their way to the caller.
struct Batches {
    sender: Sender<StreamQueryResponse>,
    /// How many rows may still be sent.
    left: Option<u32>,
    batch: ResultSet,
    bytes: usize,
}

impl Sink for Batches {
    fn columns(&mut self, columns: Vec<data::Column>) {
        self.batch.columns = columns;
    }

    async fn row(&mut self, row: data::Row, bytes: usize) -> Result<bool, Error> {
        match &mut self.left {
            Some(0) => {
                self.batch.truncated = Some(data::Truncation {
                    reason: data::TruncationReason::Rows.into(),
                    next_cursor: None,
                    consistent: None,
                });
                return Ok(false);
            }
            Some(left) => *left -= 1,
            None => {}
        }
        if bytes > ROW_BYTES {
            let message =
                format!("a row has {bytes} bytes, more than a message can hold: select a part of it");
            return Err(Fault::new(Reason::ResultTooLarge, message).into());
        }
        // Before, so that the last batch, which tells the end, has the last rows too.
        let full = self.batch.rows.len() >= BATCH_ROWS || self.bytes + bytes > BATCH_BYTES;
        if full && !self.batch.rows.is_empty() && !self.send().await {
            return Ok(false);
        }
        self.bytes += bytes;
        self.batch.rows.push(row);
        Ok(true)
    }
}

impl Batches {
    /// Sends the batch; `false` when the caller has gone.
    async fn send(&mut self) -> bool {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let response = StreamQueryResponse { result: Some(batch) };
        self.sender.send(Ok(response)).await.is_ok()
    }
}

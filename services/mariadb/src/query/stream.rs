//! `StreamQuery`: all rows of a read, in batches, with no more memory than a few of them.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{self as data, ResultSet};
use mcp_hub_proto::mariadb::v1::{StreamQueryRequest, StreamQueryResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use super::check_count;
use crate::catalogue;
use crate::database::Database;
use crate::error::Error;
use crate::execution::{Plan, Sink};
use crate::guard;

/// A batch is sent when it has this many rows, or so many bytes.
const BATCH_ROWS: usize = 500;
const BATCH_BYTES: usize = 64 * 1024;

/// The most bytes of one row: what a message can hold.
const ROW_BYTES: usize = mcp_hub_chassis::grpc::MAX_MESSAGE_BYTES / 2;

/// Batches that may wait for the caller.
const AHEAD: usize = 2;

/// The limit of a call that has neither a deadline nor a limit of its own.
const NO_LIMIT: Duration = Duration::from_hours(24);

/// The rows of a read as they come. A caller that goes away cancels it.
///
/// # Errors
/// The guard's refusal and wrong arguments; everything later comes down the stream.
pub(crate) fn stream(
    database: Database,
    request: StreamQueryRequest,
    remaining: Option<Duration>,
    lifecycle: &Lifecycle,
) -> Result<ReceiverStream<Result<StreamQueryResponse, Status>>, Fault> {
    check_count(&guard::read(&request.sql)?, request.params.len())?;
    if request.timeout_ms == Some(0) {
        return Err(Fault::argument("timeout_ms", "timeout_ms must be at least 1"));
    }
    if request.limit == Some(0) {
        return Err(Fault::argument("limit", "limit must be at least 1"));
    }
    let own = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
    let timeout = own.into_iter().chain(remaining).min().unwrap_or(NO_LIMIT);
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stopping = lifecycle.stopping();
    lifecycle.spawn(async move {
        // Whichever ends first drops the transaction, which kills the statement.
        let result = tokio::select! {
            result = send_all(&database, &request, timeout, &sender) => result,
            () = sender.closed() => return,
            () = stopping => Err(Fault::new(
                Reason::DatabaseUnavailable,
                "the service is stopping",
            )),
        };
        if let Err(fault) = result {
            // The caller may have gone meanwhile.
            let _ = sender.send(Err(fault.into())).await;
        }
    });
    Ok(ReceiverStream::new(receiver))
}

type Sender = mpsc::Sender<Result<StreamQueryResponse, Status>>;

async fn send_all(
    database: &Database,
    request: &StreamQueryRequest,
    timeout: Duration,
    sender: &Sender,
) -> Result<(), Fault> {
    let begun = Instant::now();
    let read = guard::read(&request.sql)?;
    let name = request.database.as_deref();
    catalogue::check_read(database, name, &read).await?;
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
    let plan = Plan::new(read.text, &request.params);
    let timer = transaction.timer();
    let done = timer.limit(transaction.execute(plan, batches)).await;
    let mut batches = timer.judge(done)?.sink;
    batches.batch.notices = transaction.take_notices().await.unwrap_or_default();
    batches.batch.elapsed_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    batches.send().await;
    Ok(())
}

/// Batches on their way to the caller.
struct Batches {
    sender: Sender,
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

//! `StreamQuery`: all rows of a read, in batches, with no more memory than a few of them.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{self as data, ResultSet};
use mcp_hub_proto::postgres::v1::{StreamQueryRequest, StreamQueryResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::catalogue;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::execution::{Plan, Rows};
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
    guard::read(&request.sql)?;
    if request.timeout_ms == Some(0) {
        return Err(Fault::argument("timeout_ms", "timeout_ms must be at least 1"));
    }
    let own = request.timeout_ms.map(|ms| Duration::from_millis(ms.into()));
    let timeout = own.into_iter().chain(remaining).min().unwrap_or(NO_LIMIT);
    let (sender, receiver) = mpsc::channel(AHEAD);
    let stopping = lifecycle.stopping();
    lifecycle.spawn(async move {
        let batches = Batches {
            sender: &sender,
            batch: ResultSet::default(),
            bytes: 0,
        };
        // Whichever ends first drops the transaction, which cancels the statement.
        let result = tokio::select! {
            result = send_all(&database, &request, timeout, batches) => result,
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

async fn send_all(
    database: &Database,
    request: &StreamQueryRequest,
    timeout: Duration,
    batches: Batches<'_>,
) -> Result<(), Fault> {
    let read = guard::read(&request.sql)?;
    catalogue::check_read(database, request.database.as_deref(), &read).await?;
    let mut transaction = database.read(request.database.as_deref(), timeout).await?;
    let timer = transaction.timer();
    let result = timer.limit(send_rows(&mut transaction, request, batches)).await;
    Ok(timer.judge(result)?)
}

async fn send_rows(
    transaction: &mut Transaction,
    request: &StreamQueryRequest,
    mut batches: Batches<'_>,
) -> Result<(), Error> {
    let begun = Instant::now();
    let rows = match request.limit {
        None => 0,
        Some(0) => return Err(Fault::argument("limit", "limit must be at least 1").into()),
        Some(limit) => i32::try_from(limit).unwrap_or(0),
    };
    let plan = Plan {
        sql: &request.sql,
        params: &request.params,
        rows,
        then: transaction.end(),
        describe_first: true,
    };
    let (connection, types) = transaction.lease().parts();
    let mut rows = Rows::start(connection, types, &plan).await?;
    let columns = rows.described_columns(types).unwrap_or_default();
    batches.batch.columns = columns.shown();
    while let Some(row) = rows.next(connection).await? {
        if row.len() > ROW_BYTES {
            let message = format!(
                "a row has {} bytes, more than a message can hold: select a part of it",
                row.len()
            );
            return Err(Fault::new(Reason::ResultTooLarge, message).into());
        }
        if !batches.push(columns.decode(&row), row.len()).await {
            return Ok(());
        }
    }
    // The end of the flight is the end of the statement: only then is it known that nothing failed.
    connection.settle().await?;
    batches.batch.notices = connection.take_notices();
    batches.batch.elapsed_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    if rows.is_cut() {
        batches.batch.truncated = Some(data::Truncation {
            reason: data::TruncationReason::Rows.into(),
            next_cursor: None,
            consistent: None,
        });
    }
    batches.send().await;
    Ok(())
}

/// Batches on their way to the caller.
struct Batches<'a> {
    sender: &'a mpsc::Sender<Result<StreamQueryResponse, Status>>,
    batch: ResultSet,
    bytes: usize,
}

impl Batches<'_> {
    /// Adds a row; `false` when the caller has gone.
    async fn push(&mut self, row: data::Row, bytes: usize) -> bool {
        // Before, so that the last batch, which tells the end, has the last rows too.
        let full = self.batch.rows.len() >= BATCH_ROWS || self.bytes + bytes > BATCH_BYTES;
        if full && !self.batch.rows.is_empty() && !self.send().await {
            return false;
        }
        self.bytes += bytes;
        self.batch.rows.push(row);
        true
    }

    async fn send(&mut self) -> bool {
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let response = StreamQueryResponse { result: Some(batch) };
        self.sender.send(Ok(response)).await.is_ok()
    }
}

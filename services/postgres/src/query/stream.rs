//! `StreamQuery`: all rows of a read, in batches, with no more memory than a few of them.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::stream::{self, BATCH_BYTES, BATCH_ROWS, ROW_BYTES, Sender, Stream};
use mcp_hub_chassis::trace::statement::Statement;
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{self as data, ResultSet};
use mcp_hub_proto::postgres::v1::{StreamQueryRequest, StreamQueryResponse};
use tracing::Instrument as _;

use crate::catalogue;
use crate::database::{Database, Transaction};
use crate::error::Error;
use crate::execution::{Plan, Rows};
use crate::guard::{self, Read};
use crate::traced::{Returned, Shown, settle};

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
    catalogue::check_read(database, request.database.as_deref(), read).await?;
    let mut transaction = database.read(request.database.as_deref(), timeout).await?;
    let timer = transaction.timer();
    let shown = Shown::theirs(read.kind.operation(), &read.relations);
    let statement = transaction.lease().connection().begin(shown, &request.sql);
    let sent = send_rows(&mut transaction, &statement, request, sender);
    let sent = sent.instrument(statement.span().clone());
    let sent = timer.limit(sent).await;
    Ok(settle(statement, sent)?)
}

async fn send_rows(
    transaction: &mut Transaction,
    statement: &Statement,
    request: &StreamQueryRequest,
    sender: &Sender<StreamQueryResponse>,
) -> Result<((), Option<Returned>), Error> {
    let begun = Instant::now();
    // 0 is all of them, also when they are more than the protocol can count.
    let rows = request
        .limit
        .and_then(|limit| i32::try_from(limit).ok())
        .unwrap_or_default();
    let plan = Plan {
        statement,
        sql: &request.sql,
        params: &request.params,
        rows,
        then: transaction.end(),
        describe_first: true,
    };
    let (connection, types) = transaction.lease().parts();
    let mut rows = Rows::start(connection, types, &plan).await?;
    let columns = rows.described_columns(types).unwrap_or_default();
    let mut batches = Batches {
        sender,
        batch: ResultSet {
            columns: columns.shown(),
            ..ResultSet::default()
        },
        bytes: 0,
    };
    let mut returned = Returned::default();
    while let Some(row) = rows.next(connection).await? {
        if row.len() > ROW_BYTES {
            let message = format!(
                "a row has {} bytes, more than a message can hold: select a part of it",
                row.len()
            );
            return Err(Fault::new(Reason::ResultTooLarge, message).into());
        }
        if !batches.push(columns.decode(&row), row.len()).await {
            return Err(Fault::new(Reason::Cancelled, "the caller has gone").into());
        }
        returned.add(&row);
    }
    // The end of the flight is the end of the statement: only then is it known that nothing failed.
    connection.settle().await?;
    batches.batch.notices = connection.take_notices();
    batches.batch.elapsed_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    returned.truncated = rows.is_cut();
    if returned.truncated {
        batches.batch.truncated = Some(data::Truncation {
            reason: data::TruncationReason::Rows.into(),
            next_cursor: None,
            consistent: None,
        });
    }
    batches.send().await;
    Ok(((), Some(returned)))
}

/// Batches on their way to the caller.
struct Batches<'a> {
    sender: &'a Sender<StreamQueryResponse>,
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

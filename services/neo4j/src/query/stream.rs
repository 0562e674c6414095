//! `StreamQuery`: all rows of a read, in batches, with no more memory than a few of them.

use std::time::{Duration, Instant};

use mcp_hub_chassis::stream::{self, BATCH_BYTES, BATCH_ROWS, ROW_BYTES, Sender, Stream};
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::data::v1::{self as data, ResultSet};
use mcp_hub_proto::neo4j::v1::{StreamQueryRequest, StreamQueryResponse};
use prost::Message as _;

use crate::database::{Database, Next, Shown, Transaction, limit};
use crate::error::Error;
use crate::guard::Gist;
use crate::value::{Columns, Detail};
use crate::wire::message::Request;
use crate::wire::packstream::{Entries, Packed};
use crate::{guard, params};

/// How many rows the server is asked for at once.
const PULL: u64 = 1000;

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
    let gist = guard::read(&request.cypher)?.gist;
    let params = params::encode(&request.params)?;
    let timeout = stream::timeout(request.limit, request.timeout_ms, remaining)?;
    Ok(stream::start(lifecycle, move |sender| async move {
        send_all(&database, &request, &gist, params, timeout, &sender).await
    }))
}

async fn send_all(
    database: &Database,
    request: &StreamQueryRequest,
    gist: &Gist,
    params: Entries,
    timeout: Duration,
    sender: &Sender<StreamQueryResponse>,
) -> Result<(), Fault> {
    let mut transaction = database.read(request.database.as_deref(), timeout).await?;
    let rows = send_rows(&mut transaction, request, gist, params, sender);
    let sent = limit(timeout, rows).await;
    Ok(transaction.settle(sent)?)
}

async fn send_rows(
    transaction: &mut Transaction,
    request: &StreamQueryRequest,
    gist: &Gist,
    params: Entries,
    sender: &Sender<StreamQueryResponse>,
) -> Result<(), Error> {
    let begun = Instant::now();
    // One more than is wanted tells whether there are more.
    let mut left = request.limit.map_or(u64::MAX, |limit| u64::from(limit) + 1);
    let next_pull = |left: u64| i64::try_from(left.min(PULL)).unwrap_or(i64::MAX);
    let names = transaction
        .start(
            Shown::theirs(gist),
            &request.cypher,
            params,
            Request::Pull,
            next_pull(left),
        )
        .await?;
    let mut batches = Batches {
        sender,
        batch: ResultSet::default(),
        bytes: 0,
        columns: Columns::new(names, Detail::Whole),
        begun: false,
    };
    let summary = loop {
        match transaction.next().await? {
            Next::Row(_) if left == 1 && request.limit.is_some() => {
                transaction.leave_out();
                break None;
            }
            Next::Row(values) => {
                left -= 1;
                if !batches.push(&values).await? {
                    return Ok(());
                }
            }
            Next::More => transaction.pull(next_pull(left)).await?,
            Next::End(summary) => break Some(summary),
        }
    };
    match summary {
        Some(summary) => batches.batch.notices = summary.notices,
        None => {
            batches.batch.truncated = Some(data::Truncation {
                reason: data::TruncationReason::Rows.into(),
                next_cursor: None,
                consistent: None,
            });
        }
    }
    batches.batch.elapsed_ms = u32::try_from(begun.elapsed().as_millis()).unwrap_or(u32::MAX);
    batches.send().await;
    Ok(())
}

/// Batches on their way to the caller.
struct Batches<'a> {
    sender: &'a Sender<StreamQueryResponse>,
    batch: ResultSet,
    bytes: usize,
    columns: Columns,
    /// A batch has been sent, with the columns in it.
    begun: bool,
}

impl Batches<'_> {
    /// Adds a row; `false` when the caller has gone.
    async fn push(&mut self, values: &[Packed]) -> Result<bool, Error> {
        let row = self.columns.row(values);
        let bytes = row.encoded_len();
        if bytes > ROW_BYTES {
            let what = format!("a row has {bytes} bytes, more than a message can hold");
            return Err(Error::TooLarge(what));
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

    async fn send(&mut self) -> bool {
        if !std::mem::replace(&mut self.begun, true) {
            self.batch.columns = self.columns.seen();
        }
        self.bytes = 0;
        let batch = std::mem::take(&mut self.batch);
        let response = StreamQueryResponse { result: Some(batch) };
        self.sender.send(Ok(response)).await.is_ok()
    }
}

//! A page of a read: as many rows as an answer takes, from where the last page ended.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_chassis::progress::Counter;
use mcp_hub_proto::data::v1::ResultSet;

use crate::database::{Next, Shown, Transaction, limit};
use crate::error::Error;
use crate::value::{Columns, Detail};
use crate::wire::message::Request;
use crate::wire::packstream::Entries;

/// A page of a read.
pub(crate) struct Page<'a> {
    /// What the trace shows of the statement.
    pub(crate) shown: Shown<'a>,
    /// The statement.
    pub(crate) cypher: &'a str,
    /// Its parameters.
    pub(crate) params: Entries,
    /// Rows of earlier pages.
    pub(crate) delivered: u64,
    /// What the page may hold.
    pub(crate) caps: Caps,
    /// Counts the rows that come.
    pub(crate) counter: Counter,
}

/// The rows of a page.
pub(crate) struct Table {
    columns: Columns,
    answer: Answer,
}

impl Table {
    fn new(names: Vec<String>, page: &Page<'_>) -> Self {
        let columns = Columns::new(names, Detail::Shown);
        let answer = Answer::new(columns.placeholders(), page.caps).counted(page.counter.clone());
        Self { columns, answer }
    }

    /// Adds a sentence about the answer.
    pub(crate) fn notice(&mut self, notice: impl Into<String>) {
        self.answer.notice(notice);
    }

    /// The rows as an answer. `next_cursor` makes the cursor from the number of rows in this page.
    pub(crate) fn finish(
        self,
        elapsed: Duration,
        next_cursor: impl FnOnce(usize) -> Option<String>,
    ) -> ResultSet {
        let mut result = self.answer.finish(elapsed, next_cursor);
        self.columns.name(&mut result.columns);
        result
    }
}

impl Transaction {
    /// Reads a page. What the server still does for the statement afterwards ends with the transaction. A connection that turns out to
    /// have died before the first answer is replaced once.
    ///
    /// # Errors
    /// The server's, time-outs, a row that is too large.
    pub(crate) async fn page(&mut self, page: &Page<'_>) -> Result<Table, Error> {
        let timeout = self.timeout();
        let table = limit(timeout, async {
            match self.read_page(page).await {
                Err(error) if error.is_lost_connection() && self.lease().was_used() => {
                    tracing::debug!(
                        error = mcp_hub_chassis::fault::chain(&error),
                        "the connection had died"
                    );
                    self.begin_again(error).await?;
                    self.read_page(page).await
                }
                result => result,
            }
        })
        .await;
        self.settle(table)
    }

    async fn read_page(&mut self, page: &Page<'_>) -> Result<Table, Error> {
        // One more than is shown tells whether there are more.
        let wanted = i64::from(page.caps.rows) + 1;
        let params = page.params.clone();
        if page.delivered == 0 {
            let names = self
                .start(page.shown, page.cypher, params, Request::Pull, wanted)
                .await?;
            return self.fill(Table::new(names, page)).await;
        }
        // What earlier pages had is made again, but does not travel again.
        let delivered = i64::try_from(page.delivered).map_err(|_| too_far())?;
        let names = self
            .start(page.shown, page.cypher, params, Request::Discard, delivered)
            .await?;
        let table = Table::new(names, page);
        match self.next().await? {
            Next::More => {
                self.pull(wanted).await?;
                self.fill(table).await
            }
            // Meanwhile there are fewer.
            Next::Row(_) | Next::End(_) => Ok(table),
        }
    }

    async fn fill(&mut self, mut table: Table) -> Result<Table, Error> {
        loop {
            match self.next().await? {
                Next::Row(values) => {
                    let row = table.columns.row(&values);
                    if table.answer.push(row)? != Push::Added {
                        self.leave_out();
                        return Ok(table);
                    }
                }
                Next::More => return Ok(table),
                Next::End(summary) => {
                    for notice in summary.notices {
                        table.notice(notice);
                    }
                    return Ok(table);
                }
            }
        }
    }
}

fn too_far() -> Fault {
    Fault::argument(
        "cursor",
        "this is further than a statement can be paged: narrow it with WHERE",
    )
}

//! A transaction, for our own statements and for a caller's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_proto::data::v1::ResultSet;

use super::lease::Lease;
use super::routing::Routes;
use super::summary::Summary;
use crate::error::Error;
use crate::row::Row;
use crate::value::{Columns, Detail};
use crate::wire;
use crate::wire::message::{Request, Response};
use crate::wire::packstream::{Entries, Packed};

/// All that is left.
const ALL: i64 = -1;

/// A transaction. Dropped, its statement is interrupted and it is rolled back in the background.
pub struct Transaction {
    lease: Lease,
    begin: Entries,
    timeout: Duration,
    routes: Arc<Routes>,
}

/// What a caller's statement did.
#[derive(Debug)]
pub struct Outcome {
    /// Its rows, if it has any columns. Cut without a cursor.
    pub result: Option<ResultSet>,
    /// What the server said at its end.
    pub summary: Summary,
}

/// The next of a statement under way.
pub(crate) enum Next {
    /// A row.
    Row(Vec<Packed>),
    /// The rows that were asked for have come, and there are more.
    More,
    /// The end.
    End(Box<Summary>),
}

impl Transaction {
    /// Nothing is sent yet: the beginning goes along with the first statement.
    pub(super) fn begin(lease: Lease, begin: Entries, timeout: Duration, routes: Arc<Routes>) -> Self {
        let mut transaction = Self {
            lease,
            begin,
            timeout,
            routes,
        };
        transaction.queue_begin();
        transaction
    }

    fn queue_begin(&mut self) {
        let begin = Packed::Map(self.begin.clone());
        self.lease.connection().queue(Request::Begin, vec![begin]);
    }

    /// Begins on a new connection in the place of one that has died.
    pub(crate) async fn begin_again(&mut self) -> Result<(), Error> {
        self.lease.replace().await?;
        self.queue_begin();
        Ok(())
    }

    /// Runs one of our own statements to its end and returns its rows.
    ///
    /// # Errors
    /// The server's, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn rows(&mut self, cypher: &str, params: Entries) -> Result<Vec<Row>, Error> {
        let timeout = self.timeout;
        let statement = async {
            self.start(cypher, params, Request::Pull, ALL).await?;
            let mut rows = Vec::new();
            loop {
                match self.next().await? {
                    Next::Row(values) => rows.push(Row::new(values)),
                    Next::More | Next::End(_) => return Ok(rows),
                }
            }
        };
        limit(timeout, statement).await
    }

    /// Runs a caller's statement to its end. Rows beyond the caps are left out of the result, not of the effect.
    ///
    /// # Errors
    /// The server's, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn run(&mut self, cypher: &str, params: Entries, caps: Caps) -> Result<Outcome, Error> {
        limit(self.timeout, self.run_to_end(cypher, params, caps)).await
    }

    async fn run_to_end(&mut self, cypher: &str, params: Entries, caps: Caps) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let wanted = i64::from(caps.rows) + 1;
        let names = self.start(cypher, params, Request::Pull, wanted).await?;
        let mut columns = Columns::new(names, Detail::Shown);
        let mut answer = Answer::new(columns.placeholders(), caps);
        let mut full = false;
        let summary = loop {
            match self.next().await? {
                Next::Row(_) if full => {}
                Next::Row(values) => full = answer.push(columns.row(&values))? != Push::Added,
                // The rest has its effect without travelling.
                Next::More => self.discard(ALL).await?,
                Next::End(summary) => break *summary,
            }
        };
        let mut result = answer.finish(begun.elapsed(), |_| None);
        columns.name(&mut result.columns);
        Ok(Outcome {
            result: (!result.columns.is_empty()).then_some(result),
            summary,
        })
    }

    /// Keeps what was done.
    ///
    /// # Errors
    /// The server's, such as a constraint that does not hold.
    pub async fn commit(mut self) -> Result<(), Error> {
        limit(self.timeout, self.end(Request::Commit)).await
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// When the connection is lost, which undoes it as well.
    pub async fn rollback(mut self) -> Result<(), Error> {
        limit(self.timeout, self.end(Request::Rollback)).await
    }

    async fn end(&mut self, request: Request) -> Result<(), Error> {
        let connection = self.lease.connection();
        connection.queue(request, vec![]);
        connection.flush().await?;
        while !connection.is_settled() {
            connection.success().await?;
        }
        Ok(())
    }

    /// Sends a statement and the request for its first rows (`Pull`), or for having them made without sending (`Discard`). Returns the
    /// names of its columns.
    ///
    /// # Errors
    /// The server's; the transaction is then over.
    pub(crate) async fn start(
        &mut self,
        cypher: &str,
        params: Entries,
        first: Request,
        rows: i64,
    ) -> Result<Vec<String>, Error> {
        let connection = self.lease.connection();
        let nothing = Packed::Map(vec![]);
        connection.queue(Request::Run, vec![cypher.into(), Packed::Map(params), nothing]);
        connection.queue(first, vec![count(rows)]);
        connection.flush().await?;
        let metadata = self.columns().await.map_err(|error| match error {
            Error::Server(mut error) => {
                error.locate(cypher);
                self.judge(Error::Server(error))
            }
            error => error,
        })?;
        let columns = metadata.get("fields").map(Packed::items).unwrap_or_default();
        let columns = columns.iter().filter_map(Packed::as_str).map(str::to_owned);
        Ok(columns.collect())
    }

    /// The answer to a statement, behind that to the transaction's beginning.
    async fn columns(&mut self) -> Result<Packed, Error> {
        let connection = self.lease.connection();
        if connection.awaits_begin() {
            connection.success().await?;
        }
        Ok(Packed::Map(connection.success().await?))
    }

    /// A server that is no longer the one that writes has made all that is known about its cluster worthless.
    fn judge(&self, error: Error) -> Error {
        if let Error::Server(error) = &error
            && error.is_not_a_leader()
        {
            self.routes.forget();
        }
        error
    }

    /// Asks for more rows.
    pub(crate) async fn pull(&mut self, rows: i64) -> Result<(), Error> {
        let connection = self.lease.connection();
        connection.queue(Request::Pull, vec![count(rows)]);
        connection.flush().await
    }

    /// Has the server make rows without sending them.
    pub(crate) async fn discard(&mut self, rows: i64) -> Result<(), Error> {
        let connection = self.lease.connection();
        connection.queue(Request::Discard, vec![count(rows)]);
        connection.flush().await
    }

    /// The next of what was asked for.
    ///
    /// # Errors
    /// The server's, [`Error::TooLarge`], [`Error::Lost`].
    pub(crate) async fn next(&mut self) -> Result<Next, Error> {
        let response = self.lease.connection().receive().await;
        match response.map_err(|error| self.judge(error))? {
            Response::Record(values) => Ok(Next::Row(values)),
            Response::Success(metadata) => Ok(if wire::has_more(&metadata) {
                Next::More
            } else {
                Next::End(Box::new(Summary::read(metadata)))
            }),
            Response::Ignored | Response::Failure(_) => Err(Error::Protocol("a statement was ignored")),
        }
    }

    pub(crate) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// The limit of each statement.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }
}

fn count(rows: i64) -> Packed {
    Packed::Map(vec![("n".to_owned(), rows.into())])
}

/// Runs a statement within its limit. The server has the same limit but looks at its clock every two seconds only; ours is exact, and
/// dropping the transaction interrupts the statement.
pub(crate) async fn limit<T>(
    limit: Duration,
    statement: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(limit, statement).await {
        Ok(Err(Error::Server(error))) if error.is_timeout() => Err(Error::TimedOut(limit)),
        Ok(result) => result,
        Err(_) => Err(Error::TimedOut(limit)),
    }
}

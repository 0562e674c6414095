//! A transaction, for our own statements and for a caller's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_chassis::trace::context::TRACEPARENT;
use mcp_hub_chassis::trace::statement;
use mcp_hub_proto::data::v1::ResultSet;
use tracing::Span;

use super::lease::Lease;
use super::routing::Routes;
use super::summary::Summary;
use crate::error::Error;
use crate::row::Row;
use crate::traced::{self, Current, Shown};
use crate::value::{Columns, Detail};
use crate::wire;
use crate::wire::message::{Request, Response};
use crate::wire::packstream::{Entries, Packed};

/// All that is left.
const ALL: i64 = -1;

/// A transaction. Dropped, its statement is interrupted and it is rolled back in the background.
pub struct Transaction {
    lease: Lease,
    beginning: Beginning,
    begun: bool,
    timeout: Duration,
    routes: Arc<Routes>,
    /// The statement under way, in the trace.
    current: Option<Current>,
    /// Whether what is done now was tried before.
    again: bool,
}

/// What the server is told when a transaction begins.
pub(super) struct Beginning {
    /// The database; empty for the user's home.
    pub(super) database: String,
    /// What `SHOW TRANSACTIONS` and the server's log say about it. The trace comes to it.
    pub(super) metadata: Entries,
    /// The rest, as the protocol has it.
    pub(super) extra: Entries,
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
    pub(super) fn new(lease: Lease, beginning: Beginning, timeout: Duration, routes: Arc<Routes>) -> Self {
        Self {
            lease,
            beginning,
            begun: false,
            timeout,
            routes,
            current: None,
            again: false,
        }
    }

    /// Queues the beginning, with the current span in its metadata if the server is to be told.
    fn queue_begin(&mut self) {
        let mut metadata = self.beginning.metadata.clone();
        let told = statement::told().map(|traceparent| (TRACEPARENT.to_owned(), traceparent.into()));
        metadata.extend(told);
        let mut begin = self.beginning.extra.clone();
        begin.push(("tx_metadata".to_owned(), Packed::Map(metadata)));
        self.lease
            .connection()
            .queue(Request::Begin, vec![Packed::Map(begin)]);
        self.begun = true;
    }

    /// Begins on a new connection in the place of one that has died, which `error` has told.
    pub(crate) async fn begin_again(&mut self, error: Error) -> Result<(), Error> {
        let _ = self.settle::<()>(Err(error));
        self.lease.replace().await?;
        (self.begun, self.again) = (false, true);
        Ok(())
    }

    /// Ends the statement under way in the trace, with what it came to.
    pub(crate) fn settle<T>(&mut self, result: Result<T, Error>) -> Result<T, Error> {
        if let Some(current) = self.current.take() {
            current.settle(&result);
        }
        result
    }

    /// Says that the last row is not in the answer, because that has enough.
    pub(crate) fn leave_out(&mut self) {
        if let Some(current) = &mut self.current {
            current.leave_out();
        }
    }

    /// Runs one of our own statements to its end and returns its rows. The trace shows it as `summary`: what it does in one word, and to
    /// what.
    ///
    /// # Errors
    /// The server's, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn rows(
        &mut self,
        summary: &'static str,
        cypher: &str,
        params: Entries,
    ) -> Result<Vec<Row>, Error> {
        let timeout = self.timeout;
        let statement = async {
            self.start(Shown::ours(summary), cypher, params, Request::Pull, ALL)
                .await?;
            let mut rows = Vec::new();
            loop {
                match self.next().await? {
                    Next::Row(values) => rows.push(Row::new(values)),
                    Next::More | Next::End(_) => return Ok(rows),
                }
            }
        };
        let rows = limit(timeout, statement).await;
        self.settle(rows)
    }

    /// Runs a caller's statement to its end. Rows beyond the caps are left out of the result, not of the effect.
    ///
    /// # Errors
    /// The server's, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn run(
        &mut self,
        shown: Shown<'_>,
        cypher: &str,
        params: Entries,
        caps: Caps,
    ) -> Result<Outcome, Error> {
        let outcome = limit(self.timeout, self.run_to_end(shown, cypher, params, caps)).await;
        self.settle(outcome)
    }

    async fn run_to_end(
        &mut self,
        shown: Shown<'_>,
        cypher: &str,
        params: Entries,
        caps: Caps,
    ) -> Result<Outcome, Error> {
        let begun = Instant::now();
        let wanted = i64::from(caps.rows) + 1;
        let names = self.start(shown, cypher, params, Request::Pull, wanted).await?;
        let mut columns = Columns::new(names, Detail::Shown);
        let mut answer = Answer::new(columns.placeholders(), caps);
        let mut full = false;
        let summary = loop {
            match self.next().await? {
                Next::Row(_) if full => self.leave_out(),
                Next::Row(values) => {
                    full = answer.push(columns.row(&values))? != Push::Added;
                    if full {
                        self.leave_out();
                    }
                }
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
        let ended = limit(self.timeout, self.end("COMMIT", Request::Commit)).await;
        self.settle(ended)
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// When the connection is lost, which undoes it as well.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let ended = limit(self.timeout, self.end("ROLLBACK", Request::Rollback)).await;
        self.settle(ended)
    }

    async fn end(&mut self, summary: &'static str, request: Request) -> Result<(), Error> {
        if !self.begun {
            return Ok(());
        }
        self.show(Shown::ours(summary), "");
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
        shown: Shown<'_>,
        cypher: &str,
        params: Entries,
        first: Request,
        rows: i64,
    ) -> Result<Vec<String>, Error> {
        let span = self.show(shown, cypher);
        if !self.begun {
            span.in_scope(|| self.queue_begin());
        }
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

    /// Begins the span of a statement.
    fn show(&mut self, shown: Shown<'_>, cypher: &str) -> Span {
        let statement = shown.begin(self.lease.address(), &self.beginning.database, cypher);
        let span = statement.span().clone();
        if std::mem::take(&mut self.again) {
            traced::retried(&span, 2);
        }
        self.current = Some(Current::new(statement));
        span
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
            Response::Record(values) => {
                let bytes = self.lease.connection().received();
                if let Some(current) = &mut self.current {
                    current.add(bytes);
                }
                Ok(Next::Row(values))
            }
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

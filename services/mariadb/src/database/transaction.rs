//! A transaction, for our own statements and for a caller's.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use mcp_hub_chassis::answer::Caps;
use mcp_hub_chassis::trace::statement::Statement;
use mcp_hub_proto::data::v1::{ResultSet, Value};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::flavor::Flavor;
use super::lease::{Ended, Lease};
use super::session::{Access, Session};
use crate::error::Error;
use crate::execution::{self, Done, Plan, Sink};
use crate::row::Row;
use crate::traced::{Returned, Shown, settle};

mod kept;

use kept::Kept;

/// How much longer than the server we wait for a statement that it should have ended: its own word is better than ours.
const SLACK: Duration = Duration::from_millis(500);

/// How long the beginning of a transaction may take on a session that was used before. It waits for nothing on the server, so a peer
/// that takes longer has vanished.
const BEGIN_LIMIT: Duration = Duration::from_secs(2);

/// A transaction. Dropped, its statement is killed and it is rolled back in the background.
pub struct Transaction {
    lease: Lease,
    flavor: Flavor,
    access: Access,
    timeout: Duration,
    begun: bool,
    tainted: bool,
}

/// What a caller's statement did.
#[derive(Debug)]
pub struct Outcome {
    /// How many rows it returned, or else changed; rows that an UPDATE found as they shall be count as changed.
    pub affected: Option<u64>,
    /// The first value that `AUTO_INCREMENT` gave.
    pub last_insert_id: Option<u64>,
    /// Its rows, if it is of a kind that has any. Cut without a cursor.
    pub result: Option<ResultSet>,
}

impl Transaction {
    /// Nothing is sent yet: the beginning needs to know what is begun for.
    pub(super) fn new(mut lease: Lease, access: Access, timeout: Duration) -> Result<Self, Error> {
        let flavor = lease.session().map(|session| session.flavor);
        Ok(Self {
            flavor: flavor.ok_or_else(|| Error::Protocol("a lease without a session".to_owned()))?,
            lease,
            access,
            timeout,
            begun: false,
            tainted: false,
        })
    }

    /// What kind of server this is.
    pub fn flavor(&self) -> Flavor {
        self.flavor
    }

    /// Runs one of our own statements. Each `?` is a text, or NULL. The trace shows it as `summary`: what it does in one word, and to which
    /// table.
    ///
    /// # Errors
    /// The server's, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn rows(
        &mut self,
        summary: &'static str,
        sql: &str,
        params: &[Option<&str>],
    ) -> Result<Vec<Row>, Error> {
        self.begin(None).await?;
        let timer = self.timer();
        let statement = self.statement(Shown::ours(summary), sql)?;
        let span = statement.span().clone();
        let params: Vec<Option<String>> = params.iter().map(|text| text.map(str::to_owned)).collect();
        let sql = sql.to_owned();
        let rows = self.lease.run(|session| {
            async move { execution::rows(session, &sql, params).instrument(span).await }.boxed()
        });
        settle(statement, timer.limit(rows).await)
    }

    /// Runs a caller's statement to its end. Rows beyond the caps are left out of the result, not of the effect.
    ///
    /// # Errors
    /// The server's, [`Error::Fault`] for parameters that do not fit, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn run(
        &mut self,
        shown: Shown<'_>,
        sql: &str,
        params: &[Value],
        caps: Caps,
    ) -> Result<Outcome, Error> {
        self.begin(None).await?;
        let done = self
            .execute(shown, Plan::new(sql, params), Kept::new(caps))
            .await?;
        let result = done.sink.finish();
        Ok(Outcome {
            affected: result.as_ref().map_or(done.affected, |(_, rows)| Some(*rows)),
            last_insert_id: done.last_insert_id,
            result: result.map(|(result, _)| result),
        })
    }

    /// Runs a caller's statement as far as the sink wants its rows.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) async fn execute<S: Sink>(
        &mut self,
        shown: Shown<'_>,
        plan: Plan,
        sink: S,
    ) -> Result<Done<S>, Error> {
        let timer = self.timer();
        let plan = plan.keeping_text(shown.is_definition());
        let statement = self.statement(shown, plan.sql())?;
        let span = statement.span().clone();
        let done = timer.limit(self.execute_in(span, plan, sink)).await;
        let done = done.map(|done| {
            let returned = done.returned;
            (done, returned)
        });
        settle(statement, done)
    }

    async fn execute_in<S: Sink>(
        &mut self,
        span: tracing::Span,
        plan: Plan,
        sink: S,
    ) -> Result<Done<S>, Error> {
        let types = self.lease.types();
        let (sender, mut early) = oneshot::channel();
        let ended = self
            .lease
            .run_until(
                |session| {
                    execution::run(session, types, plan, sink, sender)
                        .instrument(span)
                        .boxed()
                },
                &mut early,
            )
            .await?;
        let out_early = match ended {
            Ended::Fully(Done {
                sink: Some(sink),
                affected,
                last_insert_id,
                mut returned,
            }) => {
                returned.truncated = sink.is_cut();
                return Ok(Done {
                    sink,
                    affected,
                    last_insert_id,
                    returned,
                });
            }
            // Both at once: it had enough at the last row.
            Ended::Fully(Done { sink: None, .. }) => early
                .try_recv()
                .unwrap_or_else(|_| Err(Error::Protocol("a sink was lost".to_owned()))),
            Ended::Early(sink) => sink,
        };
        let (sink, mut returned) = out_early?;
        returned.truncated = true;
        Ok(Done {
            sink,
            affected: None,
            last_insert_id: None,
            returned,
        })
    }

    /// Begins the span of a statement on the session.
    fn statement(&mut self, shown: Shown<'_>, sql: &str) -> Result<Statement, Error> {
        let session = self.lease.session();
        let session = session.ok_or_else(|| Error::Protocol("the session was given up".to_owned()))?;
        Ok(session.statement(shown, sql))
    }

    /// Says that the caller's statements may leave something in the session: nobody gets it after this call, because the driver has no
    /// way to reset one.
    pub fn taint(&mut self) {
        self.tainted = true;
        if let Some(session) = self.lease.session() {
            session.tainted = true;
        }
    }

    /// Changes the limit of the next statements.
    ///
    /// # Errors
    /// The server's, [`Error::Lost`].
    pub async fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        self.timeout = timeout;
        if !self.begun {
            return Ok(());
        }
        self.ours("SET", move |session| session.set_timeout(timeout).boxed())
            .await
    }

    /// What the server has to say about the last statement, each a sentence.
    ///
    /// # Errors
    /// When the connection is lost.
    pub async fn take_notices(&mut self) -> Result<Vec<String>, Error> {
        if !self.begun || self.lease.session().is_none() {
            return Ok(vec![]);
        }
        self.ours("SHOW WARNINGS", |session| session.warnings().boxed())
            .await
    }

    /// Keeps what was done.
    ///
    /// # Errors
    /// The server's.
    pub async fn commit(mut self) -> Result<(), Error> {
        self.end(true).await
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// When the connection is lost, which undoes it as well.
    pub async fn rollback(mut self) -> Result<(), Error> {
        self.end(false).await
    }

    /// Begins, unless it has begun. `rows` is the most rows that a statement may return. A session that turns out to have died is
    /// replaced once.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Lost`], the server's.
    pub(crate) async fn begin(&mut self, rows: Option<u64>) -> Result<(), Error> {
        if self.begun {
            return Ok(());
        }
        let was_used = self.lease.session().is_some_and(|session| session.used);
        match self.send_begin(rows).await {
            Err(error) if error.is_lost_connection() && was_used => {
                tracing::debug!(
                    error = mcp_hub_chassis::fault::chain(&error),
                    "the session had died"
                );
                self.lease.replace().await?;
                self.send_begin(rows).await?;
            }
            result => result?,
        }
        self.begun = true;
        if self.tainted {
            self.taint();
        }
        Ok(())
    }

    async fn send_begin(&mut self, rows: Option<u64>) -> Result<(), Error> {
        let (access, timeout) = (self.access, self.timeout);
        let statement = self.statement(Shown::ours("BEGIN"), "")?;
        let span = statement.span().clone();
        let begin = self.lease.run(move |session| {
            async move {
                let begun = tokio::time::timeout(BEGIN_LIMIT, session.begin(access, timeout, rows)).await;
                begun.unwrap_or_else(|_| {
                    Err(Error::Lost("no answer to the beginning of a transaction".into()))
                })
            }
            .instrument(span)
            .boxed()
        });
        settle(statement, begin.await.map(|()| ((), Returned::default())))
    }

    async fn end(&mut self, keep: bool) -> Result<(), Error> {
        if !self.begun || self.lease.session().is_none() {
            return Ok(());
        }
        let summary = if keep { "COMMIT" } else { "ROLLBACK" };
        self.ours(summary, move |session| session.end(keep).boxed()).await
    }

    /// Runs something of our own that belongs to the transaction.
    async fn ours<T, F>(&mut self, summary: &'static str, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Session) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        let timer = self.timer();
        let statement = self.statement(Shown::ours(summary), "")?;
        let span = statement.span().clone();
        let work = self.lease.run(|session| work(session).instrument(span).boxed());
        let done = timer.limit(work).await;
        settle(statement, done.map(|value| (value, Returned::default())))
    }

    /// Starts the clock of one statement.
    fn timer(&self) -> Timer {
        Timer {
            limit: self.timeout,
            begun: Instant::now(),
        }
    }
}

/// The clock of one statement. The server has the same limit, and its word is better than ours, so ours has some slack.
struct Timer {
    limit: Duration,
    begun: Instant,
}

impl Timer {
    /// Runs a statement within the limit. One that was longer than that and ended nevertheless has timed out as well: MySQL makes a
    /// `SLEEP` that it interrupts return 1. An end by the server's clock is told as what it is.
    async fn limit<T>(&self, statement: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let result = tokio::time::timeout(self.limit + SLACK, statement).await;
        match result {
            Ok(Ok(done)) if self.begun.elapsed() < self.limit => Ok(done),
            Ok(Err(error)) if error.is_interrupted() && self.begun.elapsed() >= self.limit.mul_f64(0.9) => {
                Err(Error::TimedOut(self.limit))
            }
            Ok(Err(error)) => Err(error),
            _ => Err(Error::TimedOut(self.limit)),
        }
    }
}

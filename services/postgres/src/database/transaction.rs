//! A transaction, for our own statements and for a caller's.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps};
use mcp_hub_proto::data::v1::{ResultSet, Value};

use super::lease::Lease;
use super::session::{self, Groups};
use crate::error::Error;
use crate::execution::{self, Plan, Rows};
use crate::row::Row;

/// How much longer than the server we wait for a statement that it should have ended: its own word is better than ours.
pub(super) const SLACK: Duration = Duration::from_millis(500);

/// A transaction. Dropped, it is cancelled and rolled back in the background.
pub struct Transaction {
    lease: Lease,
    begin: &'static str,
    timeout: Duration,
    /// A caller's statement has run: it may have left something in the session.
    foreign: bool,
}

/// What a caller's statement did.
#[derive(Debug)]
pub struct Outcome {
    /// How many rows it changed or returned, where it tells.
    pub affected: Option<u64>,
    /// Its rows, if it is of a kind that has any. Cut without a cursor.
    pub result: Option<ResultSet>,
    /// The first word or words of what it did: `INSERT`, `CREATE TABLE`.
    pub tag: String,
}

impl Transaction {
    /// Nothing is sent yet: the beginning goes along with the first statement.
    pub(super) fn begin(mut lease: Lease, begin: &'static str, timeout: Duration) -> Result<Self, Error> {
        let mode = lease.mode();
        session::begin(lease.connection(), mode, begin, timeout)?;
        Ok(Self {
            lease,
            begin,
            timeout,
            foreign: false,
        })
    }

    /// Begins on a new session in the place of one that has died.
    pub(crate) async fn begin_again(&mut self) -> Result<(), Error> {
        self.lease.replace().await?;
        let mode = self.lease.mode();
        session::begin(self.lease.connection(), mode, self.begin, self.timeout)
    }

    /// What a statement can be followed by in its own flight, to leave the session as it was.
    pub(crate) fn end(&mut self) -> Groups {
        session::end(self.lease.mode())
    }

    /// Runs one of our own statements. `params` are texts, so the statement says their types: `$1::text`.
    ///
    /// # Errors
    /// The server's, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn rows(&mut self, sql: &str, params: &[Option<&str>]) -> Result<Vec<Row>, Error> {
        let timer = self.timer();
        let rows = timer.limit(self.lease.connection().rows(sql, params)).await;
        timer.judge(rows)
    }

    /// Runs a caller's statement to its end. Rows beyond the caps are left out of the result, not of the effect.
    ///
    /// # Errors
    /// The server's, [`Error::Fault`] for parameters that do not fit, [`Error::TimedOut`], [`Error::Lost`].
    pub async fn run(&mut self, sql: &str, params: &[Value], caps: Caps) -> Result<Outcome, Error> {
        self.foreign = true;
        let timer = self.timer();
        let outcome = timer.limit(run(&mut self.lease, sql, params, caps)).await;
        timer.judge(outcome)
    }

    /// Changes the limit of the next statements.
    ///
    /// # Errors
    /// The server's, [`Error::Lost`].
    pub async fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        self.rows(&session::set_timeout(timeout), &[]).await?;
        self.timeout = timeout;
        Ok(())
    }

    /// The server's warnings and notices since the last call, each a sentence.
    pub fn take_notices(&mut self) -> Vec<String> {
        self.lease.connection().take_notices()
    }

    /// Keeps what was done.
    ///
    /// # Errors
    /// The server's, such as a deferred constraint that does not hold.
    pub async fn commit(mut self) -> Result<(), Error> {
        let groups: Groups = if self.foreign {
            session::commit(self.lease.mode())
        } else {
            &[&["COMMIT"]]
        };
        self.run_groups(groups).await
    }

    /// Undoes what was done.
    ///
    /// # Errors
    /// When the connection is lost, which undoes it as well.
    pub async fn rollback(mut self) -> Result<(), Error> {
        let groups: Groups = if self.foreign {
            session::end(self.lease.mode())
        } else {
            &[&["ROLLBACK"]]
        };
        self.run_groups(groups).await
    }

    /// Runs groups of our own statements to their end.
    async fn run_groups(&mut self, groups: Groups) -> Result<(), Error> {
        let timer = self.timer();
        let connection = self.lease.connection();
        let result = timer.limit(connection.run_groups(groups)).await;
        timer.judge(result)
    }

    pub(crate) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// Starts the clock of one statement.
    pub(crate) fn timer(&self) -> Timer {
        Timer {
            limit: self.timeout,
            begun: Instant::now(),
        }
    }
}

/// The clock of one statement. The server has the same limit, and its word is better than ours, so ours has some slack.
pub(crate) struct Timer {
    limit: Duration,
    begun: Instant,
}

impl Timer {
    /// Runs a statement within the limit.
    pub(crate) async fn limit<T>(
        &self,
        statement: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let result = tokio::time::timeout(self.limit + SLACK, statement).await;
        result.unwrap_or(Err(Error::TimedOut(self.limit)))
    }

    /// Tells a cancel by the server's clock as what it is.
    pub(crate) fn judge<T>(&self, result: Result<T, Error>) -> Result<T, Error> {
        match result {
            Err(Error::Server(error))
                if error.is_cancelled() && self.begun.elapsed() >= self.limit.mul_f64(0.9) =>
            {
                Err(Error::TimedOut(self.limit))
            }
            result => result,
        }
    }
}

async fn run(lease: &mut Lease, sql: &str, params: &[Value], caps: Caps) -> Result<Outcome, Error> {
    let begun = Instant::now();
    let (connection, types) = lease.parts();
    let plan = Plan {
        sql,
        params,
        rows: 0,
        then: &[],
        describe_first: false,
    };
    let mut rows = Rows::start(connection, types, &plan).await?;
    let mut kept = Vec::new();
    // All rows are read, or the statement would not run to its end, but only as many kept as could be shown.
    let mut room = caps.characters.saturating_mul(4);
    while let Some(row) = rows.next(connection).await? {
        if kept.len() <= caps.rows as usize && room > 0 {
            room = room.saturating_sub(row.len());
            kept.push(row);
        }
    }
    connection.settle().await?;
    let (tag, affected) = execution::read_tag(rows.tag());
    let Some(columns) = rows.columns(connection, types).await? else {
        return Ok(Outcome {
            affected,
            result: None,
            tag,
        });
    };
    let mut answer = Answer::new(columns.shown(), caps);
    for row in kept {
        if answer.push(columns.decode(&row))? != mcp_hub_chassis::answer::Push::Added {
            break;
        }
    }
    let result = answer.finish(begun.elapsed(), |_| None);
    Ok(Outcome {
        affected,
        result: Some(result),
        tag,
    })
}

//! A transaction, for our own statements and for a caller's.

use std::time::{Duration, Instant};

use mcp_hub_chassis::answer::{Answer, Caps, Push};
use mcp_hub_chassis::trace::statement::Statement;
use mcp_hub_proto::data::v1::{ResultSet, Value};
use tracing::Instrument as _;

use super::lease::Lease;
use super::session::{self, Groups};
use crate::error::Error;
use crate::execution::{self, Plan, Rows};
use crate::row::Row;
use crate::timer::Timer;
use crate::traced::{Returned, Shown, settle};

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
    pub async fn rows(
        &mut self,
        shown: Shown<'_>,
        sql: &str,
        params: &[Option<&str>],
    ) -> Result<Vec<Row>, Error> {
        let timer = self.timer();
        let connection = self.lease.connection();
        connection.rows(shown, sql, params, Some(&timer)).await
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
        self.foreign = true;
        let timer = self.timer();
        let statement = self.lease.connection().begin(shown, sql);
        let outcome = run(&mut self.lease, &statement, sql, params, caps);
        let outcome = outcome.instrument(statement.span().clone());
        let outcome = timer.limit(outcome).await;
        settle(statement, outcome)
    }

    /// Changes the limit of the next statements.
    ///
    /// # Errors
    /// The server's, [`Error::Lost`].
    pub async fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        let shown = Shown::ours("SET");
        self.rows(shown, &session::set_timeout(timeout), &[]).await?;
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
        self.end_by("COMMIT", groups).await
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
        self.end_by("ROLLBACK", groups).await
    }

    /// Runs what ends the transaction, with a round trip of its own.
    async fn end_by(&mut self, what: &'static str, groups: Groups) -> Result<(), Error> {
        let timer = self.timer();
        let connection = self.lease.connection();
        let statement = connection.begin(Shown::ours(what), what);
        let ended = connection.run_groups(groups);
        let ended = ended.instrument(statement.span().clone());
        let ended = timer.limit(ended).await;
        settle(statement, ended.map(|()| ((), None)))
    }

    pub(crate) fn lease(&mut self) -> &mut Lease {
        &mut self.lease
    }

    /// Starts the clock of one statement.
    pub(crate) fn timer(&self) -> Timer {
        Timer::start(self.timeout)
    }
}

async fn run(
    lease: &mut Lease,
    statement: &Statement,
    sql: &str,
    params: &[Value],
    caps: Caps,
) -> Result<(Outcome, Option<Returned>), Error> {
    let begun = Instant::now();
    let (connection, types) = lease.parts();
    let plan = Plan {
        statement,
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
        let outcome = Outcome {
            affected,
            result: None,
            tag,
        };
        return Ok((outcome, None));
    };
    let mut answer = Answer::new(columns.shown(), caps);
    let mut returned = Returned::default();
    for row in kept {
        if answer.push(columns.decode(&row))? != Push::Added {
            returned.truncated = true;
            break;
        }
        returned.add(&row);
    }
    let outcome = Outcome {
        affected,
        result: Some(answer.finish(begun.elapsed(), |_| None)),
        tag,
    };
    Ok((outcome, Some(returned)))
}

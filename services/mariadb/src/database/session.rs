//! A session: the connection, who is at its other end, and what it is set to.

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use futures_util::TryStreamExt as _;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::metrics;
use mcp_hub_chassis::trace::statement::{self, Statement};
use sqlx::mysql::{MySql, MySqlConnection, MySqlRow};
use sqlx::{AssertSqlSafe, Connection as _, Decode, Row as _};

use super::flavor::{Flavor, Product};
use super::login;
use crate::config::{CONNECT_TIMEOUT, Role, Target};
use crate::error::{Error, without_hosts};
use crate::traced::Shown;

/// How long a statement waits for a lock, in seconds. Shorter than a statement may run: the caller then learns that it is a lock.
const LOCK_TIMEOUT: u32 = 10;

/// How long a transaction may stand still, in seconds. Ours do only when the process was cut off. MariaDB has a limit for it.
const IDLE_TIMEOUT: u32 = 60;

/// How long the server waits for us to take its rows, in seconds: the receiver of a stream may pause.
const WRITE_TIMEOUT: u32 = 600;

/// Modes that change how a text is read. The guard reads `"x"` as a string and `\` as an escape, so the server must do so as well.
const MODES_OF_READING: [&str; 9] = [
    "ANSI",
    "ANSI_QUOTES",
    "DB2",
    "EMPTY_STRING_IS_NULL",
    "MAXDB",
    "MSSQL",
    "NO_BACKSLASH_ESCAPES",
    "ORACLE",
    "POSTGRESQL",
];

/// Texts go both ways in this character set.
const NAMES: &str = "SET NAMES utf8mb4";

/// TIMESTAMP is shown in UTC.
const TIME_ZONE: &str = "time_zone = '+00:00'";

/// MariaDB keeps the warnings of a statement until the next one that reads a table: they would be told to another caller.
const FORGET_WARNINGS: &str = "DO (SELECT 1 FROM information_schema.engines LIMIT 1); ";

/// How many prepared statements a session may have after a call.
const PREPARED: usize = 128;

/// The most warnings of a statement that are told.
const WARNINGS: u32 = 10;

/// A session of ours.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not depend on each other"
)]
pub(crate) struct Session {
    pub(crate) connection: MySqlConnection,
    pub(crate) flavor: Flavor,
    /// What stands before each statement, for those who look at the server: the driver sends no connection attributes.
    pub(crate) mark: Arc<str>,
    /// The modes that it shall have.
    modes: String,
    /// Whether the server shows the variables that a session has set.
    shows_variables: bool,
    /// Where it was logged in to: its database, and what must not be quoted.
    pub(super) target: Arc<Target>,
    /// Whom to kill.
    pub(super) identity: Identity,
    /// It is broken: nothing can be sent on it any more.
    pub(super) spoilt: bool,
    /// A caller's statement may have left something in it, and the driver has no way to reset it: it serves nobody after this call.
    pub(super) tainted: bool,
    /// Whether a transaction may be open.
    pub(super) in_transaction: bool,
    /// Whether it has served another call: its server may be gone without our knowing.
    pub(super) used: bool,
    /// Which settings of the pool it was made by.
    pub(super) generation: u64,
    pub(super) born: Instant,
    /// The callers' statements that it has run, by their texts.
    known: HashSet<u64>,
    hasher: RandomState,
    /// It counts as a connection of its pool as long as it lives.
    pub(super) counted: metrics::pool::Connection,
}

/// A session as the server knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// Its number on the server.
    id: u64,
    /// Which server: behind a load balancer the next connection may reach another.
    server: String,
}

/// Whether a transaction may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    ReadOnly,
    ReadWrite,
}

impl Session {
    /// Logs in and sets the session.
    ///
    /// # Errors
    /// As [`login::connect`].
    pub(super) async fn log_in(
        target: Arc<Target>,
        role: Role,
        mark: Arc<str>,
        generation: u64,
        counted: metrics::pool::Connection,
    ) -> Result<Self, Error> {
        let mut connection = login::connect(&target).await?;
        let set_up = tokio::time::timeout(CONNECT_TIMEOUT, set_up(&mut connection, role)).await;
        let known = set_up.unwrap_or_else(|_| {
            Err(Error::Unavailable {
                verdict: Verdict::TimedOut,
                reason: "timed out".to_owned(),
                source: None,
            })
        })?;
        Ok(Self {
            connection,
            flavor: known.flavor,
            mark,
            modes: known.modes,
            shows_variables: known.shows_variables,
            target,
            identity: known.identity,
            spoilt: false,
            tainted: false,
            in_transaction: false,
            used: false,
            generation,
            born: Instant::now(),
            known: HashSet::new(),
            hasher: RandomState::new(),
            counted,
        })
    }

    /// Begins the span of a statement on it, whose text is `sql`.
    pub(crate) fn statement(&self, shown: Shown<'_>, sql: &str) -> Statement {
        shown.begin(self.flavor, &self.target, sql)
    }

    /// Whether a caller's statement of this text is the first here. A session that has run many is worn, so this does not grow for ever.
    pub(crate) fn is_new(&mut self, text: &str) -> bool {
        self.known.insert(self.hasher.hash_one(text))
    }

    /// Begins a transaction, with the limits of its statements.
    ///
    /// What the guard relies on is set anew each time: a function inside a view may have changed it, which no text shows.
    pub(super) async fn begin(
        &mut self,
        access: Access,
        timeout: Duration,
        rows: Option<u64>,
    ) -> Result<(), Error> {
        // The session is READ ONLY as well: a READ ONLY transaction alone does not stop a statement that commits by itself, such as
        // TRUNCATE, because what follows is another transaction. A stored function may have taken it back.
        let access = match access {
            Access::ReadOnly => "SET SESSION TRANSACTION READ ONLY; START TRANSACTION READ ONLY",
            Access::ReadWrite => "START TRANSACTION READ WRITE",
        };
        // The most that there is: DEFAULT would be the server's own setting.
        let rows = rows.unwrap_or(u64::MAX);
        let limit = set_timeout(self.flavor, timeout);
        let mut sql = format!(
            "{NAMES}; {limit}, sql_select_limit = {rows}, sql_mode = '{}', {TIME_ZONE}; ",
            self.modes
        );
        if self.flavor.is_mariadb() {
            sql.push_str(FORGET_WARNINGS);
        }
        sql.push_str(access);
        self.in_transaction = true;
        batch(&mut self.connection, &statement::commented(&sql))
            .await
            .map(drop)
    }

    /// Whether it has so many prepared statements that a new session is better: each costs the server some kilobytes, and all sessions
    /// of a server together may have 16,382.
    pub(super) fn is_worn(&self) -> bool {
        self.connection.cached_statements_size() > PREPARED
    }

    /// Changes the limit of the next statements.
    pub(super) async fn set_timeout(&mut self, timeout: Duration) -> Result<(), Error> {
        batch(&mut self.connection, &set_timeout(self.flavor, timeout))
            .await
            .map(drop)
    }

    /// Ends the transaction, frees what a rollback does not, and looks whether variables are left, as far as the server shows them.
    pub(super) async fn end(&mut self, keep: bool) -> Result<(), Error> {
        let end = if keep { "COMMIT" } else { "ROLLBACK" };
        let mut sql = format!("{end}; DO RELEASE_ALL_LOCKS()");
        if self.shows_variables {
            sql.push_str("; SELECT COUNT(*) FROM information_schema.user_variables");
        }
        let rows = batch(&mut self.connection, &sql).await?;
        let left = rows.first().and_then(|row| row.first().cloned().flatten());
        self.tainted |= left.is_some_and(|count| count != "0");
        self.in_transaction = false;
        Ok(())
    }

    /// What the server has to say about the last statement, each a sentence.
    pub(super) async fn warnings(&mut self) -> Result<Vec<String>, Error> {
        let rows = batch(&mut self.connection, &format!("SHOW WARNINGS LIMIT {WARNINGS}")).await?;
        Ok(rows
            .into_iter()
            .filter_map(|row| row.into_iter().nth(2).flatten())
            .map(|message| format!("the server said: {}", without_hosts(&message)))
            .collect())
    }
}

impl Identity {
    /// Reads number and server from a row that begins with the version.
    fn read(row: &[Option<String>]) -> Result<Self, Error> {
        let column = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
        let id = column(1)
            .parse()
            .map_err(|_| Error::Protocol("a connection without a number".to_owned()))?;
        Ok(Self {
            id,
            server: [column(2), column(3), column(4)].join("/"),
        })
    }
}

/// Ends the statement that a session runs, on a connection of its own.
///
/// # Errors
/// When no connection can be had, or it reaches another server.
pub(super) async fn kill(target: &Target, victim: &Identity) -> Result<(), Error> {
    let target = Target {
        database: None,
        ..target.clone()
    };
    let mut connection = login::connect(&target).await?;
    let killed = tokio::time::timeout(CONNECT_TIMEOUT, kill_by(&mut connection, victim)).await;
    login::close(connection).await;
    killed.unwrap_or_else(|_| Err(Error::Lost("no answer to a kill".into())))
}

async fn kill_by(connection: &mut MySqlConnection, victim: &Identity) -> Result<(), Error> {
    const ASK: &str = "SELECT VERSION(), CONNECTION_ID(), @@hostname, @@port, @@server_id";
    let rows = batch(connection, ASK).await?;
    let here = Identity::read(rows.first().map(Vec::as_slice).unwrap_or_default())?;
    if here.server != victim.server {
        let reason = "another server answers, where that number is somebody else's";
        return Err(Error::Protocol(reason.to_owned()));
    }
    let kill = format!("KILL QUERY {}", victim.id);
    batch(connection, &kill).await.map(drop)
}

/// What a new session tells.
struct Known {
    flavor: Flavor,
    identity: Identity,
    modes: String,
    shows_variables: bool,
}

async fn set_up(connection: &mut MySqlConnection, role: Role) -> Result<Known, Error> {
    const ASK: &str = "SELECT VERSION(), CONNECTION_ID(), @@hostname, @@port, @@server_id, @@session.sql_mode, @@global.sql_mode, \
        (SELECT COUNT(*) FROM information_schema.plugins WHERE plugin_name = 'user_variables' AND plugin_status = 'ACTIVE')";
    let rows = batch(connection, ASK).await?;
    let row = rows.first().map(Vec::as_slice).unwrap_or_default();
    let column = |index: usize| row.get(index).and_then(Option::as_deref).unwrap_or_default();
    let known = Known {
        flavor: Flavor::read(column(0)),
        identity: Identity::read(row)?,
        modes: modes(column(5), column(6)),
        shows_variables: column(7) == "1",
    };
    batch(connection, &settings(&known, role)).await?;
    Ok(known)
}

/// What a new session is set to.
fn settings(known: &Known, role: Role) -> String {
    let mut settings = format!(
        "{NAMES}; SET SESSION sql_mode = '{}', {TIME_ZONE}, lc_messages = 'en_US', autocommit = 1, completion_type = 0, \
         lock_wait_timeout = {LOCK_TIMEOUT}, innodb_lock_wait_timeout = {LOCK_TIMEOUT}, net_write_timeout = {WRITE_TIMEOUT}",
        known.modes
    );
    if known.flavor.is_mariadb() {
        settings.push_str(", idle_transaction_timeout = ");
        settings.push_str(&IDLE_TIMEOUT.to_string());
    }
    if role == Role::Reader {
        settings.push_str("; SET SESSION TRANSACTION READ ONLY");
    }
    settings
}

/// The statement that limits the time of the next ones; MySQL's limit holds for those that read.
fn set_timeout(flavor: Flavor, timeout: Duration) -> String {
    match flavor.product {
        Product::MariaDb => format!("SET SESSION max_statement_time = {:.3}", timeout.as_secs_f64()),
        Product::MySql => format!("SET SESSION max_execution_time = {}", timeout.as_millis()),
    }
}

/// The session's modes without those that change how a text is read.
fn modes(session: &str, global: &str) -> String {
    let modes = session.split(',').filter(|mode| {
        // Names come from the server, and go into a statement of ours.
        let is_name = !mode.is_empty()
            && mode
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        // The driver asks for this one, which makes names of functions reserved words.
        let is_the_driver_s = *mode == "IGNORE_SPACE" && !global.split(',').any(|other| other == *mode);
        is_name && !is_the_driver_s && !MODES_OF_READING.contains(mode)
    });
    modes.collect::<Vec<_>>().join(",")
}

/// Runs statements of ours in one flight, and returns the rows of all as texts. They hold constants and numbers, never anything of a
/// caller's: this protocol takes several statements in one text.
#[expect(
    clippy::disallowed_methods,
    reason = "several statements of ours in one flight; nothing of a caller's is ever in them"
)]
async fn batch(connection: &mut MySqlConnection, sql: &str) -> Result<Vec<Vec<Option<String>>>, Error> {
    let mut rows = sqlx::raw_sql(AssertSqlSafe(sql)).fetch_many(connection);
    let mut texts = Vec::new();
    while let Some(result) = rows.try_next().await? {
        if let Some(row) = result.right() {
            texts.push(read_texts(&row)?);
        }
    }
    Ok(texts)
}

fn read_texts(row: &MySqlRow) -> Result<Vec<Option<String>>, Error> {
    let columns = 0..row.len();
    let texts = columns.map(|index| {
        let raw = row.try_get_raw(index)?;
        // The only failure is NULL.
        let bytes = <&[u8] as Decode<MySql>>::decode(raw).ok();
        Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
    });
    texts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_that_change_the_reading_are_taken_out() {
        assert_eq!(
            modes(
                "STRICT_TRANS_TABLES,ANSI_QUOTES,IGNORE_SPACE,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT",
                ""
            ),
            "STRICT_TRANS_TABLES,PIPES_AS_CONCAT"
        );
        assert_eq!(modes("IGNORE_SPACE", "IGNORE_SPACE"), "IGNORE_SPACE");
        assert_eq!(modes("", ""), "");
        assert_eq!(modes("A'; DROP", ""), "");
    }
}

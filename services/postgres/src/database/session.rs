//! What a session of ours is set to, with and without a pooler in front of the server.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::arguments::TIMEOUT_MS;
use mcp_hub_chassis::doctor::Verdict;

use crate::config::{Role, Target};
use crate::error::Error;
use crate::traced::Shown;
use crate::wire::{self, Connection};

/// How long a statement waits for a lock. Shorter than a statement may run: the caller then learns that it is a lock.
const LOCK_TIMEOUT: &str = "10000";

/// How long a transaction may stand still. Ours do only when the process was cut off.
const IDLE_TIMEOUT: &str = "60000";

/// The setting that tells a session with our settings from one whose pooler dropped them.
const PROOF: (&str, &str) = ("lock_timeout", "10s");

/// The oldest server whose catalogue and SQL the tools know, as `server_version_num` has it.
const OLDEST: i32 = 120_000;

/// Settings that give values the text forms that [`value`](crate::value) reads, and bounds to what a statement may hold.
const SETTINGS: [(&str, &str); 6] = [
    ("lock_timeout", LOCK_TIMEOUT),
    ("idle_in_transaction_session_timeout", IDLE_TIMEOUT),
    ("IntervalStyle", "iso_8601"),
    ("bytea_output", "hex"),
    // All digits of floats; the default since PostgreSQL 12.
    ("extra_float_digits", "3"),
    // A compilation can't be interrupted: a cancelled statement would go on for seconds on a busy server.
    ("jit", "off"),
];

/// Whether sessions keep what they are set to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// From login to end.
    Session,
    /// Only for a transaction: a pooler lends the server's session from one to the next.
    Transaction,
}

/// Logs in with all settings as startup parameters: a session that is ours from login to end.
///
/// # Errors
/// [`Error::StartupParameter`] when a pooler refuses them, `Ok(None)` when it took them without effect; [`Error::Unavailable`] with its
/// version when the server is too old.
pub(super) async fn log_in(
    target: Arc<Target>,
    role: Role,
    application_name: &str,
) -> Result<Option<Connection>, Error> {
    let timeout = TIMEOUT_MS.default.to_string();
    let mut parameters = vec![
        ("application_name", application_name),
        ("statement_timeout", timeout.as_str()),
    ];
    if role == Role::Reader {
        parameters.push(("default_transaction_read_only", "on"));
    }
    parameters.extend(SETTINGS);
    let mut connection = wire::connect(target, &parameters).await?;
    let (setting, value) = PROOF;
    let sql = format!(
        "SELECT pg_catalog.current_setting('{setting}') = '{value}', \
         pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_setting('server_version')"
    );
    let rows = connection.rows(Shown::ours("SELECT"), &sql, &[], None).await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    if row.get(1).unwrap_or(OLDEST) < OLDEST {
        let version: String = row.get(2).unwrap_or_default();
        return Err(Error::Unavailable {
            verdict: Verdict::VersionUnsupported,
            reason: format!("the server is PostgreSQL {version}, and the oldest that can be asked is 12"),
            source: None,
        });
    }
    Ok(row.get(0).unwrap_or(false).then_some(connection))
}

/// Logs in to a pooler: nothing but what every pooler takes.
pub(super) async fn log_in_to_pooler(
    target: Arc<Target>,
    application_name: &str,
) -> Result<Connection, Error> {
    wire::connect(target, &[("application_name", application_name)]).await
}

/// Queues the beginning of a transaction, with the settings that the session does not have.
pub(super) fn begin(
    connection: &mut Connection,
    mode: Mode,
    begin: &str,
    timeout: Duration,
) -> Result<(), Error> {
    connection.queue_preamble(begin)?;
    match mode {
        Mode::Session if timeout.as_millis() == u128::from(TIMEOUT_MS.default) => Ok(()),
        Mode::Session => connection.queue_preamble(&set_timeout(timeout)),
        Mode::Transaction => {
            let timeout = timeout.as_millis().to_string();
            let settings = SETTINGS
                .iter()
                .copied()
                .chain([("statement_timeout", timeout.as_str())]);
            let calls: Vec<String> = settings
                .map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', true)"))
                .collect();
            connection.queue_preamble(&format!("SELECT {}", calls.join(", ")))
        }
    }
}

/// The statement that sets the limit of the transaction's next statements.
pub(super) fn set_timeout(timeout: Duration) -> String {
    format!("SET LOCAL statement_timeout = {}", timeout.as_millis())
}

/// Groups of statements, each ended by a `Sync`.
pub(crate) type Groups = &'static [&'static [&'static str]];

/// What ends a caller's transaction and leaves nothing of it in the session. Settings and notifications are undone by the rollback;
/// locks of the session, prepared statements and open connections of functions are not.
pub(super) fn end(mode: Mode) -> Groups {
    match mode {
        // `DISCARD ALL` wants to be alone.
        Mode::Session => &[&["ROLLBACK"], &["DISCARD ALL"]],
        // What would be discarded here may be another client's; but locks are held by nobody, or by us. One group, because between two
        // the pooler may lend another session of the server.
        Mode::Transaction => &[&["ROLLBACK", UNLOCK]],
    }
}

/// The same for what is kept.
pub(super) fn commit(mode: Mode) -> Groups {
    match mode {
        Mode::Session => &[&["COMMIT"], &["DISCARD ALL"]],
        Mode::Transaction => &[&["COMMIT", UNLOCK]],
    }
}

const UNLOCK: &str = "SELECT pg_catalog.pg_advisory_unlock_all()";

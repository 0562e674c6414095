//! One connection: how it is opened and locked down, and how work runs on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::metrics::pool;
use mcp_hub_chassis::{fault, trace};
use rusqlite::OpenFlags;
use rusqlite::config::DbConfig;
use rusqlite::hooks::AuthContext;
use rusqlite::limits::Limit;
use tracing::Span;

use super::session::{Session, classify};
use super::stop::Stop;
use crate::config::Config;
use crate::error::Error;
use crate::guard::{Gate, Mode};

/// How long SQLite waits for another process's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// How many steps of SQLite's machine run between two questions whether to go on: some tens of microseconds.
const STEPS_BETWEEN_QUESTIONS: i32 = 4_000;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// For reading; the operating system's handle can't write either.
    Read,
    /// For one transaction of the tool that changes data.
    Write,
}

/// What opening needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The file.
    pub(crate) path: Option<PathBuf>,
    /// Its name without folders, as traces and metrics name it.
    pub(super) file: Arc<str>,
    memory_mb: u32,
    /// What to do instead of a write in a tool that reads.
    write_hint: String,
}

impl Settings {
    pub(super) fn new(config: &Config, name: &str) -> Self {
        let write_hint = if config.allow_writes {
            format!("this tool only reads: use {name}_execute")
        } else {
            "this service only reads: its operator has not allowed writes (SQLITE_ALLOW_WRITES)".to_owned()
        };
        Self {
            path: config.path.clone(),
            file: config
                .path
                .as_deref()
                .and_then(Path::file_name)
                .map_or_else(|| "".into(), |name| name.to_string_lossy().into()),
            memory_mb: config.memory_mb,
            write_hint,
        }
    }
}

/// A connection and what the hooks on it share with us.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) raw: rusqlite::Connection,
    pub(super) gate: Arc<Gate>,
    /// The file's name without folders.
    pub(super) file: Arc<str>,
    /// Counts it among the connections of its pool, if it is of one.
    pub(super) counted: Option<pool::Connection>,
    /// Whose statements run on it.
    mode: Mode,
    identity: Identity,
    pub(super) write_hint: String,
    /// The schema whose virtual tables are connected.
    pub(super) schema_version: std::cell::Cell<Option<i64>>,
}

impl Connection {
    /// Opens and locks down.
    ///
    /// # Errors
    /// `Unavailable` when the file is missing, can't be read or is no database.
    pub(crate) fn open(settings: &Settings, access: Access) -> Result<Self, Error> {
        let path = super::plain_path(settings.path.as_deref().ok_or(Error::NotConfigured)?)?;
        let identity = Identity::of(path)?;
        let (direction, mode) = match access {
            Access::Read => (OpenFlags::SQLITE_OPEN_READ_ONLY, Mode::Read),
            Access::Write => (OpenFlags::SQLITE_OPEN_READ_WRITE, Mode::Write),
        };
        let flags = direction
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE
            | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let raw =
            rusqlite::Connection::open_with_flags(path, flags).map_err(|error| classify(error, false))?;
        let gate = Arc::new(Gate::default());
        lock_down(&raw, &gate, settings.memory_mb, access).map_err(|error| classify(error, false))?;
        Ok(Self {
            raw,
            gate,
            file: settings.file.clone(),
            counted: None,
            mode,
            identity,
            write_hint: settings.write_hint.clone(),
            schema_version: std::cell::Cell::new(None),
        })
    }

    /// Says to the pool's metrics, if it is of a pool, what it does from now on.
    pub(super) fn count(&mut self, change: fn(&mut pool::Connection)) {
        if let Some(counted) = &mut self.counted {
            change(counted);
        }
    }

    /// Whether the path still leads to the file that is open: one that was replaced by a rename would be read for ever.
    pub(crate) fn is_current(&self, settings: &Settings) -> bool {
        settings
            .path
            .as_deref()
            .and_then(|path| super::plain_path(path).ok())
            .and_then(|path| Identity::of(path).ok())
            .is_some_and(|identity| identity == self.identity)
    }

    /// Runs `work`, ended early by `stop`, and says in our words what went wrong. `acquire` is the span of what comes before.
    pub(crate) fn run<T>(
        &self,
        stop: &Arc<Stop>,
        acquire: Span,
        work: impl FnOnce(&Session<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let session = Session::new(self, stop);
        stop.arm(self.raw.get_interrupt_handle());
        // While a statement runs too: it may compile others (a pragma as a table, a virtual table's own) or be compiled again.
        self.gate.set_mode(self.mode);
        let asked = stop.clone();
        let ready = self
            .raw
            .progress_handler(STEPS_BETWEEN_QUESTIONS, Some(move || asked.must_end()))
            .map_err(Error::from)
            .and_then(|()| {
                if stop.has_ended() {
                    Err(stop.reason())
                } else {
                    Ok(())
                }
            })
            .and_then(|()| session.connect_virtual_tables())
            .map_err(|error| session.classify(error))
            .inspect_err(|error| trace::fail(&acquire, fault::name(error.reason())));
        drop(acquire);
        let result = ready.and_then(|()| work(&session));
        stop.disarm();
        // Fails only on a connection that is not ours.
        let _ = self.raw.progress_handler(0, None::<fn() -> bool>);
        result.map_err(|error| session.classify(error))
    }
}

fn lock_down(
    raw: &rusqlite::Connection,
    gate: &Arc<Gate>,
    memory_mb: u32,
    access: Access,
) -> Result<(), rusqlite::Error> {
    raw.busy_timeout(BUSY_TIMEOUT)?;
    // No shadow tables, no writable_schema; no functions with side effects from views and triggers; the tokenizer pointer is off.
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_FTS3_TOKENIZER, false)?;
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_CREATE, false)?;
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_ATTACH_WRITE, false)?;
    // "no_such_column" is an error, not a text: a misspelt name must not look like an answer.
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, 64 << 20),
        (Limit::SQLITE_LIMIT_SQL_LENGTH, 1 << 20),
        (Limit::SQLITE_LIMIT_COLUMN, 2_000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 500),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 200),
        (Limit::SQLITE_LIMIT_VDBE_OP, 1_000_000),
        (Limit::SQLITE_LIMIT_FUNCTION_ARG, 100),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 10_000),
        (Limit::SQLITE_LIMIT_TRIGGER_DEPTH, 100),
        (Limit::SQLITE_LIMIT_WORKER_THREADS, 0),
    ] {
        raw.set_limit(limit, value)?;
    }
    // The memory limit is the process's, and can only be lowered. Temporary tables in memory count; on disk nothing would bound them.
    set_pragma(raw, "hard_heap_limit", i64::from(memory_mb) << 20)?;
    set_pragma(raw, "temp_store", 2)?;
    if access == Access::Read {
        set_pragma(raw, "query_only", 1)?;
    }
    let judge = gate.clone();
    raw.authorizer(Some(move |context: AuthContext<'_>| judge.authorize(&context)))
}

fn set_pragma(raw: &rusqlite::Connection, name: &str, value: i64) -> Result<(), rusqlite::Error> {
    raw.pragma_update_and_check(None, name, value, |_| Ok(()))
        .or_else(|error| match error {
            // Some answer with a row, some do not.
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            error => Err(error),
        })
}

/// Which file a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
    created: Option<SystemTime>,
}

impl Identity {
    fn of(path: &Path) -> Result<Self, Error> {
        let metadata = std::fs::metadata(path).map_err(|error| {
            let (verdict, reason) = match error.kind() {
                std::io::ErrorKind::NotFound => (Verdict::FileMissing, "the file does not exist".into()),
                std::io::ErrorKind::PermissionDenied => (
                    Verdict::FileUnreadable,
                    "the operating system denies access to the file".into(),
                ),
                kind => (
                    Verdict::FileUnreadable,
                    format!("the file can't be found: {kind}").into(),
                ),
            };
            Error::Unavailable(verdict, reason)
        })?;
        if !metadata.is_file() {
            return Err(Error::Unavailable(
                Verdict::NotADatabase,
                "the path leads to something that is not a file".into(),
            ));
        }
        Ok(Self {
            #[cfg(unix)]
            device: std::os::unix::fs::MetadataExt::dev(&metadata),
            #[cfg(unix)]
            inode: std::os::unix::fs::MetadataExt::ino(&metadata),
            created: metadata.created().ok(),
        })
    }
}

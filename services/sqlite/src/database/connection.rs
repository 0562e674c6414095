//! One connection: how it is opened and locked down, and how work runs on it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rusqlite::config::DbConfig;
use rusqlite::hooks::AuthContext;
use rusqlite::limits::Limit;
use rusqlite::{ErrorCode, OpenFlags, ffi};

use super::stop::Stop;
use crate::config::Config;
use crate::error::Error;
use crate::guard::{Effect, Gate, Mode};

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
            memory_mb: config.memory_mb,
            write_hint,
        }
    }
}

/// A connection and what the hooks on it share with us.
#[derive(Debug)]
pub(crate) struct Connection {
    raw: rusqlite::Connection,
    gate: Arc<Gate>,
    /// Whose statements run on it.
    mode: Mode,
    identity: Identity,
    write_hint: String,
    /// The schema whose virtual tables are connected.
    schema_version: std::cell::Cell<Option<i64>>,
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
            mode,
            identity,
            write_hint: settings.write_hint.clone(),
            schema_version: std::cell::Cell::new(None),
        })
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

    /// Runs `work`, ended early by `stop`, and says in our words what went wrong.
    pub(crate) fn run<T>(
        &self,
        stop: &Arc<Stop>,
        work: impl FnOnce(&Session<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let session = Session {
            connection: self,
            stop,
        };
        stop.arm(self.raw.get_interrupt_handle());
        // While a statement runs too: it may compile others (a pragma as a table, a virtual table's own) or be compiled again.
        self.gate.set_mode(self.mode);
        let asked = stop.clone();
        let result = self
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
            .and_then(|()| work(&session));
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

/// A connection while work runs on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'a> {
    connection: &'a Connection,
    stop: &'a Arc<Stop>,
}

impl<'a> Session<'a> {
    /// Runs `work` with the connection's authorizer in `mode`, and returns what its statements do.
    pub(crate) fn within<T>(
        &self,
        mode: Mode,
        work: impl FnOnce(&'a rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<(T, Vec<Effect>), Error> {
        let gate = &self.connection.gate;
        let before = gate.set_mode(mode);
        let result = work(&self.connection.raw).map_err(|error| self.classify(error));
        let effects = gate.take_effects();
        gate.set_mode(before);
        Ok((result?, effects))
    }

    /// Runs statements of our own.
    pub(crate) fn internal<T>(
        &self,
        work: impl FnOnce(&'a rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        Ok(self.within(Mode::Internal, work)?.0)
    }

    /// Runs statements of our own for as long as `budget`; nothing when that was not enough.
    pub(crate) fn budgeted<T>(
        &self,
        budget: Duration,
        work: impl FnOnce(&'a rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.stop.set_budget(Some(budget));
        let before = self.connection.gate.set_mode(Mode::Internal);
        let result = work(&self.connection.raw);
        self.connection.gate.set_mode(before);
        self.stop.set_budget(None);
        match result {
            Err(Error::Sqlite(error))
                if code_of(&error) == Some(ErrorCode::OperationInterrupted) && !self.stop.has_ended() =>
            {
                Ok(None)
            }
            result => result.map(Some).map_err(|error| self.classify(error)),
        }
    }

    /// What may end the work.
    pub(crate) fn stop(&self) -> &Stop {
        self.stop
    }

    /// An error of SQLite's in our words.
    pub(crate) fn classify(&self, error: Error) -> Error {
        if !matches!(error, Error::Sqlite(_) | Error::Statement(_)) {
            return error;
        }
        // SQLite reports a denial in several ways, some without the code for it.
        if let Some(denial) = self.connection.gate.take_denial() {
            return self.denied(denial);
        }
        match error {
            Error::Sqlite(error) if code_of(&error) == Some(ErrorCode::OperationInterrupted) => {
                self.stop.reason()
            }
            Error::Sqlite(error) => classify(error, true),
            error => error,
        }
    }

    /// A refusal, with what to do instead.
    pub(crate) fn denied(&self, denial: crate::guard::Denial) -> Error {
        let hint = if denial.is_write {
            self.connection.write_hint.clone()
        } else {
            "no tool of this service does this".to_owned()
        };
        Error::Denied { denial, hint }
    }

    /// Connects each virtual table of a schema that is new to this connection, with the authorizer out of the way: R-Trees compile
    /// their own INSERT and DELETE when they connect, also where nothing can be written.
    fn connect_virtual_tables(&self) -> Result<(), Error> {
        self.internal(|raw| {
            let version = raw.query_row("pragma schema_version", [], |row| row.get(0))?;
            if self.connection.schema_version.replace(Some(version)) == Some(version) {
                return Ok(());
            }
            let mut tables =
                raw.prepare("select name from sqlite_schema where type = 'table' and rootpage = 0")?;
            let names = tables
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<Result<Vec<_>, _>>()?;
            for name in names {
                // One of a module that this SQLite lacks can't be connected, and says so when it is asked for.
                let _ = raw.prepare(&format!("select 1 from {} limit 0", quote(&name)));
            }
            Ok(())
        })
    }
}

/// A name as SQL.
pub(crate) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn code_of(error: &rusqlite::Error) -> Option<ErrorCode> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.code)
        }
        _ => None,
    }
}

/// What an error of SQLite's says about the file or, if one runs, the statement.
fn classify(error: rusqlite::Error, is_running: bool) -> Error {
    let (code, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => (*failure, message.clone().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (*error, msg.clone()),
        _ => return Error::Sqlite(error),
    };
    let unavailable = |reason: &'static str| Error::Unavailable(reason.into());
    match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Locked,
        ErrorCode::NotADatabase => unavailable("the file is not a SQLite database, or it is encrypted"),
        ErrorCode::DatabaseCorrupt => unavailable("the database file is damaged"),
        ErrorCode::CannotOpen => {
            unavailable("the file, or the -wal or -journal file beside it, can't be opened")
        }
        ErrorCode::PermissionDenied => unavailable("the operating system denies access to the file"),
        ErrorCode::SystemIoFailure => {
            unavailable("the operating system reports an error on reading or writing the file")
        }
        ErrorCode::FileLockingProtocolFailed => {
            unavailable("the file system does not lock files as SQLite needs")
        }
        ErrorCode::ReadOnly => match code.extended_code {
            ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY | ffi::SQLITE_READONLY_CANTINIT => {
                unavailable(
                    "a writer ended early, and its journal must first be recovered by a program that may write",
                )
            }
            _ => unavailable("the file, or its folder, can't be written"),
        },
        ErrorCode::DiskFull => unavailable("the disk is full"),
        ErrorCode::OutOfMemory => Error::statement(
            "SQLite has used up the memory that it may use (SQLITE_MEMORY_MB): sort and group fewer rows, or try again",
        ),
        ErrorCode::TooBig => Error::statement("a text, a blob or the statement itself is too long"),
        ErrorCode::Unknown
        | ErrorCode::ConstraintViolation
        | ErrorCode::TypeMismatch
        | ErrorCode::ParameterOutOfRange
        | ErrorCode::SchemaChanged
            if is_running =>
        {
            Error::statement(message)
        }
        _ => Error::Sqlite(error),
    }
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
            Error::Unavailable(match error.kind() {
                std::io::ErrorKind::NotFound => "the file does not exist".into(),
                std::io::ErrorKind::PermissionDenied => {
                    "the operating system denies access to the file".into()
                }
                kind => format!("the file can't be found: {kind}").into(),
            })
        })?;
        if !metadata.is_file() {
            return Err(Error::Unavailable(
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

//! Work on a connection: whose statements it runs, in which spans, and what SQLite's errors mean.
//!
//! A statement's span is around its run. Compiling it is the guard's span, because SQLite's compiler is who asks the guard; what it finds wrong by
//! itself is a statement that failed. SQLite is in this process and has no log that could be told of the trace, so no comment is put behind
//! statements.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::trace::statement::{Shown, Statement, Target};
use mcp_hub_chassis::{fault, trace};
use rusqlite::{ErrorCode, ffi};

use super::connection::Connection;
use super::stop::Stop;
use crate::error::Error;
use crate::guard::{Effect, Mode};
use crate::summary;

/// A connection while work runs on it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'a> {
    connection: &'a Connection,
    stop: &'a Arc<Stop>,
}

/// What a statement answered.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Returned {
    /// Rows of the answer.
    pub(crate) rows: u64,
    /// Their bytes, where they were counted.
    pub(crate) bytes: Option<u64>,
    /// Whether there were more.
    pub(crate) truncated: bool,
}

impl Returned {
    /// Nothing yet; bytes are counted if somebody reads them.
    pub(crate) fn counting() -> Self {
        Self {
            bytes: trace::is_recorded().then_some(0),
            ..Self::default()
        }
    }

    /// Counts a row of the answer.
    pub(crate) fn add(&mut self, bytes: Option<usize>) {
        self.rows += 1;
        self.bytes = self.bytes.zip(bytes).map(|(sum, bytes)| sum + bytes as u64);
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(connection: &'a Connection, stop: &'a Arc<Stop>) -> Self {
        Self { connection, stop }
    }

    /// Runs a caller's statement in its span. What it returns is nothing for a statement that has no rows.
    pub(crate) fn theirs<T>(
        &self,
        sql: &str,
        run: impl FnOnce(&Statement) -> Result<(T, Option<Returned>), Error>,
    ) -> Result<T, Error> {
        let statement = self.begin_theirs(sql);
        let result = statement.span().in_scope(|| run(&statement));
        match result {
            Ok((value, Some(returned))) => {
                statement.returned(returned.rows, returned.bytes, returned.truncated);
                Ok(value)
            }
            Ok((value, None)) => {
                statement.done();
                Ok(value)
            }
            Err(error) => Err(self.failed(statement, error)),
        }
    }

    /// Shows in the trace a caller's statement that SQLite did not compile; `code` is SQLite's extended one.
    pub(crate) fn not_compiled(&self, sql: &str, error: &Error, code: Option<i32>) {
        let code = code.map(|code| code.to_string());
        let statement = self.begin_theirs(sql);
        statement.failed(fault::name(error.reason()), code.as_deref());
    }

    /// Runs statements of our own in one span, which `summary` names: `SELECT sqlite_schema`.
    pub(crate) fn ours<T>(
        &self,
        summary: &'static str,
        work: impl FnOnce(&'a rusqlite::Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.spanning(summary, || self.internal(work))
    }

    /// Puts a span around work that runs statements of our own.
    pub(crate) fn spanning<T>(
        &self,
        summary: &'static str,
        work: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let statement = Statement::begin(self.target(), Shown::ours(summary), || None);
        match statement.span().in_scope(work) {
            Ok(value) => {
                statement.done();
                Ok(value)
            }
            Err(error) => Err(self.failed(statement, error)),
        }
    }

    fn begin_theirs(&self, sql: &str) -> Statement {
        let operation = summary::operation(sql);
        // Nobody reads a summary that is not recorded.
        let names = if trace::is_recorded() {
            summary::names(sql)
        } else {
            vec![]
        };
        let shown = Shown {
            operation,
            summary: &summary::summary(operation, &names),
            collection: names.first().filter(|_| names.len() == 1).map(String::as_str),
        };
        Statement::begin(self.target(), shown, || summary::sanitised(sql))
    }

    fn failed(&self, statement: Statement, error: Error) -> Error {
        let code = error.code().map(|code| code.to_string());
        let error = self.classify(error);
        statement.failed(fault::name(error.reason()), code.as_deref());
        error
    }

    fn target(&self) -> Target<'a> {
        Target {
            system: "sqlite",
            namespace: &self.connection.file,
            address: "",
            port: None,
        }
    }

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

    /// Runs statements of our own that are not worth a span.
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

    /// Whether no transaction is open.
    pub(crate) fn is_autocommit(&self) -> bool {
        self.connection.raw.is_autocommit()
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
    pub(super) fn connect_virtual_tables(&self) -> Result<(), Error> {
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
pub(super) fn classify(error: rusqlite::Error, is_running: bool) -> Error {
    let (code, message) = match &error {
        rusqlite::Error::SqliteFailure(failure, message) => (*failure, message.clone().unwrap_or_default()),
        rusqlite::Error::SqlInputError { error, msg, .. } => (*error, msg.clone()),
        _ => return Error::Sqlite(error),
    };
    let unavailable = |verdict, reason: &'static str| Error::Unavailable(verdict, reason.into());
    match code.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Error::Locked,
        ErrorCode::NotADatabase => unavailable(
            Verdict::NotADatabase,
            "the file is not a SQLite database, or it is encrypted",
        ),
        ErrorCode::DatabaseCorrupt => unavailable(Verdict::NotADatabase, "the database file is damaged"),
        ErrorCode::CannotOpen => unavailable(
            Verdict::FileUnreadable,
            "the file, or the -wal or -journal file beside it, can't be opened",
        ),
        ErrorCode::PermissionDenied => unavailable(
            Verdict::FileUnreadable,
            "the operating system denies access to the file",
        ),
        ErrorCode::SystemIoFailure => unavailable(
            Verdict::FileUnreadable,
            "the operating system reports an error on reading or writing the file",
        ),
        ErrorCode::FileLockingProtocolFailed => unavailable(
            Verdict::FileLocked,
            "the file system does not lock files as SQLite needs",
        ),
        ErrorCode::ReadOnly => match code.extended_code {
            ffi::SQLITE_READONLY_ROLLBACK | ffi::SQLITE_READONLY_RECOVERY | ffi::SQLITE_READONLY_CANTINIT => {
                unavailable(
                    Verdict::WalReadOnly,
                    "a writer ended early, and its journal must first be recovered by a program that may write",
                )
            }
            _ => unavailable(Verdict::WalReadOnly, "the file, or its folder, can't be written"),
        },
        ErrorCode::DiskFull => unavailable(Verdict::NotWorking, "the disk is full"),
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

//! What can go wrong, and what of it a caller may read.
//!
//! [`Error`] is the crate's one error type. Its `From<Error> for Fault` is the only place that decides what leaves the process: a
//! server's message about the caller's statement does, a host, an address or a password never.

use std::time::Duration;

use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{BoxError, Fault};
use sqlx::mysql::MySqlDatabaseError;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's mistake, or a refusal of ours, worded for the caller.
    #[error("{0}")]
    Fault(Fault),
    /// The server refused a statement.
    #[error("the server refused the statement (error {})", .0.number)]
    Server(Box<ServerError>),
    /// No connection can be had. The reason is clean: it names no address.
    #[error("can't connect: {reason}")]
    Unavailable {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why, in words for an operator who may not read addresses: "connection refused".
        reason: String,
        /// The cause, for the log.
        source: Option<BoxError>,
    },
    /// All connections are in use and stayed so.
    #[error("all connections are in use")]
    Busy,
    /// The statement took longer than it may.
    #[error("the statement took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection was lost")]
    Lost(#[source] BoxError),
    /// The server sent what the driver does not understand.
    #[error("unexpected message from the server: {0}")]
    Protocol(String),
    /// A column has a type that the driver does not know. It stops reading there, so the session is lost.
    #[error("a column has a type that the driver does not know: {0}")]
    UnknownType(String),
    /// A value of one of our own statements is not of the type that we read it as.
    #[error("a value of our own statement is not as expected: column {column}, {wanted}")]
    Unexpected {
        /// The column, from 0.
        column: usize,
        /// The Rust type that was asked for.
        wanted: &'static str,
    },
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
}

/// An error as the server reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// The server's own code: 1146. Many share one SQLSTATE.
    pub number: u16,
    /// The five characters of the SQLSTATE.
    pub sqlstate: String,
    /// What happened, in English, without the host that the server writes behind a user's name.
    pub message: String,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
}

impl ServerError {
    /// Reads the driver's error.
    pub(crate) fn read(error: &MySqlDatabaseError) -> Self {
        Self {
            number: error.number(),
            sqlstate: error.code().unwrap_or_default().to_owned(),
            message: without_hosts(error.message()),
            position: None,
        }
    }

    /// Takes a comment that we have put behind the statement out of what the server quotes of its end.
    pub(crate) fn without(mut self, comment: &str, sql: &str) -> Self {
        let quoted = self.message.split_once(" near '").and_then(|(before, rest)| {
            let (near, after) = rest.rsplit_once("' at line ")?;
            // The quotation may end anywhere in the comment.
            let lengths = (1..=comment.len()).rev();
            let mut ours = lengths.filter_map(|length| near.strip_suffix(comment.get(..length)?));
            let near = ours.find(|near| sql.ends_with(near))?;
            Some(format!("{before} near '{near}' at line {after}"))
        });
        if let Some(message) = quoted {
            self.message = message;
        }
        self
    }

    /// Finds where in the statement a syntax error is, from the text that the server quotes.
    pub(crate) fn locate(mut self, sql: &str) -> Self {
        self.position = match self.number {
            // ER_SYNTAX_ERROR, ER_PARSE_ERROR
            1149 | 1064 => position_of_near(&self.message, sql),
            _ => None,
        };
        self
    }

    /// What doctor says of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self.number {
            1040 | 1203 | 1226 => Verdict::ConnectionLimit,
            1044 | 1142 => Verdict::DatabaseDenied,
            1049 => Verdict::DatabaseMissing,
            // The server lets such a user in, and then forbids whatever is asked.
            1820 | 1862 => Verdict::PasswordExpired,
            1053 | 1079 | 1152 => Verdict::Starting,
            _ => Verdict::NotWorking,
        }
    }

    /// Whether KILL QUERY or a limit of the server's ended the statement.
    pub(crate) fn is_interrupted(&self) -> bool {
        // ER_QUERY_INTERRUPTED; MariaDB's max_statement_time; MySQL's max_execution_time.
        matches!(self.number, 1317 | 1969 | 3024)
    }

    /// Whether the server ended the session with this, or had ended it before.
    pub(crate) fn ends_the_session(&self) -> bool {
        // ER_SERVER_SHUTDOWN, ER_NEW_ABORTING_CONNECTION, ER_FORCING_CLOSE, ER_ABORTING_CONNECTION, ER_NET_*; ER_CONNECTION_KILLED of
        // MariaDB; MySQL's ER_CLIENT_INTERACTION_TIMEOUT.
        matches!(
            self.number,
            1053 | 1079 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 4031
        )
    }

    /// Takes out what must not leave the process, wherever the server quotes it.
    pub(crate) fn redact(&mut self, secrets: &[String]) {
        for secret in secrets {
            if self.message.contains(secret.as_str()) {
                self.message = self.message.replace(secret.as_str(), "***");
            }
        }
    }

    fn reason(&self) -> Reason {
        match self.number {
            // A statement or a transaction that is READ ONLY; a server that is.
            1792 | 1290 | 1836 | 3748 => Reason::WriteNotAllowed,
            // Access to a database, a table, a column, a routine, a view; a missing privilege.
            1044 | 1045 | 1142 | 1143 | 1227 | 1356 | 1370 | 1410 | 1698 => Reason::AccessDenied,
            // No such database; no such table and no such routine are mistakes in the statement.
            1049 => Reason::ObjectNotFound,
            1969 | 3024 => Reason::StatementTimedOut,
            1317 => Reason::Cancelled,
            // Too many connections, of one user too; a lock that others hold; a deadlock.
            1040 | 1203 | 1226 | 1205 | 1213 => Reason::DatabaseBusy,
            _ if self.ends_the_session() => Reason::DatabaseUnavailable,
            // What the server or this version of it lacks.
            1235 | 1295 => Reason::NotSupported,
            _ => Reason::StatementInvalid,
        }
    }
}

impl Error {
    /// The reason as the contract names it: that of the [`Fault`] that it becomes.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Fault(fault) => fault.reason,
            Self::Server(error) => error.reason(),
            Self::Unavailable { .. } | Self::Lost(_) => Reason::DatabaseUnavailable,
            Self::Busy => Reason::DatabaseBusy,
            Self::TimedOut(_) => Reason::StatementTimedOut,
            Self::UnknownType(_) => Reason::NotSupported,
            Self::Protocol(_) | Self::Unexpected { .. } | Self::Settings(_) => Reason::Internal,
        }
    }

    /// The server's own code, if it is the server's error.
    pub(crate) fn code(&self) -> Option<String> {
        match self {
            Self::Server(error) => Some(error.number.to_string()),
            _ => None,
        }
    }

    /// Whether a new attempt on a new connection may succeed where this one failed because its connection was dead.
    pub(crate) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            Self::Server(error) => error.ends_the_session(),
            _ => false,
        }
    }

    /// Whether the statement was interrupted, by whomever.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(self, Self::Server(error) if error.is_interrupted())
    }

    /// What doctor says of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Unavailable { verdict, .. } => *verdict,
            Self::Settings(_) => Verdict::SettingWrong,
            Self::Lost(_) => Verdict::Closed,
            Self::TimedOut(_) => Verdict::Silent,
            Self::Busy => Verdict::ConnectionLimit,
            Self::Server(error) => error.verdict(),
            Self::Fault(_) | Self::Protocol(_) | Self::UnknownType(_) | Self::Unexpected { .. } => {
                Verdict::NotWorking
            }
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// On a session that has logged in; what the driver says before that is judged where it happens.
impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(error) => match error.try_downcast::<MySqlDatabaseError>() {
                Ok(error) => Self::Server(Box::new(ServerError::read(&error))),
                Err(other) => Self::Protocol(other.to_string()),
            },
            sqlx::Error::Io(error) => Self::Lost(error.into()),
            sqlx::Error::Tls(error) => Self::Lost(error),
            sqlx::Error::Protocol(text) if text.contains("unknown column type") => Self::UnknownType(text),
            other => Self::Protocol(other.to_string()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Fault(fault) => fault,
            Error::Server(error) => (*error).into(),
            Error::Unavailable { ref reason, .. } => Self::unavailable(reason, &error),
            Error::Lost(_) => Self::lost(&error),
            Error::Busy => Self::busy(),
            Error::TimedOut(limit) => Self::timed_out(limit),
            Error::UnknownType(_) => Self::new(
                Reason::NotSupported,
                "a column has a type that can't be read, such as MySQL's VECTOR: select a function of it, such as \
                 vector_to_string(column) or hex(column)",
            ),
            Error::Protocol(_) | Error::Unexpected { .. } | Error::Settings(_) => Self::internal(&error),
        }
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        let message = match reason {
            Reason::WriteNotAllowed => format!("{}: this tool only reads", error.message),
            Reason::NotSupported if error.number == 1295 => {
                "the server does not run this kind of statement by the prepared protocol, which is the only one that is used"
                    .to_owned()
            }
            _ => error.message,
        };
        // ER_TRUNCATED_WRONG_VALUE: what an answer showed of a TIMESTAMP ends in Z, which the server does not read.
        let is_zoned = error.number == 1292 && message.contains("datetime") && message.contains('T');
        let hint = is_zoned.then_some("give a date and time in UTC and without a zone: 2024-01-31 12:00:00");
        Self::new(reason, message)
            .with("sqlstate", error.sqlstate)
            .with("code", error.number.to_string())
            .with("hint", hint.unwrap_or_default())
            .with(
                "position",
                error.position.map(|p| p.to_string()).unwrap_or_default(),
            )
    }
}

/// A message without the hosts in `'user'@'host'`: it is the address by which the server sees us.
pub(crate) fn without_hosts(message: &str) -> String {
    let mut clean = String::with_capacity(message.len());
    let mut rest = message;
    for quote in ['\'', '`'] {
        let mark = format!("{quote}@{quote}");
        if !rest.contains(&mark) {
            continue;
        }
        clean.clear();
        while let Some((before, after)) = rest.split_once(&mark) {
            clean.push_str(before);
            clean.push(quote);
            rest = after.split_once(quote).map_or("", |(_, rest)| rest);
        }
        clean.push_str(rest);
        return clean;
    }
    message.to_owned()
}

/// The most of a statement that the server quotes behind "near", in characters.
const QUOTED: usize = 80;

/// Where the text that the server quotes begins in the statement, in characters from 1. It quotes the rest of the statement up to a
/// bound: a short quotation is the statement's end, a long one is looked for in the line that the server names.
fn position_of_near(message: &str, sql: &str) -> Option<u32> {
    let (_, rest) = message.split_once(" near '")?;
    let (near, line) = rest.rsplit_once("' at line ")?;
    let line: usize = line.trim().parse().ok()?;
    let byte = if near.is_empty() {
        sql.trim_end().len()
    } else if sql.ends_with(near) {
        sql.len() - near.len()
    } else if near.chars().count() >= QUOTED {
        let start: usize = sql
            .split_inclusive('\n')
            .take(line.checked_sub(1)?)
            .map(str::len)
            .sum();
        let end = sql[start..].find('\n').map_or(sql.len(), |length| start + length);
        let mut found = sql[start..].match_indices(near).map(|(at, _)| start + at);
        let only = found.next().filter(|at| *at <= end)?;
        // Twice in a line: which one is not known.
        if found.next().is_some_and(|second| second <= end) {
            return None;
        }
        only
    } else {
        return None;
    };
    u32::try_from(sql[..byte].chars().count() + 1).ok()
}

#[cfg(test)]
mod tests;

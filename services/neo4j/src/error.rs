//! What can go wrong, and what of it a caller may read.
//!
//! [`Error`] is the crate's one error type. Its `From<Error> for Fault` is the only place that decides what leaves the process: a
//! server's message about the caller's statement does, a host, an address or a password never.

use std::io;
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::Reason;

use crate::wire::packstream::Packed;

/// What a login needs whose password an administrator made to be changed.
pub(crate) const EXPIRED: &str = "the user's password must be changed first: \
                                  ALTER CURRENT USER SET PASSWORD FROM '..' TO '..' on the database system";

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's mistake, or a refusal of ours, worded for the caller.
    #[error("{0}")]
    Fault(Fault),
    /// The server refused a statement.
    #[error("the server refused the statement ({})", .0.code)]
    Server(Box<ServerError>),
    /// No stream to the server can be had. The reason is clean: it names no address.
    #[error("can't connect: {reason}")]
    Unreachable {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why, in words for an operator who may not read addresses: "connection refused".
        reason: String,
        /// The cause, for the log.
        source: Option<io::Error>,
    },
    /// The server can be reached, but not used. The reason is clean as well.
    #[error("can't be used: {reason}")]
    Unavailable {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// The cause, for the log.
        source: Option<io::Error>,
    },
    /// The server refuses the login. The reason is clean as well.
    #[error("the login is refused: {reason}")]
    Refused {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why.
        reason: String,
    },
    /// All connections are in use and stayed so.
    #[error("all connections are in use")]
    Busy,
    /// The statement took longer than it may.
    #[error("the statement took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
    /// One row is larger than any that is read.
    #[error("{0}")]
    TooLarge(String),
    /// The server sent what the protocol does not allow here.
    #[error("unexpected message from the server: {0}")]
    Protocol(&'static str),
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

/// An error as Neo4j reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `Neo.ClientError.Statement.SyntaxError`.
    pub code: String,
    /// What happened, one line.
    pub message: String,
    /// Where in the statement, in characters from 1.
    pub position: Option<u64>,
}

impl ServerError {
    /// Reads the details of a failure.
    pub(crate) fn read(details: &Packed) -> Self {
        let text = |key: &str| details.get(key).and_then(Packed::as_str);
        // Version 5.7 renamed it, to make room for the status of the GQL standard.
        let code = text("neo4j_code").or(text("code")).unwrap_or_default();
        let message = text("message").unwrap_or_default();
        let offset = details
            .get("diagnostic_record")
            .and_then(|record| record.get("_position"))
            .and_then(|position| position.get("offset"))
            .and_then(Packed::as_int)
            .and_then(|offset| u64::try_from(offset).ok());
        // Behind the first line the statement is repeated, with a caret below the place.
        let line = message.lines().next().unwrap_or_default();
        let (message, named) = without_offset(line);
        Self {
            code: code.to_owned(),
            message,
            position: offset.or(named).map(|offset| offset + 1),
        }
    }

    /// Turns the place, which the server counts in units of UTF-16, into characters of the statement that it is about.
    pub(crate) fn locate(&mut self, cypher: &str) {
        let Some(position) = self.position else { return };
        let mut units = 0;
        let before = cypher.chars().take_while(|character| {
            units += character.len_utf16() as u64;
            units < position
        });
        self.position = Some(before.count() as u64 + 1);
    }

    /// Whether the server's clock ended the transaction.
    pub(crate) fn is_timeout(&self) -> bool {
        self.code
            .starts_with("Neo.ClientError.Transaction.TransactionTimedOut")
    }

    /// Whether somebody else ended the transaction.
    pub(crate) fn is_terminated(&self) -> bool {
        let (_, name) = self.code.rsplit_once('.').unwrap_or_default();
        self.code.contains(".Transaction.") && matches!(name, "Terminated" | "LockClientStopped")
    }

    /// Whether the server is no longer the one that writes.
    pub(crate) fn is_not_a_leader(&self) -> bool {
        matches!(
            self.code.as_str(),
            "Neo.ClientError.Cluster.NotALeader" | "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase"
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
        match self.code.as_str() {
            "Neo.ClientError.Statement.AccessMode" => Reason::WriteNotAllowed,
            "Neo.ClientError.Statement.ParameterMissing" => Reason::ArgumentInvalid,
            "Neo.ClientError.Database.DatabaseNotFound" | "Neo.ClientError.Procedure.ProcedureNotFound" => {
                Reason::ObjectNotFound
            }
            "Neo.ClientError.Security.Forbidden" => Reason::AccessDenied,
            "Neo.ClientError.Cluster.NotALeader" | "Neo.ClientError.General.ForbiddenOnReadOnlyDatabase" => {
                Reason::DatabaseBusy
            }
            _ if self.is_timeout() => Reason::StatementTimedOut,
            "Neo.TransientError.General.DatabaseUnavailable"
            | "Neo.TransientError.Database.DatabaseUnavailable"
            | "Neo.DatabaseError.Database.UnableToStartDatabase" => Reason::DatabaseUnavailable,
            code if code.starts_with("Neo.ClientError.Security.") => Reason::DatabaseUnavailable,
            _ if self.is_terminated() => Reason::Cancelled,
            // Locks, memory limits, leader elections: trying again helps.
            code if code.starts_with("Neo.TransientError.") => Reason::DatabaseBusy,
            _ => Reason::StatementInvalid,
        }
    }
}

/// A message and the place that it names: "Variable `x` not defined (line 1, column 8 (offset: 7))".
fn without_offset(message: &str) -> (String, Option<u64>) {
    let found = message.rsplit_once(" (offset: ").and_then(|(before, rest)| {
        let (digits, after) = rest.split_once(')')?;
        Some((format!("{before}{after}"), digits.parse().ok()?))
    });
    match found {
        Some((message, offset)) => (message, Some(offset)),
        None => (message.to_owned(), None),
    }
}

impl Error {
    /// The reason as the contract names it: that of the [`Fault`] that it becomes.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Fault(fault) => fault.reason,
            Self::Server(error) => error.reason(),
            Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Refused { .. } | Self::Lost(_) => {
                Reason::DatabaseUnavailable
            }
            Self::Busy => Reason::DatabaseBusy,
            Self::TimedOut(_) => Reason::StatementTimedOut,
            Self::TooLarge(_) => Reason::ResultTooLarge,
            Self::Protocol(_) | Self::Unexpected { .. } | Self::Settings(_) => Reason::Internal,
        }
    }

    /// The server's own code, if it is the server's error.
    pub(crate) fn code(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.code),
            _ => None,
        }
    }

    /// Whether a new attempt on a new connection may succeed where this one failed because its connection was dead.
    pub(crate) fn is_lost_connection(&self) -> bool {
        matches!(self, Self::Lost(_))
    }

    /// What doctor says of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Unreachable { verdict, .. }
            | Self::Unavailable { verdict, .. }
            | Self::Refused { verdict, .. } => *verdict,
            Self::Settings(_) => Verdict::SettingWrong,
            Self::Lost(_) => Verdict::Closed,
            Self::TimedOut(_) => Verdict::Silent,
            Self::Busy => Verdict::ConnectionLimit,
            Self::Server(error) => match error.code.as_str() {
                "Neo.ClientError.Database.DatabaseNotFound" => Verdict::DatabaseMissing,
                "Neo.ClientError.Security.Forbidden" => Verdict::DatabaseDenied,
                "Neo.ClientError.Security.CredentialsExpired" => Verdict::PasswordExpired,
                "Neo.TransientError.Request.NoThreadsAvailable" => Verdict::ConnectionLimit,
                "Neo.TransientError.General.DatabaseUnavailable"
                | "Neo.TransientError.Database.DatabaseUnavailable" => Verdict::Starting,
                _ => Verdict::NotWorking,
            },
            Self::Fault(_) | Self::TooLarge(_) | Self::Protocol(_) | Self::Unexpected { .. } => {
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

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Fault(fault) => fault,
            Error::Server(error) => (*error).into(),
            Error::Unreachable { ref reason, .. }
            | Error::Unavailable { ref reason, .. }
            | Error::Refused { ref reason, .. } => Self::unavailable(reason, &error),
            Error::Lost(_) => Self::lost(&error),
            Error::Busy => Self::busy(),
            Error::TimedOut(limit) => Self::timed_out(limit),
            Error::TooLarge(what) => {
                Self::new(Reason::ResultTooLarge, format!("{what}: return a part of it"))
            }
            Error::Protocol(_) | Error::Unexpected { .. } | Error::Settings(_) => Self::internal(&error),
        }
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        let message = match error.code.as_str() {
            "Neo.ClientError.Security.CredentialsExpired" => EXPIRED.to_owned(),
            // The server's own words may name the leader's address.
            _ if error.is_not_a_leader() => {
                "the server takes no writes now, because another one of its cluster leads: try again"
                    .to_owned()
            }
            _ if reason == Reason::WriteNotAllowed => {
                format!("{}: this tool only reads", error.message.trim_end_matches('.'))
            }
            _ => error.message,
        };
        let field = if reason == Reason::ArgumentInvalid {
            "params"
        } else {
            ""
        };
        Self::new(reason, message)
            .with("sqlstate", error.code)
            .with("field", field)
            .with(
                "position",
                error.position.map(|p| p.to_string()).unwrap_or_default(),
            )
    }
}

#[cfg(test)]
mod tests;

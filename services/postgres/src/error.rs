//! What can go wrong, and what of it a caller may read.
//!
//! [`Error`] is the crate's one error type. Its `From<Error> for Fault` is the only place that decides what leaves the process: a
//! server's message about the caller's statement does, a host, an address or a password never.

use std::io;
use std::time::Duration;

use fallible_iterator::FallibleIterator as _;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::Reason;
use postgres_protocol::message::backend::ErrorFields;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's mistake, or a refusal of ours, worded for the caller.
    #[error("{0}")]
    Fault(Fault),
    /// The server refused a statement.
    #[error("the server refused the statement (SQLSTATE {})", .0.sqlstate)]
    Server(Box<ServerError>),
    /// No connection can be had. The reason is clean: it names no address.
    #[error("can't connect: {reason}")]
    Unavailable {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why, in words for an operator who may not read addresses: "connection refused".
        reason: String,
        /// The cause, for the log.
        source: Option<io::Error>,
    },
    /// The server does not take a startup parameter: a pooler stands in front of it.
    #[error("the server refused the startup parameters (SQLSTATE {})", .0.sqlstate)]
    StartupParameter(Box<ServerError>),
    /// All connections are in use and stayed so.
    #[error("all connections are in use")]
    Busy,
    /// The statement took longer than it may.
    #[error("the statement took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection was lost")]
    Lost(#[source] io::Error),
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

/// An error as PostgreSQL reports it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerError {
    /// `ERROR`, `FATAL` or `PANIC`, in English whatever the server's language.
    pub severity: String,
    /// The five characters of the code.
    pub sqlstate: String,
    /// What happened, in the server's language.
    pub message: String,
    /// More about it.
    pub detail: String,
    /// What to do about it.
    pub hint: String,
    /// Where in the statement, in characters from 1.
    pub position: Option<u32>,
    /// Where inside functions it happened.
    pub context: String,
}

impl ServerError {
    /// Reads the fields of an error or a notice.
    pub(crate) fn read(mut fields: ErrorFields<'_>) -> Self {
        let mut error = Self::default();
        while let Ok(Some(field)) = fields.next() {
            let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                // `S` is translated, `V` is not; servers before 9.6 have only `S`.
                b'S' if error.severity.is_empty() => error.severity = text(),
                b'V' => error.severity = text(),
                b'C' => error.sqlstate = text(),
                b'M' => error.message = text(),
                b'D' => error.detail = text(),
                b'H' => error.hint = text(),
                b'P' => error.position = text().parse().ok(),
                b'W' => error.context = text(),
                _ => {}
            }
        }
        error
    }

    /// Whether the server ends the session with this.
    pub(crate) fn is_fatal(&self) -> bool {
        matches!(self.severity.as_str(), "FATAL" | "PANIC")
    }

    /// Whether a cancel request, a timeout or an administrator ended the statement.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.sqlstate == "57014"
    }

    /// Takes out what must not leave the process, wherever the server quotes it.
    pub(crate) fn redact(&mut self, secrets: &[String]) {
        for text in [
            &mut self.message,
            &mut self.detail,
            &mut self.hint,
            &mut self.context,
        ] {
            for secret in secrets {
                if text.contains(secret.as_str()) {
                    *text = text.replace(secret.as_str(), "***");
                }
            }
        }
    }

    /// Mends an error that the server found behind the end of the statement, in what we put there: for the caller it is at the end.
    pub(crate) fn clamp(&mut self, sql: &str) {
        let end = u32::try_from(sql.chars().count() + 1).unwrap_or(u32::MAX);
        if self.position.is_some_and(|position| position > end) {
            self.position = Some(end);
            if self.sqlstate == "42601" {
                // It names our semicolon.
                "syntax error at end of input".clone_into(&mut self.message);
            }
        }
    }

    fn reason(&self) -> Reason {
        match self.sqlstate.as_str() {
            "25006" => Reason::WriteNotAllowed,
            "42501" => Reason::AccessDenied,
            "3D000" => Reason::ObjectNotFound,
            "57014" => Reason::StatementTimedOut,
            "57P01" | "57P02" | "57P03" => Reason::DatabaseUnavailable,
            // Too many connections, a lock that others hold, a deadlock, a serialization failure: trying again helps.
            "53300" | "55P03" | "40P01" | "40001" => Reason::DatabaseBusy,
            _ => Reason::StatementInvalid,
        }
    }
}

impl Error {
    /// The reason of the fault that it becomes.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::Fault(fault) => fault.reason,
            Self::Server(error) | Self::StartupParameter(error) => error.reason(),
            Self::Unavailable { .. } | Self::Lost(_) => Reason::DatabaseUnavailable,
            Self::Busy => Reason::DatabaseBusy,
            Self::TimedOut(_) => Reason::StatementTimedOut,
            Self::Protocol(_) | Self::Unexpected { .. } | Self::Settings(_) => Reason::Internal,
        }
    }

    /// The server's code for it.
    pub(crate) fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server(error) | Self::StartupParameter(error) => Some(&error.sqlstate),
            Self::Fault(fault) => fault.metadata.get("sqlstate").map(String::as_str),
            _ => None,
        }
    }

    /// What doctor says of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::Unavailable { verdict, .. } => *verdict,
            Self::Settings(_) => Verdict::SettingWrong,
            Self::Lost(_) => Verdict::Closed,
            Self::TimedOut(_) => Verdict::Silent,
            Self::Busy => Verdict::ConnectionLimit,
            Self::Server(error) | Self::StartupParameter(error) => match error.sqlstate.as_str() {
                "42501" => Verdict::DatabaseDenied,
                "3D000" => Verdict::DatabaseMissing,
                "53300" => Verdict::ConnectionLimit,
                "57P01" | "57P02" | "57P03" => Verdict::Starting,
                _ => Verdict::NotWorking,
            },
            Self::Fault(_) | Self::Protocol(_) | Self::Unexpected { .. } => Verdict::NotWorking,
        }
    }

    /// Whether a new attempt on a new connection may succeed where this one failed because its connection was dead.
    pub(crate) fn is_lost_connection(&self) -> bool {
        match self {
            Self::Lost(_) => true,
            // 57P: the server ends the session; 08: a pooler has lost the server.
            Self::Server(error) => {
                error.is_fatal() && (error.sqlstate.starts_with("57P") || error.sqlstate.starts_with("08"))
            }
            _ => false,
        }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Box<ServerError>> for Error {
    fn from(error: Box<ServerError>) -> Self {
        Self::Server(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Fault(fault) => fault,
            Error::Server(error) | Error::StartupParameter(error) => (*error).into(),
            Error::Unavailable { ref reason, .. } => Self::unavailable(reason, &error),
            Error::Lost(_) => Self::lost(&error),
            Error::Busy => Self::busy(),
            Error::TimedOut(limit) => Self::timed_out(limit),
            Error::Protocol(_) | Error::Unexpected { .. } | Error::Settings(_) => Self::internal(&error),
        }
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        let message = match reason {
            Reason::WriteNotAllowed => format!("{}: this tool only reads", error.message),
            _ => error.message,
        };
        // Foreign servers' addresses stand in the details of connection errors (class 08 and HV, the latter for SQL/MED).
        let foreign = error.sqlstate.starts_with("08") || error.sqlstate.starts_with("HV");
        let (message, detail, hint) = if foreign {
            let message = message.lines().next().unwrap_or_default().to_owned();
            (message, String::new(), String::new())
        } else {
            (message, error.detail, error.hint)
        };
        Self::new(reason, message)
            .with("sqlstate", error.sqlstate)
            .with(
                "position",
                error.position.map(|p| p.to_string()).unwrap_or_default(),
            )
            .with("detail", detail)
            .with("hint", hint)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(sqlstate: &str) -> ServerError {
        ServerError {
            sqlstate: sqlstate.to_owned(),
            message: "column \"x\" does not exist".to_owned(),
            detail: "There is a column \"y\".".to_owned(),
            position: Some(8),
            ..ServerError::default()
        }
    }

    #[test]
    fn a_statement_s_mistake_is_told_with_its_place() {
        let fault = Fault::from(server("42703"));
        assert_eq!(fault.reason, Reason::StatementInvalid);
        assert_eq!(fault.metadata["sqlstate"], "42703");
        assert_eq!(fault.metadata["position"], "8");
        assert_eq!(fault.metadata["detail"], "There is a column \"y\".");
        assert!(!fault.metadata.contains_key("hint"));
    }

    #[test]
    fn classes_of_errors_have_reasons_of_their_own() {
        for (sqlstate, reason) in [
            ("25006", Reason::WriteNotAllowed),
            ("42501", Reason::AccessDenied),
            ("57P01", Reason::DatabaseUnavailable),
            ("55P03", Reason::DatabaseBusy),
            ("42601", Reason::StatementInvalid),
        ] {
            assert_eq!(Fault::from(server(sqlstate)).reason, reason, "{sqlstate}");
        }
    }

    #[test]
    fn the_trace_and_the_caller_are_told_one_reason() {
        let io = || io::Error::other("x");
        let errors = || {
            [
                Error::Fault(Fault::new(Reason::ResultTooLarge, "x")),
                Error::Server(Box::new(server("40001"))),
                Error::StartupParameter(Box::new(server("08P01"))),
                Error::Unavailable {
                    verdict: Verdict::Refused,
                    reason: String::new(),
                    source: Some(io()),
                },
                Error::Busy,
                Error::TimedOut(Duration::ZERO),
                Error::Lost(io()),
                Error::Protocol("x"),
                Error::Unexpected {
                    column: 1,
                    wanted: "x",
                },
                Error::Settings("x".to_owned()),
            ]
        };
        for (error, same) in errors().into_iter().zip(errors()) {
            assert_eq!(error.reason(), Fault::from(same).reason, "{error:?}");
        }
        assert_eq!(errors()[1].sqlstate(), Some("40001"));
        assert_eq!(errors()[4].sqlstate(), None);
    }

    #[test]
    fn nothing_of_a_foreign_server_s_address_is_told() {
        let fault = Fault::from(ServerError {
            sqlstate: "08001".to_owned(),
            message: "could not connect to server \"other\"".to_owned(),
            detail: "connection to server at \"10.0.0.5\", port 5432 failed".to_owned(),
            ..ServerError::default()
        });
        assert!(!format!("{fault:?}").contains("10.0.0.5"));
    }

    #[test]
    fn secrets_are_taken_out_of_whatever_the_server_quotes() {
        let mut error = ServerError {
            message: "password=hunter22 is wrong".to_owned(),
            ..ServerError::default()
        };
        error.redact(&["hunter22".to_owned()]);
        assert_eq!(error.message, "password=*** is wrong");
    }

    #[test]
    fn a_cause_of_unavailability_stays_in_the_log() {
        let fault = Fault::from(Error::Unavailable {
            verdict: Verdict::Refused,
            reason: "connection refused".to_owned(),
            source: Some(io::Error::other("10.0.0.5:5432")),
        });
        assert_eq!(fault.message, "the database can't be used: connection refused");
    }
}

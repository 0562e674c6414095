//! What can go wrong, and what of it a caller may read.
//!
//! [`Error`] is the crate's one error type. Its `From<Error> for Fault` is the only place that decides what leaves the process: a
//! server's message about the caller's question does, a host, an address or an API key never.

use std::time::Duration;

use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::{self, Reason};
use mcp_hub_chassis::{BoxError, Fault};
use tonic::Code;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's mistake, or a refusal of ours, worded for the caller.
    #[error("{0}")]
    Fault(Fault),
    /// The server refused a call.
    #[error("the server refused the call ({:?})", .0.code)]
    Server(ServerError),
    /// No connection to the server can be had. The reason is clean: it names no address.
    #[error("can't connect: {reason}")]
    Unreachable {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why, in words for an operator who may not read addresses: "connection refused".
        reason: String,
        /// The cause, for the log.
        source: Option<BoxError>,
    },
    /// The server can be reached, but not used. The reason is clean as well.
    #[error("can't be used: {reason}")]
    Unavailable {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why.
        reason: String,
        /// The cause, for the log.
        source: Option<BoxError>,
    },
    /// The server refuses the API key. The reason is clean as well.
    #[error("the API key is refused: {reason}")]
    Refused {
        /// What doctor says of it.
        verdict: Verdict,
        /// Why.
        reason: String,
    },
    /// As many calls as may be are under way, and stayed so.
    #[error("all calls are in use")]
    Busy,
    /// The call took longer than it may.
    #[error("the call took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection broke.
    #[error("the connection was lost")]
    Lost(#[source] BoxError),
    /// The answer is larger than any that is read.
    #[error("{0}")]
    TooLarge(String),
    /// The server sent what its protocol does not allow here, or a call of ours was none that may be made.
    #[error("unexpected: {0}")]
    Unexpected(&'static str),
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
}

/// An error as Qdrant reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerError {
    /// The gRPC code.
    pub code: Code,
    /// What happened, without the class that Qdrant puts in front of it.
    pub message: String,
}

/// What Qdrant puts in front of a message; the reason says the same.
const CLASSES: [&str; 8] = [
    "Wrong input: ",
    "Bad request: ",
    "Not found: ",
    "Forbidden: ",
    "Precondition failed: ",
    "Service internal error: ",
    "Invalid argument: ",
    "Validation error in body: ",
];

impl ServerError {
    /// An error with this message of the server.
    pub(crate) fn new(code: Code, message: &str) -> Self {
        let mut message = message.trim();
        while let Some(rest) = CLASSES.iter().find_map(|class| message.strip_prefix(class)) {
            message = rest;
        }
        Self {
            code,
            message: message.to_owned(),
        }
    }

    /// Takes out what must not leave the process, wherever the server quotes it.
    pub(crate) fn redact(&mut self, secrets: &[String]) {
        for secret in secrets {
            if self.message.contains(secret.as_str()) {
                self.message = self.message.replace(secret.as_str(), "***");
            }
        }
    }

    /// Whether there is no collection of the name that the call gave.
    pub(crate) fn is_no_collection(&self) -> bool {
        self.code == Code::NotFound && self.message.contains("ollection")
    }

    fn reason(&self) -> Reason {
        match self.code {
            Code::NotFound => Reason::ObjectNotFound,
            Code::PermissionDenied => Reason::AccessDenied,
            Code::ResourceExhausted | Code::Aborted => Reason::DatabaseBusy,
            Code::Unimplemented => Reason::NotSupported,
            Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss => {
                Reason::DatabaseUnavailable
            }
            Code::Cancelled => Reason::Cancelled,
            _ => Reason::StatementInvalid,
        }
    }
}

impl Error {
    /// The reason that a caller will read.
    fn reason(&self) -> Reason {
        match self {
            Self::Fault(fault) => fault.reason,
            Self::Server(error) => error.reason(),
            Self::Unreachable { .. } | Self::Unavailable { .. } | Self::Refused { .. } | Self::Lost(_) => {
                Reason::DatabaseUnavailable
            }
            Self::Busy => Reason::DatabaseBusy,
            Self::TimedOut(_) => Reason::StatementTimedOut,
            Self::TooLarge(_) => Reason::ResultTooLarge,
            Self::Unexpected(_) | Self::Settings(_) => Reason::Internal,
        }
    }

    /// Its name, for traces: `STATEMENT_INVALID`.
    pub(crate) fn reason_name(&self) -> &'static str {
        fault::name(self.reason())
    }

    /// The code that the server gave.
    pub(crate) fn code(&self) -> Option<Code> {
        match self {
            Self::Server(error) => Some(error.code),
            _ => None,
        }
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
            Self::Server(error) => match error.code {
                Code::PermissionDenied => Verdict::DatabaseDenied,
                Code::Unavailable => Verdict::Starting,
                _ => Verdict::NotWorking,
            },
            Self::Fault(_) | Self::TooLarge(_) | Self::Unexpected(_) => Verdict::NotWorking,
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
            Error::Server(error) => error.into(),
            Error::Unreachable { ref reason, .. }
            | Error::Unavailable { ref reason, .. }
            | Error::Refused { ref reason, .. } => Self::unavailable(reason, &error),
            Error::Lost(_) => Self::lost(&error),
            Error::Busy => Self::new(
                Reason::DatabaseBusy,
                "as many calls to Qdrant as may be are under way: try again in a moment",
            ),
            Error::TimedOut(limit) => Self::timed_out(limit),
            Error::TooLarge(what) => Self::new(Reason::ResultTooLarge, what),
            Error::Unexpected(_) | Error::Settings(_) => Self::internal(&error),
        }
    }
}

impl From<ServerError> for Fault {
    fn from(error: ServerError) -> Self {
        let reason = error.reason();
        // What one server of a cluster says of another may name addresses, and its panics tell of its inside.
        let message = if reason == Reason::DatabaseUnavailable {
            tracing::warn!(code = ?error.code, error = error.message, "the server failed");
            "the server failed to answer this; its own log tells why".to_owned()
        } else {
            error.message
        };
        Self::new(reason, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: Code, message: &str) -> Fault {
        ServerError::new(code, message).into()
    }

    #[test]
    fn codes_have_reasons_and_messages_lose_their_class() {
        for (code, message, reason, told) in [
            (
                Code::InvalidArgument,
                "Wrong input: Vector dimension error: expected dim: 4, got 3",
                Reason::StatementInvalid,
                "Vector dimension error: expected dim: 4, got 3",
            ),
            (
                Code::NotFound,
                "Not found: No point with id 5 found",
                Reason::ObjectNotFound,
                "No point with id 5 found",
            ),
            (
                Code::PermissionDenied,
                "Forbidden: Global manage access is required",
                Reason::AccessDenied,
                "Global manage access is required",
            ),
            (
                Code::ResourceExhausted,
                "Rate limiting exceeded: Search rate limit exceeded",
                Reason::DatabaseBusy,
                "Rate limiting exceeded: Search rate limit exceeded",
            ),
            (
                Code::Internal,
                "Service internal error: http://10.0.0.5:6335 is down",
                Reason::DatabaseUnavailable,
                "the server failed to answer this; its own log tells why",
            ),
        ] {
            let fault = fault(code, message);
            assert_eq!(
                (fault.reason, fault.message.as_str()),
                (reason, told),
                "{message}"
            );
        }
    }

    #[test]
    fn a_trace_says_the_reason_that_the_caller_reads() {
        let source = || None;
        let reason = String::new;
        for error in [
            Error::Fault(Fault::argument("x", "y")),
            Error::Server(ServerError::new(Code::NotFound, "x")),
            Error::Server(ServerError::new(Code::Internal, "x")),
            Error::Unreachable {
                verdict: Verdict::Refused,
                reason: reason(),
                source: source(),
            },
            Error::Unavailable {
                verdict: Verdict::Refused,
                reason: reason(),
                source: source(),
            },
            Error::Refused {
                verdict: Verdict::LoginRefused,
                reason: reason(),
            },
            Error::Busy,
            Error::TimedOut(Duration::ZERO),
            Error::Lost("x".into()),
            Error::TooLarge("x".to_owned()),
            Error::Unexpected("x"),
            Error::Settings("x".to_owned()),
        ] {
            let name = error.reason_name();
            assert_eq!(Fault::from(error).reason_name(), name);
        }
    }

    #[test]
    fn secrets_are_taken_out_of_whatever_the_server_quotes() {
        let mut error = ServerError::new(Code::InvalidArgument, "api-key hunter22 is wrong");
        error.redact(&["hunter22".to_owned()]);
        assert_eq!(error.message, "api-key *** is wrong");
    }

    #[test]
    fn a_cause_of_unavailability_stays_in_the_log() {
        let fault = Fault::from(Error::Unreachable {
            verdict: Verdict::Refused,
            reason: "connection refused".to_owned(),
            source: Some("10.0.0.5:6334".into()),
        });
        assert_eq!(fault.message, "the database can't be used: connection refused");
    }
}

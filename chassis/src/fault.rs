//! Errors as they cross a process boundary: [`Fault`] <-> `tonic::Status` with `google.rpc` details.
//!
//! The only place that makes a `Status`. A crate's own error type has one `From<Error> for Fault`; what a caller may read is
//! decided there, and everything else is [`Fault::internal`].

use std::collections::BTreeMap;
use std::time::Duration;

pub use mcp_hub_proto::error::v1::ErrorReason as Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of our `google.rpc.ErrorInfo`.
pub const DOMAIN: &str = "mcphub";

/// The most bytes of a message, and of all metadata. They travel in headers, the message twice and in part as three bytes for one, and a
/// peer takes 16 KiB of headers: more would end the connection, and with it the calls of everybody else.
const LONGEST_MESSAGE: usize = 2_000;
const LONGEST_METADATA: usize = 4_000;

/// The sentence for a fault of ours: nothing about the inside leaves the process.
const INTERNAL: &str = "internal error";

/// A failed call: a reason, a sentence that the caller can act on, and details by the names that `error_reason.proto` lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// What happened and what to do, without host, address or password.
    pub message: String,
    /// Details: `sqlstate`, `position`, `hint` and so on.
    pub metadata: BTreeMap<String, String>,
    /// When trying again may help.
    pub retry_after: Option<Duration>,
}

impl Fault {
    /// A fault with a reason and a sentence.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let retry_after = match reason {
            Reason::DatabaseBusy => Some(Duration::from_millis(500)),
            Reason::DatabaseUnavailable | Reason::EmbeddingsUnavailable | Reason::UpstreamUnavailable => {
                Some(Duration::from_secs(2))
            }
            _ => None,
        };
        Self {
            reason,
            message: message.into(),
            metadata: BTreeMap::new(),
            retry_after,
        }
    }

    /// A wrong argument.
    pub fn argument(field: &str, message: impl Into<String>) -> Self {
        Self::new(Reason::ArgumentInvalid, message).with("field", field)
    }

    /// A fault of ours. The cause goes to the log, here, and nowhere else.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = chain(cause), "internal error");
        Self::new(Reason::Internal, INTERNAL)
    }

    /// No connection to the database can be had, or none is of use. `reason` is told, so it names no address; `cause` goes to the log.
    pub fn unavailable(reason: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::debug!(error = chain(cause), "no connection");
        let message = format!("the database can't be used: {reason}");
        Self::new(Reason::DatabaseUnavailable, message)
    }

    /// The connection to the database broke in the middle of the call. `cause` goes to the log.
    pub fn lost(cause: &(dyn std::error::Error + 'static)) -> Self {
        tracing::debug!(error = chain(cause), "connection lost");
        let message = "the connection to the database was lost";
        Self::new(Reason::DatabaseUnavailable, message)
    }

    /// No connection to the database became free in time.
    pub fn busy() -> Self {
        let message = "all connections to the database are in use: try again in a moment";
        Self::new(Reason::DatabaseBusy, message)
    }

    /// What the call asked of the database was cancelled at its limit.
    pub fn timed_out(limit: Duration) -> Self {
        let limit = limit.as_millis();
        let message =
            format!("this took longer than {limit} ms and was cancelled: ask for less, or raise timeout_ms");
        Self::new(Reason::StatementTimedOut, message).with("timeout_ms", limit.to_string())
    }

    /// Adds a detail; empty ones are left out.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        if !value.is_empty() {
            self.metadata.insert(key.to_owned(), value);
        }
        self
    }

    /// Says which of several statements it is about; the one behind the last is the commit.
    #[must_use]
    pub fn at_statement(mut self, index: usize, statements: usize) -> Self {
        if statements > 1 {
            let place = if index < statements {
                format!("statement {} of {statements}", index + 1)
            } else {
                "at the commit".to_owned()
            };
            self.message = format!("{place}: {}", self.message);
        }
        self
    }

    /// Says that the call that failed has changed nothing.
    #[must_use]
    pub fn unchanged(mut self) -> Self {
        self.message.push_str(" (nothing was changed)");
        self
    }

    /// Says that nobody knows whether `what` happened ("the changes were made"), so that the call is not simply repeated.
    #[must_use]
    pub fn unclear(mut self, what: &str) -> Self {
        let more = format!("; whether {what} is not known, so look before trying again");
        self.message.push_str(&more);
        self.retry_after = None;
        self
    }

    /// The fault that one of our own processes has put into a status; none in a status of anybody else.
    pub fn told(status: &Status) -> Option<Self> {
        let details = status.get_error_details();
        let info = details.error_info().filter(|info| info.domain == DOMAIN)?;
        Some(Self {
            reason: Reason::from_str_name(&format!("ERROR_REASON_{}", info.reason))?,
            message: status.message().to_owned(),
            metadata: info.metadata.clone().into_iter().collect(),
            retry_after: details.retry_info().and_then(|info| info.retry_delay),
        })
    }

    /// Reads a fault out of a status that may come from anywhere: a peer, tonic itself, a proxy.
    pub fn from_status(status: &Status) -> Self {
        if let Some(fault) = Self::told(status) {
            return fault;
        }
        let retry_after = status
            .get_error_details()
            .retry_info()
            .and_then(|info| info.retry_delay);
        let (reason, message) = match status.code() {
            Code::InvalidArgument | Code::OutOfRange => (Reason::ArgumentInvalid, status.message()),
            Code::NotFound => (Reason::ObjectNotFound, status.message()),
            Code::Unavailable => (Reason::UpstreamUnavailable, "the service can't be reached"),
            // tonic says CANCELLED "Timeout expired" where the protocol says DEADLINE_EXCEEDED.
            Code::Cancelled if status.message() != "Timeout expired" => {
                (Reason::Cancelled, "the call was cancelled")
            }
            Code::DeadlineExceeded | Code::Cancelled => (Reason::StatementTimedOut, "the call took too long"),
            Code::ResourceExhausted => (Reason::DatabaseBusy, "the service is busy"),
            Code::Unimplemented => (Reason::NotSupported, "the service does not offer this"),
            _ => (Reason::Internal, INTERNAL),
        };
        Self {
            retry_after,
            ..Self::new(reason, message)
        }
    }

    /// The reason as it is written: `STATEMENT_INVALID`.
    pub fn reason_name(&self) -> &'static str {
        name(self.reason)
    }

    fn code(&self) -> Code {
        match self.reason {
            Reason::StatementInvalid | Reason::ArgumentInvalid => Code::InvalidArgument,
            Reason::WriteNotAllowed | Reason::AccessDenied => Code::PermissionDenied,
            Reason::ObjectNotFound => Code::NotFound,
            Reason::ConfirmationRequired | Reason::ConditionFailed => Code::FailedPrecondition,
            Reason::ResultTooLarge | Reason::DatabaseBusy => Code::ResourceExhausted,
            Reason::DatabaseUnavailable | Reason::EmbeddingsUnavailable | Reason::UpstreamUnavailable => {
                Code::Unavailable
            }
            Reason::StatementTimedOut => Code::DeadlineExceeded,
            Reason::Cancelled => Code::Cancelled,
            Reason::NotSupported => Code::Unimplemented,
            Reason::Unspecified | Reason::Internal => Code::Internal,
        }
    }
}

impl From<Fault> for Status {
    fn from(mut fault: Fault) -> Self {
        cut(&mut fault.message, LONGEST_MESSAGE);
        let mut room = LONGEST_METADATA;
        for value in fault.metadata.values_mut() {
            cut(value, room);
            room = room.saturating_sub(value.len());
        }
        let mut details = ErrorDetails::new();
        let metadata: Vec<_> = fault.metadata.clone().into_iter().collect();
        details.set_error_info(
            fault.reason_name(),
            DOMAIN,
            metadata.into_iter().collect::<std::collections::HashMap<_, _>>(),
        );
        if let Some(delay) = fault.retry_after {
            details.set_retry_info(Some(delay));
        }
        Self::with_error_details(fault.code(), fault.message, details)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// A reason as it is written: `STATEMENT_INVALID`.
pub fn name(reason: Reason) -> &'static str {
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

/// An error and its sources in one line, because each `Display` says its own step only.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Cuts a text that is longer than `most` bytes.
fn cut(text: &mut String, most: usize) {
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
        text.push_str(" ..");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_survives_the_wire() {
        let fault = Fault::new(Reason::StatementInvalid, "column \"x\" does not exist")
            .with("sqlstate", "42703")
            .with("position", "8");
        assert_eq!(Fault::from_status(&Status::from(fault.clone())), fault);
        let busy = Fault::new(Reason::DatabaseBusy, "busy");
        assert_eq!(Fault::from_status(&Status::from(busy.clone())), busy);
    }

    #[test]
    fn an_error_fits_into_headers() {
        let long = Fault::new(Reason::StatementInvalid, "\u{1f600}".repeat(5_000))
            .with("hint", "x".repeat(9_000))
            .with("sqlstate", "42703");
        let headers = Status::from(long).into_http::<()>().headers().clone();
        let bytes: usize = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 32)
            .sum();
        assert!(bytes < 16 * 1024, "{bytes}");
    }

    #[test]
    fn a_failed_change_says_what_became_of_it() {
        let busy = || Fault::new(Reason::DatabaseBusy, "a lock is held");
        let message = |fault: Fault| fault.message;
        assert_eq!(message(busy().at_statement(0, 1)), "a lock is held");
        assert_eq!(
            message(busy().at_statement(1, 2).unchanged()),
            "statement 2 of 2: a lock is held (nothing was changed)"
        );
        assert_eq!(
            message(busy().at_statement(2, 2)),
            "at the commit: a lock is held"
        );
        let unclear = busy().unclear("it was done");
        assert_eq!(
            unclear.message,
            "a lock is held; whether it was done is not known, so look before trying again"
        );
        assert_eq!(unclear.retry_after, None);
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a foreign status is the point")]
    fn a_foreign_status_tells_nothing_of_its_inside() {
        let fault = Fault::from_status(&Status::new(Code::Unknown, "transport error at 10.0.0.7:50051"));
        assert_eq!(
            (fault.reason, fault.message.as_str()),
            (Reason::Internal, "internal error")
        );
        let fault = Fault::from_status(&Status::new(Code::Cancelled, "Timeout expired"));
        assert_eq!(fault.reason, Reason::StatementTimedOut);
    }
}

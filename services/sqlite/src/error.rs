//! What can go wrong in front of a SQLite file, and what a caller may read of it.

use std::borrow::Cow;
use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::Reason;

use crate::guard::Denial;

/// Why something did not work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No file was named.
    #[error("no database file is named: set SQLITE_PATH")]
    NotConfigured,
    /// The file can't be used now: what doctor says of it, and a sentence that names no path.
    #[error("the database can't be used: {1}")]
    Unavailable(Verdict, Cow<'static, str>),
    /// No connection became free in time.
    #[error("all connections are in use")]
    PoolBusy,
    /// Another process held its lock for longer than the busy timeout.
    #[error("another process has locked the database")]
    Locked,
    /// The statement was ended at its time limit.
    #[error("the statement took longer than {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The caller went away.
    #[error("the call was cancelled")]
    Cancelled,
    /// SQLite refused the statement.
    #[error("{}", .0.message)]
    Statement(Box<Refusal>),
    /// The statement does what the tool must not do.
    #[error("{} is not allowed", .denial.what)]
    Denied {
        /// What it does.
        denial: Denial,
        /// What to do instead.
        hint: String,
    },
    /// A fault that is ready for the caller.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// SQLite failed in a way that says nothing about the statement.
    #[error("SQLite failed")]
    Sqlite(#[from] rusqlite::Error),
    /// The thread that ran the statement died.
    #[error("a blocking task ended early")]
    Task(#[source] tokio::task::JoinError),
    /// The folder or file of the sample database can't be written.
    #[error("can't write the sample database")]
    Sample(#[source] std::io::Error),
}

/// What SQLite says about a statement that it refuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusal {
    /// SQLite's own sentence.
    pub message: String,
    /// The 1-based character of the statement that it points at.
    pub position: Option<usize>,
    /// What may help.
    pub hint: String,
    /// Names that are like the one that was not found.
    pub did_you_mean: Vec<String>,
}

impl Error {
    /// The reason of the fault that it becomes.
    pub(crate) fn reason(&self) -> Reason {
        match self {
            Self::NotConfigured | Self::Unavailable(..) => Reason::DatabaseUnavailable,
            Self::PoolBusy | Self::Locked => Reason::DatabaseBusy,
            Self::TimedOut(_) => Reason::StatementTimedOut,
            Self::Cancelled => Reason::Cancelled,
            Self::Statement(_) => Reason::StatementInvalid,
            Self::Denied { .. } => Reason::WriteNotAllowed,
            Self::Fault(fault) => fault.reason,
            Self::Sqlite(_) | Self::Task(_) | Self::Sample(_) => Reason::Internal,
        }
    }

    /// What doctor says of it.
    pub(crate) fn verdict(&self) -> Verdict {
        match self {
            Self::NotConfigured => Verdict::SettingMissing,
            Self::Unavailable(verdict, _) => *verdict,
            Self::Locked => Verdict::FileLocked,
            Self::TimedOut(_) => Verdict::Silent,
            _ => Verdict::NotWorking,
        }
    }

    /// SQLite's extended code, as long as the error is SQLite's own.
    pub(crate) fn code(&self) -> Option<i32> {
        match self {
            Self::Sqlite(error) => extended_code(error),
            _ => None,
        }
    }

    /// A statement that was refused, with no more to say than `message`.
    pub fn statement(message: impl Into<String>) -> Self {
        Self::Statement(Box::new(Refusal {
            message: message.into(),
            ..Refusal::default()
        }))
    }

    /// The sentence for the status page, when this error says that the file itself can't be used.
    pub fn unavailability(&self) -> Option<Cow<'static, str>> {
        match self {
            Self::Unavailable(_, reason) => Some(reason.clone()),
            Self::Locked => Some("another process has locked the file".into()),
            Self::NotConfigured => Some("no database file is named".into()),
            _ => None,
        }
    }
}

/// SQLite's extended code.
pub(crate) fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    match error {
        rusqlite::Error::SqliteFailure(error, _) | rusqlite::Error::SqlInputError { error, .. } => {
            Some(error.extended_code)
        }
        _ => None,
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotConfigured | Error::Unavailable(..) => Self::new(Reason::DatabaseUnavailable, message),
            Error::PoolBusy => Self::busy(),
            Error::Locked => Self::new(Reason::DatabaseBusy, format!("{message}: try again")),
            Error::TimedOut(limit) => Self::timed_out(limit),
            Error::Cancelled => Self::new(Reason::Cancelled, message),
            Error::Statement(refusal) => Self::new(Reason::StatementInvalid, message)
                .with(
                    "position",
                    refusal
                        .position
                        .map(|position| position.to_string())
                        .unwrap_or_default(),
                )
                .with("hint", refusal.hint)
                .with("did_you_mean", refusal.did_you_mean.join(",")),
            Error::Denied { hint, .. } => Self::new(Reason::WriteNotAllowed, message).with("hint", hint),
            Error::Fault(fault) => fault,
            error @ (Error::Sqlite(_) | Error::Task(_) | Error::Sample(_)) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_stays_inside() {
        let inside = rusqlite::Error::InvalidPath("/secret/place/shop.db".into());
        let fault = Fault::from(Error::from(inside));
        assert_eq!(
            (fault.reason, fault.message.as_str()),
            (Reason::Internal, "internal error")
        );
    }

    #[test]
    fn the_trace_and_the_caller_are_told_one_reason() {
        let errors = || {
            [
                Error::NotConfigured,
                Error::Unavailable(Verdict::FileMissing, "x".into()),
                Error::PoolBusy,
                Error::Locked,
                Error::TimedOut(Duration::ZERO),
                Error::Cancelled,
                Error::statement("x"),
                Error::Denied {
                    denial: Denial {
                        what: "x".to_owned(),
                        is_write: true,
                    },
                    hint: String::new(),
                },
                Error::Fault(Fault::new(Reason::ResultTooLarge, "x")),
                Error::Sqlite(rusqlite::Error::QueryReturnedNoRows),
                Error::Sample(std::io::Error::other("x")),
            ]
        };
        for (error, same) in errors().into_iter().zip(errors()) {
            assert_eq!(error.reason(), Fault::from(same).reason, "{error:?}");
        }
    }

    #[test]
    fn a_refusal_keeps_what_helps() {
        let fault = Fault::from(Error::Statement(Box::new(Refusal {
            message: "no such table: order".to_owned(),
            position: Some(15),
            hint: String::new(),
            did_you_mean: vec!["orders".to_owned(), "order_items".to_owned()],
        })));
        assert_eq!(fault.reason, Reason::StatementInvalid);
        assert_eq!(fault.metadata["position"], "15");
        assert_eq!(fault.metadata["did_you_mean"], "orders,order_items");
        assert!(!fault.metadata.contains_key("hint"));
    }
}

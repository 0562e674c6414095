//! Bolt's messages: what is asked, and the four kinds of answers.

use super::packstream::{Entries, Packed};

/// The tag of the one message that has no answer.
pub(super) const GOODBYE: u8 = 0x02;

/// A request that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Who we are.
    Hello,
    /// The login, from version 5.1 on.
    Logon,
    /// Interrupts, rolls back, and forgets failures.
    Reset,
    /// A statement.
    Run,
    /// Rows of it.
    Pull,
    /// The end of it without its rows.
    Discard,
    /// The beginning of a transaction.
    Begin,
    /// Its end.
    Commit,
    /// Its undoing.
    Rollback,
    /// The question which servers there are.
    Route,
}

impl Request {
    pub(super) fn tag(self) -> u8 {
        match self {
            Self::Hello => 0x01,
            Self::Logon => 0x6A,
            Self::Reset => 0x0F,
            Self::Run => 0x10,
            Self::Pull => 0x3F,
            Self::Discard => 0x2F,
            Self::Begin => 0x11,
            Self::Commit => 0x12,
            Self::Rollback => 0x13,
            Self::Route => 0x66,
        }
    }

    pub(super) fn has_records(self) -> bool {
        matches!(self, Self::Pull | Self::Discard)
    }
}

/// An answer.
#[derive(Debug, PartialEq)]
pub(crate) enum Response {
    /// It worked; the details depend on the request.
    Success(Entries),
    /// A row; the answer itself comes after the last.
    Record(Vec<Packed>),
    /// It was not looked at, because an earlier one failed or was interrupted.
    Ignored,
    /// It failed.
    Failure(Packed),
}

impl Response {
    /// Reads a message; `None` for what is no answer.
    pub(super) fn read(message: Packed) -> Option<Self> {
        let Packed::Struct(tag, mut fields) = message else {
            return None;
        };
        Some(match (tag, fields.pop()) {
            (0x70, Some(Packed::Map(metadata))) => Self::Success(metadata),
            (0x71, Some(Packed::List(values))) => Self::Record(values),
            (0x7E, _) => Self::Ignored,
            (0x7F, Some(details @ Packed::Map(_))) => Self::Failure(details),
            _ => return None,
        })
    }
}

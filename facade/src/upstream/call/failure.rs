//! Why a call has no answer: whether it may be tried again, and what its caller is told.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use tonic::{Code, Status};

use crate::tool::offer::{Kind, Offer};

/// What is added to an error after which nobody knows whether a write happened.
const UNCLEAR: &str = "it may or may not have taken effect: check before trying again";

/// Why an attempt, or a whole call, gave no answer.
#[derive(Debug)]
pub(in crate::upstream) enum Failure {
    /// No endpoint takes the arguments.
    Argument(Fault),
    /// Too many calls of the upstream are under way.
    Shed,
    /// There is no endpoint to ask: why.
    Unreachable(String),
    /// All endpoints are connected and broken; in that time one is tried again.
    Broken(Duration),
    /// No endpoint offers the tool any more.
    NotOffered,
    /// The connection takes no more calls; this one was not sent, or surely not handled.
    Unsent,
    /// The connection, or the call's stream on it, failed while the call was under way.
    Lost {
        /// Whether all calls on the connection failed with it.
        connection: bool,
    },
    /// The endpoint does not know the RPC.
    UnknownRpc,
    /// The endpoint's server has no room for the call.
    Busy {
        /// Whether it was surely turned away before anything was done.
        unhandled: bool,
    },
    /// No answer in time.
    TimedOut,
    /// The endpoint answers, but not as an adapter does: an error without a reason, with its code; or what can't be decoded.
    Garbled(Code),
    /// The answer is more than is read.
    TooLarge,
    /// The adapter says no.
    Refused(Status),
}

impl Failure {
    /// Its name in metrics.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Argument(_) => "argument",
            Self::Shed => "shed",
            Self::Unreachable(_) | Self::Unsent => "unreachable",
            Self::Broken(_) => "broken",
            Self::NotOffered | Self::UnknownRpc => "not_offered",
            Self::Lost { .. } => "lost",
            Self::Busy { .. } => "busy",
            Self::TimedOut => "deadline_exceeded",
            Self::Garbled(_) => "garbled",
            Self::TooLarge => "too_large",
            Self::Refused(_) => "refused",
        }
    }

    /// The code of the RPC that it is of: what came, or what the library says in its place.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Garbled(code) => *code,
            Self::Refused(status) => status.code(),
            Self::UnknownRpc | Self::NotOffered => Code::Unimplemented,
            Self::Busy { .. } | Self::Shed => Code::ResourceExhausted,
            Self::TimedOut => Code::DeadlineExceeded,
            Self::TooLarge => Code::OutOfRange,
            Self::Argument(_) => Code::InvalidArgument,
            Self::Lost { .. } | Self::Unsent | Self::Unreachable(_) | Self::Broken(_) => Code::Unavailable,
        }
    }

    /// What the caller is told when it is the last word.
    pub(super) fn fault(self, key: &str, listed: &Offer, concurrency: usize) -> Fault {
        let read_only = listed.read_only;
        let unclear = |reason, what: &str| Fault {
            retry_after: None,
            ..Fault::new(reason, format!("{what}: {UNCLEAR}"))
        };
        match self {
            Self::Argument(fault) => fault,
            Self::Shed => Fault::new(
                Reason::DatabaseBusy,
                format!("{concurrency} calls of {key} are under way already: try again"),
            ),
            Self::Unreachable(why) => Fault::new(
                Reason::UpstreamUnavailable,
                format!("{key} can't be reached now: {why}"),
            ),
            Self::Broken(pause) => Fault {
                // Never zero: whoever comes back at once comes too soon.
                retry_after: Some(pause.max(Duration::from_millis(500))),
                ..Fault::new(
                    Reason::UpstreamUnavailable,
                    format!(
                        "{key} is connected, but its last calls failed, so none is sent for a moment: try again"
                    ),
                )
            },
            Self::NotOffered | Self::UnknownRpc => Fault::new(
                Reason::NotSupported,
                match listed.kind {
                    Kind::Tool => format!("{key} does not offer this tool any more: list the tools again"),
                    Kind::Prompt => {
                        format!("{key} does not offer this prompt any more: list the prompts again")
                    }
                    Kind::Shared => format!("{key} does not offer this"),
                },
            ),
            Self::Lost { .. } if !read_only => unclear(
                Reason::UpstreamUnavailable,
                &format!("the connection to {key} was lost during the call"),
            ),
            Self::Lost { .. } | Self::Unsent => Fault::new(
                Reason::UpstreamUnavailable,
                format!("the connection to {key} was lost: try again"),
            ),
            Self::Busy { unhandled: false } if !read_only => unclear(
                Reason::DatabaseBusy,
                &format!("{key} had no room for the call or for its answer"),
            ),
            Self::Busy { .. } => Fault::new(Reason::DatabaseBusy, format!("{key} is busy: try again")),
            Self::TimedOut if !read_only => unclear(Reason::StatementTimedOut, TOO_LONG),
            Self::TimedOut => Fault::new(Reason::StatementTimedOut, TOO_LONG),
            Self::Garbled(_) if !read_only => unclear(
                Reason::Internal,
                &format!("the answer of {key} can't be understood"),
            ),
            Self::Garbled(_) => Fault::new(Reason::Internal, "internal error"),
            Self::TooLarge if !read_only => unclear(
                Reason::ResultTooLarge,
                &format!("the answer of {key} is too large to be shown"),
            ),
            Self::TooLarge => Fault::new(
                Reason::ResultTooLarge,
                format!("the answer of {key} is too large to be shown: ask for less"),
            ),
            Self::Refused(status) => Fault::from_status(&status),
        }
    }
}

const TOO_LONG: &str = "the call took too long and was cancelled";

//! How a call fails, and what a failed write may be believed to have done.

use std::fmt;

use tokio::time::Instant;

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// There was no connection to be had; nothing was sent.
    Refused,
    /// The connection ended before the answer came.
    Lost,
    /// The stream on which the answer should have come ended before it did.
    StreamLost,
    /// No answer came in time.
    TimedOut,
    /// Another HTTP status than the one of an answer.
    Status(u16),
    /// An error of the protocol, by its code.
    Protocol(i64),
    /// A list with no tool but the facade's own: it knows of no upstream's.
    Unlisted,
    /// A tool's error, by its reason.
    Tool {
        /// The reason of the contract: `UPSTREAM_UNAVAILABLE`.
        reason: String,
        /// Whether the text says that nobody knows whether the change was made.
        unclear: bool,
    },
}

/// What the caller of a write may believe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It was told that the change was made.
    Done,
    /// It was told that the change was surely not made.
    NotDone,
    /// It does not know.
    Unclear,
}

/// One failed call.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was called: the label of its question.
    pub label: &'static str,
    /// The door that it was called through.
    pub door: &'static str,
    /// How it failed.
    pub kind: Kind,
    /// What was said, for people.
    pub detail: String,
    /// When it was called.
    pub from: Instant,
    /// When it failed.
    pub until: Instant,
}

/// Words by which the hub says that nobody knows whether a change was made.
const UNCLEAR: [&str; 2] = ["may or may not have taken effect", "is not known, so look"];

impl Kind {
    /// A tool's error, of which the hub gave this text.
    pub(super) fn of_tool(text: &str) -> Self {
        let reason = text.lines().find_map(|line| line.strip_prefix("reason: "));
        Self::Tool {
            reason: reason.unwrap_or("(none)").to_owned(),
            unclear: UNCLEAR.iter().any(|words| text.contains(words)),
        }
    }

    /// A tool's error of this reason, clear about what was done.
    pub fn tool(reason: &str) -> Self {
        Self::Tool {
            reason: reason.to_owned(),
            unclear: false,
        }
    }

    /// What a caller may believe of a write that failed so.
    pub fn fate(&self) -> Fate {
        match self {
            // A gateway that says 502 or 504 may have handed the request over, and a 500 may come after the change.
            Self::Lost
            | Self::StreamLost
            | Self::TimedOut
            | Self::Status(500 | 502 | 504)
            | Self::Protocol(-32603)
            | Self::Tool { unclear: true, .. } => Fate::Unclear,
            // Neither says anything about what was done.
            Self::Tool { reason, .. } if matches!(reason.as_str(), "INTERNAL" | "CANCELLED") => Fate::Unclear,
            Self::Refused | Self::Status(_) | Self::Protocol(_) | Self::Unlisted | Self::Tool { .. } => {
                Fate::NotDone
            }
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused => formatter.write_str("connection refused"),
            Self::Lost => formatter.write_str("connection lost"),
            Self::StreamLost => formatter.write_str("stream lost"),
            Self::TimedOut => formatter.write_str("time-out"),
            Self::Status(status) => write!(formatter, "HTTP {status}"),
            Self::Protocol(code) => write!(formatter, "JSON-RPC {code}"),
            Self::Unlisted => formatter.write_str("no tools of upstreams"),
            Self::Tool {
                reason,
                unclear: false,
            } => formatter.write_str(reason),
            Self::Tool { reason, .. } => write!(formatter, "{reason}, unclear"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_write_may_be_believed_to_have_done() {
        let lost = Kind::of_tool(
            "the connection to shop was lost during the call: it may or may not have taken effect: check before \
             trying again\nreason: UPSTREAM_UNAVAILABLE",
        );
        assert_eq!(
            (lost.to_string().as_str(), lost.fate()),
            ("UPSTREAM_UNAVAILABLE, unclear", Fate::Unclear)
        );
        let unreached =
            Kind::of_tool("shop can't be reached now\nreason: UPSTREAM_UNAVAILABLE\nretry_after_ms: 2000");
        assert_eq!(unreached, Kind::tool("UPSTREAM_UNAVAILABLE"));
        assert_eq!(unreached.fate(), Fate::NotDone);
        assert_eq!(
            Kind::of_tool("internal error\nreason: INTERNAL").fate(),
            Fate::Unclear
        );
        assert_eq!(Kind::Status(404).fate(), Fate::NotDone);
        assert_eq!(Kind::Status(502).fate(), Fate::Unclear);
        assert_eq!(Kind::Refused.fate(), Fate::NotDone);
        assert_eq!(Kind::Lost.fate(), Fate::Unclear);
    }
}

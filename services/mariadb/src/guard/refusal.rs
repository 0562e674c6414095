//! Why a statement is not run, worded for the one who wrote it.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;

/// Why a statement is not run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    /// The reason as the contract names it.
    pub reason: Reason,
    /// What is wrong.
    pub message: String,
    /// What to do instead; may be empty.
    pub hint: &'static str,
    /// Where, in characters from 1.
    pub position: Option<usize>,
}

const ONE_STATEMENT: &str = "Send one statement per call.";

impl Refusal {
    fn new(reason: Reason, message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            reason,
            message: message.into(),
            hint,
            position: None,
        }
    }

    /// The same with its place.
    pub(super) fn at(mut self, sql: &str, byte: usize) -> Self {
        self.position = sql.get(..byte).map(|before| before.chars().count() + 1);
        self
    }

    pub(super) fn empty() -> Self {
        Self::new(
            Reason::ArgumentInvalid,
            "there is no statement in sql",
            ONE_STATEMENT,
        )
    }

    pub(super) fn too_long(bytes: usize, most: usize) -> Self {
        let message = format!("the statement has {bytes} bytes, more than {most}");
        let hint = "Pass a long list as one JSON parameter: where id in (select v from json_table(?, '$[*]' columns (v int path '$')) x).";
        Self::new(Reason::ArgumentInvalid, message, hint)
    }

    pub(super) fn too_deep() -> Self {
        Self::new(
            Reason::ArgumentInvalid,
            "the statement is nested too deeply",
            "Split it, or name its parts in a WITH.",
        )
    }

    pub(super) fn several(sql: &str, second: usize) -> Self {
        let message = "these are several statements, and one can be run at a time";
        Self::new(Reason::StatementInvalid, message, ONE_STATEMENT).at(sql, second)
    }

    pub(super) fn executable_comment(sql: &str, byte: usize) -> Self {
        let message = "a comment that begins with /*! or /*M! is code to some servers, so it can't be judged";
        let hint = "Write what should run without the comment around it, and leave the rest out.";
        Self::new(Reason::WriteNotAllowed, message, hint).at(sql, byte)
    }

    pub(super) fn hint(hint: &str, sql: &str, byte: usize) -> Self {
        let message = format!("the hint {hint} changes more than the plan of the statement");
        Self::new(
            Reason::WriteNotAllowed,
            message,
            "Leave it out; timeout_ms sets the time limit.",
        )
        .at(sql, byte)
    }

    /// `byte` is where it was noticed.
    pub(super) fn syntax(what: &str, sql: &str, byte: usize) -> Self {
        let rest = sql.get(byte..).unwrap_or_default();
        let near: String = rest
            .chars()
            .take_while(|character| !character.is_whitespace())
            .take(30)
            .collect();
        let place = if near.is_empty() {
            "at the end".to_owned()
        } else {
            format!("at or near {near:?}")
        };
        let message = format!("syntax error {place}: {what}");
        Self::new(Reason::StatementInvalid, message, "").at(sql, byte)
    }

    pub(super) fn write(what: &str, does: &str, hint: &'static str) -> Self {
        Self::new(Reason::WriteNotAllowed, format!("{what} {does}"), hint)
    }

    pub(super) fn function(name: &str, does: &str, sql: &str, byte: usize) -> Self {
        let message = format!("{name}() may not be called: it {does}");
        Self::new(Reason::WriteNotAllowed, message, "").at(sql, byte)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let position = refusal.position.map(|position| position.to_string());
        let fault = match refusal.reason {
            Reason::ArgumentInvalid => Self::argument("sql", refusal.message),
            Reason::StatementInvalid if refusal.message.starts_with("syntax error") => {
                Self::new(refusal.reason, refusal.message).with("sqlstate", "42000")
            }
            reason => Self::new(reason, refusal.message),
        };
        fault
            .with("position", position.unwrap_or_default())
            .with("hint", refusal.hint)
    }
}

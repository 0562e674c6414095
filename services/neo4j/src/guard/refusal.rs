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

/// What `SHOW` may show.
pub(super) const SHOWN: [&str; 8] = [
    "CONSTRAINTS",
    "CONSTRAINT",
    "FUNCTIONS",
    "FUNCTION",
    "INDEXES",
    "INDEX",
    "PROCEDURES",
    "PROCEDURE",
];

const ONE_STATEMENT: &str = "Send one statement per call.";
const USE_EXECUTE: &str =
    "Changes go through the execute tool, which this server offers only if it allows writes.";
const AT_A_CONSOLE: &str = "It is for an administrator at a console.";
const SPLIT: &str = "Split it, or pass long lists as one parameter: where n.id in $ids.";

impl Refusal {
    fn new(reason: Reason, message: impl Into<String>, hint: &'static str) -> Self {
        Self {
            reason,
            message: message.into(),
            hint,
            position: None,
        }
    }

    fn at(mut self, cypher: &str, byte: usize) -> Self {
        self.position = cypher.get(..byte).map(|before| before.chars().count() + 1);
        self
    }

    fn not_allowed(message: impl Into<String>, hint: &'static str, cypher: &str, byte: usize) -> Self {
        Self::new(Reason::WriteNotAllowed, message, hint).at(cypher, byte)
    }

    pub(super) fn empty() -> Self {
        Self::new(
            Reason::ArgumentInvalid,
            "there is no statement in cypher",
            ONE_STATEMENT,
        )
    }

    pub(super) fn too_long(bytes: usize, most: usize) -> Self {
        let message = format!("the statement has {bytes} bytes, more than {most}");
        Self::new(Reason::ArgumentInvalid, message, SPLIT)
    }

    pub(super) fn too_complex(cypher: &str, byte: usize) -> Self {
        let message = "the statement is nested too deeply or has too many parts";
        Self::new(Reason::ArgumentInvalid, message, SPLIT).at(cypher, byte)
    }

    pub(super) fn several(cypher: &str, second: usize) -> Self {
        let message = "these are several statements, and one can be run at a time";
        Self::new(Reason::StatementInvalid, message, ONE_STATEMENT).at(cypher, second)
    }

    pub(super) fn syntax(what: &str, cypher: &str, byte: usize) -> Self {
        let rest = cypher.get(byte..).unwrap_or_default();
        let near: String = rest
            .chars()
            .take_while(|character| !character.is_whitespace())
            .take(30)
            .collect();
        let message = format!("syntax error at or near {near:?}: {what}");
        Self::new(Reason::StatementInvalid, message, "").at(cypher, byte)
    }

    pub(super) fn no_clause(word: &str, cypher: &str, byte: usize) -> Self {
        let message = format!("{word:?} is no clause that a read begins with");
        let hint = "A read begins with MATCH, OPTIONAL MATCH, WITH, UNWIND, CALL, RETURN or SHOW.";
        Self::new(Reason::StatementInvalid, message, hint).at(cypher, byte)
    }

    pub(super) fn write(clause: &str, first: bool, cypher: &str, byte: usize) -> Self {
        let message = if first {
            format!("{clause} is not a read, and this tool only reads")
        } else {
            format!("{clause} inside this statement changes data, and this tool only reads")
        };
        Self::not_allowed(message, USE_EXECUTE, cypher, byte)
    }

    pub(super) fn command(word: &str, cypher: &str, byte: usize) -> Self {
        let message = format!("{} acts on the whole server", word.to_uppercase());
        Self::not_allowed(message, AT_A_CONSOLE, cypher, byte)
    }

    pub(super) fn show(what: &str, cypher: &str, byte: usize) -> Self {
        let message = format!("SHOW {what} tells about the server, not about the graph");
        let hint = "SHOW INDEXES, CONSTRAINTS, FUNCTIONS and PROCEDURES can be asked for.";
        Self::not_allowed(message.replace("SHOW  ", "SHOW "), hint, cypher, byte)
    }

    pub(super) fn load_csv(cypher: &str, byte: usize) -> Self {
        let message = "LOAD CSV makes the server read files or call other servers, which no tool here does";
        let hint = "Pass the rows as a parameter: unwind $rows as row.";
        Self::not_allowed(message, hint, cypher, byte)
    }

    pub(super) fn in_transactions(cypher: &str, byte: usize) -> Self {
        let message = "CALL { .. } IN TRANSACTIONS commits on its own while it runs, and a call here is one transaction";
        let hint = "Leave IN TRANSACTIONS out; for much data, change a part per call with LIMIT.";
        Self::not_allowed(message, hint, cypher, byte)
    }

    pub(super) fn other_graph(cypher: &str, byte: usize) -> Self {
        let message = "USE asks another database than the call's";
        let hint = "Leave it out, and name the database in the argument database.";
        Self::not_allowed(message, hint, cypher, byte)
    }

    pub(super) fn explain(word: &str, cypher: &str, byte: usize) -> Self {
        let message = format!(
            "{} gives a plan and not the rows that this tool shows",
            word.to_uppercase()
        );
        let hint =
            "Use the explain_query tool; it takes the statement alone, and analyze in place of PROFILE.";
        Self::not_allowed(message, hint, cypher, byte)
    }

    pub(super) fn option(name: &str, cypher: &str, byte: usize) -> Self {
        Self::not_allowed(
            format!("the option {name} is not for callers"),
            "Leave it out.",
            cypher,
            byte,
        )
    }

    pub(super) fn writing_procedure(name: &str, cypher: &str, byte: usize) -> Self {
        let message = format!("{name}() changes data, and this tool only reads");
        Self::not_allowed(message, USE_EXECUTE, cypher, byte)
    }

    pub(super) fn procedure(name: &str, does: &str, cypher: &str, byte: usize) -> Self {
        let message = format!("procedure {name}() may not be called: it {does}");
        Self::not_allowed(message, "", cypher, byte)
    }

    pub(super) fn function(name: &str, does: &str, cypher: &str, byte: usize) -> Self {
        let message = format!("function {name}() may not be called: it {does}");
        Self::not_allowed(message, "", cypher, byte)
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let position = refusal.position.map(|position| position.to_string());
        let fault = match refusal.reason {
            Reason::ArgumentInvalid => Self::argument("cypher", refusal.message),
            reason => Self::new(reason, refusal.message),
        };
        fault
            .with("position", position.unwrap_or_default())
            .with("hint", refusal.hint)
    }
}

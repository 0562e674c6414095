//! Prompts: the beginnings of conversations, with what the server says now. Without the server they still say how to go about it.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::Text;

mod explore;
mod slow_query;

pub(crate) use explore::explore;
pub(crate) use slow_query::explain_slow_query;

/// The most characters of what a caller wrote that a text repeats.
const REPEATED: usize = 8_000;

/// How tools are called in a text: what stands in front of their names is the facade's.
const TOOLS: &str = "Use the tools of this prompt's service. Their names stand here without the service's key, which they begin with as \
     this prompt's name does: `query` is KEY_query.";

/// Whether the text is of use without what failed. A wrong argument has to be mended first.
fn can_do_without(fault: &Fault) -> bool {
    !matches!(fault.reason, Reason::ArgumentInvalid | Reason::ObjectNotFound)
}

/// Which `database` the tools have to be told, if it is not the usual one.
fn told_database(text: Text, database: Option<&str>) -> Text {
    match database {
        Some(name) => text.paragraph(&format!(
            "Give each of them database: {}.",
            mcp_hub_chassis::prompt::quoted(name)
        )),
        None => text,
    }
}

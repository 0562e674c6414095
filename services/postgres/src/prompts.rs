//! Prompts: the beginnings of conversations, with what the server says now. Without the server they still say how to go about it.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::{Text, quoted};

mod explore;
mod slow_query;

pub(crate) use explore::explore;
pub(crate) use slow_query::explain_slow_query;

/// How long the look at the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the text is of use without what failed. A wrong argument has to be mended first.
fn can_do_without(fault: &Fault) -> bool {
    !matches!(fault.reason, Reason::ArgumentInvalid | Reason::ObjectNotFound)
}

/// Which `database` the tools have to be told, if it is not the usual one.
fn told_database(text: Text, database: Option<&str>) -> Text {
    match database {
        Some(name) => text.paragraph(&format!("Give each of them database: {}.", quoted(name))),
        None => text,
    }
}

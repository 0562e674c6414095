//! Prompts: the beginnings of conversations, with what is in the file now. Without the file they still say how to go about it.

use std::time::Duration;

mod explore;
mod slow_query;

pub(crate) use explore::explore;
pub(crate) use slow_query::explain_slow_query;

/// How long the look at the file may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most characters of what a caller wrote that a text repeats.
const REPEATED: usize = 8_000;

/// How tools are called in a text: what stands in front of their names is the facade's.
const TOOLS: &str = "Use the tools of this prompt's service. Their names stand here without the service's key, which they begin with as \
     this prompt's name does: `query` is KEY_query.";

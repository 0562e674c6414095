//! Prompts: the beginnings of conversations, with what is in the file now. Without the file they still say how to go about it.

use std::time::Duration;

mod explore;
mod slow_query;

pub(crate) use explore::explore;
pub(crate) use slow_query::explain_slow_query;

/// How long the look at the file may take.
const PATIENCE: Duration = Duration::from_secs(5);

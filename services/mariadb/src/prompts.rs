//! Prompts: how a conversation about the server begins, with what its catalogue says now.
//!
//! A prompt is there also when the server is not: then it tells how to find out what it would have said. So nothing here fails, and
//! nothing here waits longer than [`PATIENCE`].

use std::time::Duration;

mod explore;
mod slow_query;

pub(crate) use explore::explore;
pub(crate) use slow_query::explain_slow_query;

/// How long a prompt waits for the server.
const PATIENCE: Duration = Duration::from_secs(4);

//! Prompts: how a conversation about the graph begins, with what is in its graph now.
//!
//! A prompt is there also when the server is not: then it tells how to find out what it would have said. So nothing here fails, and
//! nothing here waits longer than [`PATIENCE`].

use std::time::Duration;

mod explore_graph;
mod slow_query;

pub(crate) use explore_graph::explore_graph;
pub(crate) use slow_query::explain_slow_query;

/// How long a prompt waits for the server. Planning a look at many labels alone takes seconds.
const PATIENCE: Duration = Duration::from_secs(10);

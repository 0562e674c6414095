//! Prompts: how a conversation about the graph begins, with what is in its graph now.
//!
//! A prompt is there also when the server is not: then it tells how to find out what it would have said. So nothing here fails, and
//! nothing here waits longer than [`PATIENCE`].

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::prompt::Text;

mod explore_graph;
mod slow_query;

pub(crate) use explore_graph::explore_graph;
pub(crate) use slow_query::explain_slow_query;

/// How long a prompt waits for the server. Planning a look at many labels alone takes seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the tools are called. Only the facade knows the key.
const TOOLS: &str = "with the tools of this server, whose names begin with its key, as in KEY_query";

/// What to do about a server that can't be asked.
const LATER: &str = "Try the tools below in a moment. When they fail too, list_services, whose name has no key, says how the server is.";

/// What was looked up, within the time that there is for it.
async fn patiently<T>(look_up: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let found = tokio::time::timeout(PATIENCE, look_up).await;
    found.unwrap_or_else(|_| {
        Err(Fault::new(
            Reason::DatabaseBusy,
            "the server did not answer in time",
        ))
    })
}

/// Says why something that belongs to a prompt is not in it. The server's words may hold what labels and properties are called.
fn told(text: Text, what: &str, fault: &Fault) -> Text {
    let hint = fault.metadata.get("hint");
    let similar = fault.metadata.get("did_you_mean");
    let similar = similar.map(|names| format!("it may mean {names}"));
    text.facts(what, [&fault.message].into_iter().chain(hint).chain(&similar), 0)
}

/// An optional argument; a client may send an empty one for one that was left out.
fn given(argument: Option<&String>) -> Option<&str> {
    argument.map(|text| text.trim()).filter(|text| !text.is_empty())
}

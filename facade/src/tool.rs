//! A tool: what a client sees of it, and the way to call it.

use std::sync::Arc;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::outcome::Outcome;

/// A JSON object.
pub type Object = Map<String, Value>;

/// One tool of the catalogue.
#[derive(Clone, Debug)]
pub struct Tool {
    /// `<upstream key>_<rpc in snake case>`.
    pub name: String,
    /// A short name for people.
    pub title: String,
    /// What it does and when to use it, for a model.
    pub description: String,
    /// The JSON Schema of the arguments: a closed object.
    pub input_schema: Arc<Object>,
    /// The JSON Schema of the structured content: an open object.
    pub output_schema: Arc<Object>,
    /// Whether it changes nothing.
    pub read_only: bool,
    /// Whether a call may destroy data.
    pub destructive: bool,
    /// Whether a second call with the same arguments changes nothing more.
    pub idempotent: bool,
    /// The key of the upstream; `None` for the facade's own tools.
    pub upstream: Option<String>,
    /// The path of the RPC, `/package.Service/Method`; `None` for the facade's own tools.
    pub method: Option<String>,
}

/// The circumstances of one call.
#[derive(Clone, Debug)]
pub struct Call {
    /// When the caller gives up.
    pub deadline: Instant,
    /// Ends the call, down to the database. Dropping the future of the call does the same.
    pub cancelled: CancellationToken,
    /// The W3C trace context of the caller.
    pub traceparent: Option<String>,
}

impl Tool {
    /// Calls the tool. Every failure is an [`Outcome`] that a model can read.
    pub async fn call(&self, arguments: Object, call: Call) -> Outcome {
        let _ = arguments;
        Outcome::failure(
            &Fault::new(Reason::UpstreamUnavailable, "not reached yet"),
            call.traceparent.as_deref(),
        )
    }
}

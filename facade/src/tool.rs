//! A tool: what a client sees of it, and the way to call it.

use std::sync::Arc;

use mcp_hub_chassis::{Fault, trace};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::{Principal, denied};
use crate::json::content::{self, Answer};
use crate::outcome::Outcome;
use crate::progress::Reporter;
use crate::registry::own::Own;
use crate::upstream::backend::Backend;
use offer::Offer;
use version::{Asked, Message};

pub(crate) mod offer;
pub(crate) mod version;

/// A JSON object.
pub type Object = Map<String, Value>;

/// The longest name: a longer one makes a client drop the whole list.
pub(crate) const MAX_NAME: usize = 64;

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
    /// The JSON Schema of the structured content: an open object. None when there is no structured content.
    pub output_schema: Option<Arc<Object>>,
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
    target: Target,
}

/// Who answers.
#[derive(Clone, Debug)]
enum Target {
    Upstream {
        backend: Arc<Backend>,
        offer: Arc<Offer>,
    },
    Facade(Own),
}

/// The circumstances of one call.
#[derive(Clone, Debug)]
pub struct Call {
    /// When the caller gives up.
    pub deadline: Instant,
    /// Ends the call, down to the database. Dropping the future of the call does the same.
    pub cancelled: CancellationToken,
    /// Who wants to be told its progress; with somebody who does, it may take longer.
    pub progress: Option<Reporter>,
}

impl Tool {
    /// The tool that an upstream offers.
    pub(crate) fn of(backend: &Arc<Backend>, offer: &Arc<Offer>) -> Self {
        Self {
            name: format!("{}_{}", backend.key, offer.rpc),
            title: offer.title.clone(),
            description: offer.description.clone(),
            input_schema: offer.input_schema.clone(),
            output_schema: offer.output_schema.clone(),
            read_only: offer.read_only,
            destructive: offer.destructive,
            idempotent: offer.idempotent,
            upstream: Some(backend.key.clone()),
            method: Some(offer.path.to_string()),
            target: Target::Upstream {
                backend: backend.clone(),
                offer: offer.clone(),
            },
        }
    }

    /// A tool of the facade itself.
    pub(crate) fn own(own: Own) -> Self {
        Self {
            name: own.name().to_owned(),
            title: own.title().to_owned(),
            description: own.description().to_owned(),
            input_schema: Arc::new(Own::input_schema()),
            output_schema: Some(Arc::new(own.output_schema())),
            read_only: true,
            destructive: false,
            idempotent: true,
            upstream: None,
            method: None,
            target: Target::Facade(own),
        }
    }

    /// What the upstream offers; `None` for the facade's own tools.
    pub(crate) fn offer(&self) -> Option<&Offer> {
        match &self.target {
            Target::Upstream { offer, .. } => Some(offer),
            Target::Facade(_) => None,
        }
    }

    /// Calls the tool as one who may do everything. Every failure is an [`Outcome`] that a model can read.
    pub async fn call(&self, arguments: Object, call: Call) -> Outcome {
        self.call_by(&Principal::anybody(), arguments, call).await
    }

    /// Calls the tool for somebody to whom it exists.
    pub(crate) async fn call_by(&self, caller: &Principal, arguments: Object, call: Call) -> Outcome {
        match self.answer(caller, &arguments, &call).await {
            Ok(answer) => Outcome::success(answer.json, answer.content),
            Err(fault) => Outcome::failure(&fault, trace::id().as_deref()),
        }
    }

    async fn answer(&self, caller: &Principal, arguments: &Object, call: &Call) -> Result<Answer, Fault> {
        if let Some(scope) = caller.lacks(self) {
            return Err(denied(scope, "this tool"));
        }
        match &self.target {
            Target::Facade(own) => own.answer(caller, arguments).await.map(Answer::of_json),
            Target::Upstream { backend, offer } => {
                let asked = Asked {
                    listed: offer,
                    message: Message::Arguments(arguments),
                    read: content::answer,
                };
                backend.call(asked, call).await
            }
        }
    }
}

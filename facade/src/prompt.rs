//! A prompt: what a client sees of it, and the way to get it.

use std::sync::Arc;

use mcp_hub_chassis::Fault;
use rmcp::model::PromptMessage;

use crate::json::content;
use crate::tool::offer::Offer;
use crate::tool::offer::prompt::Argument;
use crate::tool::version::{Asked, Message};
use crate::tool::{Call, Object};
use crate::upstream::backend::Backend;

/// One prompt of the catalogue.
#[derive(Clone, Debug)]
pub struct Prompt {
    /// `<upstream key>_<rpc in snake case>`.
    pub name: String,
    /// A short name for people.
    pub title: String,
    /// What it begins, for people.
    pub description: String,
    /// The key of the upstream.
    pub upstream: String,
    backend: Arc<Backend>,
    offer: Arc<Offer>,
}

impl Prompt {
    /// The prompt that an upstream offers.
    pub(crate) fn of(backend: &Arc<Backend>, offer: &Arc<Offer>) -> Self {
        Self {
            name: format!("{}_{}", backend.key, offer.rpc),
            title: offer.title.clone(),
            description: offer.description.clone(),
            upstream: backend.key.clone(),
            backend: backend.clone(),
            offer: offer.clone(),
        }
    }

    /// What the upstream offers.
    pub(crate) fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Its arguments, in their order.
    pub(crate) fn arguments(&self) -> &[Argument] {
        &self.offer.arguments
    }

    /// The messages of the prompt with these arguments.
    ///
    /// # Errors
    /// Whatever the adapter says, or why it could not be asked; `ARGUMENT_INVALID` for arguments that are missing or unknown.
    pub(crate) async fn get(&self, arguments: &Object, call: &Call) -> Result<Vec<PromptMessage>, Fault> {
        let asked = Asked {
            listed: &self.offer,
            message: Message::Arguments(arguments),
            read: content::messages,
        };
        self.backend.call(asked, call).await
    }
}

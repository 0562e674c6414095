//! What an upstream has beside tools and prompts: the services of the contract that any adapter may register.

use std::sync::Arc;

use bytes::Bytes;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;

use crate::json::answer::Unreadable;
use crate::tool::Call;
use crate::tool::offer::shared::{LIST_RESOURCE_TEMPLATES, LIST_RESOURCES, READ_RESOURCE};
use crate::tool::offer::{Kind, Offer};
use crate::tool::version::{Asked, Message};
use crate::upstream::backend::Backend;
use crate::upstream::reflect::Reflection;

/// How an answer is read: from the upstream's key, the version that answered, and the encoded response.
pub(crate) type Reader<T> = fn(&str, &Offer, &[u8]) -> Result<T, Unreadable>;

/// The services of one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    backend: Arc<Backend>,
    offers: Vec<Arc<Offer>>,
    /// How often its list of resources has changed.
    version: u64,
}

impl Source {
    /// What some endpoint has.
    pub(super) fn of(backend: &Arc<Backend>, all: &[Arc<Reflection>], version: u64) -> Self {
        let mut offers: Vec<Arc<Offer>> = Vec::new();
        for offer in all.iter().flat_map(|reflection| reflection.of_kind(Kind::Shared)) {
            if !offers.iter().any(|known| known.rpc == offer.rpc) {
                offers.push(offer.clone());
            }
        }
        Self {
            backend: backend.clone(),
            offers,
            version,
        }
    }

    /// The same with another version of its list.
    pub(super) fn at(&self, version: u64) -> Self {
        Self {
            version,
            ..self.clone()
        }
    }

    pub(crate) fn key(&self) -> &str {
        &self.backend.key
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.backend
    }

    /// How often its list of resources has changed; `None` when it has no resources.
    pub(super) fn resources(&self) -> Option<u64> {
        let is_of_resources = |rpc| self.has(rpc);
        [LIST_RESOURCES, LIST_RESOURCE_TEMPLATES, READ_RESOURCE]
            .into_iter()
            .any(is_of_resources)
            .then_some(self.version)
    }

    /// Whether an endpoint has, or had, this RPC.
    pub(crate) fn has(&self, rpc: &str) -> bool {
        self.offers.iter().any(|offer| offer.rpc == rpc)
    }

    /// Asks one of its endpoints.
    ///
    /// # Errors
    /// Whatever the adapter says, or why it could not be asked; `NOT_SUPPORTED` when it has no such RPC.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        rpc: &str,
        question: Bytes,
        read: Reader<T>,
        call: &Call,
    ) -> Result<T, Fault> {
        let Some(listed) = self.offers.iter().find(|offer| offer.rpc == rpc) else {
            let sentence = format!("{} has no {rpc}", self.key());
            return Err(Fault::new(Reason::NotSupported, sentence));
        };
        let asked = Asked {
            listed,
            message: Message::Encoded(question),
            read,
        };
        self.backend.call(asked, call).await
    }
}

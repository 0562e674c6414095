//! The services that any adapter may register. Their RPCs are called like tools, so that routing, versions, retries, deadlines and
//! metrics are the same for all; what their messages are is the contract's, whatever an adapter reflects of them.

use std::sync::Arc;

use prost_reflect::MethodDescriptor;
use sha2::{Digest as _, Sha256};

use super::{Kind, Offer, path};

/// The offers of `mcphub.resource.v1.ResourceService` and `mcphub.completion.v1.CompletionService`.
pub(crate) const LIST_RESOURCES: &str = "ResourceService/ListResources";
pub(crate) const LIST_RESOURCE_TEMPLATES: &str = "ResourceService/ListResourceTemplates";
pub(crate) const READ_RESOURCE: &str = "ResourceService/ReadResource";
pub(crate) const COMPLETE: &str = "CompletionService/Complete";

/// Each with the path that the contract gives it.
const SHARED: [(&str, &str); 4] = [
    (
        LIST_RESOURCES,
        "/mcphub.resource.v1.ResourceService/ListResources",
    ),
    (
        LIST_RESOURCE_TEMPLATES,
        "/mcphub.resource.v1.ResourceService/ListResourceTemplates",
    ),
    (READ_RESOURCE, "/mcphub.resource.v1.ResourceService/ReadResource"),
    (COMPLETE, "/mcphub.completion.v1.CompletionService/Complete"),
];

/// The offer that a method of such a service is. None of them changes anything, and none streams.
pub(super) fn offer(method: &MethodDescriptor) -> Option<Offer> {
    if method.is_client_streaming() || method.is_server_streaming() {
        return None;
    }
    let path = path(method).ok()?;
    let (rpc, _) = SHARED.iter().find(|(_, known)| *known == path.as_str())?;
    Some(Offer {
        kind: Kind::Shared,
        rpc: (*rpc).to_owned(),
        title: String::new(),
        description: String::new(),
        input_schema: Arc::default(),
        output_schema: None,
        content: vec![],
        arguments: vec![],
        read_only: true,
        destructive: false,
        idempotent: true,
        digest: Sha256::digest(rpc).into(),
        path,
        parts: None,
        follower: None,
        input: method.input(),
        output: method.output(),
    })
}

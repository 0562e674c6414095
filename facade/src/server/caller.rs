//! Who asks, and what of the catalogue exists for it.

use std::sync::Arc;

use mcp_hub_chassis::Lifecycle;
use rmcp::model::ErrorData;
use rmcp::service::{RequestContext, RoleServer};

use super::remote::Remote;
use crate::auth::Principal;
use crate::prompt::Prompt;
use crate::registry::{Catalog, Source};
use crate::tool::Tool;
use crate::transport::ToolFilter;

/// What a door knows of a request beside its message. It travels in the request's extensions.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who it comes from.
    pub(crate) principal: Arc<Principal>,
    /// The part of the catalogue that the client asked for.
    pub(crate) tools: ToolFilter,
    /// The span of the transport around the message: of the HTTP request, or of the relay. Empty where there is none.
    pub(crate) around: opentelemetry::Context,
    /// The client's end.
    pub(crate) remote: Arc<Remote>,
    /// Whether messages may come before the answer. A client that takes nothing but JSON can read no more than that.
    pub(crate) hears: bool,
    /// Whether the client has a stream on which notifications reach it unasked.
    pub(crate) streams: bool,
    /// Stopped when the client is gone or the process ends.
    pub(crate) life: Lifecycle,
}

impl Caller {
    /// Whether a tool exists for it.
    pub(super) fn knows(&self, tool: &Tool) -> bool {
        self.tools.allows(&tool.name) && self.principal.knows_tool(tool)
    }

    /// Whether a tool stands in its list.
    pub(super) fn is_shown(&self, tool: &Tool) -> bool {
        self.tools.allows(&tool.name) && self.principal.is_shown(tool)
    }

    /// Whether a prompt exists for it.
    pub(super) fn knows_prompt(&self, prompt: &Prompt) -> bool {
        self.tools.allows(&prompt.name) && self.principal.knows(&prompt.upstream)
    }

    /// Whether a prompt stands in its list.
    pub(super) fn is_shown_prompt(&self, prompt: &Prompt) -> bool {
        self.knows_prompt(prompt) && self.principal.reads()
    }

    /// Whether the resources of an upstream exist for it: with a part of the tools, those of the upstreams whose tools are in it.
    pub(super) fn knows_source(&self, catalog: &Catalog, source: &Source) -> bool {
        let mut tools = catalog.tools_of(source.key());
        let filtered = self.tools.is_all() || tools.any(|tool| self.tools.allows(&tool.name));
        self.principal.knows(source.key()) && filtered
    }

    /// Whether they stand in its lists.
    pub(super) fn is_shown_source(&self, catalog: &Catalog, source: &Source) -> bool {
        self.knows_source(catalog, source) && self.principal.reads()
    }
}

/// What the door said of the request: streams put it beside the message, rmcp's HTTP service beside the HTTP request.
///
/// # Errors
/// No door said anything, so nobody knows what the caller may do. It is a mistake of ours, and opens nothing.
pub(super) fn caller(context: &RequestContext<RoleServer>) -> Result<&Caller, ErrorData> {
    let of_http = || context.extensions.get::<http::request::Parts>()?.extensions.get();
    let caller = context.extensions.get().or_else(of_http);
    caller.ok_or_else(|| ErrorData::internal_error("internal error", None))
}

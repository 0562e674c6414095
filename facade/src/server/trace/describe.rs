//! What the span of an MCP request tells of it: what is asked, who asks, from where.
//!
//! Making what nobody will see is not for free: this is for spans that are recorded. All text of a caller's is short.

use std::sync::Arc;

use mcp_hub_chassis::trace::{OpenTelemetrySpanExt as _, attribute};
use rmcp::model::RequestId;
use rmcp::service::{RequestContext, RoleServer};
use tracing::Span;

use super::Subject;
use crate::server::remote::Introduced;
use crate::server::{Caller, shown};

/// What the client of a request calls itself: in the message, or at the beginning of its stream.
pub(super) fn client(
    context: &RequestContext<RoleServer>,
    caller: Option<&Caller>,
) -> Option<Arc<Introduced>> {
    let in_message = context.meta.client_info();
    in_message
        .map(|client| Arc::new(Introduced::from(&client)))
        .or_else(|| caller?.remote.introduced())
}

/// What is asked, and by which program.
pub(super) fn request(
    span: &Span,
    method: &str,
    subject: Subject<'_>,
    context: &RequestContext<RoleServer>,
    client: Option<&Introduced>,
) {
    span.set_attribute(attribute::MCP_METHOD_NAME, shown(method));
    let id = match &context.id {
        RequestId::Number(number) => number.to_string(),
        RequestId::String(text) => shown(text),
    };
    span.set_attribute(attribute::JSONRPC_REQUEST_ID, id);
    let version = match subject {
        Subject::Client(request) => Some(request.protocol_version.clone()),
        _ => context.protocol_version(),
    };
    // On a stream only its first message says it.
    let version = version
        .map(|version| shown(version.as_str()))
        .or_else(|| client?.protocol.clone());
    if let Some(version) = version {
        span.set_attribute(attribute::MCP_PROTOCOL_VERSION, version);
    }
    match subject {
        Subject::Tool(name) => {
            span.set_attribute(attribute::GEN_AI_OPERATION_NAME, "execute_tool");
            span.set_attribute(attribute::GEN_AI_TOOL_NAME, shown(name));
        }
        Subject::Prompt(name) => span.set_attribute(attribute::GEN_AI_PROMPT_NAME, shown(name)),
        Subject::Resource(uri) => span.set_attribute(attribute::MCP_RESOURCE_URI, shown(uri)),
        Subject::None | Subject::Client(_) => {}
    }
    if let Some(client) = client {
        span.set_attribute(attribute::CLIENT_NAME, client.name.clone());
        span.set_attribute(attribute::CLIENT_VERSION, client.version.clone());
    }
}

/// Who asks, and from where.
pub(super) fn caller(span: &Span, caller: &Caller) {
    let remote = &caller.remote;
    span.set_attribute(attribute::NETWORK_TRANSPORT, remote.transport.name());
    if !caller.principal.name().is_empty() {
        span.set_attribute(attribute::ENDUSER_ID, caller.principal.name().to_owned());
    }
    if let Some(address) = remote.address {
        span.set_attribute(attribute::CLIENT_ADDRESS, address.to_string());
    }
    if let Some(user_agent) = &remote.user_agent {
        span.set_attribute(attribute::USER_AGENT_ORIGINAL, user_agent.clone());
    }
    if let Some(session) = remote.session() {
        span.set_attribute(attribute::MCP_SESSION_ID, session.to_owned());
    }
}

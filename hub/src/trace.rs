//! The trace of a call: one that `mcp-hub call --trace` makes, or that the hub has told of in its answer.

use std::fmt;

use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute, context};
use serde_json::Value;
use tracing::Span;

use crate::client::{Client, PROTOCOL_VERSION};
use crate::error::Error;

/// A trace, as far as it is known here. Its text is for people: the id, and where it can be looked at when `MCP_HUB_TRACE_URL` says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// 32 hexadecimal digits.
    id: String,
    /// Whether the hub records it; `None` when it has not said so.
    recorded: Option<bool>,
}

impl Trace {
    /// The trace that the result of a call is of.
    pub(crate) fn of_result(result: &Value) -> Option<Self> {
        Self::read(result["_meta"][context::TRACEPARENT].as_str()?)
    }

    /// The trace that an error is of.
    pub(crate) fn of_error(error: &Value) -> Option<Self> {
        Self::known(error["data"]["trace_id"].as_str()?, None)
    }

    /// The trace that a span is of, which the hub may record or not.
    pub(crate) fn of_span(span: &Span) -> Option<Self> {
        let own = Self::read(&context::traceparent(&span.context())?)?;
        Some(Self {
            recorded: None,
            ..own
        })
    }

    fn read(traceparent: &str) -> Option<Self> {
        let parts: Vec<&str> = traceparent.split('-').collect();
        let [_, id, _, flags, ..] = parts.as_slice() else {
            return None;
        };
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Self::known(id, Some(flags & 1 == 1))
    }

    /// What a hub says is an id, if it is one: it goes to a terminal, and into an address.
    fn known(id: &str, recorded: Option<bool>) -> Option<Self> {
        let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_id.then(|| Self {
            id: id.to_ascii_lowercase(),
            recorded,
        })
    }

    /// Its lines; the id is left out where `said` has it already.
    pub(crate) fn beside(&self, said: &str) -> String {
        let mut lines = vec![];
        if self.recorded == Some(false) {
            lines.push(format!("trace_id: {} (the hub does not record it)", self.id));
        } else {
            if !said.contains(&self.id) {
                lines.push(format!("trace_id: {}", self.id));
            }
            lines.extend(trace::url(&self.id).map(|url| format!("trace: {url}")));
        }
        lines.join("\n")
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.beside(""))
    }
}

/// Begins the span of a call of a tool that the command itself makes: the first of its trace.
pub(crate) fn begin(tool: &str, client: &Client) -> Span {
    let span = trace::root(&format!("tools/call {tool}"));
    span.set_attribute(attribute::MCP_METHOD_NAME, "tools/call");
    span.set_attribute(attribute::MCP_PROTOCOL_VERSION, PROTOCOL_VERSION);
    span.set_attribute(attribute::GEN_AI_OPERATION_NAME, "execute_tool");
    span.set_attribute(attribute::GEN_AI_TOOL_NAME, tool.to_owned());
    span.set_attribute(attribute::JSONRPC_REQUEST_ID, "1");
    span.set_attribute(attribute::NETWORK_TRANSPORT, "tcp");
    span.set_attribute(attribute::NETWORK_PROTOCOL_NAME, "http");
    let (host, port) = client.server();
    span.set_attribute(attribute::SERVER_ADDRESS, host.to_owned());
    if let Some(port) = port {
        span.set_attribute(attribute::SERVER_PORT, i64::from(port));
    }
    span
}

/// Ends it with what the call came to.
pub(crate) fn end(span: &Span, outcome: &crate::Result<Value>) {
    match outcome {
        Ok(result) if result["isError"] == true => trace::fail(span, "tool_error"),
        Ok(_) => {}
        Err(Error::Rpc { code, .. }) => trace::fail(span, &code.to_string()),
        // What goes wrong before the hub has said anything has no code.
        Err(_) => trace::fail(span, "_OTHER"),
    }
    trace::end(span);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "0af7651916cd43dd8448eb211c80319c";

    fn of_result(traceparent: &str) -> Option<Trace> {
        Trace::of_result(&json!({ "_meta": { "traceparent": traceparent } }))
    }

    #[test]
    fn what_a_hub_tells_is_read_and_not_believed() {
        let recorded = of_result(&format!("00-{ID}-b7ad6b7169203331-01")).expect("a trace");
        assert_eq!(recorded.to_string(), format!("trace_id: {ID}"));
        assert_eq!(recorded.beside(&format!("trace_id: {ID}")), "");
        let dropped = of_result(&format!("00-{ID}-b7ad6b7169203331-00")).expect("a trace");
        assert_eq!(
            dropped.to_string(),
            format!("trace_id: {ID} (the hub does not record it)")
        );
        let error = json!({ "code": -32603, "data": { "trace_id": ID } });
        assert_eq!(
            Trace::of_error(&error).map(|trace| trace.to_string()),
            Some(format!("trace_id: {ID}"))
        );
        for wrong in ["", "x", "00-\u{1b}[2J-b7ad6b7169203331-01", "00-0af7-b7-01"] {
            assert_eq!(of_result(wrong), None, "{wrong:?}");
        }
        assert_eq!(
            Trace::of_error(&json!({ "data": { "trace_id": "../../evil?aaaaaaaaaaaaaaaaaaaaaa" } })),
            None
        );
        assert_eq!(Trace::of_error(&json!({ "data": "x" })), None);
    }
}

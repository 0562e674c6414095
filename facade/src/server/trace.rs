//! The span of each MCP request and what is counted of it, once for all methods.
//!
//! [`traced`] stands around each handler. It runs inside of the span and tells its [`Operation`] what it finds out: which tool is meant,
//! whose it is, why it failed.
//!
//! The span hangs below the one that the message names in its `_meta`, and then the transport's is a link; else below the transport's.
//! Whoever calls may name any trace, and decides nothing by it: see [`context::untrusted`]. What it says of itself is short, and only the
//! names of tools and prompts that exist for it become names of spans and labels of metrics.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use futures_util::FutureExt as _;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute, context};
use opentelemetry::Context;
use opentelemetry::trace::TraceContextExt as _;
use rmcp::model::{ErrorCode, ErrorData, InitializeRequestParams};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value};
use tokio::time::Instant;
use tracing::{Instrument as _, Span};

use super::remote::Introduced;
use super::{Caller, caller, is_modern};
use crate::metrics;
use crate::prompt::Prompt;
use crate::tool::Tool;

mod describe;

/// What a request is about, as its client has written it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    /// Nothing that has a name.
    None,
    /// The client itself.
    Client(&'a InitializeRequestParams),
    /// A tool.
    Tool(&'a str),
    /// A prompt.
    Prompt(&'a str),
    /// A resource, by its address.
    Resource(&'a str),
}

/// Answers a request in its span.
pub(super) async fn traced<T, F>(
    method: &str,
    subject: Subject<'_>,
    mut context: RequestContext<RoleServer>,
    handler: impl FnOnce(RequestContext<RoleServer>) -> F,
) -> Result<T, ErrorData>
where
    F: Future<Output = Result<T, ErrorData>>,
{
    let operation = Operation::begin(method, subject, &context);
    context.extensions.insert(operation.clone());
    let (cancelled, modern) = (context.ct.clone(), is_modern(&context));
    let span = operation.0.span.clone();
    let handler = span.in_scope(|| handler(context));
    let mut answer = caught(handler).instrument(span).await;
    if let Err(error) = &mut answer {
        operation.refused(error, modern, cancelled.is_cancelled());
    } else {
        operation.answered(cancelled.is_cancelled());
    }
    answer
}

/// Whatever a handler answers. rmcp runs handlers in tasks of its own and waits for the answer: one that panicked would never come.
pub(super) async fn caught<T>(handler: impl Future<Output = Result<T, ErrorData>>) -> Result<T, ErrorData> {
    let answer = AssertUnwindSafe(handler).catch_unwind().await;
    answer.unwrap_or_else(|_| Err(ErrorData::internal_error("internal error", None)))
}

/// A request under way. It is over when it is answered, or when the last of its clones is dropped: then it was cancelled.
#[derive(Clone, Debug)]
pub(super) struct Operation(Arc<State>);

#[derive(Debug)]
struct State {
    span: Span,
    method: &'static str,
    begun: Instant,
    client: Option<Arc<Introduced>>,
    asked: OnceLock<Asked>,
    reason: OnceLock<&'static str>,
    over: AtomicBool,
}

/// What is asked, as far as it exists for the caller.
#[derive(Debug, Default)]
struct Asked {
    tool: Option<String>,
    upstream: Option<String>,
}

/// What an operation came to.
#[derive(Clone, Copy, Debug)]
struct End<'a> {
    outcome: &'static str,
    error_type: Option<&'a str>,
    /// Whether it is an error of ours, and not only of the caller's.
    is_error: bool,
}

impl Operation {
    /// Begins a request.
    pub(super) fn begin(method: &str, subject: Subject<'_>, context: &RequestContext<RoleServer>) -> Self {
        let caller = caller(context).ok();
        if let (Subject::Client(request), Some(caller)) = (subject, caller) {
            caller.remote.introduce(request);
        }
        let client = describe::client(context, caller);
        let span = span(metrics::method(method), context, caller);
        // Making what nobody will see is not for free.
        if span.in_scope(trace::is_recorded) {
            describe::request(&span, method, subject, context, client.as_deref());
            if let Some(caller) = caller {
                describe::caller(&span, caller);
            }
        }
        Self(Arc::new(State {
            span,
            method: metrics::method(method),
            begun: Instant::now(),
            client,
            asked: OnceLock::new(),
            reason: OnceLock::new(),
            over: AtomicBool::new(false),
        }))
    }

    /// The one of a request.
    pub(super) fn of(context: &RequestContext<RoleServer>) -> Option<&Self> {
        context.extensions.get()
    }

    /// It is a call of this tool, which exists for the caller.
    pub(super) fn asks_tool(&self, tool: &Tool) {
        self.rename(&tool.name);
        self.asks(Some(tool.name.clone()), tool.upstream.clone());
    }

    /// It is a use of this prompt, which exists for the caller.
    pub(super) fn asks_prompt(&self, prompt: &Prompt) {
        self.rename(&prompt.name);
        self.asks(None, Some(prompt.upstream.clone()));
    }

    /// It is a question to this upstream, which exists for the caller.
    pub(super) fn asks_upstream(&self, key: &str) {
        self.asks(None, Some(key.to_owned()));
    }

    fn rename(&self, target: &str) {
        let name = format!("{} {target}", self.0.method);
        // tracing-opentelemetry gives a span that has begun no other name.
        self.0.span.context().span().update_name(name);
    }

    fn asks(&self, tool: Option<String>, upstream: Option<String>) {
        if let Some(upstream) = &upstream {
            self.0.span.set_attribute(attribute::UPSTREAM, upstream.clone());
        }
        // Nobody asks twice.
        let _ = self.0.asked.set(Asked { tool, upstream });
    }

    /// It fails for this reason, though its answer may not say so.
    pub(super) fn fails(&self, reason: &'static str) {
        let _ = self.0.reason.set(reason);
    }

    /// What the client calls itself, for the log.
    pub(super) fn client(&self) -> Option<&str> {
        self.0.client.as_deref().map(|client| client.name.as_str())
    }

    /// It is a subscription, and has begun. What follows is told on its stream.
    pub(super) fn accepted(&self) {
        self.0.end(End::OK);
    }

    /// It has an answer; one that says why it failed is an error of a tool.
    fn answered(&self, cancelled: bool) {
        self.0.end(match self.0.reason.get() {
            // Who does not want the answer any more has not seen a failure.
            Some(_) if cancelled => End::CANCELLED,
            Some(reason) => End {
                outcome: reason,
                error_type: Some("tool_error"),
                is_error: true,
            },
            None => End::OK,
        });
    }

    /// Its answer is an error, which is given the id of the trace.
    fn refused(&self, error: &mut ErrorData, modern: bool, cancelled: bool) {
        let span = &self.0.span;
        // As rmcp gives it to the clients of each era.
        let code = match error.code {
            ErrorCode::RESOURCE_NOT_FOUND if modern => ErrorCode::INVALID_PARAMS,
            code => code,
        };
        let written = code.0.to_string();
        span.set_attribute(attribute::RPC_RESPONSE_STATUS_CODE, written.clone());
        self.0.end(if cancelled {
            End::CANCELLED
        } else {
            End {
                outcome: self.0.reason.get().copied().unwrap_or_else(|| reason_of(error)),
                error_type: Some(&written),
                is_error: is_ours(code),
            }
        });
        mention(&span.context(), error);
    }
}

impl End<'_> {
    const OK: Self = Self {
        outcome: "ok",
        error_type: None,
        is_error: false,
    };

    const CANCELLED: Self = Self {
        outcome: "CANCELLED",
        error_type: None,
        is_error: false,
    };
}

impl State {
    fn end(&self, end: End<'_>) {
        if self.over.swap(true, Ordering::Relaxed) {
            return;
        }
        let span = &self.span;
        span.set_attribute(attribute::OUTCOME, end.outcome);
        match end.error_type {
            Some(error_type) if end.is_error => trace::fail(span, error_type),
            Some(error_type) => span.set_attribute(attribute::ERROR_TYPE, error_type.to_owned()),
            None => {}
        }
        let asked = self.asked.get();
        let operation = metrics::Operation {
            method: self.method,
            tool: asked.and_then(|asked| asked.tool.as_deref()),
            upstream: asked.and_then(|asked| asked.upstream.as_deref()),
            error_type: end.error_type,
            outcome: end.outcome,
        };
        // In the span, so that the histogram leads to the trace.
        span.in_scope(|| operation.took(self.begun.elapsed()));
        // Now, and not when the last of those who hold it lets it go: rmcp keeps what it was told for as long as a stream lasts.
        trace::end(span);
    }
}

impl Drop for State {
    fn drop(&mut self) {
        self.end(End::CANCELLED);
    }
}

/// The span of a request, with its parent and its link.
fn span(name: &str, context: &RequestContext<RoleServer>, caller: Option<&Caller>) -> Span {
    let around = caller.map(|caller| caller.around.clone()).unwrap_or_default();
    let named = context.meta.get_traceparent();
    let named = named.and_then(|named| context::untrusted_within(named, &around));
    let Some(named) = named else {
        return trace::server(name, around);
    };
    let span = trace::server(name, named);
    span.add_link(around.span().span_context().clone());
    span
}

/// The reason of an error: the one that it names, or the one that its code stands for.
fn reason_of(error: &ErrorData) -> &'static str {
    let named = error.data.as_ref().and_then(|data| data.get("reason")?.as_str());
    let named = named.and_then(|name| Reason::from_str_name(&format!("ERROR_REASON_{name}")));
    let reason = named.unwrap_or(match error.code {
        ErrorCode::METHOD_NOT_FOUND | ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => Reason::NotSupported,
        ErrorCode::RESOURCE_NOT_FOUND => Reason::ObjectNotFound,
        ErrorCode::INTERNAL_ERROR => Reason::Internal,
        _ => Reason::ArgumentInvalid,
    });
    reason.as_str_name().trim_start_matches("ERROR_REASON_")
}

/// Whether the conventions take a code for an error of the server. Others are mistakes of callers.
fn is_ours(code: ErrorCode) -> bool {
    code == ErrorCode::INTERNAL_ERROR || (-32099..=-32000).contains(&code.0)
}

/// Says in an error which trace it is of.
fn mention(context: &Context, error: &mut ErrorData) {
    let span = context.span();
    let context = span.span_context();
    if !context.is_valid() {
        return;
    }
    let data = error.data.get_or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(data) = data {
        data.insert("trace_id".to_owned(), context.trace_id().to_string().into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_a_reason_of_ours() {
        let error = |code, data| ErrorData::new(code, "", data);
        for (code, data, expected) in [
            (ErrorCode::METHOD_NOT_FOUND, None, "NOT_SUPPORTED"),
            (ErrorCode::INVALID_PARAMS, None, "ARGUMENT_INVALID"),
            (ErrorCode::RESOURCE_NOT_FOUND, None, "OBJECT_NOT_FOUND"),
            (ErrorCode(-1), None, "ARGUMENT_INVALID"),
            (
                ErrorCode::INTERNAL_ERROR,
                Some(serde_json::json!({"reason": "DATABASE_BUSY"})),
                "DATABASE_BUSY",
            ),
            (
                ErrorCode::INTERNAL_ERROR,
                Some(serde_json::json!({"reason": "made up"})),
                "INTERNAL",
            ),
            (
                ErrorCode::INTERNAL_ERROR,
                Some(serde_json::json!(["reason"])),
                "INTERNAL",
            ),
        ] {
            assert_eq!(reason_of(&error(code, data)), expected, "{code:?}");
        }
    }

    #[test]
    fn an_error_of_the_caller_is_none_of_ours() {
        for (code, expected) in [
            (-32603, true),
            (-32000, true),
            (-32099, true),
            (-32100, false),
            (-32602, false),
            (-32601, false),
            (-32700, false),
        ] {
            assert_eq!(is_ours(ErrorCode(code)), expected, "{code}");
        }
    }
}

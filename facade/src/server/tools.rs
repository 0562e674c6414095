//! `tools/call`, and what `tools/list` shows of a tool.

use mcp_hub_chassis::trace;
use opentelemetry::Context;
use rmcp::model::{CallToolRequestParams, CallToolResult, ContentBlock, ErrorData, ToolAnnotations};
use rmcp::service::{RequestContext, RoleServer};
use tokio::time::Instant;

use super::trace::Operation;
use super::{Server, caller, circumstances, is_modern, progress, shown};
use crate::outcome::Outcome;
use crate::progress::{Reporter, Teller};
use crate::tool::Tool;

impl Server {
    pub(super) async fn call(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let caller = caller(&context)?;
        let operation = Operation::of(&context);
        let mut catalog = self.registry().catalog();
        if catalog.tool(&request.name).is_none() {
            self.discovered().await;
            catalog = self.registry().catalog();
        }
        let Some(tool) = catalog.tool(&request.name).filter(|tool| caller.knows(tool)) else {
            let name = &request.name;
            let away = caller
                .tools
                .allows(name)
                .then(|| self.registry().undiscovered(&catalog, name, &caller.principal));
            return match away.flatten() {
                Some(fault) => {
                    operation.inspect(|operation| operation.fails(fault.reason_name()));
                    let outcome = Outcome::failure(&fault, trace::id().as_deref());
                    Ok(self.result(outcome, &context))
                }
                None => Err(ErrorData::invalid_params(
                    format!("Unknown tool: {}", shown(name)),
                    None,
                )),
            };
        };
        operation.inspect(|operation| operation.asks_tool(&tool));
        let mut call = circumstances(&context);
        let cancelled = &context.ct;
        let started = Instant::now();
        let arguments = request.arguments.unwrap_or_default();
        let token = context.meta.get_progress_token().filter(|_| caller.hears);
        let outcome = match token.zip(tool.upstream.as_deref()) {
            Some((token, upstream)) => {
                let (reporter, seen) = Reporter::new();
                call.progress = Some(reporter);
                let answer = tool.call_by(&caller.principal, arguments, call);
                progress::told(answer, Teller::new(seen, upstream), &token, &context.peer).await
            }
            None => tool.call_by(&caller.principal, arguments, call).await,
        };
        let elapsed_ms = started.elapsed().as_millis();
        let principal = caller.principal.name();
        if let Some(reason) = outcome.reason {
            operation.inspect(|operation| operation.fails(reason));
        }
        if cancelled.is_cancelled() {
            tracing::debug!(tool = tool.name, principal, elapsed_ms, "tool call cancelled");
        } else if let Some(reason) = outcome.reason {
            let (upstream, client) = (&tool.upstream, operation.and_then(Operation::client));
            tracing::info!(
                tool = tool.name,
                upstream,
                principal,
                client,
                elapsed_ms,
                reason,
                "tool call failed"
            );
        } else {
            tracing::debug!(tool = tool.name, principal, elapsed_ms, "tool call");
        }
        Ok(self.result(outcome, &context))
    }

    /// What a call came to, in rmcp's form.
    fn result(&self, outcome: Outcome, context: &RequestContext<RoleServer>) -> CallToolResult {
        let mut blocks = Vec::with_capacity(1 + outcome.content.len());
        if !outcome.text.is_empty() {
            blocks.push(ContentBlock::text(outcome.text));
        }
        blocks.extend(outcome.content);
        let mut result = if outcome.is_error {
            CallToolResult::error(blocks)
        } else {
            CallToolResult::success(blocks)
        };
        result.structured_content = outcome.structured;
        result.meta = is_modern(context).then(|| self.identity().clone());
        // The span that the answer comes from, as W3C Trace Context writes it; no model sees it.
        if let Some(traceparent) = trace::context::traceparent(&Context::current()) {
            result.meta.get_or_insert_default().set_traceparent(traceparent);
        }
        result
    }
}

pub(super) fn listed_tool(tool: &Tool) -> rmcp::model::Tool {
    let hints = ToolAnnotations::with_title(tool.title.clone())
        .read_only(tool.read_only)
        .destructive(tool.destructive)
        .idempotent(tool.idempotent)
        // The databases are a closed world: a call meets nothing but its own.
        .open_world(false);
    let mut listed = rmcp::model::Tool::new(
        tool.name.clone(),
        tool.description.clone(),
        tool.input_schema.clone(),
    )
    .with_title(tool.title.clone())
    .with_annotations(hints);
    listed.output_schema.clone_from(&tool.output_schema);
    listed
}

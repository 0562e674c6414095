//! `prompts/list` and `prompts/get`.

use std::sync::Arc;

use rmcp::model::{ErrorData, GetPromptRequestParams, GetPromptResult, PromptArgument};
use rmcp::service::{RequestContext, RoleServer};
use tokio::time::Instant;

use super::trace::Operation;
use super::{Caller, Server, caller, circumstances, is_modern, refusal};
use crate::prompt::Prompt;
use crate::registry::Catalog;

impl Server {
    /// The prompt of this name, and the catalogue that it is of.
    ///
    /// # Errors
    /// It does not exist for the caller; or it may, and nothing is known of its upstream yet.
    pub(super) async fn known_prompt(
        &self,
        caller: &Caller,
        name: &str,
    ) -> Result<(Arc<Catalog>, Arc<Prompt>), ErrorData> {
        let mut catalog = self.registry().catalog();
        if catalog.prompt(name).is_none() {
            self.discovered().await;
            catalog = self.registry().catalog();
        }
        if let Some(prompt) = catalog.prompt(name).filter(|prompt| caller.knows_prompt(prompt)) {
            return Ok((catalog, prompt));
        }
        let undiscovered = || self.registry().undiscovered(&catalog, name, &caller.principal);
        let away = caller.tools.allows(name).then(undiscovered).flatten();
        Err(match away {
            Some(fault) => refusal::of_fault(&fault),
            None => refusal::unknown_prompt(name),
        })
    }

    pub(super) async fn prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResult, ErrorData> {
        let caller = caller(&context)?;
        let call = circumstances(&context);
        let (_, prompt) = self.known_prompt(caller, &request.name).await?;
        let operation = Operation::of(&context);
        operation.inspect(|operation| operation.asks_prompt(&prompt));
        let started = Instant::now();
        let arguments = request.arguments.unwrap_or_default();
        let messages = match caller.principal.may_read("this prompt") {
            Ok(()) => prompt.get(&arguments, &call).await,
            Err(fault) => Err(fault),
        };
        let (principal, elapsed_ms) = (caller.principal.name(), started.elapsed().as_millis());
        match messages {
            Ok(messages) => {
                tracing::debug!(prompt = prompt.name, principal, elapsed_ms, "prompt");
                let mut result = GetPromptResult::new(messages).with_description(prompt.description.clone());
                result.meta = is_modern(&context).then(|| self.identity().clone());
                Ok(result)
            }
            Err(fault) => {
                let (reason, client) = (fault.reason_name(), operation.and_then(Operation::client));
                tracing::info!(
                    prompt = prompt.name,
                    upstream = prompt.upstream,
                    principal,
                    client,
                    elapsed_ms,
                    reason,
                    "prompt failed"
                );
                Err(refusal::of_fault(&fault))
            }
        }
    }
}

pub(super) fn listed_prompt(prompt: &Prompt) -> rmcp::model::Prompt {
    let arguments = prompt.arguments().iter().map(|argument| {
        let mut listed = PromptArgument::new(&argument.name).with_required(argument.required);
        listed.description = Some(argument.description.clone()).filter(|description| !description.is_empty());
        listed
    });
    let arguments: Vec<_> = arguments.collect();
    let arguments = Some(arguments).filter(|arguments| !arguments.is_empty());
    rmcp::model::Prompt::new(&prompt.name, Some(&prompt.description), arguments).with_title(&prompt.title)
}

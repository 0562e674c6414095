//! `completion/complete`: values for an argument of a prompt, or a variable of a resource template, from the adapter that has it.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::completion::v1::CompleteRequest;
use prost::Message as _;
use rmcp::model::{
    CompleteRequestParams, CompleteResult, CompletionInfo, ErrorData, Reference, ResourceTemplate,
};
use rmcp::service::{RequestContext, RoleServer};
use tokio::time::Instant;

use super::resources::entries::Entry;
use super::trace::Operation;
use super::{Caller, Server, caller, circumstances, is_modern, refusal};
use crate::json::answer::Unreadable;
use crate::json::content::address;
use crate::json::wire::{Fields, Raw};
use crate::registry::Source;
use crate::tool::Call;
use crate::tool::offer::Offer;
use crate::tool::offer::shared::{COMPLETE, LIST_RESOURCE_TEMPLATES};
use crate::words;

/// How long it may take: somebody is typing.
const TIME: Duration = Duration::from_secs(5);

/// The longest value, in characters. Nobody chooses one that fills the screen.
const MAX_VALUE: usize = 500;

impl Server {
    pub(super) async fn completion(
        &self,
        request: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        let caller = caller(&context)?;
        let mut call = circumstances(&context);
        call.deadline = call.deadline.min(Instant::now() + TIME);
        let (argument, others) = (
            request.argument,
            request.context.and_then(|context| context.arguments),
        );
        let mut question = CompleteRequest {
            argument: argument.name,
            value: argument.value,
            arguments: others.unwrap_or_default(),
            ..CompleteRequest::default()
        };
        let source = match &request.r#ref {
            Reference::Prompt(prompt) => self.of_prompt(caller, &prompt.name, &mut question).await?,
            Reference::Resource(template) => {
                self.of_template(caller, &template.uri, &mut question, &call)
                    .await?
            }
            _ => return Err(ErrorData::invalid_params("unknown kind of reference", None)),
        };
        let mut completion = CompletionInfo::default();
        if let Some(source) = source {
            Operation::of(&context).inspect(|operation| operation.asks_upstream(source.key()));
            // The values are names in the database, whatever the argument is of.
            let allowed = caller.principal.may_read("this completion");
            allowed.map_err(|fault| refusal::of_fault(&fault))?;
            let answer = source
                .ask(COMPLETE, question.encode_to_vec().into(), read, &call)
                .await;
            completion = answer.map_err(|fault| refusal::of_fault(&fault))?;
        }
        let mut result = CompleteResult::new(completion);
        result.meta = is_modern(&context).then(|| self.identity().clone());
        Ok(result)
    }

    /// Who knows the values of an argument of a prompt; `None` when nobody does.
    async fn of_prompt(
        &self,
        caller: &Caller,
        name: &str,
        question: &mut CompleteRequest,
    ) -> Result<Option<Source>, ErrorData> {
        let (catalog, prompt) = self.known_prompt(caller, name).await?;
        prompt.offer().rpc.clone_into(&mut question.prompt);
        let is_argument = prompt
            .arguments()
            .iter()
            .any(|argument| argument.name == question.argument);
        Ok(catalog
            .source(&prompt.upstream)
            .filter(|source| is_argument && source.has(COMPLETE))
            .cloned())
    }

    /// Who knows the values of a variable of a template; `None` when nobody does.
    async fn of_template(
        &self,
        caller: &Caller,
        template: &str,
        question: &mut CompleteRequest,
        call: &Call,
    ) -> Result<Option<Source>, ErrorData> {
        let unknown = || refusal::unknown_template(template);
        let (key, own) = address::template_inside(template).ok_or_else(unknown)?;
        let fault = |fault: Fault| refusal::of_fault(&fault);
        let source = self
            .source(caller, key, LIST_RESOURCE_TEMPLATES)
            .await
            .map_err(fault)?;
        let source = source.ok_or_else(unknown)?;
        let listed = source.ask(
            LIST_RESOURCE_TEMPLATES,
            ResourceTemplate::question(None),
            ResourceTemplate::READ,
            call,
        );
        let listed = listed.await.map_err(fault)?;
        if !listed.shown.iter().any(|listed| listed.uri_template == template) {
            return Err(unknown());
        }
        own.clone_into(&mut question.uri_template);
        Ok(Some(source).filter(|source| source.has(COMPLETE)))
    }
}

/// Reads the values that an adapter gives, as many as MCP takes. One that would not be shown as it is could not be chosen.
fn read(_: &str, _: &Offer, bytes: &[u8]) -> Result<CompletionInfo, Unreadable> {
    let mut completion = CompletionInfo::default();
    let (mut left_out, mut has_more) = (false, false);
    for field in Fields(bytes) {
        match field? {
            (1, Raw::Bytes(value)) => {
                let room = completion.values.len() < CompletionInfo::MAX_VALUES;
                let value = std::str::from_utf8(value)
                    .ok()
                    .filter(|value| room && is_plain(value));
                match value {
                    Some(value) => completion.values.push(value.to_owned()),
                    None => left_out = true,
                }
            }
            (2, Raw::Varint(total)) => completion.total = u32::try_from(total).ok(),
            (3, Raw::Varint(more)) => has_more = more != 0,
            _ => {}
        }
    }
    let shown = u32::try_from(completion.values.len()).unwrap_or(u32::MAX);
    completion.total = completion.total.filter(|total| *total >= shown);
    completion.has_more = Some(has_more || left_out);
    Ok(completion)
}

fn is_plain(value: &str) -> bool {
    !value.is_empty() && words::line(value, MAX_VALUE) == value
}

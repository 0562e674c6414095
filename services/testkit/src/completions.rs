//! Values of the prompts' arguments and of the template's variable.

use mcp_hub_chassis::completion::MOST;
use mcp_hub_chassis::fault::Fault;
use mcp_hub_proto::completion::v1::CompleteRequest;

use crate::resources::TEMPLATE;

/// The first argument of `PromptWithArguments`: the suite's example.
const PLACES: [&str; 5] = ["paris", "park", "party", "porto", "test"];

/// The completions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Completions;

#[tonic::async_trait]
impl mcp_hub_chassis::completion::Completions for Completions {
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault> {
        let typed = request.value.to_lowercase();
        let values: Vec<String> = match (
            request.prompt.as_str(),
            request.uri_template.as_str(),
            request.argument.as_str(),
        ) {
            ("prompt_with_arguments", "", "arg1") => PLACES.map(str::to_owned).into(),
            // What the other argument already says counts.
            ("prompt_with_arguments", "", "arg2") => {
                let first = request.arguments.get("arg1");
                first.map(|first| format!("{first} again")).into_iter().collect()
            }
            // More than an answer holds.
            ("", TEMPLATE, "id") => (1..=150).map(|id| id.to_string()).collect(),
            _ => vec![],
        };
        let fitting = values
            .into_iter()
            .filter(|value| value.to_lowercase().starts_with(&typed));
        Ok(fitting.take(MOST + 1).collect())
    }
}

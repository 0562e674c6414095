//! What comes and goes: a tool and a prompt, and the switch that says whether they are there.

use mcp_hub_chassis::grpc::answer;
use mcp_hub_proto::testkit::v1::extra_prompt_service_server::ExtraPromptService;
use mcp_hub_proto::testkit::v1::extra_tool_service_server::ExtraToolService;
use mcp_hub_proto::testkit::v1::testkit_write_service_server::TestkitWriteService;
use mcp_hub_proto::testkit::v1::{
    ExtraPromptRequest, ExtraPromptResponse, ExtraToolRequest, ExtraToolResponse, TriggerPromptChangeRequest,
    TriggerPromptChangeResponse, TriggerToolChangeRequest, TriggerToolChangeResponse,
};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use crate::content::text;
use crate::prompts::says;

/// What is there beside what is always there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) tool: bool,
    pub(crate) prompt: bool,
}

/// Changes what is there. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Switch(watch::Sender<Extras>);

/// A switch with nothing there, and what it says.
pub(crate) fn switch() -> (Switch, watch::Receiver<Extras>) {
    let (sender, receiver) = watch::channel(Extras::default());
    (Switch(sender), receiver)
}

impl Switch {
    /// Turns one of them over, and says what it is now.
    fn turn(&self, which: fn(&mut Extras) -> &mut bool) -> &'static str {
        let mut now = false;
        self.0.send_modify(|extras| {
            let one = which(extras);
            *one = !*one;
            now = *one;
        });
        if now {
            "is offered now"
        } else {
            "is no longer offered"
        }
    }
}

#[tonic::async_trait]
impl TestkitWriteService for Switch {
    async fn trigger_tool_change(
        &self,
        _: Request<TriggerToolChangeRequest>,
    ) -> Result<Response<TriggerToolChangeResponse>, Status> {
        let now = self.turn(|extras| &mut extras.tool);
        let content = Some(text(format!("The tool extra_tool {now}.")));
        answer(Ok(TriggerToolChangeResponse { content }))
    }

    async fn trigger_prompt_change(
        &self,
        _: Request<TriggerPromptChangeRequest>,
    ) -> Result<Response<TriggerPromptChangeResponse>, Status> {
        let now = self.turn(|extras| &mut extras.prompt);
        let content = Some(text(format!("The prompt extra_prompt {now}.")));
        answer(Ok(TriggerPromptChangeResponse { content }))
    }
}

/// The tool and the prompt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extra;

#[tonic::async_trait]
impl ExtraToolService for Extra {
    async fn extra_tool(&self, _: Request<ExtraToolRequest>) -> Result<Response<ExtraToolResponse>, Status> {
        let content = Some(text("This tool comes and goes."));
        answer(Ok(ExtraToolResponse { content }))
    }
}

#[tonic::async_trait]
impl ExtraPromptService for Extra {
    async fn extra_prompt(
        &self,
        _: Request<ExtraPromptRequest>,
    ) -> Result<Response<ExtraPromptResponse>, Status> {
        let messages = vec![says(text("This prompt comes and goes."))];
        answer(Ok(ExtraPromptResponse { messages }))
    }
}

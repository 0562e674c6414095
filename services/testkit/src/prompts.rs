//! The prompts that the suite asks for.

use mcp_hub_chassis::grpc::answer;
use mcp_hub_proto::content::v1::Content;
use mcp_hub_proto::prompt::v1::{PromptMessage, Role};
use mcp_hub_proto::testkit::v1::testkit_prompt_service_server::TestkitPromptService;
use mcp_hub_proto::testkit::v1::{
    PromptWithArgumentsRequest, PromptWithArgumentsResponse, PromptWithEmbeddedResourceRequest,
    PromptWithEmbeddedResourceResponse, PromptWithImageRequest, PromptWithImageResponse, SimplePromptRequest,
    SimplePromptResponse,
};
use tonic::{Request, Response, Status};

use crate::content::{document, picture, text};

/// The prompts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prompts;

/// What the user says.
pub(crate) fn says(content: Content) -> PromptMessage {
    PromptMessage {
        role: Role::User.into(),
        content: Some(content),
    }
}

#[tonic::async_trait]
impl TestkitPromptService for Prompts {
    async fn simple_prompt(
        &self,
        _: Request<SimplePromptRequest>,
    ) -> Result<Response<SimplePromptResponse>, Status> {
        let messages = vec![says(text("This is a simple prompt for testing."))];
        answer(Ok(SimplePromptResponse { messages }))
    }

    async fn prompt_with_arguments(
        &self,
        request: Request<PromptWithArgumentsRequest>,
    ) -> Result<Response<PromptWithArgumentsResponse>, Status> {
        let PromptWithArgumentsRequest { arg1, arg2 } = request.into_inner();
        let sentence = format!("Prompt with arguments: arg1='{arg1}', arg2='{arg2}'");
        let messages = vec![says(text(sentence))];
        answer(Ok(PromptWithArgumentsResponse { messages }))
    }

    async fn prompt_with_embedded_resource(
        &self,
        request: Request<PromptWithEmbeddedResourceRequest>,
    ) -> Result<Response<PromptWithEmbeddedResourceResponse>, Status> {
        let uri = &request.get_ref().resource_uri;
        let messages = vec![
            says(document(
                uri,
                "text/plain",
                "Embedded resource content for testing.",
            )),
            says(text("Please process the embedded resource above.")),
        ];
        answer(Ok(PromptWithEmbeddedResourceResponse { messages }))
    }

    async fn prompt_with_image(
        &self,
        _: Request<PromptWithImageRequest>,
    ) -> Result<Response<PromptWithImageResponse>, Status> {
        let messages = vec![says(picture()), says(text("Please analyze the image above."))];
        answer(Ok(PromptWithImageResponse { messages }))
    }
}

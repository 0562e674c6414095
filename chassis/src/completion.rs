//! Completions: what an argument of a prompt, or a variable of a resource template, may be.

use std::sync::Arc;

use mcp_hub_proto::completion::v1::completion_service_server::CompletionService;
use mcp_hub_proto::completion::v1::{CompleteRequest, CompleteResponse};
use tonic::{Request, Response, Status};

use crate::fault::Fault;
use crate::grpc::answer;

/// What an adapter knows of the values of arguments.
#[tonic::async_trait]
pub trait Completions: Send + Sync + 'static {
    /// Values of an argument that begin with `request.value`, any case, in the order to show; [`MOST`]` + 1` at most, so that it is known
    /// whether there are more. None for an argument that it does not know.
    ///
    /// # Errors
    /// When the database can't be asked.
    async fn complete(&self, request: &CompleteRequest) -> Result<Vec<String>, Fault>;
}

/// How many values an answer has at most.
pub const MOST: usize = 100;

/// The service of an adapter's completions.
pub(crate) struct Service(Arc<dyn Completions>);

impl Service {
    pub(crate) fn new(completions: Arc<dyn Completions>) -> Self {
        Self(completions)
    }
}

#[tonic::async_trait]
impl CompletionService for Service {
    async fn complete(
        &self,
        request: Request<CompleteRequest>,
    ) -> Result<Response<CompleteResponse>, Status> {
        let values = self.0.complete(request.get_ref()).await;
        answer(values.map(|mut values| {
            let has_more = values.len() > MOST;
            values.truncate(MOST);
            CompleteResponse {
                total: None,
                values,
                has_more,
            }
        }))
    }
}

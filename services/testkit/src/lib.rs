//! The fixtures of the official MCP conformance suite as an adapter, so that the suite looks at the whole way: facade, gRPC, adapter.
//!
//! Its key has to be `test`, because the suite's tools are named `test_simple_text` and so on.

use std::sync::Arc;

use mcp_hub_chassis::grpc::{Adapter, AdapterServer};
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, State};
use mcp_hub_proto::content::v1::{Content, content};
use mcp_hub_proto::testkit::v1::testkit_service_server::{TestkitService, TestkitServiceServer};
use mcp_hub_proto::testkit::v1::{DESCRIPTORS, SimpleTextRequest, SimpleTextResponse};
use tokio::net::TcpListener;
use tonic::{Request, Response, Status};

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_059;

/// It has no settings.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {}

/// Serves the fixtures on `listener` until the process stops.
///
/// # Errors
/// When the listener fails.
pub async fn serve(_: Config, _: &str, listener: TcpListener, lifecycle: Lifecycle) -> Result<(), BoxError> {
    AdapterServer::new(Arc::new(Service))
        .add(TestkitServiceServer::new(Service), DESCRIPTORS)
        .serve(listener, lifecycle)
        .await
}

#[derive(Clone, Copy, Debug)]
struct Service;

#[tonic::async_trait]
impl TestkitService for Service {
    async fn simple_text(
        &self,
        _: Request<SimpleTextRequest>,
    ) -> Result<Response<SimpleTextResponse>, Status> {
        let text = "This is a simple text response for testing.".to_owned();
        let content = vec![Content {
            kind: Some(content::Kind::Text(text)),
            annotations: None,
        }];
        Ok(Response::new(SimpleTextResponse { content }))
    }
}

#[tonic::async_trait]
impl Adapter for Service {
    async fn probe(&self) -> bool {
        true
    }

    async fn status(&self) -> GetStatusResponse {
        GetStatusResponse {
            kind: "testkit".to_owned(),
            adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: Mode::ReadOnly.into(),
            state: State::Serving.into(),
            ..GetStatusResponse::default()
        }
    }
}

//! The fixtures of the official MCP conformance suite as an adapter, so that the suite looks at the whole way: facade, gRPC, adapter.
//!
//! Its key has to be `test`, because the suite's tools are named `test_simple_text` and so on. [`serve`] is the whole adapter. Inside,
//! `tools`, `prompts`, `resources` and `completions` are what it offers, `content` is what they are made of, and `extras` changes what
//! is offered while it runs.

use std::sync::Arc;

use mcp_hub_chassis::grpc::{Adapter, AdapterServer};
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, State};
use mcp_hub_proto::testkit::v1::DESCRIPTORS;
use mcp_hub_proto::testkit::v1::extra_prompt_service_server::ExtraPromptServiceServer;
use mcp_hub_proto::testkit::v1::extra_tool_service_server::ExtraToolServiceServer;
use mcp_hub_proto::testkit::v1::testkit_prompt_service_server::TestkitPromptServiceServer;
use mcp_hub_proto::testkit::v1::testkit_service_server::TestkitServiceServer;
use mcp_hub_proto::testkit::v1::testkit_write_service_server::TestkitWriteServiceServer;
use tokio::net::TcpListener;

use crate::extras::{Extras, Switch};

mod completions;
mod content;
mod extras;
mod prompts;
mod resources;
mod tools;

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_059;

/// It has no settings.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {}

/// Serves the fixtures on `listener` until the process stops.
///
/// When a call changes what is offered, the gRPC server makes way for another on the same listener, as in a redeploy: calls under way end
/// on their connections, and whoever connects gets the new server.
///
/// # Errors
/// When the listener fails.
pub async fn serve(_: Config, _: &str, listener: TcpListener, lifecycle: Lifecycle) -> Result<(), BoxError> {
    let listener = listener.into_std()?;
    let (switch, mut extras) = extras::switch();
    loop {
        let now = *extras.borrow_and_update();
        // The socket listens on while servers change: nobody who connects meanwhile is refused.
        let listener = TcpListener::from_std(listener.try_clone()?)?;
        let life = lifecycle.child();
        let server = server(now, &switch, &lifecycle).serve(listener, life.clone());
        let mut serving = lifecycle.spawn(server);
        tokio::select! {
            ended = &mut serving => return ended?,
            Ok(()) = extras.changed() => life.stop(),
        }
    }
}

/// A server of what is offered now. Its streams live as long as the process: the server that makes way lets them end.
fn server(extras: Extras, switch: &Switch, process: &Lifecycle) -> AdapterServer {
    let server = AdapterServer::new(Arc::new(Testkit))
        .add(
            TestkitServiceServer::new(tools::Tools::new(process.clone())),
            DESCRIPTORS,
        )
        .add(TestkitWriteServiceServer::new(switch.clone()), DESCRIPTORS)
        .add(TestkitPromptServiceServer::new(prompts::Prompts), DESCRIPTORS)
        .resources(Arc::new(resources::Documents), Changed::default())
        .completions(Arc::new(completions::Completions));
    let server = if extras.tool {
        server.add(ExtraToolServiceServer::new(extras::Extra), DESCRIPTORS)
    } else {
        server
    };
    if extras.prompt {
        server.add(ExtraPromptServiceServer::new(extras::Extra), DESCRIPTORS)
    } else {
        server
    }
}

/// It is always well: there is no database.
#[derive(Clone, Copy, Debug)]
struct Testkit;

#[tonic::async_trait]
impl Adapter for Testkit {
    async fn probe(&self) -> bool {
        true
    }

    async fn status(&self) -> GetStatusResponse {
        GetStatusResponse {
            kind: "testkit".to_owned(),
            adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
            mode: Mode::ReadWrite.into(),
            state: State::Serving.into(),
            ..GetStatusResponse::default()
        }
    }
}

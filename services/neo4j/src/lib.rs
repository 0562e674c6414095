//! Neo4j as an mcp-hub adapter: one server or cluster, asked through gRPC.
//!
//! [`serve`] is the whole adapter. Inside, `service` is the RPCs; `query` and its neighbours are what they do, with `resources`,
//! `completions` and `prompts` for what is no tool; [`database`] is the pools, routes and transactions, on the Bolt client in `wire`;
//! `params` and `value` are the way of a caller's values; `traced` is how a statement is seen in the trace.

use std::sync::Arc;

use mcp_hub_chassis::doctor::diagnosis::Diagnosis;
use mcp_hub_chassis::grpc::AdapterServer;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::status::Status;
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::neo4j::v1::DESCRIPTORS;
use mcp_hub_proto::neo4j::v1::neo4j_prompt_service_server::Neo4jPromptServiceServer;
use mcp_hub_proto::neo4j::v1::neo4j_service_server::Neo4jServiceServer;
use mcp_hub_proto::neo4j::v1::neo4j_write_service_server::Neo4jWriteServiceServer;
use tokio::net::TcpListener;

mod catalogue;
mod completions;
pub mod config;
pub mod database;
mod doctor;
pub mod error;
mod explain;
mod guard;
mod params;
mod posture;
mod prompts;
mod query;
mod resources;
pub mod row;
mod search;
mod service;
mod status;
mod traced;
mod value;
mod wire;
mod write;

pub use config::Config;
pub use doctor::examine;
pub use error::Error;
pub use wire::packstream::{Entries, Packed};

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_053;

/// Serves a Neo4j server on `listener` until the process stops. `name` is the service's key: the first part of its tools' names, and
/// how the database sees us (`mcp-hub/<name>`).
///
/// A database that is down or refuses the login does not end it: calls say so, and work again when the database does.
///
/// # Errors
/// When settings can never work, or the listener fails.
pub async fn serve(
    config: Config,
    name: &str,
    listener: TcpListener,
    lifecycle: Lifecycle,
) -> Result<(), BoxError> {
    config.check()?;
    let allow_writes = config.allow_writes;
    let diagnosis = Diagnosis::new(config.clone(), name, |config, key, scope| async move {
        examine(config, &key, scope).await
    });
    let database = database::Database::new(config, name, lifecycle.clone());
    let status = Arc::new(Status::new(database.clone()));
    let changed = Changed::default();
    let elements = Arc::new(resources::Elements::new(database.clone()));
    let names = Arc::new(completions::Names::new(database.clone()));
    let service = service::Service::new(database, lifecycle.clone(), changed.clone());
    let server = AdapterServer::new(status)
        .diagnosis(diagnosis)
        .add(Neo4jServiceServer::new(service.clone()), DESCRIPTORS)
        .add(Neo4jPromptServiceServer::new(service.clone()), DESCRIPTORS)
        .resources(elements, changed)
        .completions(names);
    let server = if allow_writes {
        server.add(Neo4jWriteServiceServer::new(service), DESCRIPTORS)
    } else {
        server
    };
    server.serve(listener, lifecycle).await
}

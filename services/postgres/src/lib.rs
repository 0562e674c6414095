//! PostgreSQL as an mcp-hub adapter: one server, asked through gRPC.
//!
//! [`serve`] is the whole adapter. Inside, `service` is the RPCs; `query`, `catalogue`, `explain`, `prompts` and `write` are what they do;
//! `resources` and `completions` are what people choose from;
//! [`guard`] says what a statement may do; [`database`] is the pools and transactions, on the client in `wire`; `execution`, `params`,
//! `types` and `value` are the way of a caller's statement and its values; [`traced`] is what the trace shows of statements.

use std::sync::Arc;

use mcp_hub_chassis::doctor::diagnosis::Diagnosis;
use mcp_hub_chassis::grpc::AdapterServer;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::status::Status;
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::postgres::v1::DESCRIPTORS;
use mcp_hub_proto::postgres::v1::postgres_prompt_service_server::PostgresPromptServiceServer;
use mcp_hub_proto::postgres::v1::postgres_service_server::PostgresServiceServer;
use mcp_hub_proto::postgres::v1::postgres_write_service_server::PostgresWriteServiceServer;
use tokio::net::TcpListener;

mod catalogue;
mod completions;
pub mod config;
pub mod database;
mod doctor;
pub mod error;
mod execution;
mod explain;
mod guard;
mod params;
mod posture;
mod prompts;
mod query;
mod resources;
pub mod row;
mod service;
mod status;
mod timer;
pub mod traced;
mod types;
mod value;
mod wire;
mod write;

pub use config::Config;
pub use doctor::examine;
pub use error::Error;

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_051;

/// Serves a PostgreSQL server on `listener` until the process stops. `name` is the service's key: the first part of its tools' names,
/// and how the database sees us (`mcp-hub/<name>`).
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
    let service = service::Service::new(database.clone(), lifecycle.clone(), changed.clone());
    let server = AdapterServer::new(status)
        .diagnosis(diagnosis)
        .add(PostgresServiceServer::new(service.clone()), DESCRIPTORS)
        .add(PostgresPromptServiceServer::new(service.clone()), DESCRIPTORS)
        .resources(Arc::new(resources::Tables(database.clone())), changed)
        .completions(Arc::new(database));
    let server = if allow_writes {
        server.add(PostgresWriteServiceServer::new(service), DESCRIPTORS)
    } else {
        server
    };
    server.serve(listener, lifecycle).await
}

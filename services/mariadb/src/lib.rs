//! MariaDB and MySQL as an mcp-hub adapter: one server, asked through gRPC.
//!
//! [`serve`] is the whole adapter. Inside, `service` is the RPCs; `query`, `catalogue`, `explain` and `write` are what they do, with
//! `resources`, `completions` and `prompts` for what is no tool; `guard` says what a statement may do; [`database`] is the pools and transactions, on the driver, sqlx; `execution`, `params`,
//! `types` and `value` are the way of a caller's statement and its values; `traced` is how a statement is seen in the trace.

use std::sync::Arc;

use mcp_hub_chassis::doctor::diagnosis::Diagnosis;
use mcp_hub_chassis::grpc::AdapterServer;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::status::Status;
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::mariadb::v1::DESCRIPTORS;
use mcp_hub_proto::mariadb::v1::mariadb_prompt_service_server::MariadbPromptServiceServer;
use mcp_hub_proto::mariadb::v1::mariadb_service_server::MariadbServiceServer;
use mcp_hub_proto::mariadb::v1::mariadb_write_service_server::MariadbWriteServiceServer;
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
mod traced;
mod types;
mod value;
mod write;

pub use config::Config;
pub use doctor::examine;
pub use error::Error;

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_052;

/// Serves a MariaDB or MySQL server on `listener` until the process stops.
///
/// `name` is the service's key: the first part of its tools' names, and how the server sees us: each statement begins with
/// `/* mcp-hub/<name> */`.
///
/// A server that is down or refuses the login does not end it: calls say so, and work again when the server does.
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
    let tables = Arc::new(resources::Tables::new(database.clone()));
    let names = Arc::new(completions::Names::new(database.clone()));
    let service = service::Service::new(database, lifecycle.clone(), changed.clone());
    let server = AdapterServer::new(status)
        .diagnosis(diagnosis)
        .add(MariadbServiceServer::new(service.clone()), DESCRIPTORS)
        .add(MariadbPromptServiceServer::new(service.clone()), DESCRIPTORS)
        .resources(tables, changed)
        .completions(names);
    let server = if allow_writes {
        server.add(MariadbWriteServiceServer::new(service), DESCRIPTORS)
    } else {
        server
    };
    server.serve(listener, lifecycle).await
}

//! SQLite as an mcp-hub adapter: one file, asked through gRPC.
//!
//! [`serve`] is the whole adapter; [`sample`] makes a database to try it on. Inside, `service` is the RPCs, `query`, `catalogue`,
//! `explain`, `prompts` and `write` are what they do, `resources` and `completions` what people choose from, `statement` and `value` the way
//! of a caller's SQL and of values, [`guard`] what a statement may do, `summary` what traces show of it, read from its `tokens`, [`database`] the file and who may use it now.

use std::sync::Arc;

use mcp_hub_chassis::doctor::diagnosis::Diagnosis;
use mcp_hub_chassis::grpc::AdapterServer;
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::sqlite::v1::DESCRIPTORS;
use mcp_hub_proto::sqlite::v1::sqlite_prompt_service_server::SqlitePromptServiceServer;
use mcp_hub_proto::sqlite::v1::sqlite_service_server::SqliteServiceServer;
use mcp_hub_proto::sqlite::v1::sqlite_write_service_server::SqliteWriteServiceServer;
use tokio::net::TcpListener;

mod catalogue;
mod completions;
mod config;
mod database;
mod doctor;
mod error;
mod explain;
mod guard;
mod prompts;
mod query;
mod resources;
pub mod sample;
mod service;
mod statement;
mod summary;
mod tokens;
mod value;
mod write;

pub use config::Config;
pub use doctor::examine;
pub use error::{Error, Refusal};
pub use guard::Denial;

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_055;

/// Serves a SQLite file on `listener` until the process stops. `name` is the service's key: the first part of its tools' names.
///
/// A file that is missing, locked or damaged does not end it: calls say so, and work again when the file does.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    config: Config,
    name: &str,
    listener: TcpListener,
    lifecycle: Lifecycle,
) -> Result<(), BoxError> {
    let diagnosis = Diagnosis::new(config.clone(), name, |config, key, scope| async move {
        examine(config, &key, scope).await
    });
    let changed = Changed::default();
    let service = service::Service::new(&config, name, lifecycle.clone(), changed.clone());
    let server = AdapterServer::new(Arc::new(service.clone()))
        .diagnosis(diagnosis)
        .add(SqliteServiceServer::new(service.clone()), DESCRIPTORS)
        .add(SqlitePromptServiceServer::new(service.clone()), DESCRIPTORS)
        .resources(Arc::new(resources::Tables(service.database())), changed)
        .completions(Arc::new(service.database()));
    let server = if config.allow_writes {
        server.add(SqliteWriteServiceServer::new(service), DESCRIPTORS)
    } else {
        server
    };
    server.serve(listener, lifecycle).await
}

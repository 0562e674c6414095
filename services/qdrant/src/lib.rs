//! Qdrant as an mcp-hub adapter: one server or cluster, asked through gRPC.
//!
//! [`serve`] is the whole adapter. Inside, `service` is the RPCs; `collection`, `search`, `scroll` and their neighbours are what they
//! do; `resources`, `completions` and `prompts` are for those who attach, type and begin; [`database`] is the connection and the calls
//! on it; `filter`, `value` and `row` are the way of a caller's values there and back.

use std::sync::Arc;

use mcp_hub_chassis::doctor::diagnosis::Diagnosis;
use mcp_hub_chassis::grpc::{AdapterServer, MAX_MESSAGE_BYTES};
use mcp_hub_chassis::resource::Changed;
use mcp_hub_chassis::status::Status;
use mcp_hub_chassis::{BoxError, Lifecycle};
use mcp_hub_proto::qdrant::v1::DESCRIPTORS;
use mcp_hub_proto::qdrant::v1::qdrant_prompt_service_server::QdrantPromptServiceServer;
use mcp_hub_proto::qdrant::v1::qdrant_service_server::QdrantServiceServer;
use mcp_hub_proto::qdrant::v1::qdrant_write_service_server::QdrantWriteServiceServer;
use tokio::net::TcpListener;

mod binding;
mod collection;
mod completions;
pub mod config;
mod count;
pub mod database;
mod doctor;
pub mod embedding;
pub mod error;
mod filter;
mod guard;
mod points;
mod posture;
mod prompts;
mod resources;
mod row;
mod scroll;
mod search;
mod service;
mod status;
mod value;
mod vector;
mod write;

pub use config::Config;
pub use doctor::examine;
pub use error::Error;

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_054;

/// Serves a Qdrant server on `listener` until the process stops. `name` is the service's key: the first part of its tools' names, and
/// how the server sees us (`mcp-hub/<name>`).
///
/// A server that is down or refuses the API key does not end it: calls say so, and work again when the server does.
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
    let embeddings = embedding::Embeddings::open(&config.embedding).await?;
    let diagnosis = Diagnosis::new(config.clone(), name, |config, key, scope| async move {
        examine(config, &key, scope).await
    });
    let database = database::Database::new(config, name);
    let status = Arc::new(Status::new(database.clone()));
    let changed = Changed::default();
    let collections = Arc::new(resources::Collections::new(database.clone(), embeddings.clone()));
    let names = Arc::new(completions::Names::new(database.clone()));
    let service = service::Service::new(database, embeddings, lifecycle.clone(), changed.clone());
    let server = AdapterServer::new(status)
        .diagnosis(diagnosis)
        .add(QdrantServiceServer::new(service.clone()), DESCRIPTORS)
        .add(QdrantPromptServiceServer::new(service.clone()), DESCRIPTORS)
        .resources(collections, changed)
        .completions(names);
    let server = if allow_writes {
        // Points with their vectors are larger than what tonic takes by itself.
        let write = QdrantWriteServiceServer::new(service).max_decoding_message_size(MAX_MESSAGE_BYTES);
        server.add(write, DESCRIPTORS)
    } else {
        server
    };
    server.serve(listener, lifecycle).await
}

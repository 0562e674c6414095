//! Neo4j as an mcp-hub adapter: one server or cluster, asked through gRPC.

mod config;
pub mod database;
pub mod error;
mod params;
pub mod row;
mod value;
mod wire;

pub use config::Config;
pub use error::Error;
pub use wire::packstream::{Entries, Packed};

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_053;

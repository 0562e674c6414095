//! The facade: MCP in, gRPC out. It knows no database.

pub mod outcome;
pub mod registry;
pub mod tool;
pub mod upstream;

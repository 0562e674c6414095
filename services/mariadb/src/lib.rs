//! MariaDB and MySQL as an mcp-hub adapter: one server, asked through gRPC.

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_052;

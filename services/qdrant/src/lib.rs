//! Qdrant as an mcp-hub adapter: one server or cluster, asked through gRPC.

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_054;

//! The adapter as its callers have it: real gRPC on a loopback port, a real PostgreSQL behind it.

mod adapter;
mod query;
mod types;

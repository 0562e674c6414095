//! The adapter as its callers have it: real gRPC on a loopback port, a real PostgreSQL behind it.

mod adapter;
mod cancel;
mod catalogue;
mod corpus;
mod explain;
mod guard;
mod login;
mod memory;
mod params;
mod pooler;
mod query;
mod readonly;
mod restart;
mod stream;
mod tls;
mod types;
mod write;

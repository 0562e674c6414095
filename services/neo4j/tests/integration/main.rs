//! The adapter as its callers have it: real gRPC on a loopback port, a real Neo4j behind it.

mod adapter;
mod cancel;
mod corpus;
mod explain;
mod guard;
mod lists;
mod login;
mod memory;
mod params;
mod query;
mod restart;
mod routing;
mod schema;
mod search;
mod stream;
mod tls;
mod types;
mod write;

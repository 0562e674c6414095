//! The adapter as its callers have it: real gRPC on a loopback port, a real Neo4j behind it.

mod adapter;
mod cancel;
mod completions;
mod corpus;
mod doctor;
mod explain;
mod follow;
mod guard;
mod lists;
mod login;
mod memory;
mod params;
mod prompts;
mod query;
mod resources;
mod restart;
mod routing;
mod schema;
mod search;
mod stream;
mod tls;
mod traces;
mod types;
mod write;

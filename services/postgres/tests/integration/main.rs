//! The adapter as its callers have it: real gRPC on a loopback port, a real PostgreSQL behind it.

mod adapter;
mod cancel;
mod catalogue;
mod completions;
mod corpus;
mod doctor;
mod explain;
mod follow;
mod guard;
mod login;
mod memory;
mod params;
mod pooler;
mod prompts;
mod query;
mod readonly;
mod resources;
mod restart;
mod stream;
mod tls;
mod told;
mod traces;
mod types;
mod write;

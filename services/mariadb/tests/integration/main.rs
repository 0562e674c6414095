//! The adapter as its callers have it: real gRPC on a loopback port, a real MariaDB (or MySQL) behind it.

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
mod origin;
mod params;
mod prompts;
mod query;
mod readonly;
mod resources;
mod restart;
mod status;
mod stream;
mod tls;
mod told;
mod traces;
mod types;
mod write;

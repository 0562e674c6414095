//! The adapter as its callers have it: real gRPC on a loopback port, a real MariaDB (or MySQL) behind it.

mod adapter;
mod cancel;
mod corpus;
mod guard;
mod params;
mod query;
mod readonly;
mod restart;
mod types;
mod write;

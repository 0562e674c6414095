//! The adapter as its callers have it: real gRPC on a loopback port, a real Qdrant or the stand-in behind it.

mod adapter;
mod cancel;
mod collection;
mod completions;
mod doctor;
mod embedding;
mod embedding_api;
mod fake;
mod filter;
mod follow;
mod login;
mod points;
mod prompts;
mod readonly;
mod resources;
mod restart;
mod scroll;
mod search;
mod search_collections;
mod stream;
mod support;
mod tls;
mod trace;
mod types;
mod versions;
mod write;

//! The adapter as its callers have it: real gRPC on a loopback port, a real Qdrant or the stand-in behind it.

mod adapter;
mod embedding;
mod embedding_api;
mod fake;
mod readonly;
mod search;
mod search_collections;
mod write;

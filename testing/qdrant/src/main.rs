//! `qdrant-stand-in`: Qdrant's gRPC API over Qdrant's own engine as a library, for tests. README.md names its limits.

mod auth;
mod collections;
mod convert;
mod error;
mod inference;
mod options;
mod points;
mod rest;
mod serve;
mod storage;
mod validate;
mod version;

use clap::Parser as _;

#[tokio::main]
async fn main() -> std::process::ExitCode {
    serve::run(options::Options::parse()).await
}

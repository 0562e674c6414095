//! What the end-to-end tests are made of: the real programs, and MCP and gRPC clients that nobody here wrote.
//!
//! [`Process`] starts a program of this workspace with an environment of its own; a [`Replica`] is one that can be ended and started
//! again at its place, and a [`Cluster`] is several facades behind a real [`Proxy`], nginx; [`Caddy`] is another one, over TLS.
//! [`Session`] is a live session of the Python or TypeScript SDK, [`inspect`] one call of the MCP Inspector, [`ask_adapter`] Python's gRPC
//! client with reflection, [`Conformance`] a run of the official suite. Nothing here knows how the hub works inside.

mod budget;
mod cable;
mod caddy;
mod client;
mod cluster;
mod conformance;
mod http;
pub mod load;
mod process;
mod proxy;
mod replica;
mod rpc;
mod seed;

pub use budget::budget;
pub use cable::Cable;
pub use caddy::{Caddy, repository};
pub use client::{Answers, Door, Inspection, Progress, Session, ask_adapter, inspect};
pub use cluster::{Cluster, ClusterOptions, SessionKey};
pub use conformance::{Check, Conformance, Expected, Scenario};
pub use http::{Answer, EventStream, get, post, request};
pub use process::{Exit, Process, program};
pub use proxy::{Proxied, Proxy};
pub use replica::Replica;
pub use rpc::ask;
pub use seed::seed;

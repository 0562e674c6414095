//! What the end-to-end tests are made of: the real programs, and MCP and gRPC clients that nobody here wrote.
//!
//! [`Process`] starts a program of this workspace with an environment of its own. [`Session`] is a live session of the
//! Python or TypeScript SDK, [`inspect`] one call of the MCP Inspector, [`ask_adapter`] Python's gRPC client with
//! reflection. Nothing here knows how the hub works inside.

mod client;
mod http;
mod process;

pub use client::{Door, Inspection, Session, ask_adapter, inspect};
pub use http::{get, post};
pub use process::{Exit, Process, program};

//! The upstreams: adapters as the facade sees them.
//!
//! [`mod@file`] says which there are and how each is used. A `backend` is one of them at work: it finds its `endpoint`s by name and
//! address; each keeps one `connection`, watches its `health` and its list of `resources`, learns by `reflect`ion what it offers, and takes
//! `call`s. A `breaker` knows whether those fail.

pub(crate) mod backend;
mod breaker;
pub(crate) mod call;
mod codec;
mod connection;
mod endpoint;
pub mod file;
mod health;
pub(crate) mod reflect;
pub(crate) mod resources;
mod status;

pub use file::{Error, Upstream, Upstreams};

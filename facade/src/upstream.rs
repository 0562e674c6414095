//! The upstreams: adapters as the facade sees them.

pub mod file;

pub use file::{Upstream, Upstreams};

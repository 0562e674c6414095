//! The adapter as its callers meet it: the whole server over gRPC on loopback, in front of real files.

mod cancel;
mod catalogue;
mod file;
mod harness;
mod query;
mod reads_only;
mod reflection;
mod values;
mod write;

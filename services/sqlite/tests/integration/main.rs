//! The adapter as its callers meet it: the whole server over gRPC on loopback, in front of real files.

mod cancel;
mod catalogue;
mod doctor;
mod file;
mod follow;
mod harness;
mod prompts;
mod query;
mod reads_only;
mod reflection;
mod resources;
mod traces;
mod values;
mod write;

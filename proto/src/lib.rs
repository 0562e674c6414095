//! The contract: everything that crosses a process boundary inside mcp-hub, generated from `mcphub/**/*.proto`.
//!
//! A module `x::v1` exists when the feature `x` is on. Beside the generated code there is one piece of behaviour, [`json`]: how a
//! [`data::v1::Value`] looks in an answer. It stands here because the facade writes it and the adapters measure it.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "data")]
pub mod json;

/// The generated module tree.
#[expect(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_long_first_doc_paragraph,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/tree.rs"));
}

pub use generated::*;

//! Who this says it is.

/// As Qdrant's own server has it.
pub(crate) const TITLE: &str = "qdrant - vector search engine";

/// The version of Qdrant whose words and defaults these are.
pub(crate) const VERSION: &str = "1.18.2";

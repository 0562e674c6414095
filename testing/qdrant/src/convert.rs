//! Between the messages of Qdrant's API and the types of its engine.

pub(crate) mod filter;
pub(crate) mod id;
pub(crate) mod index;
pub(crate) mod payload;
pub(crate) mod result;
pub(crate) mod select;
mod text;
pub(crate) mod time;
pub(crate) mod vector;

use qdrant_edge::JsonPath;

use crate::error::{Error, Result};

/// The path of a payload's key.
pub(crate) fn path(text: &str) -> Result<JsonPath> {
    JsonPath::try_from(text).map_err(|()| Error::malformed(format!("Invalid json path: '{text}'")))
}

/// A number of the API as the engine counts; no machine has more than its largest.
pub(crate) fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

//! Collections: the list of them, and what a search or a filter needs to know of one.

use mcp_hub_chassis::Fault;

mod info;
mod list;
mod sample;
mod shape;

pub(crate) use info::collection_info;
pub(crate) use list::list_collections;
pub(crate) use shape::{Form, Index, IndexKind, Shape, Vector};

/// The limit of a call whose request has none of its own.
pub(crate) fn timeout(remaining: Option<std::time::Duration>) -> Result<std::time::Duration, Fault> {
    let timeout = mcp_hub_chassis::arguments::TIMEOUT_MS.apply_ms(None, &mut vec![])?;
    Ok(remaining.map_or(timeout, |remaining| remaining.min(timeout)))
}

//! Collections: the list of them, and what a search or a filter needs to know of one.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments;
use qdrant_client::qdrant::CollectionStatus;

mod info;
mod list;
mod names;
mod overview;
mod sample;
mod shape;

pub(crate) use info::collection_info;
pub(crate) use list::list_collections;
pub(crate) use names::{aliases, callable};
pub(crate) use overview::{Overview, overview};
pub(crate) use sample::text_keys;
pub(crate) use shape::{Form, Index, IndexKind, Shape, Vector};

/// The limit of a call whose request has none of its own.
pub(crate) fn timeout(remaining: Option<Duration>) -> Result<Duration, Fault> {
    arguments::timeout(None, remaining, &mut vec![])
}

/// A status as the contract names it.
fn status_name(status: CollectionStatus) -> &'static str {
    match status {
        CollectionStatus::Green => "green",
        CollectionStatus::Yellow => "yellow",
        CollectionStatus::Red => "red",
        CollectionStatus::Grey => "grey",
        CollectionStatus::UnknownCollectionStatus => "unknown",
    }
}

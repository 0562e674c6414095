//! A caller's filter, in the small form or in Qdrant's own, as Qdrant's message.

use mcp_hub_chassis::Fault;
use mcp_hub_proto::data::v1::Value;
use qdrant_client::qdrant::Filter;

use crate::collection::Shape;

/// Reads the argument `filter`; `None` when it is absent or has no condition. What the shape tells of a key decides how a condition
/// on it is asked; `notices` gets what slows it down.
///
/// # Errors
/// `ARGUMENT_INVALID` with the place and what would be right.
pub(crate) fn parse(
    _filter: Option<&Value>,
    _shape: &Shape,
    _notices: &mut Vec<String>,
) -> Result<Option<Filter>, Fault> {
    todo!()
}

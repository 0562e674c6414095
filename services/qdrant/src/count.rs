//! `Count`.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;

use crate::database::Database;

pub(crate) async fn count(
    _database: &Database,
    _request: &pb::CountRequest,
    _remaining: Option<Duration>,
) -> Result<pb::CountResponse, Fault> {
    todo!()
}

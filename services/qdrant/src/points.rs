//! `GetPoints`.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;

use crate::database::Database;

pub(crate) async fn get_points(
    _database: &Database,
    _request: &pb::GetPointsRequest,
    _remaining: Option<Duration>,
) -> Result<pb::GetPointsResponse, Fault> {
    todo!()
}

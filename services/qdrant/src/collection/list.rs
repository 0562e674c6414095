//! `ListCollections`.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;

use crate::database::Database;

pub(crate) async fn list_collections(
    _database: &Database,
    _request: &pb::ListCollectionsRequest,
    _remaining: Option<Duration>,
) -> Result<pb::ListCollectionsResponse, Fault> {
    todo!()
}

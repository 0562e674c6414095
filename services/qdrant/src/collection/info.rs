//! `CollectionInfo`.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::qdrant::v1 as pb;

use crate::database::Database;
use crate::embedding::Embeddings;

pub(crate) async fn collection_info(
    _database: &Database,
    _embeddings: &Embeddings,
    _request: &pb::CollectionInfoRequest,
    _remaining: Option<Duration>,
) -> Result<pb::CollectionInfoResponse, Fault> {
    todo!()
}

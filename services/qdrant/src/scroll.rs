//! `Scroll` and `StreamScroll`.

use std::time::Duration;

use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::qdrant::v1 as pb;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::database::Database;

pub(crate) async fn scroll(
    _database: &Database,
    _request: &pb::ScrollRequest,
    _remaining: Option<Duration>,
) -> Result<pb::ScrollResponse, Fault> {
    todo!()
}

pub(crate) fn stream(
    _database: Database,
    _request: pb::StreamScrollRequest,
    _remaining: Option<Duration>,
    _lifecycle: &Lifecycle,
) -> Result<ReceiverStream<Result<pb::StreamScrollResponse, Status>>, Fault> {
    todo!()
}

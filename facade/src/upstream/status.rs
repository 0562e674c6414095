//! What an adapter says of itself. It is shown to models, in `list_services` and the instructions, so that each word of it is one short
//! line: else one adapter could speak for the server, or take the place of all others.

use std::time::Duration;

use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse};
use tokio::time::{Instant, timeout};
use tonic::transport::Channel;

use super::file::MAX_DESCRIPTION;
use crate::words;

/// How long an adapter may take to tell its status, and how many bytes that may be.
const STATUS: Duration = Duration::from_secs(1);
const MAX_BYTES: usize = 64 * 1024;

/// The longest name or version, the longest sentence, and how many sentences there may be of what the login may do; in characters.
const NAME: usize = 64;
const SENTENCE: usize = 300;
const SENTENCES: usize = 10;

/// Asks an adapter for its status; gives it with the time that this took.
pub(super) async fn ask(channel: Channel) -> Option<(GetStatusResponse, Duration)> {
    let start = Instant::now();
    let mut client = AdapterServiceClient::new(channel).max_decoding_message_size(MAX_BYTES);
    let answer = timeout(STATUS, client.get_status(GetStatusRequest {})).await;
    let status = answer.ok()?.ok()?.into_inner();
    Some((plain(status), start.elapsed()))
}

fn plain(mut status: GetStatusResponse) -> GetStatusResponse {
    for (text, max) in [
        (&mut status.kind, NAME / 2),
        (&mut status.adapter_version, NAME),
        (&mut status.product, NAME),
        (&mut status.product_version, NAME),
        (&mut status.database, NAME),
        (&mut status.reason, SENTENCE),
        (&mut status.description, MAX_DESCRIPTION),
    ] {
        *text = words::line(text, max);
    }
    status.posture.truncate(SENTENCES);
    for sentence in &mut status.posture {
        *sentence = words::line(sentence, SENTENCE);
    }
    status
}

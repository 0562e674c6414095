//! Spans: what every adapter has without doing anything for it.

use std::time::Duration;

use mcp_hub_chassis::fault::Fault;
use mcp_hub_proto::testkit::v1::testkit_service_client::TestkitServiceClient;
use mcp_hub_proto::testkit::v1::{ErrorHandlingRequest, PartialResultsRequest};
use mcp_hub_testing::traces::{self, Caller, SpanData};
use tokio_stream::StreamExt as _;

use crate::support::Testkit;

async fn span(caller: Caller, rpc: &str) -> SpanData {
    let name = format!("mcphub.testkit.v1.TestkitService/{rpc}");
    caller.ended(&name).await
}

#[tokio::test]
async fn each_call_has_a_span_as_long_as_its_answer() {
    traces::record();
    let testkit = Testkit::start().await;
    let mut client = TestkitServiceClient::new(testkit.channel.clone());
    let caller = Caller::new();
    let stream = client
        .partial_results(caller.request(PartialResultsRequest {}))
        .await;
    let parts: Vec<_> = stream.expect("a stream").into_inner().collect().await;
    assert_eq!(parts.len(), 3);
    let streamed = span(caller, "PartialResults").await;
    assert_eq!(streamed.parent_span_id, caller.span_id());
    assert!(traces::took(&streamed) >= Duration::from_millis(3 * 150));

    let caller = Caller::new();
    let failed = client
        .error_handling(caller.request(ErrorHandlingRequest {}))
        .await;
    let fault = Fault::from_status(&failed.expect_err("it fails"));
    let failed = span(caller, "ErrorHandling").await;
    let shown = traces::told(&failed, "error.type");
    assert_eq!(shown.as_deref(), Some(fault.reason_name()));
    assert_eq!(caller.spans().len(), 1);
}

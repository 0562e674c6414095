//! Streams: the parts that merge, and a tool and its follower that say the same.

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::progress::v1::Progress;
use mcp_hub_proto::testkit::v1::testkit_service_client::TestkitServiceClient;
use mcp_hub_proto::testkit::v1::{
    FollowSlowCountRequest, PartialResultsRequest, PartialResultsResult, SlowCountRequest,
    ToolWithProgressRequest,
};
use prost::Message as _;
use tokio_stream::StreamExt as _;

use crate::support::Testkit;

/// All messages of a stream.
async fn all<M>(stream: tonic::Streaming<M>) -> Vec<M> {
    stream.map(|message| message.expect("a message")).collect().await
}

#[tokio::test]
async fn parts_are_one_answer_when_they_are_merged() {
    let testkit = Testkit::start().await;
    let mut client = TestkitServiceClient::new(testkit.channel.clone());
    let stream = client.partial_results(PartialResultsRequest {}).await;
    let parts = all(stream.expect("a stream").into_inner()).await;
    assert_eq!(parts.len(), 3);
    // Protobuf merges messages that stand behind one another.
    let bytes: Vec<u8> = parts
        .iter()
        .flat_map(|part| part.result.as_ref().expect("each has a part").encode_to_vec())
        .collect();
    let merged = PartialResultsResult::decode(&bytes[..]).expect("a message");
    assert_eq!(
        merged.words,
        ["an", "answer", "that", "comes", "in", "instalments"]
    );
    assert_eq!(merged.count, 6);
    let facts = merged.facts.expect("facts");
    assert_eq!(
        (facts.shortest.as_str(), facts.longest.as_str()),
        ("an", "instalments")
    );
    let blocks: Vec<_> = merged
        .content
        .into_iter()
        .filter_map(|block| block.kind)
        .collect();
    let text = |text: &str| Kind::Text(text.to_owned());
    assert_eq!(
        blocks,
        [text("an answer"), text("that comes"), text("in instalments")]
    );
}

#[tokio::test]
async fn progress_is_told_three_times_and_then_it_answers() {
    let testkit = Testkit::start().await;
    let mut client = TestkitServiceClient::new(testkit.channel.clone());
    let stream = client.tool_with_progress(ToolWithProgressRequest {}).await;
    let messages = all(stream.expect("a stream").into_inner()).await;
    let told: Vec<_> = messages
        .iter()
        .filter_map(|message| message.progress.as_ref())
        .map(|progress| (progress.progress, progress.total))
        .collect();
    assert_eq!(
        told,
        [(0.0, Some(100.0)), (50.0, Some(100.0)), (100.0, Some(100.0))]
    );
    let last = messages.last().expect("messages");
    assert!(last.result.is_some() && messages.iter().filter(|m| m.result.is_some()).count() == 1);
}

#[tokio::test]
async fn a_follower_answers_what_its_tool_answers() {
    let testkit = Testkit::start().await;
    let mut client = TestkitServiceClient::new(testkit.channel.clone());
    let request = |to| SlowCountRequest {
        to: Some(to),
        step_ms: Some(1),
    };
    let answer = client
        .slow_count(request(2_000))
        .await
        .expect("counts")
        .into_inner();
    assert_eq!(answer.counted, 1_000);
    assert_eq!(answer.notices, ["to was lowered from 2000 to 1000"]);
    let follow = FollowSlowCountRequest {
        slow_count: Some(request(2_000)),
    };
    let stream = client.follow_slow_count(follow).await.expect("a stream");
    let messages = all(stream.into_inner()).await;
    let progress: Vec<&Progress> = messages
        .iter()
        .filter_map(|message| message.progress.as_ref())
        .collect();
    assert_eq!(progress.len(), 1_000);
    assert!(progress.windows(2).all(|two| two[0].progress < two[1].progress));
    assert_eq!(messages.last().expect("messages").response, Some(answer));

    let wrong = client.slow_count(request(0)).await.expect_err("refused");
    let follow = FollowSlowCountRequest {
        slow_count: Some(request(0)),
    };
    let refused = client.follow_slow_count(follow).await.expect_err("refused");
    let faults = [&wrong, &refused].map(Fault::from_status);
    assert_eq!(faults[0], faults[1]);
    assert_eq!(faults[0].reason, Reason::ArgumentInvalid);
}

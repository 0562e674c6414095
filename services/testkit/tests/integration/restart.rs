//! What is offered changes while it runs, and nobody's call fails for it.

use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::testkit::v1::extra_prompt_service_client::ExtraPromptServiceClient;
use mcp_hub_proto::testkit::v1::extra_tool_service_client::ExtraToolServiceClient;
use mcp_hub_proto::testkit::v1::testkit_service_client::TestkitServiceClient;
use mcp_hub_proto::testkit::v1::testkit_write_service_client::TestkitWriteServiceClient;
use mcp_hub_proto::testkit::v1::{
    ExtraPromptRequest, ExtraToolRequest, SimpleTextRequest, SlowCountRequest, TriggerPromptChangeRequest,
    TriggerToolChangeRequest,
};
use mcp_hub_testing::eventually;
use tonic::Code;

use crate::support::{SOON, Testkit, connect, services};

const ALWAYS: [&str; 3] = ["TestkitPromptService", "TestkitService", "TestkitWriteService"];

#[tokio::test]
async fn a_tool_and_a_prompt_come_and_go() {
    let testkit = Testkit::start().await;
    let mut write = TestkitWriteServiceClient::new(testkit.channel.clone());
    let offered = async |expected: &[&str]| {
        eventually(SOON, async || {
            // Anew each time: a connection that the old server still ends is the old server's.
            let services = services(&connect(testkit.address).await).await;
            if services == expected {
                Ok(())
            } else {
                Err(format!("{services:?}"))
            }
        })
        .await;
    };
    offered(&ALWAYS).await;

    let changed = write.trigger_tool_change(TriggerToolChangeRequest {}).await;
    let said = changed.expect("an answer").into_inner().content.expect("content");
    assert_eq!(
        said.kind,
        Some(Kind::Text("The tool extra_tool is offered now.".to_owned()))
    );
    offered(&[&["ExtraToolService"], &ALWAYS[..]].concat()).await;
    let mut extra = ExtraToolServiceClient::new(connect(testkit.address).await);
    extra.extra_tool(ExtraToolRequest {}).await.expect("it is there");

    let changed = write.trigger_prompt_change(TriggerPromptChangeRequest {}).await;
    changed.expect("an answer");
    offered(&[&["ExtraPromptService", "ExtraToolService"], &ALWAYS[..]].concat()).await;
    let mut prompt = ExtraPromptServiceClient::new(connect(testkit.address).await);
    prompt
        .extra_prompt(ExtraPromptRequest {})
        .await
        .expect("it is there");

    let changed = write.trigger_tool_change(TriggerToolChangeRequest {}).await;
    let said = changed.expect("an answer").into_inner().content.expect("content");
    assert_eq!(
        said.kind,
        Some(Kind::Text("The tool extra_tool is no longer offered.".to_owned()))
    );
    offered(&[&["ExtraPromptService"], &ALWAYS[..]].concat()).await;
    let mut extra = ExtraToolServiceClient::new(connect(testkit.address).await);
    let gone = extra.extra_tool(ExtraToolRequest {}).await.expect_err("gone");
    assert_eq!(gone.code(), Code::Unimplemented);
}

#[tokio::test]
async fn calls_go_on_while_it_changes() {
    let testkit = Testkit::start().await;
    // Under way during the changes.
    let mut slow = TestkitServiceClient::new(testkit.channel.clone());
    let request = SlowCountRequest {
        to: Some(5),
        step_ms: Some(100),
    };
    let slow = testkit
        .lifecycle
        .spawn(async move { slow.slow_count(request).await });
    for _ in 0..10 {
        // Whoever connects at this moment is served by the one or by the other.
        let channel = connect(testkit.address).await;
        let mut client = TestkitServiceClient::new(channel.clone());
        client.simple_text(SimpleTextRequest {}).await.expect("answers");
        let mut write = TestkitWriteServiceClient::new(channel);
        let changed = write.trigger_tool_change(TriggerToolChangeRequest {}).await;
        changed.expect("changes");
    }
    let counted = slow.await.expect("no panic").expect("goes on to its end");
    assert_eq!(counted.into_inner().counted, 5);
}

#[tokio::test]
async fn it_ends_when_the_process_does() {
    let testkit = Testkit::start().await;
    let mut write = TestkitWriteServiceClient::new(testkit.channel.clone());
    let changed = write.trigger_tool_change(TriggerToolChangeRequest {}).await;
    changed.expect("changes");
    testkit.lifecycle.stop();
    tokio::time::timeout(SOON, testkit.lifecycle.drain(SOON * 2))
        .await
        .expect("all servers end");
}

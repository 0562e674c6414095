//! Tokens: what one replica knows of a caller, all know.

use std::time::Duration;

use mcp_hub_e2e::{ClusterOptions, Door, EventStream, Session};
use mcp_hub_testing::eventually;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::stage::{Stage, all_are_answered};

/// Two tokens that may read.
pub(super) const ALICE: &str = "mcphub_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE";
const BOB: &str = "mcphub_BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBE";

fn table(name: &str, token: &str) -> String {
    let digest: Vec<String> = Sha256::digest(token)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!(
        "[tokens.{name}]\nsha256 = \"{}\"\nscopes = [\"db:read\"]\n",
        digest.concat()
    )
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// A stage whose tools take a token: hers or his.
pub(super) async fn locked(mut options: ClusterOptions) -> Option<Stage> {
    options.tokens = Some(format!("{}\n{}", table("alice", ALICE), table("bob", BOB)));
    Stage::with(options, &[("Authorization", &bearer(ALICE))]).await
}

#[tokio::test]
async fn one_token_opens_every_replica_by_every_door() {
    let Some(stage) = locked(ClusterOptions::default()).await else {
        return;
    };
    let url = |path| stage.cluster.url(path);
    for door in [
        Door::Sse(url("/sse")),
        Door::Http(url("/mcp")),
        Door::HttpLegacy(url("/mcp")),
    ] {
        let Some(mut session) = Session::python(&door.with_token(ALICE)).await else {
            return;
        };
        all_are_answered(&mut session, 12).await;
        session.close().await;
    }
    let remote = [
        &*url("/sse"),
        "--transport",
        "sse-only",
        "--header",
        &format!("Authorization:{}", bearer(ALICE)),
    ];
    for door in [
        Door::Sse(url("/sse")).with_token(BOB),
        Door::HttpLegacy(url("/mcp")).with_token(BOB),
        Door::McpRemote(remote.map(str::to_owned).to_vec()),
    ] {
        let Some(mut session) = Session::typescript(&door).await else {
            return;
        };
        all_are_answered(&mut session, 12).await;
        session.close().await;
    }
    for transport in ["sse", "http"] {
        let header = format!("Authorization: {}", bearer(BOB));
        let Some(output) = stage.inspect(transport, &["--header", &header]).await else {
            return;
        };
        assert!(output.to_string().contains("oolong"), "{output}");
    }
    for path in ["/messages", "/mcp"] {
        stage.share_since(path, &[0; 3]);
    }
}

#[tokio::test]
async fn a_session_is_only_its_owners_on_every_replica() {
    let Some(stage) = locked(ClusterOptions::default()).await else {
        return;
    };
    let url = stage.cluster.url("/sse");
    let alice = bearer(ALICE);
    let refused = EventStream::open(&url, &[]).await.expect_err("no token");
    assert!(refused.to_string().contains("401"), "{refused}");

    let mut stream = EventStream::open(&url, &[("Authorization", &alice)])
        .await
        .expect("a stream");
    assert_eq!(stage.ping(&stream, Some(BOB), "bob's").await, [404; 3]);
    assert_eq!(stage.ping(&stream, None, "nobody's").await, [401; 3]);
    assert_eq!(stage.ping(&stream, Some(ALICE), "alice's").await, [202; 3]);
    // What the others posted came to nobody.
    let mut answered = Vec::new();
    for _ in 0..3 {
        let event: Value = serde_json::from_str(&stream.next().await.expect("an answer")).expect("JSON");
        assert_eq!(event["result"], json!({}), "{event}");
        answered.push(event["id"].as_str().expect("an id").to_owned());
    }
    answered.sort();
    assert_eq!(answered, ["alice's 0", "alice's 1", "alice's 2"]);

    // Her token is taken out of the file: her stream ends, wherever it is, and no replica knows her.
    stage.cluster.set_tokens(&table("bob", BOB));
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.next()).await;
    assert_eq!(ended.expect("it ends"), None);
    eventually(Duration::from_secs(10), async || {
        let statuses = stage.ping(&stream, Some(ALICE), "alice's").await;
        if statuses == [401; 3] {
            Ok(())
        } else {
            Err(format!("{statuses:?}"))
        }
    })
    .await;
}

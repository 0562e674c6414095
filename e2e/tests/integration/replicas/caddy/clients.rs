//! Real clients that trust the authority of the proxy: every door, with a token.

use mcp_hub_e2e::{Door, Session, program};
use serde_json::json;

use super::super::stage::{Stage, all_are_answered};
use super::super::tokens::{ALICE, locked};
use super::{in_front, two};
use crate::hub::rows;

const CALLS: usize = 24;

/// What a session of any client can do.
async fn works(stage: &Stage, session: Option<Session>, sse: bool) {
    let Some(mut session) = session else { return };
    let handed_over = stage.handed_over().await;
    all_are_answered(&mut session, CALLS).await;
    let handed_over = stage.handed_over().await - handed_over;
    // With a stream, half of the messages come to the replica that does not have it.
    assert_eq!(handed_over > 0.0, sse, "{handed_over} were handed over");

    // An answer of nearly the size that is the most.
    let big = json!({"sql": "select hex(randomblob(950)) as part from (with recursive n(i) as (select 1 union all select i + 1 from n where i < 30) select i from n)"});
    let answer = session.call("tea_query", big).await;
    let rows = rows(&answer);
    assert_eq!(rows.len(), 30);
    assert!(
        rows.iter()
            .all(|row| row[0].as_str().is_some_and(|text| text.len() == 1900)),
        "{rows:?}"
    );
    session.close().await;
}

#[tokio::test]
async fn python_sdk() {
    let Some(stage) = locked(two()).await else { return };
    let Some(caddy) = in_front(&stage.cluster).await else {
        return;
    };
    let authority = caddy.ca_file();
    for (door, sse) in [
        (Door::Sse(caddy.url("/sse")), true),
        (Door::Http(caddy.url("/mcp")), false),
        (Door::HttpLegacy(caddy.url("/sse")), false),
    ] {
        let door = door.with_token(ALICE).trusting(&authority);
        works(&stage, Session::python(&door).await, sse).await;
    }
}

#[tokio::test]
async fn typescript_sdk_and_mcp_remote() {
    let Some(stage) = locked(two()).await else { return };
    let Some(caddy) = in_front(&stage.cluster).await else {
        return;
    };
    let authority = caddy.ca_file();
    let remote = [
        &*caddy.url("/sse"),
        "--transport",
        "sse-only",
        "--header",
        &format!("Authorization:Bearer {ALICE}"),
    ];
    for (door, sse) in [
        (Door::Sse(caddy.url("/sse")).with_token(ALICE), true),
        (Door::HttpLegacy(caddy.url("/mcp")).with_token(ALICE), false),
        (Door::McpRemote(remote.map(str::to_owned).to_vec()), true),
    ] {
        works(&stage, Session::typescript(&door.trusting(&authority)).await, sse).await;
    }
}

#[tokio::test]
async fn the_bridge_of_the_hub() {
    let Some(stage) = locked(two()).await else { return };
    let Some(caddy) = in_front(&stage.cluster).await else {
        return;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, ALICE).expect("a file");
    let arguments = [
        "stdio",
        "--url",
        &caddy.url("/mcp"),
        "--token-file",
        &token.display().to_string(),
        "--ca-file",
        &caddy.ca_file().display().to_string(),
    ];
    let door = Door::Stdio(program("mcp-hub"), arguments.map(str::to_owned).to_vec());
    works(&stage, Session::python(&door).await, false).await;
}

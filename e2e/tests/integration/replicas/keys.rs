//! The session keys are changed while sessions go on.

use std::time::Duration;

use mcp_hub_e2e::{Door, EventStream, Session, SessionKey};
use mcp_hub_testing::eventually;
use tokio_util::sync::CancellationToken;

use super::stage::{Stage, all_are_answered};

/// Gives all replicas these keys, and waits until each has said that it took them.
async fn give(stage: &Stage, keys: &[&SessionKey]) {
    stage.cluster.set_keys(keys);
    let names: Vec<&str> = keys.iter().map(|key| key.name()).collect();
    for replica in stage.cluster.replicas() {
        eventually(Duration::from_secs(20), async || {
            let output = replica.process().output();
            let taken = output.lines().rfind(|line| line.contains("session keys"));
            match taken {
                Some(line) if line.ends_with(&format!("keys={}", names.join(", "))) => Ok(()),
                _ => Err(format!("{names:?} are not those of {taken:?}")),
            }
        })
        .await;
    }
}

/// The way that docs/operations.md describes: the new key comes last, then first, then the old one goes.
#[tokio::test]
async fn a_session_outlives_the_change_of_keys_until_its_own_is_gone() {
    let Some(stage) = Stage::new().await else { return };
    let url = stage.cluster.url("/sse");
    let Some(mut typescript) = Session::typescript(&Door::Sse(url.clone())).await else {
        return;
    };
    let Some(mut python) = Session::python(&Door::Sse(url.clone())).await else {
        return;
    };
    let mut stream = EventStream::open(&url, &[]).await.expect("a stream");
    let (old, new) = (stage.cluster.first_key(), SessionKey::new("second"));
    let changed = CancellationToken::new();
    let calls = async |session: &mut Session| {
        while !changed.is_cancelled() {
            all_are_answered(session, 12).await;
        }
    };
    let change = async {
        give(&stage, &[old, &new]).await;
        give(&stage, &[&new, old]).await;
        changed.cancel();
    };
    tokio::join!(calls(&mut typescript), calls(&mut python), change);

    // The old key is not the first any more: old sessions go on, new ones have the new key.
    all_are_answered(&mut typescript, 12).await;
    all_are_answered(&mut python, 12).await;
    assert_eq!(stage.ping(&stream, None, "old").await, [202; 3]);
    for _ in 0..3 {
        assert!(stream.next().await.is_some_and(|answer| answer.contains("old")));
    }
    let Some(mut young) = Session::python(&Door::Sse(url.clone())).await else {
        return;
    };

    give(&stage, &[&new]).await;
    assert_eq!(stage.ping(&stream, None, "too old").await, [404; 3]);
    all_are_answered(&mut young, 12).await;
    young.close().await;
}

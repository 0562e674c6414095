//! Tokens that come and go while their holders are connected.

use mcp_hub_testing::eventually;

use super::*;
use crate::client::{modern, modern_request};
use crate::hub::SOON;

/// A stream of `subscriptions/listen`.
async fn listen(served: &Served, authorization: &str) -> Stream {
    let message = modern_request(
        1,
        "subscriptions/listen",
        json!({"notifications": {"toolsListChanged": true}}),
    );
    let request = modern(served.address, "/mcp", &message)
        .header("authorization", authorization)
        .body(message.to_string().into());
    let mut stream = Stream::of(open(served.address, request.expect("a request")).await);
    let first = stream.data().await;
    assert_eq!(
        first["method"], "notifications/subscriptions/acknowledged",
        "{first}"
    );
    stream
}

/// The result that ends a subscription.
async fn is_over(stream: &mut Stream) {
    let last = stream.data().await;
    assert!(last["result"].is_object(), "{last}");
}

#[tokio::test]
async fn a_revoked_token_ends_its_streams_and_no_others() {
    let mut lock = Lock::new();
    let (alice, bob) = (lock.token("alice"), lock.token("bob"));
    let served = lock.serve(&[], Upstreams::default()).await;
    let mut of_alice = Channel::open(&served, &alice).await;
    let mut of_bob = Channel::open(&served, &bob).await;
    let mut listening = listen(&served, &alice).await;
    of_alice.lives(&served).await;

    lock.revoke("alice");
    of_alice.ends().await;
    is_over(&mut listening).await;
    assert_eq!(status(&served, &alice).await, 401);
    of_bob.lives(&served).await;

    // One comes in without a restart, and nobody notices.
    let carol = lock.token("carol");
    eventually(SOON, async || {
        let status = status(&served, &carol).await;
        if status == 200 { Ok(()) } else { Err(status) }
    })
    .await;
    of_bob.lives(&served).await;

    // What it may do is other than before: who is connected has to come again.
    lock.entries[0].scopes = vec![];
    lock.write();
    of_bob.ends().await;
    assert_eq!(status(&served, &bob).await, 200);
}

#[tokio::test]
async fn an_expired_token_ends_its_streams() {
    let mut lock = Lock::new();
    let brief = lock.token_for("brief", SignedDuration::from_millis(1500));
    let lasting = lock.token_for("lasting", SignedDuration::from_hours(1));
    let served = lock.serve(&[], Upstreams::default()).await;
    let mut of_brief = Channel::open(&served, &brief).await;
    let mut of_lasting = Channel::open(&served, &lasting).await;
    let mut listening = listen(&served, &brief).await;
    of_brief.ends().await;
    is_over(&mut listening).await;
    let expires = lock.entries[0].expires.expect("a time");
    assert!(Timestamp::now() >= expires);
    let answer = ask(&served, &brief, &request(1, "ping", json!({}))).await;
    assert_eq!(answer.status, 401);
    assert!(answer.text().contains("the token has expired"), "{answer:?}");
    of_lasting.lives(&served).await;
}

#[tokio::test]
async fn a_file_that_cannot_be_used_changes_nothing_and_is_told() {
    let mut lock = Lock::new();
    let (alice, bob) = (lock.token("alice"), lock.token("bob"));
    let served = lock.serve(&[], Upstreams::default()).await;
    let mut of_alice = Channel::open(&served, &alice).await;
    let health = async || {
        let check = request(1, "tools/call", json!({"name": "health_check", "arguments": {}}));
        let answer = ask(&served, &bob, &check).await.json();
        answer["result"]["structuredContent"]["notices"].to_string()
    };
    let told = async |expected: bool| {
        eventually(SOON * 2, async || {
            let notices = health().await;
            if notices.contains("the tokens file was changed and can't be used") == expected {
                Ok(())
            } else {
                Err(notices)
            }
        })
        .await;
    };
    for text in ["[tokens.alice]\n", "[tokens", ""] {
        lock.replace(text);
        told(true).await;
        of_alice.lives(&served).await;
        lock.write();
        told(false).await;
    }
    std::fs::remove_file(lock.path()).expect("removed");
    told(true).await;
    assert_eq!(status(&served, &alice).await, 200);
    // What is revoked when the file is there again was revoked.
    lock.revoke("alice");
    of_alice.ends().await;
    told(false).await;
}

#[tokio::test]
async fn a_symlink_is_followed_as_kubernetes_swaps_it() {
    let mut lock = Lock::new();
    let alice = lock.token("alice");
    let mounted = tempfile::tempdir().expect("a folder");
    let publish = |version: &str, text: &str| {
        let folder = mounted.path().join(version);
        std::fs::create_dir(&folder).expect("a folder");
        std::fs::write(folder.join("tokens.toml"), text).expect("written");
        let link = mounted.path().join("..data_tmp");
        std::os::unix::fs::symlink(version, &link).expect("a link");
        std::fs::rename(link, mounted.path().join("..data")).expect("swapped");
    };
    publish("..1", &std::fs::read_to_string(lock.path()).expect("a file"));
    let path = mounted.path().join("tokens.toml");
    std::os::unix::fs::symlink("..data/tokens.toml", &path).expect("a link");
    let served = serve(
        &["--tokens-file", &path.display().to_string()],
        Upstreams::default(),
    )
    .await;
    let mut of_alice = Channel::open(&served, &alice).await;
    publish("..2", "[tokens]\n");
    of_alice.ends().await;
    assert_eq!(status(&served, &alice).await, 401);
}

#[tokio::test]
async fn a_stream_takes_messages_of_the_one_who_opened_it() {
    let mut lock = Lock::new();
    let (alice, mallory) = (lock.token("alice"), lock.token("mallory"));
    let served = lock.serve(&[], Upstreams::default()).await;
    let mut of_alice = Channel::open(&served, &alice).await;
    let ping = request(1, "ping", json!({}));
    assert_eq!(of_alice.post(&served, &mallory, &ping).await.status, 404);
    of_alice.lives(&served).await;
}

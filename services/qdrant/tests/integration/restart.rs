//! The server goes and comes back: the adapter lives, says so, and no first call fails afterwards.

use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::{Fault, Reason};
use mcp_hub_proto::adapter::v1::State;
use mcp_hub_proto::qdrant::v1::{CountRequest, ScrollRequest};
use mcp_hub_testing::{Qdrant, eventually};
use serde_json::json;

use crate::adapter::{Adapter, SOON, Server, answer, assert_fault};

async fn count(adapter: &Adapter, name: &str) -> Result<u64, Fault> {
    let request = CountRequest {
        collection: name.to_owned(),
        timeout_ms: Some(5_000),
        ..CountRequest::default()
    };
    answer(adapter.client.clone().count(request).await).map(|response| response.count())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_is_used_when_it_comes() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    Server::of(&qdrant)
        .with_payloads("kept", &[json!({}), json!({})])
        .await;
    qdrant.stop().await;
    let adapter = Adapter::of(&qdrant).await;
    let fault = assert_fault(
        count(&adapter, "kept").await,
        Reason::DatabaseUnavailable,
        "connection refused",
    );
    assert!(fault.retry_after.is_some());
    assert!(
        !format!("{fault:?}").contains(&qdrant.port().to_string()),
        "{fault:?}"
    );
    eventually(SOON, async || {
        adapter.status().await.reason == "connection refused"
    })
    .await;
    assert_eq!(adapter.status().await.state(), State::Unavailable);
    qdrant.start_again().await;
    assert_eq!(count(&adapter, "kept").await, Ok(2), "the first call");
    let status = adapter.serving().await;
    assert_eq!((status.product.as_str(), status.reason.as_str()), ("Qdrant", ""));
    assert!(
        status
            .product_version
            .starts_with(|digit: char| digit.is_ascii_digit())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn no_first_call_fails_after_a_restart() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    Server::of(&qdrant).with_payloads("kept", &[json!({})]).await;
    let adapter = Adapter::of(&qdrant).await;
    assert_eq!(count(&adapter, "kept").await, Ok(1));
    for crash in [false, true, false] {
        if crash {
            qdrant.kill().await;
        } else {
            qdrant.stop().await;
        }
        qdrant.start_again().await;
        // Many at once: each is a first call.
        let calls: Vec<_> = (0..8)
            .map(|_| {
                let mut client = adapter.client.clone();
                adapter.lifecycle.spawn(async move {
                    let scroll = ScrollRequest {
                        collection: "kept".to_owned(),
                        ..ScrollRequest::default()
                    };
                    answer(client.scroll(scroll).await)
                })
            })
            .collect();
        for call in calls {
            call.await.expect("no panic").expect("a first call");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_is_told_and_used_again() {
    let Some(qdrant) = Qdrant::start().await else {
        return;
    };
    Server::of(&qdrant).with_payloads("kept", &[json!({})]).await;
    let adapter = Adapter::of(&qdrant).await;
    assert_eq!(count(&adapter, "kept").await, Ok(1));
    qdrant.pause();
    // All of its threads stop a moment later.
    let fault = eventually(SOON, async || {
        let begun = Instant::now();
        let request = CountRequest {
            collection: "kept".to_owned(),
            timeout_ms: Some(500),
            ..CountRequest::default()
        };
        let fault = answer(adapter.client.clone().count(request).await).err();
        assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
        fault
    })
    .await;
    assert_eq!(fault.reason, Reason::StatementTimedOut, "{fault:?}");
    eventually(Duration::from_secs(30), async || {
        adapter.status().await.state() == State::Unavailable
    })
    .await;
    qdrant.resume();
    eventually(SOON, async || count(&adapter, "kept").await == Ok(1)).await;
    adapter.serving().await;
}

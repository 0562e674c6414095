//! Endpoints that are connected and silent, hanging, broken or full: calls go elsewhere, and they are spared for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_hub_facade::outcome::Outcome;
use mcp_hub_facade::registry::State;
use mcp_hub_testing::eventually;
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::adapter::Plan;
use crate::balance::two;
use crate::cable::Cable;
use crate::faults::SHOP;
use crate::hub::{Hub, SOON, call, metric};

/// Calls a tool in a task of its own.
fn start(hub: &Hub, tool: &str) -> JoinHandle<Outcome> {
    let tool = hub.tool(tool);
    hub.lifecycle
        .spawn(async move { tool.call(serde_json::Map::new(), call()).await })
}

/// Calls a tool as often at the same time; no call fails.
async fn twenty_are_answered(hub: &Hub, tool: &str) {
    let tasks: Vec<_> = (0..20).map(|_| start(hub, tool)).collect();
    for task in tasks {
        let outcome = task.await.expect("no panic");
        assert!(!outcome.is_error, "{}", outcome.text);
    }
}

#[tokio::test]
async fn a_silent_endpoint_is_out_within_two_seconds_and_its_reads_are_answered_elsewhere() {
    let (one, other) = (Plan::new(SHOP).start().await, Plan::new(SHOP).start().await);
    let cable = Cable::to(one.address).await;
    let hub = two(&cable.url(), &other.url(), "silent").await;
    cable.stall();
    let started = Instant::now();
    twenty_are_answered(&hub, "silent_find").await;
    // Two seconds, and some for a machine that is busy with other tests.
    assert!(
        started.elapsed() < Duration::from_millis(2_500),
        "{:?}",
        started.elapsed()
    );
    assert!(metric(r#"mcp_hub_upstream_retries_total{reason="lost",upstream="silent"}"#) >= 5);
}

#[tokio::test]
async fn an_endpoint_whose_calls_hang_gets_none_for_a_while() {
    let hangs = Arc::new(AtomicBool::new(true));
    let flag = hangs.clone();
    let plan = Plan::new(SHOP).handle(move |received| {
        let hangs = flag.load(Ordering::SeqCst);
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(received.response)
        }
    });
    let adapter = plan.start().await;
    let hub = Hub::with(&[("hangs", adapter.url())], |upstream| {
        upstream.timeout = Duration::from_millis(200);
    })
    .await;
    eventually(SOON, async || hub.service("hangs").await.state == State::Serving).await;
    for _ in 0..5 {
        let outcome = hub.call("hangs_find", json!({})).await;
        assert!(outcome.text.contains("STATEMENT_TIMED_OUT"), "{}", outcome.text);
    }
    let started = Instant::now();
    let outcome = hub.call("hangs_buy", json!({})).await;
    assert!(started.elapsed() < Duration::from_millis(150), "at once");
    let (sentence, rest) = outcome.text.split_once('\n').expect("two lines");
    assert_eq!(
        sentence,
        "hangs is connected, but its last calls failed, so none is sent for a moment: try again"
    );
    assert!(
        rest.starts_with("reason: UPSTREAM_UNAVAILABLE\nretry_after_ms: "),
        "{rest}"
    );
    assert_eq!(adapter.calls().len(), 5, "it is spared");
    let service = hub.service("hangs").await;
    assert_eq!(
        (service.state, service.reason.as_str()),
        (
            State::Unavailable,
            "it is connected, but its last calls failed: it is tried again now and then"
        )
    );
    let endpoints = |state: &str| {
        metric(&format!(
            r#"mcp_hub_upstream_endpoints{{state="{state}",upstream="hangs"}}"#
        ))
    };
    assert_eq!((endpoints("broken"), endpoints("serving")), (1, 0));

    hangs.store(false, Ordering::SeqCst);
    eventually(SOON, async || !hub.call("hangs_find", json!({})).await.is_error).await;
    assert_eq!(adapter.calls().len(), 6, "one call was let through");
    assert_eq!(hub.service("hangs").await.state, State::Serving);
    assert_eq!((endpoints("broken"), endpoints("serving")), (0, 1));
    for to in ["open", "closed"] {
        let line = format!(r#"mcp_hub_upstream_breaker_transitions_total{{to="{to}",upstream="hangs"}}"#);
        assert_eq!(metric(&line), 1, "{to}");
    }
    let timed_out = r#"mcp_hub_upstream_calls_total{outcome="deadline_exceeded",upstream="hangs"}"#;
    assert_eq!(metric(timed_out), 5);
}

#[tokio::test]
async fn an_endpoint_that_fails_at_once_draws_no_calls_and_hurts_no_read() {
    let broken = Arc::new(AtomicBool::new(true));
    let failing = Plan::new(SHOP).broken_while(&broken).start().await;
    let slow = Plan::new(SHOP).handle(|received| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        Ok(received.response)
    });
    let slow = slow.start().await;
    let hub = two(&failing.url(), &slow.url(), "herd").await;
    for _ in 0..5 {
        twenty_are_answered(&hub, "herd_find").await;
    }
    assert!(
        slow.calls().len() == 100,
        "each read was answered by the one that works"
    );
    assert!(failing.calls().len() <= 15, "{} calls", failing.calls().len());
    assert_eq!(hub.service("herd").await.endpoints, "1 of 2");
    // It is found well again by a read.
    broken.store(false, Ordering::SeqCst);
    eventually(SOON, async || {
        assert!(!hub.call("herd_find", json!({})).await.is_error);
        hub.service("herd").await.endpoints == "2 of 2"
    })
    .await;
    // A write that fails so is not sent again.
    broken.store(true, Ordering::SeqCst);
    let before = failing.calls().len() + slow.calls().len();
    let mut unclear = 0;
    for _ in 0..2 {
        let outcome = hub.call("herd_buy", json!({})).await;
        if outcome.is_error {
            assert!(
                outcome.text.contains("may or may not have taken effect"),
                "{}",
                outcome.text
            );
            assert!(!outcome.text.contains("10.0.0.7"), "{}", outcome.text);
            unclear += 1;
        }
    }
    assert_eq!(
        (unclear, failing.calls().len() + slow.calls().len() - before),
        (1, 2)
    );
}

#[tokio::test]
async fn a_server_without_room_is_busy_and_a_read_goes_elsewhere() {
    let room = Arc::new(Semaphore::new(0));
    let gate = room.clone();
    let plan = Plan::new(SHOP).handle(move |received| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.expect("open").forget();
            Ok(received.response)
        }
    });
    let full = plan.server(|server| server.concurrency_limit_per_connection(1).load_shed(true));
    let full = full.start().await;
    let hub = Hub::of(&[("full", full.url())]).await;
    eventually(SOON, async || hub.service("full").await.state == State::Serving).await;
    let first = start(&hub, "full_find");
    eventually(SOON, async || full.calls().len() == 1).await;
    for tool in ["full_find", "full_buy"] {
        let outcome = hub.call(tool, json!({})).await;
        assert_eq!(
            outcome.text,
            "full is busy: try again\nreason: DATABASE_BUSY\nretry_after_ms: 500"
        );
    }
    assert_eq!(full.calls().len(), 1);

    let other = Plan::new(SHOP).start().await;
    let both = two(&full.url(), &other.url(), "both").await;
    // On a connection of its own it has room for one again.
    let second = start(&both, "both_find");
    let third = start(&both, "both_find");
    eventually(SOON, async || full.calls().len() == 2).await;
    for _ in 0..4 {
        assert!(!both.call("both_find", json!({})).await.is_error);
    }
    assert_eq!(full.calls().len(), 2);
    room.add_permits(2);
    for task in [first, second, third] {
        assert!(!task.await.expect("no panic").is_error);
    }
}

//! Endpoints that come, go, age and break while calls are under way: no read fails, no write is lost or sent twice.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_hub_facade::outcome::Outcome;
use mcp_hub_facade::registry::State;
use mcp_hub_testing::eventually;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::adapter::{Adapter, Plan, fields};
use crate::cable::Cable;
use crate::hub::{Hub, SOON, call, metric};

/// A shop that takes orders by their id.
const ORDERS: &str = r"
    // ShopService sells.
    service ShopService {
      // Finds goods.
      rpc Find(Request) returns (Response) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (mcphub.tool.v1.tool) = {};
      }
      // Buys goods.
      rpc Buy(Request) returns (Response) {
        option (mcphub.tool.v1.tool) = {destructive: true};
      }
    }
    message Request { optional string id = 1; }
    message Response { string name = 1; }
";

/// How often each write was done.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<HashMap<String, usize>>>);

impl Ledger {
    fn plan(&self) -> Plan {
        let ledger = self.clone();
        Plan::new(ORDERS).handle(move |received| {
            if received.method == "Buy" {
                let id = fields(&received.message)["id"].clone();
                *ledger.0.lock().expect("unpoisoned").entry(id).or_default() += 1;
            }
            async move { Ok(received.response) }
        })
    }

    fn count(&self, id: &str) -> usize {
        let ledger = self.0.lock().expect("unpoisoned");
        ledger.get(&format!("{id:?}")).copied().unwrap_or_default()
    }
}

/// Calls a tool in a task of its own.
fn start(hub: &Hub, tool: &str, id: &str) -> JoinHandle<Outcome> {
    let tool = hub.tool(tool);
    let arguments = serde_json::Map::from_iter([("id".to_owned(), json!(id))]);
    hub.lifecycle
        .spawn(async move { tool.call(arguments, call()).await })
}

/// Reads and writes, several at a time and without a pause, until `enough`. None of them may fail, and each write is done once.
async fn nothing_fails(hub: &Hub, key: &str, ledger: &Ledger, enough: impl Fn() -> bool) {
    let mut round = 0;
    while !enough() {
        let calls: Vec<_> = (0..8)
            .map(|index| {
                let id = format!("{round}-{index}");
                let tool = if index % 2 == 0 { "find" } else { "buy" };
                (tool, start(hub, &format!("{key}_{tool}"), &id), id)
            })
            .collect();
        for (tool, task, id) in calls {
            let outcome = task.await.expect("no panic");
            assert!(!outcome.is_error, "{tool} {id}: {}", outcome.text);
            assert_eq!(ledger.count(&id), usize::from(tool == "buy"), "{id}");
        }
        round += 1;
    }
}

/// A hub with an upstream of two endpoints that serve.
pub(crate) async fn two(one: &str, other: &str, key: &str) -> Hub {
    let addresses = [one.to_owned(), other.to_owned()];
    let hub = Hub::with(&[(key, addresses[0].clone())], |upstream| {
        upstream.addresses = addresses.to_vec();
    })
    .await;
    eventually(SOON, async || hub.service(key).await.endpoints == "2 of 2").await;
    hub
}

#[tokio::test]
async fn a_server_may_end_old_connections_and_no_call_fails() {
    let ledger = Ledger::default();
    let age = Duration::from_millis(1_200);
    let plan = ledger.plan().server(move |server| server.max_connection_age(age));
    let adapter = plan.start().await;
    let cable = Cable::to(adapter.address).await;
    let hub = Hub::of(&[("aging", cable.url())]).await;
    let mut changes = hub.registry.changes();
    changes.mark_unchanged();
    let end = Instant::now() + SOON * 4;
    nothing_fails(&hub, "aging", &ledger, || {
        assert!(Instant::now() < end, "{} connections", cable.connections());
        cable.connections() >= 5
    })
    .await;
    assert!(
        !changes.has_changed().expect("a living registry"),
        "the tools are the same"
    );
}

#[tokio::test]
async fn an_adapter_that_restarts_quickly_fails_no_call() {
    let ledger = Ledger::default();
    let adapter = ledger.plan().start().await;
    let address = adapter.address;
    let hub = Hub::of(&[("again", adapter.url())]).await;
    let restarted = AtomicBool::new(false);
    tokio::join!(
        nothing_fails(&hub, "again", &ledger, || restarted.load(Ordering::SeqCst)),
        async {
            let mut adapter = adapter;
            for _ in 0..3 {
                let before = adapter.calls().len();
                eventually(SOON, async || adapter.calls().len() > before + 20).await;
                adapter.stop().await;
                adapter = ledger.plan().start_at(address).await;
                eventually(SOON, async || !adapter.calls().is_empty()).await;
            }
            restarted.store(true, Ordering::SeqCst);
        }
    );
    let waits = metric(r#"mcp_hub_upstream_waits_total{reason="endpoint",upstream="again"}"#);
    assert!(waits > 0, "some calls found nobody, and waited");
}

#[tokio::test]
async fn a_write_waits_for_a_connection_that_was_cut_just_before() {
    let ledger = Ledger::default();
    let adapter = ledger.plan().start().await;
    let cable = Cable::to(adapter.address).await;
    let hub = Hub::of(&[("shop", cable.url())]).await;
    for round in 0..10 {
        cable.cut();
        // The cut is seen at this end some moments later. What is sent in between may be lost, and is said to be.
        eventually(SOON, async || {
            hub.service("shop").await.state != State::Serving || round > 0
        })
        .await;
        let outcome = start(&hub, "shop_buy", &round.to_string())
            .await
            .expect("no panic");
        assert!(
            !outcome.is_error || outcome.text.contains("may or may not have taken effect"),
            "{}",
            outcome.text
        );
        assert!(ledger.count(&round.to_string()) <= 1);
        if !outcome.is_error {
            assert_eq!(ledger.count(&round.to_string()), 1);
        }
    }
}

#[tokio::test]
async fn a_connection_may_be_cut_at_any_byte_of_an_answer() {
    let ledger = Ledger::default();
    let (cut, other) = (ledger.plan().start().await, ledger.plan().start().await);
    let cable = Cable::to(cut.address).await;
    let hub = two(&cable.url(), &other.url(), "cut").await;
    let lost = || metric(r#"mcp_hub_upstream_retries_total{reason="lost",upstream="cut"}"#);
    let unclear = || metric(r#"mcp_hub_upstream_calls_total{outcome="lost",upstream="cut"}"#);
    let (before, mut round) = (lost(), 0);
    while lost() - before < 200 || unclear() < 200 {
        assert!(
            round < 300,
            "{} reads and {} writes were cut",
            lost() - before,
            unclear()
        );
        // Both get work again: the last cut is mended.
        let reaches = async || {
            let before = cut.calls().len();
            for _ in 0..2 {
                assert!(!hub.call("cut_find", json!({})).await.is_error);
            }
            cut.calls().len() > before
        };
        eventually(SOON, reaches).await;
        cable.cut_after(round * 7);
        let tasks: Vec<_> = (0..32)
            .map(|index| {
                let id = format!("{round}-{index}");
                let tool = if index % 4 < 2 { "cut_find" } else { "cut_buy" };
                (tool, start(&hub, tool, &id), id)
            })
            .collect();
        for (tool, task, id) in tasks {
            let outcome = task.await.expect("no panic");
            let done = ledger.count(&id);
            assert!(done <= 1, "{id} was done {done} times");
            if tool == "cut_find" {
                assert!(!outcome.is_error, "{id}: {}", outcome.text);
            } else if outcome.is_error {
                assert!(
                    outcome.text.contains("may or may not have taken effect"),
                    "{id}: {}",
                    outcome.text
                );
            } else {
                assert_eq!(done, 1, "{id}");
            }
        }
        eventually(SOON, async || {
            let _ = hub.call("cut_find", json!({})).await;
            cable.is_cut()
        })
        .await;
        round += 1;
    }
}

#[tokio::test]
async fn a_replica_that_goes_in_good_order_fails_no_call() {
    let ledger = Ledger::default();
    let adapters: Vec<Adapter> = {
        let mut all = Vec::new();
        for _ in 0..2 {
            all.push(ledger.plan().start().await);
        }
        all
    };
    let hub = two(&adapters[0].url(), &adapters[1].url(), "rolled").await;
    let done = AtomicBool::new(false);
    tokio::join!(
        nothing_fails(&hub, "rolled", &ledger, || done.load(Ordering::SeqCst)),
        async {
            for adapter in adapters {
                let address = adapter.address;
                adapter.stop().await;
                let next = ledger.plan().start_at(address).await;
                // It gets work before the next one goes.
                eventually(SOON, async || next.calls().len() > 20).await;
                hub.lifecycle.spawn(async move {
                    let _next = next;
                    std::future::pending::<()>().await;
                });
            }
            done.store(true, Ordering::SeqCst);
        }
    );
}

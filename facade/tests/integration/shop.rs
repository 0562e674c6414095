//! An adapter that sells, as slowly as a test wants, and a facade in front of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use prost_reflect::Value as Field;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::adapter::{Adapter, Plan};
use crate::client::{Served, modern_request, request, serve};
use crate::hub::SOON;

const SHOP: &str = r#"
    // ShopService sells.
    service ShopService {
      // Finds goods.
      rpc Find(FindRequest) returns (FindResponse) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (mcphub.tool.v1.tool) = {title: "Find goods"};
      }
      // Removes goods.
      rpc Drop(FindRequest) returns (FindResponse) {
        option (mcphub.tool.v1.tool) = {title: "Remove goods", destructive: true};
      }
    }
    message FindRequest {
      // What.
      string what = 1;
    }
    message FindResponse {
      // What was asked.
      string asked = 1;
      // The trace context that arrived.
      string traceparent = 2;
    }
"#;

/// What the adapter's calls do: they wait for a permit, and it is counted how many run.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) permits: Arc<Semaphore>,
    running: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gate {
    pub(crate) fn open() -> Self {
        Self::with(Semaphore::MAX_PERMITS)
    }

    pub(crate) fn closed() -> Self {
        Self::with(0)
    }

    fn with(permits: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(permits)),
            running: Arc::default(),
        }
    }

    /// Waits until so many calls run.
    pub(crate) async fn runs(&self, count: usize) {
        eventually(SOON, async || {
            let running = self.running.load(Ordering::SeqCst);
            if running == count {
                Ok(())
            } else {
                Err(format!("{running} run"))
            }
        })
        .await;
    }

    pub(crate) fn plan(&self) -> Plan {
        let gate = self.clone();
        Plan::new(SHOP).handle(move |mut received| {
            let gate = gate.clone();
            async move {
                gate.running.fetch_add(1, Ordering::SeqCst);
                let _running = Running(gate.running.clone());
                let _permit = gate.permits.acquire().await.expect("open");
                let asked = received
                    .message
                    .get_field_by_name("what")
                    .expect("the field")
                    .into_owned();
                received.response.set_field_by_name("asked", asked);
                if let Some(traceparent) = received.metadata.get("traceparent") {
                    let traceparent = traceparent.to_str().expect("text").to_owned();
                    received
                        .response
                        .set_field_by_name("traceparent", Field::String(traceparent));
                }
                Ok(received.response)
            }
        })
    }
}

/// A facade in front of a shop.
pub(crate) async fn shop(gate: &Gate) -> (Served, Adapter) {
    let adapter = gate.plan().start().await;
    (serve(&[], upstream(&adapter.url())).await, adapter)
}

pub(crate) fn upstream(address: &str) -> Upstreams {
    let mut upstreams = Upstreams::default();
    upstreams
        .add("shop", Upstream::at(address))
        .expect("a usable upstream");
    upstreams
}

pub(crate) fn find(id: u32, what: &str) -> Value {
    request(
        id,
        "tools/call",
        json!({"name": "shop_find", "arguments": {"what": what}}),
    )
}

pub(crate) fn find_modern(id: u32, what: &str) -> Value {
    modern_request(
        id,
        "tools/call",
        json!({"name": "shop_find", "arguments": {"what": what}}),
    )
}

pub(crate) fn names(list: &Value) -> Vec<&str> {
    let tools = list["result"]["tools"].as_array().expect("tools");
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect()
}

pub(crate) fn assert_found(answer: &Value, what: &str) {
    let result = &answer["result"];
    assert_ne!(result["isError"], true, "{answer}");
    assert_eq!(result["structuredContent"]["asked"], what, "{answer}");
    let text: Value =
        serde_json::from_str(result["content"][0]["text"].as_str().expect("text")).expect("JSON");
    assert_eq!(text, result["structuredContent"]);
}

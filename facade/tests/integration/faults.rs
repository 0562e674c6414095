//! Adapters and networks that misbehave. None of it may hurt another upstream, and no write may be sent twice.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_facade::registry::State;
use mcp_hub_testing::eventually;
use prost_reflect::Value;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::adapter::Plan;
use crate::cable::Cable;
use crate::hub::{Hub, SOON, call};

pub(crate) const SHOP: &str = r"
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
    message Request {}
    message Response { string name = 1; }
";

/// An adapter whose first call of each kind hangs, and whose later ones answer.
fn hanging_at_first() -> Plan {
    let seen = Arc::new(std::sync::Mutex::new(Vec::<String>::new()));
    Plan::new(SHOP).handle(move |received| {
        let mut seen = seen.lock().expect("unpoisoned");
        let first = !seen.contains(&received.method);
        seen.push(received.method.clone());
        async move {
            if first {
                std::future::pending::<()>().await;
            }
            Ok(received.response)
        }
    })
}

#[tokio::test]
async fn a_read_is_tried_once_more_when_the_connection_breaks_and_a_write_never() {
    let adapter = hanging_at_first().start().await;
    let cable = Cable::to(adapter.address).await;
    let hub = Hub::of(&[("shop", cable.url())]).await;
    for (tool, count) in [("shop_find", 2), ("shop_buy", 1)] {
        eventually(SOON, async || hub.service("shop").await.state == State::Serving).await;
        let before = adapter.calls().len();
        let task = hub.lifecycle.spawn({
            let tool = hub.tool(tool);
            async move { tool.call(serde_json::Map::new(), call()).await }
        });
        eventually(SOON, async || adapter.calls().len() == before + 1).await;
        cable.cut();
        let outcome = task.await.expect("no panic");
        if tool == "shop_find" {
            assert!(!outcome.is_error, "{}", outcome.text);
        } else {
            assert_eq!(
                outcome.text,
                "the connection to shop was lost during the call: it may or may not have taken effect: check before trying again\nreason: UPSTREAM_UNAVAILABLE"
            );
        }
        assert_eq!(adapter.calls().len(), before + count, "{tool}");
    }
}

#[tokio::test]
async fn a_read_moves_to_the_other_endpoint() {
    let hanging = Plan::new(SHOP).handle(|_| std::future::pending()).start().await;
    let cable = Cable::to(hanging.address).await;
    let good = Plan::new(SHOP).start().await;
    let addresses = [cable.url(), good.url()];
    let hub = Hub::with(&[("shop", cable.url())], |upstream| {
        upstream.addresses = addresses.to_vec();
    })
    .await;
    eventually(SOON, async || hub.service("shop").await.endpoints == "2 of 2").await;
    let tasks: Vec<_> = (0..2)
        .map(|_| {
            let tool = hub.tool("shop_find");
            hub.lifecycle
                .spawn(async move { tool.call(serde_json::Map::new(), call()).await })
        })
        .collect();
    eventually(SOON, async || hanging.calls().len() == 1).await;
    cable.unplug();
    for task in tasks {
        let outcome = task.await.expect("no panic");
        assert!(!outcome.is_error, "{}", outcome.text);
    }
    // It is out at once.
    eventually(Duration::from_secs(1), async || {
        hub.service("shop").await.endpoints == "1 of 2"
    })
    .await;
    for _ in 0..10 {
        let outcome = hub.call("shop_find", json!({})).await;
        assert!(!outcome.is_error, "{}", outcome.text);
    }
    assert_eq!(hanging.calls().len(), 1);
}

#[tokio::test]
async fn a_machine_that_hangs_is_out_within_seconds() {
    let adapter = Plan::new(SHOP).start().await;
    let cable = Cable::to(adapter.address).await;
    let good = Plan::new(SHOP).start().await;
    let hub = Hub::of(&[("shop", cable.url()), ("good", good.url())]).await;
    cable.stall();
    let started = Instant::now();
    eventually(Duration::from_secs(4), async || {
        hub.service("shop").await.state == State::Unreachable
    })
    .await;
    // New connections to it are made, and no call waits for them.
    for _ in 0..5 {
        let started = Instant::now();
        let outcome = hub.call("shop_find", json!({})).await;
        assert!(outcome.text.contains("UPSTREAM_UNAVAILABLE"), "{}", outcome.text);
        assert!(started.elapsed() < Duration::from_millis(500), "at once");
    }
    assert!(started.elapsed() < Duration::from_secs(5));
    assert!(!hub.call("good_find", json!({})).await.is_error);
}

#[tokio::test]
async fn an_rpc_that_one_endpoint_does_not_know_is_asked_of_another() {
    let without = Plan::new(SHOP).without("Buy").start().await;
    let with = Plan::new(SHOP).start().await;
    let addresses = [without.url(), with.url()];
    let hub = Hub::with(&[("shop", without.url())], |upstream| {
        upstream.addresses = addresses.to_vec();
    })
    .await;
    eventually(SOON, async || hub.service("shop").await.endpoints == "2 of 2").await;
    for _ in 0..4 {
        let outcome = hub.call("shop_buy", json!({})).await;
        assert!(!outcome.is_error, "{}", outcome.text);
    }
    assert_eq!(with.calls(), ["Buy"; 4]);

    let hub = Hub::of(&[("shop", without.url())]).await;
    let outcome = hub.call("shop_buy", json!({})).await;
    assert_eq!(
        outcome.text,
        "shop does not offer this tool any more: list the tools again\nreason: NOT_SUPPORTED"
    );
}

#[tokio::test]
async fn an_answer_that_is_no_answer_is_an_internal_error() {
    // The adapter's `Response` has a number where its reflection promises a name.
    let lying = SHOP.replace("string name", "fixed32 name");
    let plan = Plan::new(SHOP).answering_as(&lying).handle(|mut received| async {
        received.response.set_field_by_name("name", Value::U32(7));
        Ok(received.response)
    });
    let adapter = plan.start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let outcome = hub.call("shop_find", json!({})).await;
    assert_eq!(outcome.text, "internal error\nreason: INTERNAL");
}

#[tokio::test]
async fn whatever_answers_on_the_port_is_no_adapter() {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for banner in [
        &b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"[..],
        &[0xff; 4096],
        b"",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        addresses.push(listener.local_addr().expect("an address"));
        Lifecycle::new().spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(banner).await;
                let _ = stream.read(&mut [0; 1024]).await;
            }
        });
    }
    let good = Plan::new(SHOP).start().await;
    let keys = ["http_1", "noise", "closing"];
    let mut upstreams: Vec<_> = keys
        .iter()
        .zip(&addresses)
        .map(|(key, at)| (*key, format!("http://{at}")))
        .collect();
    upstreams.push(("good", good.url()));
    let hub = Hub::of(&upstreams).await;
    assert_eq!(hub.names(), ["good_buy", "good_find"]);
    for key in keys {
        assert_eq!(hub.service(key).await.state, State::Unreachable, "{key}");
    }
}

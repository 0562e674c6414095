//! Upstreams that need not exist: nobody hears of one before it was reached.

use std::net::SocketAddr;

use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::{eventually, free_port};
use serde_json::{Value, json};

use crate::adapter::Adapter;
use crate::client::{Served, call, initialize, request, serve};
use crate::hub::{Hub, SOON, metric};
use crate::shop::{Gate, assert_found, find, names};

/// An upstream that may be there, at an address where nobody is yet.
fn nobody(key: &str) -> (Upstreams, SocketAddr) {
    let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let mut upstreams = Upstreams::default();
    let upstream = Upstream {
        optional: true,
        ..Upstream::at(format!("http://{address}"))
    };
    upstreams.add(key, upstream).expect("a usable upstream");
    (upstreams, address)
}

async fn shop_at(address: SocketAddr) -> Adapter {
    Gate::open().plan().start_at(address).await
}

/// What a tool of the facade's own answers.
async fn asked(served: &Served, tool: &str) -> Value {
    let message = request(1, "tools/call", json!({"name": tool}));
    call(served.address, "/mcp", &message).await.json()["result"]["structuredContent"].clone()
}

async fn instructions(served: &Served) -> String {
    let answer = call(served.address, "/mcp", &initialize("2025-11-25")).await;
    answer.json()["result"]["instructions"].to_string()
}

async fn listed(served: &Served) -> Vec<String> {
    let list = call(served.address, "/mcp", &request(1, "tools/list", json!({}))).await;
    names(&list.json()).into_iter().map(Into::into).collect()
}

#[tokio::test]
async fn one_that_was_never_reached_is_nowhere_and_then_like_any_other() {
    let (upstreams, address) = nobody("shop");
    let served = serve(&[], upstreams).await;
    assert_eq!(asked(&served, "list_services").await, json!({"services": []}));
    assert_eq!(
        asked(&served, "health_check").await,
        json!({"status": "ok", "services": []})
    );
    assert!(!instructions(&served).await.contains("shop"));
    assert_eq!(listed(&served).await, ["health_check", "list_services"]);
    // A client may know its tools by another replica, which has reached it.
    let away = call(served.address, "/mcp", &find(1, "tea")).await.json();
    let text = away["result"]["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("UPSTREAM_UNAVAILABLE"), "{away}");

    let adapter = shop_at(address).await;
    eventually(SOON, async || match listed(&served).await {
        listed if listed.iter().any(|name| name == "shop_find") => Ok(()),
        listed => Err(format!("{listed:?}")),
    })
    .await;
    assert_found(&call(served.address, "/mcp", &find(2, "tea")).await.json(), "tea");
    assert!(instructions(&served).await.contains("- shop (shop)"));

    // Away again, it is missed.
    adapter.stop().await;
    eventually(SOON, async || {
        let services = asked(&served, "list_services").await["services"].clone();
        match services[0]["state"].as_str() {
            Some("unreachable") => Ok(()),
            _ => Err(services),
        }
    })
    .await;
    assert_eq!(asked(&served, "health_check").await["status"], "degraded");
    assert!(listed(&served).await.iter().any(|name| name == "shop_find"));
}

#[tokio::test]
async fn metrics_say_nothing_of_it_before() {
    let (upstreams, address) = nobody("kiosk");
    let _hub = Hub::start(upstreams, 3600).await;
    let line = "mcp_hub_upstream_up{upstream=\"kiosk\"} ";
    let is_told = || mcp_hub_chassis::metrics::text().contains(line);
    assert!(!is_told());
    let adapter = shop_at(address).await;
    let is = async |up: i64| {
        eventually(SOON, async || match is_told().then(|| metric(line)) {
            Some(told) if told == up => Ok(()),
            told => Err(format!("{told:?}")),
        })
        .await;
    };
    is(1).await;
    adapter.stop().await;
    is(0).await;
}

#[tokio::test]
async fn what_was_reached_stays_so_over_a_reload_and_what_is_not_optional_any_more_is_missed() {
    let addresses = [free_port(), free_port()].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("upstreams.toml");
    let write = |more: &str, other_optional: bool| {
        let [shop, other] = addresses;
        let text = format!(
            "[upstreams.shop]\naddress = \"{shop}\"\noptional = true\n{more}\
             [upstreams.other]\naddress = \"{other}\"\noptional = {other_optional}\n"
        );
        std::fs::write(&file, text).expect("written");
    };
    write("", true);
    let adapter = shop_at(addresses[0]).await;
    let hub = Hub::start(Upstreams::read(&file).expect("valid"), 3600).await;
    hub.lists(&["shop_drop", "shop_find"]).await;
    let keys = async || -> Vec<String> {
        let services = hub.registry.services().await;
        services.into_iter().map(|service| service.key).collect()
    };
    assert_eq!(keys().await, ["shop"]);
    adapter.stop().await;

    write("description = \"goods\"\n", false);
    eventually(SOON, async || match keys().await {
        keys if keys == ["other", "shop"] => Ok(()),
        keys => Err(format!("{keys:?}")),
    })
    .await;
    assert_eq!(hub.service("shop").await.description, "goods");
    assert_eq!(hub.names(), ["shop_drop", "shop_find"]);
}

//! The list of tools follows the adapters: they start late, change, stop, roll out, and the upstreams file changes.

use std::path::Path;
use std::time::Duration;

use mcp_hub_facade::registry::{List, State};
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::{eventually, free_port};
use serde_json::json;
use tokio::time::Instant;

use crate::adapter::Plan;
use crate::hub::{Hub, SOON};

/// A service with read-only RPCs of these names.
fn shop(rpcs: &[&str]) -> String {
    described(rpcs, "Does something.")
}

fn described(rpcs: &[&str], comment: &str) -> String {
    let rpc = |name: &&str| {
        format!(
            "// {comment}\nrpc {name}(Request) returns (Response) {{
               option idempotency_level = NO_SIDE_EFFECTS;
               option (mcphub.tool.v1.tool) = {{}};
             }}\n"
        )
    };
    let rpcs: String = rpcs.iter().map(rpc).collect();
    format!(
        "// ShopService sells.\nservice ShopService {{\n{rpcs}}}\n
         message Request {{ optional string name = 1; }}
         message Response {{ string name = 1; }}"
    )
}

#[tokio::test]
async fn the_facade_may_start_before_the_adapter() {
    let address = ([127, 0, 0, 1], free_port()).into();
    let hub = Hub::of(&[("shop", format!("http://{address}"))]).await;
    assert!(hub.registry.ready(), "ready, whatever the upstreams do");
    hub.lists(&[]).await;
    let service = hub.service("shop").await;
    assert_eq!(
        (service.state, service.reason.as_str()),
        (State::Unreachable, "the connection is refused")
    );
    let _adapter = Plan::new(&shop(&["Find"])).start_at(address).await;
    hub.lists(&["shop_find"]).await;
    let outcome = hub.call("shop_find", json!({})).await;
    assert!(!outcome.is_error, "{}", outcome.text);
}

#[tokio::test]
async fn a_restarted_adapter_shows_its_new_tool() {
    let other = Plan::new(&shop(&["Count"])).start().await;
    let adapter = Plan::new(&shop(&["Find"])).start().await;
    let address = adapter.address;
    let hub = Hub::of(&[("other", other.url()), ("shop", adapter.url())]).await;
    hub.lists(&["other_count", "shop_find"]).await;
    let mut changes = hub.registry.changes();
    changes.mark_unchanged();
    let before = changes.borrow().of(List::Tools);

    adapter.stop().await;
    let adapter = Plan::new(&shop(&["Find", "Buy"])).start_at(address).await;
    hub.lists(&["other_count", "shop_buy", "shop_find"]).await;
    let after = changes.borrow_and_update().of(List::Tools);
    assert_eq!(after, before + 1, "the list changed once");
    assert!(!hub.call("shop_buy", json!({})).await.is_error);

    // The same again is no change.
    adapter.stop().await;
    eventually(SOON, async || {
        hub.service("shop").await.state == State::Unreachable
    })
    .await;
    let adapter = Plan::new(&shop(&["Find", "Buy"])).start_at(address).await;
    eventually(SOON, async || hub.service("shop").await.state == State::Serving).await;
    assert!(!changes.has_changed().expect("a living registry"));

    // Another description is one.
    adapter.stop().await;
    let _adapter = Plan::new(&described(&["Find", "Buy"], "Does it better."))
        .start_at(address)
        .await;
    tokio::time::timeout(SOON, changes.changed())
        .await
        .expect("soon")
        .expect("a living registry");
    assert_eq!(hub.tool("shop_find").description, "Does it better.");
    assert!(!hub.call("other_count", json!({})).await.is_error);
}

#[tokio::test]
async fn a_stopped_adapter_keeps_its_tools_for_a_while_and_calls_fail_at_once() {
    let other = Plan::new(&shop(&["Count"])).start().await;
    let adapter = Plan::new(&shop(&["Find"])).start().await;
    let mut upstreams = Upstreams::default();
    for (key, url) in [("other", other.url()), ("shop", adapter.url())] {
        upstreams.add(key, Upstream::at(url)).expect("usable");
    }
    let hub = Hub::start(upstreams, 2).await;
    hub.lists(&["other_count", "shop_find"]).await;
    let mut changes = hub.registry.changes();
    changes.mark_unchanged();
    adapter.stop().await;
    eventually(SOON, async || {
        hub.service("shop").await.state == State::Unreachable
    })
    .await;
    assert_eq!(hub.names(), ["other_count", "shop_find"]);

    // Just after it has gone a call waits, because it may come back; then no more.
    let outcome = eventually(SOON, async || {
        let started = Instant::now();
        let outcome = hub.call("shop_find", json!({})).await;
        (started.elapsed() < Duration::from_millis(500)).then_some(outcome)
    })
    .await;
    assert!(outcome.is_error && outcome.structured.is_none());
    let mut lines = outcome.text.lines();
    let sentence = lines.next().expect("a sentence");
    assert!(sentence.starts_with("shop can't be reached now: "), "{sentence}");
    assert_eq!(
        lines.collect::<Vec<_>>(),
        ["reason: UPSTREAM_UNAVAILABLE", "retry_after_ms: 2000"]
    );
    assert!(!outcome.text.contains("127.0.0.1"), "{}", outcome.text);

    // After two seconds they go, and nothing else does.
    hub.lists(&["other_count"]).await;
    assert!(changes.has_changed().expect("a living registry"));
    assert!(hub.registry.catalog().tool("shop_find").is_none());
    assert!(!hub.call("other_count", json!({})).await.is_error);
}

#[tokio::test]
async fn a_roll_out_lists_what_all_have_and_calls_where_it_is() {
    let old = Plan::new(&shop(&["Find", "Old"])).start().await;
    let new = Plan::new(&shop(&["Find", "New"])).start().await;
    let addresses = [old.url(), new.url()];
    let hub = Hub::with(&[("shop", old.url())], |upstream| {
        upstream.addresses = addresses.to_vec();
    })
    .await;
    eventually(SOON, async || {
        hub.service("shop").await.endpoints == "2 of 2" && hub.names() == ["shop_find"]
    })
    .await;
    for _ in 0..6 {
        for name in ["shop_find", "shop_old", "shop_new"] {
            let outcome = hub.call(name, json!({})).await;
            assert!(!outcome.is_error, "{name}: {}", outcome.text);
        }
    }
    assert!(!old.calls().contains(&"New".to_owned()) && !new.calls().contains(&"Old".to_owned()));
    // An endpoint that does not serve has no say.
    old.serving(false).await;
    hub.lists(&["shop_find", "shop_new"]).await;
    old.stop().await;
    hub.lists(&["shop_find", "shop_new"]).await;
    eventually(SOON, async || hub.registry.catalog().tool("shop_old").is_none()).await;
}

#[tokio::test]
async fn reflection_of_the_older_version_will_do() {
    let adapter = Plan::new(&shop(&["Find"])).alpha_only().start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    hub.lists(&["shop_find"]).await;
}

#[tokio::test]
async fn a_name_stands_for_an_address() {
    let adapter = Plan::new(&shop(&["Find"])).start().await;
    let url = format!("http://localhost:{}", adapter.address.port());
    let hub = Hub::of(&[("shop", url), ("ghost", "http://ghost.invalid:50051".to_owned())]).await;
    hub.lists(&["shop_find"]).await;
    let ghost = hub.service("ghost").await;
    assert_eq!(
        (ghost.state, ghost.reason.as_str()),
        (State::Unreachable, "its name can't be resolved")
    );
}

#[tokio::test]
async fn the_file_is_followed_and_a_broken_one_changes_nothing() {
    let shop_adapter = Plan::new(&shop(&["Find"])).start().await;
    let other = Plan::new(&shop(&["Count", "List"])).start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("upstreams.toml");
    let write = |text: &str| std::fs::write(&path, text).expect("written");
    write(&format!("shop = '{}'", shop_adapter.url()));
    let hub = Hub::start(Upstreams::read(&path).expect("readable"), 3600).await;
    hub.lists(&["shop_find"]).await;

    write(&format!(
        "shop = '{}'\nother = '{}'",
        shop_adapter.url(),
        other.url()
    ));
    hub.lists(&["other_count", "other_list", "shop_find"]).await;

    write("shop = ");
    eventually(SOON, async || {
        hub.call("health_check", json!({}))
            .await
            .text
            .contains("can't be used; the older one")
    })
    .await;
    assert_eq!(hub.names(), ["other_count", "other_list", "shop_find"]);

    let table = format!("[upstreams.other]\naddress = '{}'\ndeny = 'l*'", other.url());
    write(&table);
    hub.lists(&["other_count"]).await;
    let health = hub.call("health_check", json!({})).await;
    assert!(!health.text.contains("notices"), "{}", health.text);
}

#[cfg(unix)]
#[tokio::test]
async fn the_file_is_followed_through_a_swapped_link() {
    let adapter = Plan::new(&shop(&["Find"])).start().await;
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, at(name)).expect("linked");
    // As the kubelet lays out a ConfigMap: file -> ..data/file, ..data -> a folder that is replaced.
    for (version, key) in [("..1", "old"), ("..2", "new")] {
        std::fs::create_dir(at(version)).expect("a folder");
        std::fs::write(
            at(version).join("upstreams.toml"),
            format!("{key} = '{}'", adapter.url()),
        )
        .expect("written");
    }
    link(Path::new("..1"), "..data");
    link(Path::new("..data/upstreams.toml"), "upstreams.toml");
    let upstreams = Upstreams::read(&at("upstreams.toml")).expect("readable");
    let hub = Hub::start(upstreams, 3600).await;
    hub.lists(&["old_find"]).await;
    link(Path::new("..2"), "..data_tmp");
    std::fs::rename(at("..data_tmp"), at("..data")).expect("swapped");
    hub.lists(&["new_find"]).await;
}

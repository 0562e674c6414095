//! Clients are told which list has changed, where their era has a way to be told, and of nothing else.

use std::time::{Duration, Instant};

use mcp_hub_facade::registry::{List, State};
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use serde_json::{Value, json};

use crate::client::{Served, Stream, initialize, modern, modern_request, open, request, serve};
use crate::hub::Hub;
use crate::shelf::Shelf;
use crate::stdio::Client;

fn shop(url: &str) -> Upstreams {
    let mut upstreams = Upstreams::default();
    upstreams
        .add("shop", Upstream::at(url))
        .expect("a usable upstream");
    upstreams
}

fn changed(list: &str) -> Value {
    json!({"jsonrpc": "2.0", "method": format!("notifications/{list}/list_changed")})
}

/// A stream that is told what it asks for, and what it was promised.
async fn listen(served: &Served, notifications: &Value) -> (Stream, Value) {
    let listen = modern_request(7, "subscriptions/listen", json!({"notifications": notifications}));
    let request = modern(served.address, "/mcp", &listen).body(listen.to_string().into());
    let mut stream = Stream::of(open(served.address, request.expect("a request")).await);
    let promised = stream.data().await["params"]["notifications"].clone();
    (stream, promised)
}

async fn told(stream: &mut Stream) -> String {
    let told = stream.data().await;
    assert_eq!(
        told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 7,
        "{told}"
    );
    told["method"].as_str().expect("a method").to_owned()
}

#[tokio::test]
async fn each_list_is_told_by_itself_on_every_stream() {
    let shelf = Shelf::of(&["a"]);
    let adapter = shelf.plan(&["Explore"]).start().await;
    let address = adapter.address;
    let served = serve(&[], shop(&adapter.url())).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let (mut prompts, promised) = listen(
        &served,
        &json!({"promptsListChanged": true, "resourceSubscriptions": ["x"]}),
    )
    .await;
    assert_eq!(
        promised,
        json!({"promptsListChanged": true}),
        "no more than is offered"
    );
    let (mut resources, _) = listen(
        &served,
        &json!({"resourcesListChanged": true, "toolsListChanged": false}),
    )
    .await;
    let (mut nothing, promised) = listen(&served, &json!({})).await;
    assert_eq!(promised, json!({}));
    let mut client = Client::of(served);
    client.call(&initialize("2025-11-25")).await;

    // Resources, when the adapter says so.
    shelf.digest.send_replace(b"second");
    assert_eq!(stream.message().await, changed("resources"));
    assert_eq!(client.read().await, Some(changed("resources")));
    assert_eq!(told(&mut resources).await, "notifications/resources/list_changed");

    // Prompts, when there are others; the tools are as they were.
    adapter.stop().await;
    let adapter = shelf.plan(&["Explore", "Explain"]).start_at(address).await;
    assert_eq!(stream.message().await, changed("prompts"));
    assert_eq!(client.read().await, Some(changed("prompts")));
    assert_eq!(told(&mut prompts).await, "notifications/prompts/list_changed");

    // What each was told before this is all that it was told.
    shelf.digest.send_replace(b"third");
    assert_eq!(stream.message().await, changed("resources"));
    assert_eq!(told(&mut resources).await, "notifications/resources/list_changed");
    client.facade.lifecycle.stop();
    for stream in [&mut prompts, &mut resources, &mut nothing] {
        assert_eq!(stream.data().await["id"], 7, "the end, and nothing before it");
    }
    drop(adapter);
}

#[tokio::test]
async fn what_a_new_upstream_has_is_told() {
    let address = ([127, 0, 0, 1], mcp_hub_testing::free_port()).into();
    let served = serve(&[], shop(&format!("http://{address}"))).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    let _adapter = Shelf::of(&["a"]).plan(&["Explore"]).start_at(address).await;
    for list in ["tools", "prompts", "resources"] {
        assert_eq!(stream.message().await, changed(list));
    }
}

#[tokio::test]
async fn replicas_that_see_one_change_at_different_times_tell_it_once() {
    let shelves = [Shelf::of(&["a"]), Shelf::of(&["a"])];
    let adapters = [
        shelves[0].plan(&[]).start().await,
        shelves[1].plan(&[]).start().await,
    ];
    let urls = adapters.each_ref().map(crate::adapter::Adapter::url);
    let hub = Hub::with(&[("shop", urls[0].clone())], |upstream| {
        upstream.addresses = urls.to_vec();
    })
    .await;
    // Both are watched: each says something that it takes back.
    let count = || hub.registry.changes().borrow().of(List::Resources);
    let counts = async |expected: u64| {
        mcp_hub_testing::eventually(crate::hub::SOON, async || {
            let counted = count();
            (counted == expected)
                .then_some(())
                .ok_or(format!("{counted} changes"))
        })
        .await;
    };
    let before = count();
    for (index, shelf) in shelves.iter().enumerate() {
        let digest: &[&'static [u8]] = &[b"one", b"two"];
        shelf.digest.send_replace(digest[index]);
        counts(before + 1 + index as u64).await;
    }
    // The first has said "one", the other "two". Now the first follows.
    shelves[0].digest.send_replace(b"two");
    shelves[1].digest.send_replace(b"three");
    counts(before + 3).await;
    shelves[0].digest.send_replace(b"three");
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(count(), before + 3);
}

#[tokio::test]
async fn an_adapter_that_says_something_else_all_the_time_is_told_now_and_then() {
    let shelf = Shelf::of(&["a"]);
    let adapter = shelf.plan(&[]).start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let before = hub.registry.changes().borrow().of(List::Resources);
    let started = Instant::now();
    let mut said = 0_u32;
    while started.elapsed() < Duration::from_secs(4) {
        shelf
            .digest
            .send_replace(if said.is_multiple_of(2) { b"one" } else { b"two" });
        said += 1;
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    let told = hub.registry.changes().borrow().of(List::Resources) - before;
    assert!((1..=6).contains(&told), "{told} changes of {said}");
    // It is as good as any other for all that.
    let service = hub.service("shop").await;
    assert_eq!((service.state, service.tools), (State::Serving, 1));
}

#[tokio::test]
async fn who_was_left_out_of_a_list_is_told_when_it_is_back() {
    let shelf = Shelf::of(&["a"]);
    let adapter = shelf.plan(&[]).start().await;
    let address = adapter.address;
    let served = serve(&[], shop(&adapter.url())).await;
    let mut stream = Stream::open(served.address, "/sse").await;
    adapter.stop().await;
    let list = request(1, "resources/list", json!({}));
    let without = mcp_hub_testing::eventually(crate::hub::SOON, async || {
        let answer = crate::client::call(served.address, "/mcp", &list).await.json();
        answer["result"]["resources"]
            .as_array()
            .is_some_and(Vec::is_empty)
    });
    without.await;
    let _adapter = shelf.plan(&[]).start_at(address).await;
    assert_eq!(stream.message().await, changed("resources"));
    let answer = stream.call(served.address, &list).await;
    assert_eq!(answer["result"]["resources"][0]["uri"], "mcphub://shop/a");
}

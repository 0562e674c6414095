//! What the holder of a token sees and may do.

use mcp_hub_facade::upstream::Upstream;

use super::*;
use crate::adapter::{Adapter, Plan};
use crate::client::{modern, modern_request};
use crate::shop::{Gate, names};

/// A facade in front of two shops, `depot` and `shop`, each with `find`, which reads, and `drop`, which writes.
async fn shops(lock: &Lock) -> (Served, [Adapter; 2]) {
    let gate = Gate::open();
    let adapters = [gate.plan().start().await, gate.plan().start().await];
    let mut upstreams = Upstreams::default();
    for (key, adapter) in ["depot", "shop"].iter().zip(&adapters) {
        let mut upstream = Upstream::at(adapter.url());
        upstream.description = format!("what {key} has");
        upstreams.add(key, upstream).expect("a usable upstream");
    }
    (lock.serve(&[], upstreams).await, adapters)
}

fn tool(name: &str) -> Value {
    let arguments = if name.contains('_') && !name.contains("health") && !name.contains("services") {
        json!({"what": "tents"})
    } else {
        json!({})
    };
    request(1, "tools/call", json!({"name": name, "arguments": arguments}))
}

/// What a tool answers by POST and on a stream of the same caller.
async fn both(served: &Served, channel: &mut Channel, name: &str) -> [Value; 2] {
    let authorization = channel.authorization.clone();
    [
        ask(served, &authorization, &tool(name)).await.json(),
        channel.call(served, &tool(name)).await,
    ]
}

const OWN: [&str; 2] = ["health_check", "list_services"];

#[tokio::test]
async fn a_token_has_its_tools_and_no_others() {
    let mut lock = Lock::new();
    let of = |scopes: &[Scope], upstreams: Option<&str>| {
        let scopes = scopes.to_vec();
        let upstreams = upstreams.map(|key| vec![key.to_owned()]);
        move |entry: &mut Entry| {
            entry.scopes = scopes;
            entry.upstreams = upstreams;
        }
    };
    let (read, write) = ([Scope::Read], [Scope::Write]);
    let cases = [
        (
            lock.token("all"),
            &["depot_drop", "depot_find", "shop_drop", "shop_find"][..],
        ),
        (
            lock.token_with("reader", of(&read, None)),
            &["depot_find", "shop_find"],
        ),
        (
            lock.token_with("writer", of(&write, None)),
            &["depot_drop", "shop_drop"],
        ),
        (
            lock.token_with("shop", of(&[Scope::Read, Scope::Write], Some("shop"))),
            &["shop_drop", "shop_find"],
        ),
        (
            lock.token_with("shop-reader", of(&read, Some("shop"))),
            &["shop_find"],
        ),
        (lock.token_with("elsewhere", of(&read, Some("billing"))), &[]),
        (lock.token_with("nothing", of(&[], None)), &[]),
    ];
    let (served, adapters) = shops(&lock).await;
    for (authorization, tools) in &cases {
        let mut expected = [tools, &OWN[..]].concat();
        expected.sort_unstable();
        let mut channel = Channel::open(&served, authorization).await;

        let list = request(1, "tools/list", json!({}));
        let listed = ask(&served, authorization, &list).await.json();
        assert_eq!(names(&listed), expected);
        assert_eq!(names(&channel.call(&served, &list).await), expected);

        for name in expected {
            for answer in both(&served, &mut channel, name).await {
                assert_ne!(answer["result"]["isError"], true, "{name}: {answer}");
                assert!(
                    answer["result"]["structuredContent"].is_object(),
                    "{name}: {answer}"
                );
            }
        }
    }

    // What a token knows and may not call is told; what it does not know does not exist.
    let called = || adapters.iter().map(Adapter::calls).collect::<Vec<_>>();
    let before = called();
    let [
        _,
        (reader, _),
        (writer, _),
        _,
        (shop_reader, _),
        (elsewhere, _),
        (nothing, _),
    ] = &cases;
    for (authorization, name, scope) in [
        (reader, "shop_drop", "db:write"),
        (writer, "shop_find", "db:read"),
        (shop_reader, "shop_drop", "db:write"),
        (nothing, "depot_find", "db:read"),
    ] {
        let mut channel = Channel::open(&served, authorization).await;
        for answer in both(&served, &mut channel, name).await {
            let result = &answer["result"];
            assert_eq!(result["isError"], true, "{answer}");
            let text = result["content"][0]["text"].as_str().expect("text");
            assert!(
                text.contains(scope) && text.contains("reason: ACCESS_DENIED"),
                "{text}"
            );
        }
    }
    for (authorization, name) in [
        (shop_reader, "depot_find"),
        (shop_reader, "depot_drop"),
        (elsewhere, "shop_find"),
    ] {
        let mut channel = Channel::open(&served, authorization).await;
        for answer in both(&served, &mut channel, name).await {
            let sentence = format!("Unknown tool: {name}");
            assert_eq!(answer["error"], json!({"code": -32602, "message": sentence}));
        }
    }
    assert_eq!(called(), before);
}

#[tokio::test]
async fn why_a_tool_is_left_out_names_no_database_that_does_not_exist() {
    let rpc = |name: &str| {
        let text = format!(
            "// S.\nservice ShopService {{\n// Does it.\nrpc {name}(M) returns (M) {{ option (mcphub.tool.v1.tool) = {{}}; }} }}\nmessage M {{}}"
        );
        Plan::new(&text)
    };
    let (secret, open) = (rpc("Query").start().await, rpc("BQuery").start().await);
    let mut upstreams = Upstreams::default();
    for (key, adapter) in [("a_b", &secret), ("a", &open)] {
        let added = upstreams.add(key, Upstream::at(adapter.url()));
        added.expect("a usable upstream");
    }
    let mut lock = Lock::new();
    let all = lock.token("all");
    let some = lock.token_with("some", |entry| entry.upstreams = Some(vec!["a".to_owned()]));
    let served = lock.serve(&[], upstreams).await;
    for (authorization, sees) in [(&all, true), (&some, false)] {
        let answer = ask(&served, authorization, &tool("list_services")).await.text();
        assert_eq!(answer.contains("a_b"), sees, "{answer}");
    }
}

#[tokio::test]
async fn a_token_sees_its_databases_and_no_others() {
    let mut lock = Lock::new();
    let all = lock.token("all");
    let some = lock.token_with("some", |entry| entry.upstreams = Some(vec!["shop".to_owned()]));
    let (served, _adapters) = shops(&lock).await;
    for (authorization, sees_depot) in [(&all, true), (&some, false)] {
        let mut channel = Channel::open(&served, authorization).await;
        let discover = modern_request(1, "server/discover", json!({}));
        let discovered = modern(served.address, "/mcp", &discover)
            .header("authorization", authorization)
            .body(discover.to_string().into());
        let initialize = crate::client::initialize("2025-11-25");
        let mut said = vec![
            ask(&served, authorization, &initialize).await.json()["result"]["instructions"].clone(),
            channel.call(&served, &initialize).await["result"]["instructions"].clone(),
            send(served.address, discovered.expect("a request")).await.json()["result"]["instructions"]
                .clone(),
        ];
        for own in OWN {
            said.push(ask(&served, authorization, &tool(own)).await.json()["result"].clone());
            said.push(channel.call(&served, &tool(own)).await["result"].clone());
        }
        for said in said {
            let said = said.to_string();
            assert!(said.contains("shop"), "{said}");
            assert_eq!(said.contains("depot"), sees_depot, "{said}");
        }
    }
}

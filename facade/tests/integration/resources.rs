//! Resources: lists over several upstreams, some of which are away, slow or lying; and documents by their addresses.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_facade::auth::token::Scope;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_proto::content::v1::ResourceLink;
use mcp_hub_testing::free_port;
use serde_json::{Value, json};

use crate::auth::{Lock, ask};
use crate::client::{Served, Stream, call, call_modern, modern_request, request, serve, untraced};
use crate::prompts::listed;
use crate::shelf::{Shelf, link, page};

fn upstreams(all: &[(&str, String)]) -> Upstreams {
    let mut upstreams = Upstreams::default();
    for (key, url) in all {
        upstreams.add(key, Upstream::at(url)).expect("a usable upstream");
    }
    upstreams
}

/// The addresses on all pages, and the sizes of the pages.
async fn all(served: &Served, method: &str, list: &str, field: &str) -> (Vec<String>, Vec<usize>) {
    let (mut addresses, mut pages, mut params) = (vec![], vec![], json!({}));
    loop {
        let answer = call(served.address, "/mcp", &request(1, method, params))
            .await
            .json();
        let found = listed(&answer, list, field);
        pages.push(found.len());
        assert!(pages.len() < 200, "a list without end");
        addresses.extend(found);
        match answer["result"].get("nextCursor") {
            Some(cursor) => params = json!({"cursor": cursor}),
            None => return (addresses, pages),
        }
    }
}

async fn resources(served: &Served) -> (Vec<String>, Vec<usize>) {
    all(served, "resources/list", "resources", "uri").await
}

fn read(uri: &str) -> Value {
    request(1, "resources/read", json!({"uri": uri}))
}

#[tokio::test]
async fn lists_go_through_all_upstreams_page_by_page() {
    // Two pages of 80, then 30, then 3.
    let first = Shelf::listing(|cursor| {
        let from = cursor.map_or(0, |cursor| cursor.parse().expect("a cursor of ours"));
        let links: Vec<_> = (from..from + 80)
            .map(|index| link(&format!("a/{index}")))
            .collect();
        Ok(page(links, (from == 0).then_some("80")))
    });
    let middle: Vec<String> = (0..30).map(|index| format!("b/{index}")).collect();
    let middle = Shelf::of(&middle.iter().map(String::as_str).collect::<Vec<_>>());
    let last =
        Shelf::of(&["1", "last://2", "3"]).templates(&["{a}{?b}", "last://x/{y}", "other://{z}", "{+all}"]);
    let (first, middle, last) = (
        first.plan(&[]).start().await,
        middle.plan(&[]).start().await,
        last.plan(&[]).start().await,
    );
    let all_of_them = [("aa", first.url()), ("bb", middle.url()), ("last", last.url())];
    let served = serve(&[], upstreams(&all_of_them)).await;
    let (addresses, pages) = resources(&served).await;
    assert_eq!(pages, [80, 110, 3]);
    assert_eq!(
        (addresses[0].as_str(), addresses[159].as_str()),
        ("mcphub://aa/a/0", "mcphub://aa/a/159")
    );
    assert_eq!(
        addresses[160..190].first().map(String::as_str),
        Some("mcphub://bb/b/0")
    );
    assert_eq!(
        addresses[190..],
        ["mcphub://last/1", "last://2", "mcphub://last/3"]
    );

    let method = "resources/templates/list";
    let (templates, pages) = all(&served, method, "resourceTemplates", "uriTemplate").await;
    assert_eq!(pages, [4]);
    let expected = [
        "mcphub://aa/{kind}/{item}",
        "mcphub://bb/{kind}/{item}",
        "mcphub://last/{a}{?b}",
        "last://x/{y}",
    ];
    assert_eq!(templates, expected);

    for (method, list) in [("resources/list", "resources"), (method, "resourceTemplates")] {
        let newer = call_modern(served.address, "/mcp", &modern_request(1, method, json!({}))).await;
        let result = &newer.json()["result"];
        assert!(result[list].is_array(), "{result}");
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"], &result["resultType"]),
            (&json!(60_000), &json!("private"), &json!("complete"))
        );
        assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"].is_string());
        for cursor in ["", "x", "e30"] {
            let answer = call(
                served.address,
                "/mcp",
                &request(1, method, json!({"cursor": cursor})),
            )
            .await;
            assert_eq!(answer.error(), (200, -32602), "{method} {cursor}");
        }
    }
    // A cursor is of its list.
    let first = call(served.address, "/mcp", &request(1, "resources/list", json!({})))
        .await
        .json();
    let cursor = json!({"cursor": first["result"]["nextCursor"]});
    assert_eq!(
        call(served.address, "/mcp", &request(1, method, cursor))
            .await
            .error(),
        (200, -32602)
    );
}

#[tokio::test]
async fn documents_are_read_by_their_addresses() {
    let adapter = Shelf::of(&["listed"]).plan(&[]).start().await;
    let bare = crate::shop::Gate::open().plan().start().await;
    let away = format!("http://127.0.0.1:{}", free_port());
    let served = serve(
        &[],
        upstreams(&[("away", away), ("bare", bare.url()), ("shop", adapter.url())]),
    )
    .await;
    let mut stream = Stream::open(served.address, "/sse").await;
    for (uri, own) in [
        ("mcphub://shop/listed", "listed"),
        ("mcphub://shop/a%20b/c?d=%C3%A4", "a%20b/c?d=%C3%A4"),
        ("shop://by-scheme", "shop://by-scheme"),
    ] {
        let contents = json!([{"uri": uri, "mimeType": "text/plain", "text": format!("this is {own}")}]);
        let older = call(served.address, "/mcp", &read(uri)).await.json();
        assert_eq!(older["result"], json!({"contents": contents}));
        assert_eq!(
            stream.call(served.address, &read(uri)).await["result"]["contents"],
            contents
        );
        let newer = modern_request(1, "resources/read", json!({"uri": uri}));
        let newer = call_modern(served.address, "/mcp", &newer).await.json();
        let result = &newer["result"];
        assert_eq!(
            (
                &result["contents"],
                &result["ttlMs"],
                &result["cacheScope"],
                &result["resultType"]
            ),
            (&contents, &json!(0), &json!("private"), &json!("complete"))
        );
    }
    for uri in [
        "mcphub://shop/missing",
        "mcphub://nobody/x",
        "mcphub://bare/x",
        "other://x",
        "mcphub://shop/../other/x",
        "nonsense",
        "",
    ] {
        let older = untraced(call(served.address, "/mcp", &read(uri)).await.json());
        assert_eq!(
            (&older["error"]["code"], &older["error"]["data"]),
            (&json!(-32002), &json!({"uri": uri}))
        );
        let newer = modern_request(1, "resources/read", json!({"uri": uri}));
        let newer = call_modern(served.address, "/mcp", &newer).await;
        assert_eq!(
            (newer.error().1, &untraced(newer.json())["error"]["data"]),
            (-32602, &json!({"uri": uri}))
        );
    }
    for (uri, reason) in [
        ("mcphub://shop/broken", "DATABASE_UNAVAILABLE"),
        ("mcphub://away/x", "UPSTREAM_UNAVAILABLE"),
    ] {
        let answer = call(served.address, "/mcp", &read(uri)).await.json();
        let error = &answer["error"];
        assert_eq!(
            (&error["code"], &error["data"]["reason"]),
            (&json!(-32603), &json!(reason)),
            "{answer}"
        );
        assert!(!answer.to_string().contains("127.0.0.1"), "{answer}");
    }
    for params in [json!({}), json!({"uri": 5})] {
        let answer = call(
            served.address,
            "/mcp",
            &request(1, "resources/read", params.clone()),
        )
        .await;
        assert_eq!(answer.error(), (200, -32602), "{params}");
    }
}

#[tokio::test]
async fn one_that_is_away_or_slow_or_lies_is_left_out_alone() {
    let lie = |index: usize| ResourceLink {
        uri: format!("lie/{index}"),
        name: "n\u{202e}\n".repeat(10_000),
        description: "d".repeat(2_000),
        mime_type: "no type".to_owned(),
        ..ResourceLink::default()
    };
    let strangers = [
        "good://0",
        "mcphub://good/0",
        "../good/0",
        "a b",
        "",
        "x\u{0}",
        "http://example.com/",
    ];
    let liar = Shelf::listing(move |_| {
        let strangers = strangers.iter().map(|address| link(address));
        Ok(page(strangers.chain([lie(1), lie(2)]).collect(), None))
    });
    let failing = Shelf::listing(|_| Err(Fault::new(Reason::DatabaseUnavailable, "the database is away")));
    let slow = Shelf::of(&["never"]).slow(Duration::from_mins(1));
    let good = Shelf::of(&["0"]);
    let stopped = Shelf::of(&["gone"]).plan(&[]).start().await;
    let mut adapters = vec![];
    let mut keys = vec![("stopped".to_owned(), stopped.url())];
    for (key, shelf) in [("failing", &failing), ("good", &good), ("liar", &liar)] {
        adapters.push(shelf.plan(&[]).start().await);
        keys.push((key.to_owned(), adapters[adapters.len() - 1].url()));
    }
    // More than are asked at the same time.
    for index in 0..9 {
        adapters.push(slow.plan(&[]).start().await);
        keys.push((format!("slow{index}"), adapters[adapters.len() - 1].url()));
    }
    let keys: Vec<_> = keys
        .iter()
        .map(|(key, url)| (key.as_str(), url.clone()))
        .collect();
    let served = serve(&[], upstreams(&keys)).await;
    stopped.stop().await;

    let started = Instant::now();
    let list = modern_request(1, "resources/list", json!({}));
    let answer = call_modern(served.address, "/mcp", &list).await.json();
    let took = started.elapsed();
    assert!(
        took >= Duration::from_secs(2) && took < Duration::from_secs(8),
        "{took:?}"
    );
    let expected = ["mcphub://good/0", "mcphub://liar/lie/1", "mcphub://liar/lie/2"];
    assert_eq!(listed(&answer, "resources", "uri"), expected);
    assert_eq!(answer["result"]["ttlMs"], 0, "it is to be asked again");
    assert_eq!(answer["result"].get("nextCursor"), None);
    let text = answer.to_string();
    assert!(text.len() < 6_000 && !text.contains('\u{202e}'), "{}", text.len());
}

#[tokio::test]
async fn a_list_without_end_has_one() {
    // The same page for good; cursors that go on for good; and one whose next page is none of its own.
    let (same, endless, damaged) = (
        Shelf::listing(|_| Ok(page(vec![link("same")], Some("again")))),
        Shelf::listing(|cursor| {
            let index: u32 = cursor.map_or(0, |cursor| cursor.parse().expect("a cursor of ours"));
            Ok(page(
                vec![link(&format!("e{index}"))],
                Some(&(index + 1).to_string()),
            ))
        }),
        Shelf::listing(|cursor| match cursor {
            None => Ok(page(vec![link("d")], Some("damaged"))),
            Some(_) => Err(Fault::argument("cursor", "the cursor is damaged")),
        }),
    );
    let (same, endless) = (same.plan(&[]).start().await, endless.plan(&[]).start().await);
    let served = serve(
        &[],
        upstreams(&[("endless", endless.url()), ("same", same.url())]),
    )
    .await;
    let (addresses, pages) = resources(&served).await;
    assert_eq!(
        addresses.iter().filter(|address| address.contains("/e")).count(),
        100
    );
    // A cursor is not sealed: whoever writes one itself gets what it would get anyway.
    let made_up = r#"{"version":1,"list":"resources","key":"endless","cursor":"7","pages":4294967295}"#;
    let params = json!({"cursor": URL_SAFE_NO_PAD.encode(made_up)});
    let answer = call(served.address, "/mcp", &request(1, "resources/list", params))
        .await
        .json();
    assert_eq!(
        listed(&answer, "resources", "uri"),
        ["mcphub://endless/e7", "mcphub://same/same"]
    );
    assert_eq!(addresses[100..], ["mcphub://same/same", "mcphub://same/same"]);
    assert_eq!(pages.len(), 101);

    let damaged = damaged.plan(&[]).start().await;
    let served = serve(&[], upstreams(&[("damaged", damaged.url())])).await;
    let first = call(served.address, "/mcp", &request(1, "resources/list", json!({})))
        .await
        .json();
    let cursor = json!({"cursor": first["result"]["nextCursor"]});
    let second = call(served.address, "/mcp", &request(1, "resources/list", cursor)).await;
    assert_eq!(second.error(), (200, -32602));
}

#[tokio::test]
async fn a_caller_sees_its_resources_and_no_others() {
    let (depot, shop) = (
        Shelf::of(&["d"]).plan(&[]).start().await,
        Shelf::of(&["s"]).plan(&[]).start().await,
    );
    let both = upstreams(&[("depot", depot.url()), ("shop", shop.url())]);
    let mut lock = Lock::new();
    let reader = lock.token_with("reader", |entry| entry.upstreams = Some(vec!["shop".to_owned()]));
    let writer = lock.token_with("writer", |entry| entry.scopes = vec![Scope::Write]);
    let served = lock.serve(&[], both.clone()).await;
    let list = request(1, "resources/list", json!({}));
    let templates = request(1, "resources/templates/list", json!({}));
    for (token, keys) in [(&reader, &["shop"][..]), (&writer, &[])] {
        for (list, name, field) in [
            (&list, "resources", "uri"),
            (&templates, "resourceTemplates", "uriTemplate"),
        ] {
            let answer = ask(&served, token, list).await.json();
            let addresses = listed(&answer, name, field);
            assert_eq!(addresses.len(), keys.len());
            let begin = |(address, key): (&String, &&str)| address.starts_with(&format!("mcphub://{key}/"));
            assert!(addresses.iter().zip(keys).all(begin), "{addresses:?}");
        }
    }
    assert!(ask(&served, &reader, &read("mcphub://shop/s")).await.json()["result"].is_object());
    assert_eq!(
        ask(&served, &reader, &read("mcphub://depot/d")).await.error(),
        (200, -32002)
    );
    let denied = ask(&served, &writer, &read("mcphub://shop/s")).await.json();
    assert_eq!(denied["error"]["data"]["reason"], "ACCESS_DENIED", "{denied}");

    // A part of the tools has the resources of their upstreams.
    let open = serve(&[], both).await;
    for (path, expected) in [
        ("/mcp", &["mcphub://depot/d", "mcphub://shop/s"][..]),
        ("/mcp?tools=shop_find", &["mcphub://shop/s"]),
        ("/mcp?tools=shop_nothing", &[]),
    ] {
        let answer = call(open.address, path, &list).await.json();
        assert_eq!(listed(&answer, "resources", "uri"), expected, "{path}");
    }
    let filtered = call(open.address, "/mcp?tools=shop_find", &read("mcphub://depot/d")).await;
    assert_eq!(filtered.error(), (200, -32002));
}

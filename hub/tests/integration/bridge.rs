//! `mcp-hub stdio --url`: the bridge, in front of a real hub and of servers that misbehave.

use mcp_hub_testing::{eventually, free_port};
use serde_json::{Value, json};

use crate::fake::{Fake, Reply};
use crate::support::{DEADLINE, Hub, Program, Speaker, initialize, modern, names, query, request};

fn bridge(url: &str, more: &[&str]) -> Speaker {
    Speaker::start(&[&["--url", url], more].concat())
}

fn echo(body: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": body["id"], "result": {} })
}

#[tokio::test]
async fn both_eras_go_through_to_a_real_hub() {
    let hub = Hub::start(&[], &[]).await;
    let mut bridge = bridge(&hub.url(), &[]);
    let initialized = bridge.ask(&initialize("2025-03-26")).await;
    assert_eq!(initialized["result"]["protocolVersion"], "2025-03-26");
    bridge
        .say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
        .await;
    let listed = bridge.ask(&request(1, "tools/list", json!({}))).await;
    assert!(
        names(&listed).iter().any(|name| name == "sqlite_query"),
        "{listed}"
    );

    // The hub compares the headers of a modern call with its body, so an answer shows that they are right.
    let answer = bridge
        .ask(&modern(query(2, "sqlite_query", "select 'größer'")))
        .await;
    assert_eq!(
        answer["result"]["structuredContent"]["rows"],
        json!([["größer"]]),
        "{answer}"
    );
    let answer = bridge.ask(&request(3, "no/such/method", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32601, "{answer}");

    bridge.say_text("no JSON").await;
    assert_eq!(bridge.hear().await["error"]["code"], -32700);
    bridge
        .say_text(r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#)
        .await;
    assert_eq!(bridge.hear().await["error"]["code"], -32600);

    // What is under way when the input ends is still answered.
    bridge.say(&query(4, "sqlite_query", "select 4")).await;
    let (status, rest) = bridge.close().await;
    assert!(status.success());
    assert_eq!(
        rest[0]["result"]["structuredContent"]["rows"],
        json!([[4]]),
        "{rest:?}"
    );
}

#[tokio::test]
async fn a_hub_that_restarts_is_found_again() {
    let port = free_port().to_string();
    let url = format!("http://127.0.0.1:{port}/mcp");
    let start = || Program::start(&["up", "--port", &port], &[]);
    let up = async |hub: &Program| {
        eventually(DEADLINE, async || hub.stdout().contains("Ctrl-C ends it")).await;
    };
    let hub = start();
    up(&hub).await;
    let mut bridge = bridge(&url, &[]);
    bridge.ask(&initialize("2025-11-25")).await;

    hub.interrupt().await;
    assert!(hub.ended().await.status.success());
    let answer = bridge.ask(&query(1, "sqlite_query", "select 1")).await;
    let text = answer["error"]["message"].as_str().expect("an error");
    assert!(
        text.starts_with(&format!("can't reach mcp-hub at {url}")),
        "{text}"
    );

    // A call that meets the restart itself waits for it.
    bridge.say(&query(2, "sqlite_query", "select 2")).await;
    let hub = start();
    let answer = bridge.hear().await;
    assert_eq!(answer["id"], 2);
    up(&hub).await;
    let answer = bridge.ask(&query(3, "sqlite_query", "select 3")).await;
    assert_eq!(
        answer["result"]["structuredContent"]["rows"],
        json!([[3]]),
        "{answer}"
    );
}

#[tokio::test]
async fn headers_are_those_of_the_era() {
    let fake = Fake::start(|seen| {
        let mut answer = echo(&seen.body);
        if seen.body["method"] == "initialize" {
            answer["result"]["protocolVersion"] = json!("2025-06-18");
        }
        Reply::json(&answer)
    })
    .await;
    let mut bridge = bridge(&fake.url, &["--header", "X-Key: k1"]);
    bridge.ask(&initialize("2025-11-25")).await;
    bridge.ask(&request(1, "tools/list", json!({}))).await;
    bridge.ask(&modern(query(2, "größe", "select 1"))).await;
    let heads: Vec<String> = fake.seen().into_iter().map(|seen| seen.head).collect();
    for head in &heads {
        for expected in [
            "accept: application/json, text/event-stream\r\n",
            "content-type: application/json\r\n",
            "x-key: k1\r\n",
        ] {
            assert!(head.contains(expected), "no {expected:?}: {head}");
        }
    }
    assert!(!heads[0].contains("mcp-protocol-version"), "{}", heads[0]);
    assert!(
        heads[1].contains("mcp-protocol-version: 2025-06-18\r\n"),
        "{}",
        heads[1]
    );
    for expected in [
        "mcp-protocol-version: 2026-07-28\r\n",
        "mcp-method: tools/call\r\n",
        "mcp-name: =?base64?z3ldtsofzq==?=\r\n",
    ] {
        assert!(heads[2].contains(expected), "no {expected:?}: {}", heads[2]);
    }
}

#[tokio::test]
async fn a_stream_of_events_is_relayed_line_by_line() {
    let fake = Fake::start(|seen| {
        Reply::events(&format!(
            ": ping\n\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/progress\"}}\n\n\
             event: other\ndata: x\n\ndata: {}\n\n",
            echo(&seen.body)
        ))
    })
    .await;
    let mut bridge = bridge(&fake.url, &[]);
    bridge
        .say(&request(1, "tools/call", json!({ "name": "x" })))
        .await;
    assert_eq!(bridge.hear().await["method"], "notifications/progress");
    assert_eq!(bridge.hear().await["id"], 1);
}

#[tokio::test]
async fn every_request_is_answered_whatever_comes_back() {
    let fake = Fake::start(|seen| match seen.body["params"]["case"].as_str().unwrap_or_default() {
        "401" => Reply::with_status("401 Unauthorized", "text/plain", ""),
        "502" => Reply::with_status("502 Bad Gateway", "text/html", "<h1>Bad Gateway</h1>\nmore"),
        "moved" => Reply::Send("HTTP/1.1 308 x\r\nLocation: https://other/mcp\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_owned()),
        "no id" => Reply::with_status(
            "400 Bad Request",
            "application/json",
            "{\n \"jsonrpc\": \"2.0\",\n \"id\": null, \"error\": {\"code\": -32600, \"message\": \"m\"}}",
        ),
        "empty" => Reply::with_status("202 Accepted", "text/plain", ""),
        "cut" => Reply::events("data: {\"jsonrpc\""),
        "hang up" => Reply::HangUp,
        other => panic!("{other:?}"),
    })
    .await;
    let mut bridge = bridge(&fake.url, &[]);
    for (case, code, expected) in [
        ("401", -32000, "--token-file"),
        ("502", -32000, "HTTP 502 Bad Gateway: <h1>Bad Gateway</h1>"),
        ("moved", -32000, "use the address https://other/mcp"),
        ("no id", -32600, "m"),
        ("empty", -32000, "without a result"),
        ("cut", -32000, "without a result"),
        ("hang up", -32000, "hung up before it answered"),
    ] {
        let params = json!({ "name": "x", "case": case });
        let answer = bridge.ask(&request(7, "tools/call", params)).await;
        assert_eq!(answer["error"]["code"], code, "{case}: {answer}");
        let text = answer["error"]["message"].as_str().expect("a text");
        assert!(text.contains(expected), "{case}: {text}");
    }
    // One POST each: a call whose fate is unknown is not made again.
    assert_eq!(fake.seen().len(), 7);
    // What changes nothing is asked once more.
    bridge
        .ask(&request(8, "tools/list", json!({ "case": "hang up" })))
        .await;
    assert_eq!(fake.seen().len(), 9);
}

#[tokio::test]
async fn a_cancelled_request_ends_its_post_and_no_other() {
    let fake = Fake::start(|seen| match seen.body["method"].as_str() {
        Some("subscriptions/listen") => Reply::endless_events(
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/subscriptions/acknowledged\"}\n\n",
        ),
        _ => Reply::json(&echo(&seen.body)),
    })
    .await;
    let mut bridge = bridge(&fake.url, &[]);
    let listen =
        modern(json!({ "jsonrpc": "2.0", "id": "big-é", "method": "subscriptions/listen", "params": {} }));
    bridge.say(&listen).await;
    assert_eq!(
        bridge.hear().await["method"],
        "notifications/subscriptions/acknowledged"
    );
    // Others go on beside it.
    bridge.ask(&modern(request(2, "tools/list", json!({})))).await;
    let cancelled = json!({ "requestId": "big-é" });
    bridge
        .say(&json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": cancelled }))
        .await;
    fake.was_left().await;
    bridge.ask(&modern(request(3, "tools/list", json!({})))).await;
    assert_eq!(fake.seen().len(), 3, "{:?}", fake.seen());
    let (status, rest) = bridge.close().await;
    assert!(status.success() && rest.is_empty(), "{status}: {rest:?}");
}

#[tokio::test]
async fn answers_and_refusals_do_not_wait_for_each_other() {
    let fake = Fake::start(|seen| Reply::json(&echo(&seen.body))).await;
    let mut bridge = bridge(&fake.url, &[]);
    for id in 0..200 {
        bridge.say(&request(id, "ping", json!({}))).await;
        bridge.say_text("no JSON").await;
    }
    let (mut answered, mut refused) = (0, 0);
    while answered + refused < 400 {
        let message = bridge.hear().await;
        if message["id"].is_null() {
            refused += 1;
        } else {
            answered += 1;
        }
    }
    assert_eq!((answered, refused), (200, 200));
}

#[tokio::test]
async fn a_token_is_read_for_every_message() {
    let fake = Fake::start(|seen| Reply::json(&echo(&seen.body))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("token");
    let mut bridge = bridge(&fake.url, &["--token-file", path.to_str().expect("text")]);
    let answer = bridge.ask(&request(1, "ping", json!({}))).await;
    let text = answer["error"]["message"].as_str().expect("no file yet");
    assert!(text.starts_with("can't read "), "{text}");
    for token in ["first", "second"] {
        std::fs::write(&path, format!("{token}\n")).expect("written");
        bridge.ask(&request(2, "ping", json!({}))).await;
    }
    fake.has_seen(2).await;
    let heads: Vec<String> = fake.seen().into_iter().map(|seen| seen.head).collect();
    assert!(
        heads[0].contains("authorization: bearer first\r\n"),
        "{}",
        heads[0]
    );
    assert!(
        heads[1].contains("authorization: bearer second\r\n"),
        "{}",
        heads[1]
    );
}

#[tokio::test]
async fn https_needs_a_certificate_that_is_trusted() {
    let (fake, certificate) = Fake::start_tls(|seen| Reply::json(&echo(&seen.body))).await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("ca.pem");
    std::fs::write(&path, certificate).expect("written");

    let mut trusting = bridge(&fake.url, &["--ca-file", path.to_str().expect("text")]);
    let answer = trusting.ask(&request(1, "ping", json!({}))).await;
    assert_eq!(answer["result"], json!({}), "{answer}");
    let mut suspicious = bridge(&fake.url, &[]);
    let answer = suspicious.ask(&request(2, "ping", json!({}))).await;
    let text = answer["error"]["message"].as_str().expect("a text");
    assert!(
        text.starts_with("can't trust mcp-hub at https://localhost:"),
        "{text}"
    );
    assert!(text.contains("--ca-file"), "{text}");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn ids_and_numbers_come_back_digit_for_digit() {
    let fake = Fake::start(|_| Reply::with_status("503 x", "text/plain", "busy")).await;
    let mut bridge = bridge(&fake.url, &[]);
    bridge
        .say_text(r#"{"jsonrpc":"2.0","id":12345678901234567890123,"method":"ping"}"#)
        .await;
    let answer = bridge.hear_text().await;
    let expected = r#"{"jsonrpc":"2.0","id":12345678901234567890123,"error":"#;
    assert!(answer.starts_with(expected), "{answer}");
}

//! What each HTTP door answers, in both eras.

use bytes::Bytes;
use mcp_hub_facade::upstream::Upstreams;
use serde_json::{Value, json};

use crate::client::{
    Served, call, call_modern, capabilities, initialize, modern, modern_request, post, request, send, serve,
};

const DOORS: [&str; 2] = ["/mcp", "/sse"];

async fn facade() -> Served {
    serve(&[], Upstreams::default()).await
}

#[tokio::test]
async fn each_older_version_is_echoed_and_others_get_the_newest_of_them() {
    let served = facade().await;
    for door in DOORS {
        for (asked, answered) in [
            ("2024-11-05", "2024-11-05"),
            ("2025-03-26", "2025-03-26"),
            ("2025-06-18", "2025-06-18"),
            ("2025-11-25", "2025-11-25"),
            ("2026-07-28", "2025-11-25"),
            ("1999-01-01", "2025-11-25"),
        ] {
            let answer = call(served.address, door, &initialize(asked)).await;
            assert_eq!(answer.status, 200);
            let result = &answer.json()["result"];
            assert_eq!(result["protocolVersion"], answered, "{door} {asked}");
            assert_eq!(result["serverInfo"]["name"], "mcp-hub");
            // A stateless POST can't tell of changes, so it does not promise to; and there are only tools.
            assert_eq!(result["capabilities"], capabilities(false));
            assert!(!answer.headers.contains_key("mcp-session-id"));
        }
    }
}

#[tokio::test]
async fn older_clients_need_no_handshake_and_no_version_header() {
    let served = facade().await;
    for version in [
        None,
        Some("2024-11-05"),
        Some("2025-03-26"),
        Some("2025-06-18"),
        Some("2025-11-25"),
    ] {
        let mut message = post(served.address, "/mcp");
        if let Some(version) = version {
            message = message.header("mcp-protocol-version", version);
        }
        let list = request(7, "tools/list", json!({}));
        let answer = send(served.address, message.body(list.to_string().into()).unwrap()).await;
        let json = answer.json();
        assert_eq!(
            (answer.status.as_u16(), &json["id"]),
            (200, &json!(7)),
            "{version:?}"
        );
        assert!(json["result"]["tools"].is_array());
        // These came with 2026-07-28.
        for member in ["ttlMs", "cacheScope", "resultType", "_meta"] {
            assert!(json["result"].get(member).is_none(), "{member}");
        }
    }
    let ping = call(served.address, "/mcp", &request(1, "ping", json!({}))).await;
    assert_eq!(ping.json()["result"], json!({}));
    for method in [
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/made_up",
    ] {
        let notification = json!({"jsonrpc": "2.0", "method": method, "params": {"requestId": 1}});
        let answer = call(served.address, "/mcp", &notification).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (202, 0), "{method}");
    }
}

#[tokio::test]
async fn the_stateless_era_discovers_and_lists() {
    let served = facade().await;
    for door in DOORS {
        let answer = call_modern(
            served.address,
            door,
            &modern_request(1, "server/discover", json!({})),
        )
        .await;
        assert_eq!(answer.status, 200);
        let result = &answer.json()["result"];
        assert_eq!(
            result["supportedVersions"],
            json!([
                "2024-11-05",
                "2025-03-26",
                "2025-06-18",
                "2025-11-25",
                "2026-07-28"
            ])
        );
        assert_eq!(result["capabilities"], capabilities(true));
        assert_eq!(
            result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
            "mcp-hub"
        );

        let answer = call_modern(served.address, door, &modern_request(2, "tools/list", json!({}))).await;
        let result = &answer.json()["result"];
        assert_eq!(
            (&result["ttlMs"], &result["cacheScope"], &result["resultType"]),
            (&json!(60_000), &json!("private"), &json!("complete"))
        );
        assert_eq!(
            result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"],
            "mcp-hub"
        );
    }
    // What this era has done away with.
    for method in ["initialize", "ping", "logging/setLevel", "resources/subscribe"] {
        let answer = call_modern(
            served.address,
            "/mcp",
            &modern_request(3, method, json!({"level": "info", "uri": "x:y"})),
        )
        .await;
        assert_eq!(answer.error(), (404, -32601), "{method}");
    }
}

#[tokio::test]
async fn the_stateless_era_compares_headers_and_message() {
    let served = facade().await;
    let list = modern_request(1, "tools/list", json!({}));
    let call = modern_request(1, "tools/call", json!({"name": "health_check"}));
    let error = async |request: http::request::Builder, message: &Value| {
        send(served.address, request.body(message.to_string().into()).unwrap())
            .await
            .error()
    };
    let plain = || post(served.address, "/mcp");
    let versioned = || plain().header("mcp-protocol-version", "2026-07-28");

    assert_eq!(error(plain(), &list).await, (400, -32020), "no headers");
    assert_eq!(error(versioned(), &list).await, (400, -32020), "no Mcp-Method");
    assert_eq!(
        error(versioned().header("mcp-method", "tools/call"), &list).await,
        (400, -32020),
        "another method"
    );
    assert_eq!(
        error(versioned().header("mcp-method", "tools/call"), &call).await,
        (400, -32020),
        "no Mcp-Name"
    );
    let named = versioned()
        .header("mcp-method", "tools/call")
        .header("mcp-name", "other");
    assert_eq!(error(named, &call).await, (400, -32020), "another name");
    let older = plain()
        .header("mcp-protocol-version", "2025-11-25")
        .header("mcp-method", "tools/list");
    assert_eq!(error(older, &list).await, (400, -32020), "another version");

    let mut without = list.clone();
    without["params"]["_meta"]
        .as_object_mut()
        .unwrap()
        .remove("io.modelcontextprotocol/clientCapabilities");
    assert_eq!(
        error(modern(served.address, "/mcp", &without), &without).await,
        (400, -32602),
        "half a _meta"
    );
    let bare = request(1, "tools/list", json!({}));
    assert_eq!(
        error(modern(served.address, "/mcp", &bare), &bare).await,
        (400, -32602),
        "no _meta"
    );

    let mut future = list.clone();
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2031-01-01");
    let asked = plain()
        .header("mcp-protocol-version", "2031-01-01")
        .header("mcp-method", "tools/list");
    let answer = send(served.address, asked.body(future.to_string().into()).unwrap()).await;
    assert_eq!(answer.error(), (400, -32022));
    assert_eq!(answer.json()["error"]["data"]["requested"], "2031-01-01");
    let header_only = plain().header("mcp-protocol-version", "1999-01-01");
    assert_eq!(error(header_only, &bare).await, (400, -32022));
}

#[tokio::test]
async fn what_is_not_offered_does_not_exist() {
    let served = facade().await;
    for method in ["made/up", "logging/setLevel", "tasks/get", "skills/list"] {
        let params = json!({"name": "x", "uri": "x:y", "taskId": "1", "level": "info"});
        let answer = call(served.address, "/mcp", &request(1, method, params.clone())).await;
        assert_eq!(answer.error(), (200, -32601), "{method}");
        let answer = call_modern(served.address, "/mcp", &modern_request(1, method, params)).await;
        assert_eq!(answer.error(), (404, -32601), "{method}");
    }
    let unknown = call(
        served.address,
        "/mcp",
        &request(1, "tools/call", json!({"name": "no_such_tool"})),
    )
    .await;
    assert_eq!(unknown.error(), (200, -32602));
    assert_eq!(unknown.json()["error"]["message"], "Unknown tool: no_such_tool");
    for params in [
        json!({}),
        json!({"name": 5}),
        json!({"name": "x", "arguments": []}),
        json!({"name": "x", "arguments": "y"}),
    ] {
        let answer = call(served.address, "/mcp", &request(1, "tools/call", params.clone())).await;
        assert_eq!(answer.error(), (200, -32602), "{params}");
    }
    let cursor = call(
        served.address,
        "/mcp",
        &request(1, "tools/list", json!({"cursor": "x"})),
    )
    .await;
    assert_eq!(cursor.error(), (200, -32602));
}

#[tokio::test]
async fn what_is_no_message_gets_a_json_rpc_error() {
    let served = facade().await;
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"a":{}{}}}}}"#,
        "[".repeat(9999),
        "]".repeat(9999)
    );
    for (body, status, code) in [
        (&b""[..], 400, -32700),
        (b"{", 400, -32700),
        (b"\xff\xfe{}", 400, -32700),
        (b"[]", 400, -32600),
        (br#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32600),
        (br#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, 400, -32600),
        (br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, 400, -32600),
        (br#""ping""#, 400, -32600),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}"#,
            400,
            -32602,
        ),
        (br#"{"jsonrpc":"2.0","id":1,"result":{}}"#, 400, -32600),
        (deep.as_bytes(), 400, -32600),
    ] {
        for door in DOORS {
            let message = post(served.address, door)
                .body(Bytes::copy_from_slice(body).into())
                .unwrap();
            let answer = send(served.address, message).await;
            assert_eq!(
                answer.error(),
                (status, code),
                "{}",
                String::from_utf8_lossy(&body[..body.len().min(60)])
            );
        }
    }
    let batch = post(served.address, "/mcp")
        .body(Bytes::from_static(b"[{}]").into())
        .unwrap();
    let sentence = send(served.address, batch).await.json()["error"]["message"].to_string();
    assert!(sentence.contains("batches"), "{sentence}");
}

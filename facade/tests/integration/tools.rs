//! Tools through every door: listed, filtered, called.

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt as _;
use mcp_hub_facade::Front;
use mcp_hub_testing::{eventually, traces};
use serde_json::{Value, json};

use crate::client::{
    Stream, call, call_modern, config, initialize, modern_request, open, post, request, send,
};
use crate::hub::SOON;
use crate::shop::{Gate, assert_found, find, find_modern, names, shop};
use crate::stdio::Client;

#[tokio::test]
async fn tools_are_listed_with_all_that_clients_want() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let list = call(served.address, "/mcp", &request(1, "tools/list", json!({})))
        .await
        .json();
    assert_eq!(
        names(&list),
        ["health_check", "list_services", "shop_drop", "shop_find"]
    );
    let tools = list["result"]["tools"].as_array().unwrap();
    let find = &tools[3];
    assert_eq!(find["title"], "Find goods");
    assert_eq!(find["inputSchema"]["type"], "object");
    assert_eq!(find["outputSchema"]["type"], "object");
    assert_eq!(
        find["annotations"],
        json!({"title": "Find goods", "readOnlyHint": true, "destructiveHint": false, "idempotentHint": true,
               "openWorldHint": false})
    );
    assert_eq!(tools[2]["annotations"]["destructiveHint"], true);
    assert_eq!(tools[2]["annotations"]["readOnlyHint"], false);

    let modern = call_modern(
        served.address,
        "/sse",
        &modern_request(1, "tools/list", json!({})),
    )
    .await
    .json();
    assert_eq!(modern["result"]["tools"], list["result"]["tools"]);
    let mut stream = Stream::open(served.address, "/sse").await;
    let streamed = stream
        .call(served.address, &request(1, "tools/list", json!({})))
        .await;
    assert_eq!(streamed, list);

    let instructions = call(served.address, "/mcp", &initialize("2025-11-25"))
        .await
        .json();
    assert!(
        instructions["result"]["instructions"]
            .as_str()
            .unwrap()
            .contains("shop"),
        "{instructions}"
    );
}

#[tokio::test]
async fn a_tool_is_called_through_every_door_in_both_eras() {
    let (served, _adapter) = shop(&Gate::open()).await;
    for door in ["/mcp", "/sse"] {
        assert_found(&call(served.address, door, &find(1, "tea")).await.json(), "tea");
        let modern = call_modern(served.address, door, &find_modern(1, "grün"))
            .await
            .json();
        assert_found(&modern, "grün");
        assert_eq!(modern["result"]["resultType"], "complete");
    }
    let mut stream = Stream::open(served.address, "/sse").await;
    assert_found(&stream.call(served.address, &find(1, "a\nb")).await, "a\nb");
    assert_found(&stream.call(served.address, &find_modern(2, "tea")).await, "tea");
    let mut client = Client::of(served);
    assert_found(&client.call(&find(1, "tea")).await, "tea");
    assert_found(&client.call(&find_modern(2, "tea")).await, "tea");
}

#[tokio::test]
async fn wrong_arguments_are_a_result_that_a_model_can_read() {
    let (served, adapter) = shop(&Gate::open()).await;
    for arguments in [
        json!({"wat": "tea"}),
        json!({}),
        json!({"what": 5}),
        json!({"what": "tea", "more": 1}),
    ] {
        let message = request(
            1,
            "tools/call",
            json!({"name": "shop_find", "arguments": arguments}),
        );
        let answer = call(served.address, "/mcp", &message).await;
        let result = &answer.json()["result"];
        assert_eq!(
            (answer.status.as_u16(), &result["isError"]),
            (200, &json!(true)),
            "{arguments}"
        );
        assert!(
            result["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("ARGUMENT_INVALID"),
            "{result}"
        );
        assert!(result.get("structuredContent").is_none());
    }
    assert!(adapter.calls().is_empty());
}

#[tokio::test]
async fn a_filter_narrows_the_list_and_the_calls_on_every_door() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let list = request(1, "tools/list", json!({}));
    for door in ["/mcp?tools=*_find,health_check", "/sse?tools=*_find,health_check"] {
        let listed = call(served.address, door, &list).await.json();
        assert_eq!(names(&listed), ["health_check", "shop_find"]);
    }
    let drop = request(
        1,
        "tools/call",
        json!({"name": "shop_drop", "arguments": {"what": "tea"}}),
    );
    assert_eq!(
        call(served.address, "/mcp?tools=*_find", &drop).await.error(),
        (200, -32602)
    );
    assert_found(
        &call(served.address, "/mcp?tools=*_find", &find(1, "tea"))
            .await
            .json(),
        "tea",
    );

    let mut stream = Stream::open(served.address, "/sse?tools=*_find").await;
    assert_eq!(names(&stream.call(served.address, &list).await), ["shop_find"]);
    assert_eq!(stream.call(served.address, &drop).await["error"]["code"], -32602);
    // The stream's filter counts, not what somebody writes behind its endpoint.
    stream.endpoint = stream.endpoint.replace("tools=", "tools=*,");
    assert_eq!(stream.call(served.address, &drop).await["error"]["code"], -32602);
}

#[tokio::test]
async fn the_trace_context_goes_on() {
    const OF_HTTP: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const OF_MESSAGE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    traces::record();
    let (served, _adapter) = shop(&Gate::open()).await;
    let trace = |answer: &Value| {
        let traceparent = answer["result"]["structuredContent"]["traceparent"]
            .as_str()
            .expect("a trace context");
        traceparent.split('-').nth(1).expect("a trace id").to_owned()
    };
    let with_header = |path: &str, message: &Value| {
        let builder = post(served.address, path).header("traceparent", OF_HTTP);
        send(served.address, builder.body(message.to_string().into()).unwrap())
    };
    let mut with_meta = find(1, "tea");
    with_meta["params"]["_meta"] = json!({"traceparent": OF_MESSAGE});

    assert_eq!(
        trace(&with_header("/mcp", &find(1, "tea")).await.json()),
        OF_HTTP[3..35]
    );
    assert_eq!(
        trace(&with_header("/mcp", &with_meta).await.json()),
        OF_MESSAGE[3..35]
    );
    let mut stream = Stream::open(served.address, "/sse").await;
    with_header(&stream.endpoint, &find(1, "tea")).await;
    assert_eq!(trace(&stream.message().await), OF_HTTP[3..35]);
    assert_eq!(
        trace(&stream.call(served.address, &with_meta).await),
        OF_MESSAGE[3..35]
    );
}

#[tokio::test]
async fn everybody_may_call_is_said_where_health_is_asked() {
    let (served, _adapter) = shop(&Gate::open()).await;
    let health = request(1, "tools/call", json!({"name": "health_check"}));
    let before = call(served.address, "/mcp", &health).await.json().to_string();
    assert!(!before.contains("authentication"), "{before}");
    let config = config(&["--allow-unauthenticated"]);
    let everywhere = Front::open(&config, "0.0.0.0:0".parse().unwrap()).await.unwrap();
    served.lifecycle.spawn({
        let facade = served.facade.clone();
        async move { facade.serve(everywhere).await }
    });
    eventually(SOON, async || {
        let health = call(served.address, "/mcp", &health).await.json().to_string();
        if health.contains("no authentication") {
            Ok(())
        } else {
            Err(health)
        }
    })
    .await;
}

#[tokio::test]
async fn a_service_that_is_down_fails_calls_and_nothing_else() {
    let (served, adapter) = shop(&Gate::open()).await;
    adapter.stop().await;
    let answer = call(served.address, "/mcp", &find(1, "tea")).await.json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let list = call(served.address, "/mcp", &request(1, "tools/list", json!({})))
        .await
        .json();
    assert!(names(&list).contains(&"shop_find"));
    let request = Request::get("/readyz")
        .header("host", "localhost")
        .body(Bytes::new().into())
        .unwrap();
    let (parts, body) = open(served.address, request).await.into_parts();
    assert_eq!(
        (parts.status.as_u16(), body.collect().await.unwrap().to_bytes()),
        (200, Bytes::from_static(b"ok\n"))
    );
}

//! What a facade answers that starts while an upstream is away: clients know its tools, and the facade does not.

use serde_json::json;

use crate::client::{call, request, serve};
use crate::shop::{find, names, upstream};

#[tokio::test]
async fn a_tool_of_an_upstream_that_was_never_seen_is_not_unknown() {
    // Nobody listens there.
    let served = serve(&[], upstream("http://127.0.0.1:9")).await;
    let listed = call(served.address, "/mcp", &request(1, "tools/list", json!({}))).await;
    assert_eq!(names(&listed.json()), ["health_check", "list_services"]);

    let away = call(served.address, "/mcp", &find(2, "tea")).await.json();
    assert_eq!(away["result"]["isError"], true, "{away}");
    let text = away["result"]["content"][0]["text"].as_str().expect("text");
    assert!(text.starts_with("shop can't be reached now"), "{text}");
    assert!(text.contains("reason: UPSTREAM_UNAVAILABLE"), "{text}");
    assert!(text.contains("retry_after_ms: "), "{text}");
    assert!(!text.contains("127.0.0.1"), "{text}");

    // Of what is no upstream, nothing is to be expected, nor by who has asked for other tools only.
    for (path, tool) in [
        ("/mcp", "shops_find"),
        ("/mcp", "shop"),
        ("/mcp?tools=other_*", "shop_find"),
    ] {
        let message = request(3, "tools/call", json!({"name": tool, "arguments": {}}));
        let unknown = call(served.address, path, &message).await.json();
        assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
    }
}

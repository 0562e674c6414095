//! Content in the answers of tools: beside JSON, alone, and from adapters that make it up.

use mcp_hub_facade::registry::State;
use mcp_hub_proto::content::v1::content::Kind;
use mcp_hub_proto::content::v1::resource_contents::Kind as Part;
use mcp_hub_proto::content::v1::{Content, Media, ResourceContents, ResourceLink};
use prost::Message as _;
use prost_reflect::{DynamicMessage, Value as Field};
use serde_json::{Value, json};

use crate::adapter::{Adapter, Plan};
use crate::client::{Served, call, call_modern, modern_request, request, serve, untraced};
use crate::hub::Hub;
use crate::shop::upstream;

const GALLERY: &str = r#"
    syntax = "proto3";
    package shop.v1;
    import "mcphub/content/v1/content.proto";
    import "mcphub/tool/v1/tool.proto";
    // ShopService shows.
    service ShopService {
      // Shows goods, with what they are called.
      rpc Show(ShowRequest) returns (ShowResponse) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (mcphub.tool.v1.tool) = {};
      }
      // Shows goods.
      rpc Look(ShowRequest) returns (LookResponse) {
        option idempotency_level = NO_SIDE_EFFECTS;
        option (mcphub.tool.v1.tool) = {};
      }
    }
    message ShowRequest {}
    message ShowResponse {
      // What they are called.
      string name = 1;
      // What they look like.
      repeated mcphub.content.v1.Content content = 2;
    }
    message LookResponse {
      // What they look like.
      repeated mcphub.content.v1.Content content = 2;
    }
    // Article is what is in a document.
    message Article { string name = 1; }
"#;

fn content(kind: Kind) -> Content {
    Content {
        kind: Some(kind),
        annotations: None,
    }
}

fn text(text: &str) -> Content {
    content(Kind::Text(text.to_owned()))
}

fn image(bytes: usize) -> Content {
    content(Kind::Image(Media {
        data: vec![7; bytes],
        mime_type: "image/png".to_owned(),
    }))
}

/// A response with these blocks, encoded once.
fn response(of: DynamicMessage, blocks: &[Content]) -> DynamicMessage {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Response {
        #[prost(message, repeated, tag = "2")]
        content: Vec<Content>,
    }
    let encoded = Response {
        content: blocks.to_vec(),
    };
    let mut response = of;
    response
        .merge(encoded.encode_to_vec().as_slice())
        .expect("the same fields");
    if response.get_field_by_name("name").is_some() {
        response.set_field_by_name("name", Field::String("hat".to_owned()));
    }
    response
}

async fn gallery(blocks: Vec<Content>) -> Adapter {
    Plan::of(GALLERY, &[], &["shop.v1.ShopService"])
        .handle(move |received| {
            let response = response(received.response, &blocks);
            async move { Ok(response) }
        })
        .start()
        .await
}

async fn facade(adapter: &Adapter) -> Served {
    serve(&[], upstream(&adapter.url())).await
}

/// The result of a tool in both eras, which differ in nothing but what they say of the server.
async fn result(served: &Served, tool: &str) -> Value {
    let params = json!({"name": tool, "arguments": {}});
    let older = call(served.address, "/mcp", &request(1, "tools/call", params.clone())).await;
    let newer = call_modern(served.address, "/mcp", &modern_request(1, "tools/call", params)).await;
    let mut newer = newer.json()["result"].take();
    let extra = newer.as_object_mut().expect("a result");
    extra.remove("_meta");
    extra.remove("resultType");
    assert_eq!(newer, untraced(older.json())["result"]);
    newer
}

#[tokio::test]
async fn content_comes_behind_the_json_or_alone() {
    let document = ResourceContents {
        uri: "hats/1".to_owned(),
        mime_type: String::new(),
        kind: Some(Part::Message(prost_reflect::prost_types::Any {
            type_url: "type.googleapis.com/shop.v1.Article".to_owned(),
            value: b"\x0a\x03hat".to_vec(),
        })),
    };
    let link = ResourceLink {
        uri: "shop://hats".to_owned(),
        name: "hats".to_owned(),
        ..ResourceLink::default()
    };
    let blocks = vec![
        text("a hat"),
        image(3),
        content(Kind::Resource(document)),
        content(Kind::ResourceLink(link)),
    ];
    let shown = json!([
        {"type": "text", "text": "a hat"},
        {"type": "image", "data": "BwcH", "mimeType": "image/png"},
        {"type": "resource", "resource": {
            "uri": "mcphub://shop/hats/1", "mimeType": "application/json", "text": "{\"name\":\"hat\"}",
        }},
        {"type": "resource_link", "uri": "shop://hats", "name": "hats"},
    ]);
    let adapter = gallery(blocks).await;
    let served = facade(&adapter).await;

    let both = result(&served, "shop_show").await;
    assert_eq!(both["structuredContent"], json!({"name": "hat"}));
    assert_eq!(
        both["content"][0],
        json!({"type": "text", "text": "{\"name\":\"hat\"}"})
    );
    assert_eq!(
        both["content"].as_array().map(|blocks| json!(blocks[1..])),
        Some(shown.clone())
    );

    let alone = result(&served, "shop_look").await;
    assert_eq!(alone["content"], shown);
    assert!(alone.get("structuredContent").is_none(), "{alone}");
    assert_ne!(alone["isError"], true);

    // A client that was told of structured content would miss it.
    let list = call(served.address, "/mcp", &request(2, "tools/list", json!({}))).await;
    let list = list.json();
    let tool = |name: &str| {
        let tools = list["result"]["tools"].as_array().expect("tools");
        let tool = tools.iter().find(|tool| tool["name"] == name);
        tool.expect("the tool").clone()
    };
    assert_eq!(
        tool("shop_show")["outputSchema"]["properties"],
        json!({"name": {"type": "string", "description": "What they are called."}})
    );
    assert!(tool("shop_look").get("outputSchema").is_none());
}

#[tokio::test]
async fn content_that_is_too_much_is_no_answer_and_the_next_call_has_one() {
    let too_large = "the answer of shop is too large to be shown: ask for less\nreason: RESULT_TOO_LARGE";
    for (what, blocks) in [
        ("base64", vec![image(1600 * 1024)]),
        ("escapes", vec![text(&"\u{1}".repeat(512 * 1024))]),
        ("together", vec![text(&"x".repeat(8192)); 256]),
        ("blocks", vec![Content::default(); 257]),
        ("more blocks", vec![Content::default(); 100_000]),
    ] {
        let adapter = gallery(blocks).await;
        let hub = Hub::of(&[("shop", adapter.url())]).await;
        for tool in ["shop_look", "shop_show"] {
            let outcome = hub.call(tool, json!({})).await;
            if what == "together" && tool == "shop_look" {
                // As much as may be, to the byte.
                assert_eq!(outcome.content.len(), 256, "{}", outcome.text);
            } else {
                assert_eq!(outcome.text, too_large, "{what} {tool}");
            }
        }
        // It is no fault of the endpoint's.
        assert_eq!(hub.service("shop").await.state, State::Serving);
    }
}

#[tokio::test]
async fn what_an_adapter_makes_up_does_no_harm() {
    let foreign = |uri: &str| {
        content(Kind::ResourceLink(ResourceLink {
            uri: uri.to_owned(),
            name: "x".to_owned(),
            ..ResourceLink::default()
        }))
    };
    let adapter = gallery(vec![
        Content::default(),
        foreign("https://evil.example/"),
        foreign("mcphub://other/orders"),
        foreign("../other/orders"),
        content(Kind::Image(Media {
            data: vec![1],
            mime_type: "text/html".to_owned(),
        })),
        text("fine"),
    ])
    .await;
    let served = facade(&adapter).await;
    let result = result(&served, "shop_look").await;
    let texts: Vec<&str> = result["content"]
        .as_array()
        .expect("blocks")
        .iter()
        .map(|block| block["text"].as_str().expect("a text"))
        .collect();
    let link = "(a link to a document is left out: its address is not one of this service)";
    let image = "(an image is left out: its media type is not that of an image)";
    assert_eq!(texts, [link, link, link, image, "fine"]);
}

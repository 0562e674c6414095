use mcp_hub_proto::content::v1::{Audience, Content, Media, ResourceLink};
use mcp_hub_proto::prompt::v1::PromptMessage as Said;
use mcp_hub_proto::resource::v1::ReadResourceResponse;
use prost_reflect::prost_types::Any;
use serde_json::{Value, json};

use super::*;
use crate::fixture;
use crate::tool::offer::{Kind as OfferKind, offers};

/// What a service offers whose RPCs answer with content.
fn offer(rpc: &str) -> std::sync::Arc<Offer> {
    let source = r#"
        syntax = "proto3";
        package shop.v1;
        import "mcphub/content/v1/content.proto";
        import "mcphub/prompt/v1/prompt.proto";
        import "mcphub/tool/v1/tool.proto";
        service ShopService {
          // Shows.
          rpc Show(Nothing) returns (Shown) { option (mcphub.tool.v1.tool) = {}; }
          // Plays.
          rpc Play(Nothing) returns (Played) { option (mcphub.tool.v1.tool) = {}; }
          // Talks.
          rpc Talk(Nothing) returns (Talked) {
            option idempotency_level = NO_SIDE_EFFECTS;
            option (mcphub.prompt.v1.prompt) = {};
          }
        }
        message Nothing {}
        message Shown {
          repeated mcphub.content.v1.Content more = 3;
          string name = 2;
          mcphub.content.v1.Content first = 1;
        }
        message Played { repeated mcphub.content.v1.Content content = 1; }
        message Talked { repeated mcphub.prompt.v1.PromptMessage messages = 4; }
        message Article { string name = 1; uint32 pieces = 2; }
    "#;
    let files = ["mcphub/resource/v1/resource_service.proto"];
    let pool = DescriptorPool::decode(fixture::compile(source, &files).as_slice()).expect("descriptors");
    let services = ["shop.v1.ShopService", "mcphub.resource.v1.ResourceService"].map(str::to_owned);
    let (offers, left_out) = offers(&pool, &services);
    assert!(left_out.is_empty(), "{left_out:?}");
    let offer = offers.iter().find(|offer| offer.rpc == rpc);
    offer.expect("an offer").clone()
}

fn content(kind: Kind) -> Content {
    Content {
        kind: Some(kind),
        annotations: None,
    }
}

fn media(data: &[u8], mime_type: &str) -> Media {
    Media {
        data: data.to_vec(),
        mime_type: mime_type.to_owned(),
    }
}

fn part(uri: &str, mime_type: &str, kind: Option<Part>) -> proto::ResourceContents {
    proto::ResourceContents {
        uri: uri.to_owned(),
        mime_type: mime_type.to_owned(),
        kind,
    }
}

/// A `Played` with these blocks: any message with such a field.
fn played(content: &[Content]) -> Vec<u8> {
    content
        .iter()
        .flat_map(|content| field(1, &content.encode_to_vec()))
        .collect()
}

fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![];
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut field);
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

fn shown(content: Content) -> Result<Value, Unreadable> {
    let answer = answer("shop", &offer("play"), &played(&[content]))?;
    Ok(match answer.content.as_slice() {
        [] => Value::Null,
        [block] => json!(block),
        more => panic!("{more:?}"),
    })
}

#[test]
fn content_stands_behind_the_json_or_alone() {
    let (show, play) = (offer("show"), offer("play"));
    let schema = show.output_schema.as_ref().expect("JSON");
    assert_eq!(json!(schema["properties"]), json!({"name": {"type": "string"}}));
    assert!(play.output_schema.is_none());
    let text = |text: &str| content(Kind::Text(text.to_owned())).encode_to_vec();
    // A singular field in two pieces is one message.
    let annotated = Content {
        kind: None,
        annotations: Some(proto::Annotations {
            priority: Some(0.5),
            ..Default::default()
        }),
    };
    let bytes = [
        field(3, &text("second")),
        field(2, b"n"),
        field(1, &text("first")),
        field(3, &text("third")),
        field(1, &annotated.encode_to_vec()),
    ]
    .concat();
    let read = answer("shop", &show, &bytes).expect("an answer");
    assert_eq!(read.json.as_deref(), Some(r#"{"name":"n"}"#));
    assert_eq!(
        json!(read.content),
        json!([
            {"type": "text", "text": "first", "annotations": {"priority": 0.5}},
            {"type": "text", "text": "second"},
            {"type": "text", "text": "third"},
        ])
    );
    let read = answer("shop", &play, &field(1, &text("alone"))).expect("an answer");
    assert_eq!(read.json, None);
    assert_eq!(json!(read.content), json!([{"type": "text", "text": "alone"}]));
}

#[test]
fn each_kind_has_the_form_of_mcp() {
    let article = Any {
        type_url: "type.googleapis.com/shop.v1.Article".to_owned(),
        value: [field(1, b"hat").as_slice(), &[0x10, 3]].concat(),
    };
    let link = |uri: &str| ResourceLink {
        uri: uri.to_owned(),
        name: "a\u{1b} name".to_owned(),
        mime_type: "no type".to_owned(),
        size: Some(7),
        ..ResourceLink::default()
    };
    for (kind, expected) in [
        (
            Kind::Image(media(&[1, 2, 3, 4], "image/png")),
            json!({"type": "image", "data": "AQIDBA==", "mimeType": "image/png"}),
        ),
        (
            Kind::Audio(media(&[], "audio/wav; codecs=1")),
            json!({"type": "audio", "data": "", "mimeType": "audio/wav; codecs=1"}),
        ),
        (
            Kind::Resource(part("orders/1", "", Some(Part::Text("t".to_owned())))),
            json!({"type": "resource", "resource": {"uri": "mcphub://shop/orders/1", "mimeType": "text/plain", "text": "t"}}),
        ),
        (
            Kind::Resource(part("shop://a", "x/y", Some(Part::Blob(vec![255])))),
            json!({"type": "resource", "resource": {"uri": "shop://a", "mimeType": "x/y", "blob": "/w=="}}),
        ),
        (
            Kind::Resource(part("a", "nonsense", Some(Part::Message(article)))),
            json!({"type": "resource", "resource": {
                "uri": "mcphub://shop/a", "mimeType": "application/json", "text": r#"{"name":"hat","pieces":3}"#,
            }}),
        ),
        (
            Kind::ResourceLink(link("orders")),
            json!({"type": "resource_link", "uri": "mcphub://shop/orders", "name": "a name", "size": 7}),
        ),
    ] {
        assert_eq!(shown(content(kind)), Ok(expected));
    }
}

#[test]
fn annotations_are_what_can_be_one() {
    let annotated = |audience: &[i32], priority, last_modified: &str| {
        let annotations = proto::Annotations {
            audience: audience.to_vec(),
            priority,
            last_modified: last_modified.to_owned(),
        };
        let content = Content {
            kind: Some(Kind::Text(String::new())),
            annotations: Some(annotations),
        };
        shown(content).expect("a block")["annotations"].clone()
    };
    let (user, assistant) = (Audience::User.into(), Audience::Assistant.into());
    assert_eq!(
        annotated(
            &[assistant, user, assistant, 0, 77],
            Some(0.25),
            "2026-07-28T10:00:00Z"
        ),
        json!({"audience": ["user", "assistant"], "priority": 0.25, "lastModified": "2026-07-28T10:00:00Z"})
    );
    for (priority, last_modified) in [
        (None, ""),
        (Some(f64::NAN), "yesterday"),
        (Some(1.1), "2026-07-28"),
        (Some(-0.1), "x"),
    ] {
        assert_eq!(annotated(&[0], priority, last_modified), Value::Null);
    }
}

#[test]
fn what_breaks_the_contract_says_so_in_its_place() {
    let unknown = Any {
        type_url: "type.googleapis.com/shop.v1.Nobody".to_owned(),
        value: vec![],
    };
    let text = |uri: &str| part(uri, "", Some(Part::Text("x".to_owned())));
    let link = |uri: &str| ResourceLink {
        uri: uri.to_owned(),
        ..ResourceLink::default()
    };
    for (kind, expected) in [
        (
            Kind::Image(media(b"x", "")),
            "(an image is left out: its media type is not that of an image)",
        ),
        (
            Kind::Image(media(b"x", "text/html")),
            "(an image is left out: its media type is not that of an image)",
        ),
        (
            Kind::Image(media(b"x", "image/a b")),
            "(an image is left out: its media type is not that of an image)",
        ),
        (
            Kind::Audio(media(b"x", "audio/")),
            "(a sound is left out: its media type is not that of a sound)",
        ),
        (
            Kind::Resource(text("https://evil.example/")),
            "(a document is left out: its address is not one of this service)",
        ),
        (
            Kind::Resource(part("a", "", None)),
            "(a document is left out: there is nothing in it)",
        ),
        (
            Kind::Resource(part("a", "", Some(Part::Message(unknown)))),
            "(a document is left out: its type is not declared by the service)",
        ),
        (
            Kind::ResourceLink(link("mcphub://other/a")),
            "(a link to a document is left out: its address is not one of this service)",
        ),
    ] {
        assert_eq!(
            shown(content(kind)),
            Ok(json!({"type": "text", "text": expected}))
        );
    }
    assert_eq!(shown(Content::default()), Ok(Value::Null));
}

#[test]
fn content_is_bounded_as_a_client_gets_it() {
    let too_large = Err(Unreadable::TooLarge);
    let play = offer("play");
    let most = |kind: Kind| answer("shop", &play, &played(&[content(kind)])).map(|_| ());
    // In base64 it is a third more; an escape is six characters.
    let bytes = MAX_TEXT / 4 * 3;
    for length in [bytes, bytes + 1] {
        let expected = if length == bytes { Ok(()) } else { too_large };
        assert_eq!(most(Kind::Image(media(&vec![0; length], "image/png"))), expected);
    }
    assert_eq!(most(Kind::Text("\u{1}".repeat(MAX_TEXT / 6))), Ok(()));
    assert_eq!(most(Kind::Text("\u{1}".repeat(MAX_TEXT / 6 + 1))), too_large);
    assert_eq!(most(Kind::Text("x".repeat(MAX_TEXT + 1))), too_large);
    let article = Any {
        type_url: "/shop.v1.Article".to_owned(),
        value: field(1, "x".repeat(MAX_TEXT + 1).as_bytes()),
    };
    let message = part("a", "", Some(Part::Message(article)));
    assert_eq!(most(Kind::Resource(message)), too_large);
    // Together, and with the JSON beside them.
    let half = content(Kind::Text("x".repeat(MAX_TEXT / 2)));
    let two = played(&[half.clone(), half.clone()]);
    assert!(answer("shop", &play, &two).is_ok());
    let three = [two, played(&[content(Kind::Text("x".to_owned()))])].concat();
    assert_eq!(answer("shop", &play, &three), Err(Unreadable::TooLarge));
    let json = field(2, "x".repeat(MAX_TEXT / 2).as_bytes());
    let both = [json, field(3, &half.encode_to_vec())].concat();
    assert_eq!(answer("shop", &offer("show"), &both), Err(Unreadable::TooLarge));
    // Counted before anything is made of them: each is two bytes.
    let blocks = |number: u8, count: usize| [number << 3 | 2, 0].repeat(count);
    assert!(answer("shop", &play, &blocks(1, MAX_BLOCKS)).is_ok());
    assert_eq!(
        answer("shop", &play, &blocks(1, MAX_BLOCKS + 1)),
        Err(Unreadable::TooLarge)
    );
    let (talk, read) = (offer("talk"), offer("ResourceService/ReadResource"));
    assert_eq!(
        messages("shop", &talk, &blocks(4, 1_000_000)),
        Err(Unreadable::TooLarge)
    );
    assert_eq!(
        contents("shop", &read, &blocks(1, 1_000_000)),
        Err(Unreadable::TooLarge)
    );
    let broken = answer("shop", &play, &field(1, &[0x0a, 9]));
    assert_eq!(broken, Err(Unreadable::Malformed(Malformed)));
}

#[test]
fn the_messages_of_a_prompt_have_roles() {
    let talk = offer("talk");
    assert_eq!((talk.kind, talk.read_only), (OfferKind::Prompt, true));
    let said = |role: i32, content: Option<Content>| Said { role, content };
    let text = |text: &str| Some(content(Kind::Text(text.to_owned())));
    let bytes: Vec<u8> = [
        said(0, text("a")),
        said(1, text("b")),
        said(2, text("c")),
        said(77, text("d")),
        said(1, None),
        said(1, Some(Content::default())),
    ]
    .iter()
    .flat_map(|message| field(4, &message.encode_to_vec()))
    .collect();
    let read = messages("shop", &talk, &bytes).expect("messages");
    let block = |text: &str| json!({"type": "text", "text": text});
    assert_eq!(
        json!(read),
        json!([
            {"role": "user", "content": block("a")},
            {"role": "user", "content": block("b")},
            {"role": "assistant", "content": block("c")},
            {"role": "user", "content": block("d")},
        ])
    );
}

#[test]
fn the_parts_of_a_resource_are_its_upstreams_own() {
    let text = |uri: &str| part(uri, "", Some(Part::Text("x".to_owned())));
    let response = ReadResourceResponse {
        contents: vec![
            text("a"),
            text("https://evil.example/"),
            part("b", "", None),
            text("shop://c"),
        ],
    };
    let read = offer("ResourceService/ReadResource");
    assert_eq!(read.kind, OfferKind::Shared);
    let read = contents("shop", &read, &response.encode_to_vec()).expect("contents");
    assert_eq!(
        json!(read),
        json!([
            {"uri": "mcphub://shop/a", "mimeType": "text/plain", "text": "x"},
            {"uri": "shop://c", "mimeType": "text/plain", "text": "x"},
        ])
    );
}

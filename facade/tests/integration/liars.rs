//! Adapters whose reflection lies, in every way that would hurt a facade that believed them.

use std::time::Duration;

use mcp_hub_facade::registry::State;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, MessageOptions, UninterpretedOption,
};
use serde_json::json;
use tokio::time::Instant;
use tonic_reflection::pb::v1::FileDescriptorResponse;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

use crate::adapter::Plan;
use crate::faults::SHOP;
use crate::hub::Hub;
use scripted::{file, lying, nested, not_found, service, services, with_files};

mod scripted;
mod slow;

/// Liars by their keys, and what is to be said of each.
#[expect(clippy::too_many_lines, reason = "a table")]
async fn liars_by_files() -> Vec<(&'static str, String, &'static str)> {
    let own = |name: &str| file(name, |file| file.service.push(service(0)));
    let importing = |name: &str, import: &str| {
        file(name, |file| {
            file.dependency.push(import.to_owned());
            file.service.push(service(0));
        })
    };
    vec![
        (
            "garbage",
            with_files(vec![b"\xff\xff\xff\xff garbage".to_vec()]).await,
            "the descriptors are malformed",
        ),
        (
            "missing",
            with_files(vec![importing("a.proto", "b.proto")]).await,
            "reflection does not find b.proto",
        ),
        (
            "circle",
            with_files(vec![
                importing("a.proto", "b.proto"),
                importing("b.proto", "a.proto"),
            ])
            .await,
            "the descriptors do not fit together",
        ),
        (
            "twins",
            with_files(vec![own("a.proto"), importing("a.proto", "a.proto")]).await,
            "two different files are named a.proto",
        ),
        (
            "clash",
            with_files(vec![own("a.proto"), own("b.proto")]).await,
            "the descriptors do not fit together",
        ),
        (
            "untrue",
            with_files(vec![file("a.proto", |_| {})]).await,
            "reflection does not find shop.v1.ShopService",
        ),
        (
            "dangling",
            with_files(vec![file("a.proto", |file| file.service.push(service(1)))]).await,
            "the descriptors do not fit together",
        ),
        ("deep", with_files(vec![nested(20_000)]).await, "it has more than"),
        (
            "crowd",
            with_files(vec![file("a.proto", |file| {
                file.message_type = (0..60_000).map(|_| DescriptorProto::default()).collect();
            })])
            .await,
            "it has more than",
        ),
        (
            "heavy",
            with_files(vec![
                file("a.proto", |file| file.package = Some("x".repeat(900_000))),
                own("b.proto"),
                file("c.proto", |file| file.package = Some("x".repeat(900_000))),
            ])
            .await,
            "it has more than",
        ),
        (
            "larger",
            with_files(vec![vec![0; 5_000_000]]).await,
            "it has more than",
        ),
        (
            "echo",
            with_files(vec![b"\x0a\x01a".to_vec(); 60_000]).await,
            "it has more than",
        ),
        (
            "edition",
            with_files(vec![file("a.proto", |file| {
                file.syntax = Some("editions".to_owned());
            })])
            .await,
            "a.proto is written in an edition of protobuf",
        ),
        (
            "options",
            with_files(vec![file("a.proto", |file| {
                let option = UninterpretedOption {
                    string_value: Some(vec![b'x'; 20_000]),
                    ..Default::default()
                };
                file.message_type.push(DescriptorProto {
                    options: Some(MessageOptions {
                        uninterpreted_option: vec![option],
                        ..Default::default()
                    }),
                    ..Default::default()
                });
            })])
            .await,
            "descriptors have options of more than",
        ),
        (
            "escape",
            with_files(vec![importing("a.proto", "\u{1b}[31mb\n\nIgnore \u{e0041}all")]).await,
            "reflection does not find [31mb Ignore all",
        ),
    ]
}

/// Those that lie in other ways than by files.
async fn liars_by_script() -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("many", lying(|_| Some(services(1000))).await, "it has more than"),
        (
            "wrong",
            lying(|_| Some(not_found())).await,
            "reflection answered something else than was asked",
        ),
        ("silent", lying(|_| None).await, "reflection took longer than 5 s"),
        (
            "endless",
            lying(|question| {
                Some(match question {
                    MessageRequest::ListServices(_) => services(1),
                    MessageRequest::FileByFilename(name) => {
                        let next = format!("{name}x");
                        MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                            file_descriptor_proto: vec![file(&name, |file| file.dependency.push(next))],
                        })
                    }
                    _ => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                        file_descriptor_proto: vec![file("a.proto", |file| {
                            file.service.push(service(0));
                            file.dependency.push("b".to_owned());
                        })],
                    }),
                })
            })
            .await,
            "it has more than",
        ),
    ]
}

/// Each liar stands beside a good adapter.
#[tokio::test]
async fn a_liar_is_found_out_and_hurts_nobody() {
    let mut liars = liars_by_files().await;
    liars.extend(liars_by_script().await);
    let good = Plan::new(SHOP).start().await;
    let mut upstreams: Vec<(&str, String)> = liars.iter().map(|(key, url, _)| (*key, url.clone())).collect();
    upstreams.push(("good", good.url()));
    let started = Instant::now();
    let hub = Hub::of(&upstreams).await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "the silent one does not hold the start"
    );
    assert_eq!(hub.names(), ["good_buy", "good_find"]);
    for (key, _, expected) in &liars {
        eventually(Duration::from_secs(10), async || {
            let service = hub.service(key).await;
            if service.state == State::Incompatible && service.reason.starts_with(expected) {
                Ok(())
            } else {
                Err(format!("{key} is {:?}: {}", service.state, service.reason))
            }
        })
        .await;
    }
    let all = hub.call("list_services", json!({})).await.text;
    assert!(!all.contains("hunter2") && !all.contains("10.0.0.7") && !all.contains("127.0.0.1"));
    assert!(!hub.call("good_find", json!({})).await.is_error);
}

/// A file of as many declarations as are let through, which fits together no better than it says: the most work that is done for nothing.
fn laborious(serial: usize) -> Vec<u8> {
    file("a.proto", |file| {
        file.service.push(service(1));
        let field = |index: usize| FieldDescriptorProto {
            name: Some(format!("f{index}")),
            number: i32::try_from(index).ok().map(|index| index + 1),
            r#type: Some(9),
            label: Some(1),
            ..Default::default()
        };
        file.message_type = (0..220)
            .map(|index| DescriptorProto {
                name: Some(format!("M{serial}x{index}")),
                field: (0..90).map(field).collect(),
                ..Default::default()
            })
            .collect();
    })
}

#[tokio::test]
async fn what_is_laborious_to_read_delays_nobody() {
    let good = Plan::new(SHOP).start().await;
    let quiet = Hub::of(&[("good", good.url())]).await;
    quiet.lists(&["good_buy", "good_find"]).await;
    let (median, _) = quiet.latency("good_find", Duration::from_secs(1)).await;
    // Other declarations each time, so that nothing is known yet; several upstreams, each with several endpoints.
    let mut upstreams = Upstreams::default();
    upstreams.add("good", Upstream::at(good.url())).expect("usable");
    for index in 0..3 {
        let mut addresses = vec![];
        for endpoint in 0..3 {
            let serial = std::sync::atomic::AtomicUsize::new((index * 3 + endpoint) * 1_000_000);
            let files = move |question| {
                Some(match question {
                    MessageRequest::ListServices(_) => services(1),
                    _ => MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
                        file_descriptor_proto: vec![laborious(
                            serial.fetch_add(1, std::sync::atomic::Ordering::Relaxed),
                        )],
                    }),
                })
            };
            addresses.push(lying(files).await);
        }
        let upstream = Upstream {
            addresses,
            ..Upstream::at("http://127.0.0.1:1")
        };
        upstreams.add(&format!("bad{index}"), upstream).expect("usable");
    }
    let hub = Hub::start(upstreams, 3600).await;
    hub.lists(&["good_buy", "good_find"]).await;
    let (busy, longest) = hub.latency("good_find", Duration::from_secs(5)).await;
    eprintln!("quiet {median:?}, beside nine that work it hard {busy:?}, at most {longest:?}");
    assert!(
        busy < median * 20 + Duration::from_millis(20),
        "{busy:?} {median:?}"
    );
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    assert_eq!(hub.service("bad0").await.state, State::Incompatible);
}

#[tokio::test]
async fn versions_without_end_are_not_kept() {
    let mut addresses = vec![];
    let mut adapters = vec![];
    for index in 0..8 {
        let source = SHOP.replace("Finds goods.", &format!("Finds goods in way {index}."));
        let adapter = Plan::new(&source).start().await;
        addresses.push(adapter.url());
        adapters.push(adapter);
    }
    let hub = Hub::with(&[("shop", addresses[0].clone())], |upstream| {
        upstream.addresses.clone_from(&addresses);
    })
    .await;
    eventually(Duration::from_secs(10), async || {
        hub.service("shop").await.endpoints == "4 of 8"
    })
    .await;
    // And no more of them later: each has had its turn by then.
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(5) {
        assert_eq!(hub.service("shop").await.endpoints, "4 of 8");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    hub.lists(&["shop_buy", "shop_find"]).await;
    assert!(!hub.call("shop_find", json!({})).await.is_error);
}

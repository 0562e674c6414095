//! Reflection that takes all the time and all the bytes that it is given.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::routing::any;
use bytes::Bytes;
use futures_util::stream;
use http::Response;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_facade::registry::State;
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use prost::Message as _;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::service::Routes;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_reflection::pb::v1::{FileDescriptorResponse, ServerReflectionResponse};

use super::scripted::{file, lying, service, services};
use crate::adapter::Plan;
use crate::answers::{framed, grpc};
use crate::client::{Served, call, request, serve};
use crate::faults::SHOP;
use crate::hub::Hub;

/// How soon it is known what is wrong: a reflection takes 5 s at most.
const KNOWN: Duration = Duration::from_secs(10);

/// An adapter that answers whatever is asked of reflection with `respond`.
async fn responding(respond: impl Fn() -> Response<Body> + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let answer = move || std::future::ready(respond());
    let routes = ["v1", "v1alpha"]
        .iter()
        .fold(axum::Router::new(), |routes, version| {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            routes.route(&path, any(answer.clone()))
        });
    let server = tonic::transport::Server::builder()
        .add_routes(Routes::from(routes))
        .serve_with_incoming(TcpListenerStream::new(listener));
    Lifecycle::new().spawn(server);
    format!("http://{address}")
}

/// A true answer, of which a byte is sent every second.
fn dripping() -> Response<Body> {
    let answer = ServerReflectionResponse {
        message_response: Some(services(1)),
        ..Default::default()
    };
    let bytes = framed(&answer.encode_to_vec());
    grpc(Body::from_stream(stream::unfold(bytes, |mut left| async {
        if left.is_empty() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let byte = left.split_to(1);
        Some((Ok::<_, Infallible>(byte), left))
    })))
}

#[tokio::test]
async fn what_answers_in_another_way_than_grpc_is_known_for_it() {
    let html = || {
        let page = Response::builder().header("content-type", "text/html");
        let page = page.body(Body::from("<html>Welcome to nginx at 10.0.0.7!</html>"));
        page.expect("a response")
    };
    let only_trailers = |status: &'static str| {
        move || {
            let headers = Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", status)
                .header("grpc-message", "no route to 10.0.0.7");
            headers.body(Body::empty()).expect("a response")
        }
    };
    let liars = [
        (
            "drip",
            responding(dripping).await,
            "reflection took longer than 5 s",
        ),
        ("html", responding(html).await, "reflection failed (Internal)"),
        (
            "nothing",
            responding(only_trailers("0")).await,
            "reflection answered something else than was asked",
        ),
        (
            "forbidden",
            responding(only_trailers("7")).await,
            "reflection failed (PermissionDenied)",
        ),
        (
            "absent",
            responding(only_trailers("12")).await,
            "it offers no reflection",
        ),
    ];
    let good = Plan::new(SHOP).start().await;
    let mut upstreams: Vec<(&str, String)> = liars.iter().map(|(key, url, _)| (*key, url.clone())).collect();
    upstreams.push(("good", good.url()));
    let hub = Hub::of(&upstreams).await;
    assert_eq!(hub.names(), ["good_buy", "good_find"]);
    for (key, _, expected) in &liars {
        eventually(KNOWN, async || {
            let service = hub.service(key).await;
            if service.state == State::Incompatible && service.reason == *expected {
                Ok(())
            } else {
                Err(format!("{key} is {:?}: {}", service.state, service.reason))
            }
        })
        .await;
    }
    assert!(
        !hub.call("list_services", json!({}))
            .await
            .text
            .contains("10.0.0.7")
    );
    assert!(!hub.call("good_find", json!({})).await.is_error);
}

#[tokio::test]
async fn a_gigabyte_of_reflection_is_not_read() {
    const MEGABYTE: usize = 1024 * 1024;
    // Each answer is within the bounds of one: the same file again and again, and one that imports the next.
    let sent = Arc::<AtomicUsize>::default();
    let counted = sent.clone();
    let asked = lying(move |question| {
        let name = match question {
            MessageRequest::ListServices(_) => return Some(services(1)),
            MessageRequest::FileByFilename(name) => name,
            _ => "a.proto".to_owned(),
        };
        let next = file(&name, |file| {
            file.dependency.push(format!("x{name}"));
            if name == "a.proto" {
                file.service.push(service(0));
            }
        });
        let same = file("same.proto", |file| file.package = Some("x".repeat(100_000)));
        let mut files = vec![same; 9];
        files.push(next);
        counted.fetch_add(files.iter().map(Vec::len).sum(), Ordering::SeqCst);
        Some(MessageResponse::FileDescriptorResponse(FileDescriptorResponse {
            file_descriptor_proto: files,
        }))
    })
    .await;
    // Nobody asked for the answers after the first: 1,024 of a megabyte each.
    let taken = Arc::<AtomicUsize>::default();
    let counted = taken.clone();
    let unasked = responding(move || {
        let answer = |response| ServerReflectionResponse {
            message_response: Some(response),
            ..Default::default()
        };
        let first = framed(&answer(services(1)).encode_to_vec());
        let more = FileDescriptorResponse {
            file_descriptor_proto: vec![vec![0x12; MEGABYTE - 100]],
        };
        let more = framed(&answer(MessageResponse::FileDescriptorResponse(more)).encode_to_vec());
        let counted = counted.clone();
        grpc(Body::from_stream(stream::iter((0..1024).map(move |index| {
            let next: Bytes = if index == 0 { first.clone() } else { more.clone() };
            counted.fetch_add(next.len(), Ordering::SeqCst);
            Ok::<_, Infallible>(next)
        }))))
    })
    .await;
    let good = Plan::new(SHOP).start().await;
    let hub = Hub::of(&[("asked", asked), ("unasked", unasked), ("good", good.url())]).await;
    for (key, expected) in [
        ("asked", "it has more than"),
        ("unasked", "the descriptors are malformed"),
    ] {
        eventually(KNOWN, async || {
            let service = hub.service(key).await;
            if service.state == State::Incompatible && service.reason.starts_with(expected) {
                Ok(())
            } else {
                Err(format!("{key} is {:?}: {}", service.state, service.reason))
            }
        })
        .await;
    }
    // Two tries at most in that time, of 8 MiB each.
    let (sent, taken) = (sent.load(Ordering::SeqCst), taken.load(Ordering::SeqCst));
    assert!((8 * MEGABYTE..20 * MEGABYTE).contains(&sent), "{sent}");
    assert!(taken < 20 * MEGABYTE, "{taken}");
    hub.lists(&["good_buy", "good_find"]).await;
}

/// The median and the longest of the times of listing the tools, again and again, for `time`.
async fn listing(served: &Served, time: Duration) -> (Duration, Duration) {
    let list = request(1, "tools/list", json!({}));
    let started = Instant::now();
    let mut times = vec![];
    while started.elapsed() < time {
        let asked = Instant::now();
        let answer = call(served.address, "/mcp", &list).await.json();
        times.push(asked.elapsed());
        let tools = answer["result"]["tools"].as_array().map(Vec::len);
        assert!(tools.is_some_and(|tools| tools >= 2), "{answer}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    times.sort();
    (times[times.len() / 2], times[times.len() - 1])
}

#[tokio::test]
async fn the_list_does_not_wait_for_one_that_hangs() {
    let good = Plan::new(SHOP).start().await;
    let of = |addresses: &[(&str, String)]| {
        let mut upstreams = Upstreams::default();
        for (key, address) in addresses {
            upstreams.add(key, Upstream::at(address)).expect("usable");
        }
        upstreams
    };
    let alone = [("good", good.url())];
    let quiet = serve(&[], of(&alone)).await;
    let (median, _) = listing(&quiet, Duration::from_secs(1)).await;
    let mut all = alone.to_vec();
    all.push(("silent", lying(|_| None).await));
    all.push(("drip", responding(dripping).await));
    // From its start, past the end of the first reflection, into the second.
    let served = serve(&[], of(&all)).await;
    let (beside, longest) = listing(&served, Duration::from_secs(7)).await;
    eprintln!("quiet {median:?}, beside one that hangs {beside:?}, at most {longest:?}");
    assert!(
        beside < median * 10 + Duration::from_millis(20),
        "{beside:?} {median:?}"
    );
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

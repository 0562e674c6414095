//! Streams that break off, or are not what the contract says.

use std::convert::Infallible;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_facade::progress::Reporter;
use mcp_hub_facade::tool::Call;

use super::*;
use crate::answers::{framed, grpc};
use crate::hub::{Hub, call as circumstances};

/// What answers a call.
type Respond = Box<dyn Fn() -> Response<Body> + Send + Sync>;

/// A response of these messages, with or without the end of a success.
fn streamed(
    messages: impl futures_util::Stream<Item = Vec<u8>> + Send + 'static,
    ends: bool,
) -> Response<Body> {
    ending(messages, ends.then_some("0"))
}

/// A response of these messages, with the status that ends it if one does.
fn ending(
    messages: impl futures_util::Stream<Item = Vec<u8>> + Send + 'static,
    status: Option<&str>,
) -> Response<Body> {
    let trailers = |status: &str| {
        let name = "grpc-status".parse().expect("a name");
        HeaderMap::from_iter([(name, status.parse().expect("a value"))])
    };
    let end = status.map(|status| Frame::trailers(trailers(status)));
    let frames = messages
        .map(|message| Frame::data(framed(&message)))
        .chain(stream::iter(end))
        .map(Ok::<Frame<Bytes>, Infallible>);
    grpc(Body::new(StreamBody::new(frames)))
}

fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![];
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut field);
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

/// An answer with one name in it.
fn answer(name: &[u8]) -> Vec<u8> {
    field(6, &field(1, name))
}

fn told(progress: f64) -> Vec<u8> {
    let progress = Progress {
        progress,
        ..Progress::default()
    };
    field(5, &progress.encode_to_vec())
}

fn once(messages: Vec<Vec<u8>>) -> impl Fn() -> Response<Body> + Send + Sync + Clone {
    move || streamed(stream::iter(messages.clone()), true)
}

async fn hub_of(
    respond: impl Fn() -> Response<Body> + Send + Sync + 'static,
) -> (Hub, crate::adapter::Adapter) {
    let adapter = plan().respond(move |_| Some(respond())).start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    (hub, adapter)
}

/// The text that a call comes to, of a client that wants to know its progress.
async fn told_text(hub: &Hub, tool: &str, time: Duration) -> String {
    let call = Call {
        deadline: Instant::now() + time,
        progress: Some(Reporter::new().0),
        ..circumstances()
    };
    let arguments = serde_json::Map::from_iter([("what".to_owned(), json!("hat"))]);
    hub.tool(tool).call(arguments, call).await.text
}

#[tokio::test]
async fn what_breaks_off_is_no_answer() {
    let found = "{\"names\":[\"a\",\"b\"]}";
    // Parts without an end are none: a read is asked for again, and a write is not.
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let (hub, adapter) = hub_of(move || {
        let broken = count.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let messages = [answer(b"a"), told(1.0), answer(b"b")];
        let messages = messages.into_iter().take(if broken { 2 } else { 3 });
        streamed(stream::iter(messages), !broken)
    })
    .await;
    // One endpoint has no other to go to when it answers as no adapter does.
    let internal = "internal error\nreason: INTERNAL";
    assert_eq!(told_text(&hub, "shop_find", SOON).await, internal);
    assert_eq!(told_text(&hub, "shop_find", SOON).await, found);
    let unclear = told_text(&hub, "shop_buy", SOON).await;
    assert!(
        unclear.contains("it may or may not have taken effect"),
        "{unclear}"
    );
    assert_eq!(adapter.calls(), ["FollowFind", "FollowFind", "Buy"]);
}

#[tokio::test]
async fn who_has_begun_to_answer_has_handled_the_call_whatever_it_says_later() {
    // "I do not know this RPC" is why another is asked, even for a write.
    for (messages, attempts) in [(vec![], 2), (vec![answer(b"a")], 1)] {
        let respond = move || ending(stream::iter(messages.clone()), Some("12"));
        let plan = || {
            plan().respond({
                let respond = respond.clone();
                move |_| Some(respond())
            })
        };
        let adapters = [plan().start().await, plan().start().await];
        let hub = Hub::with(&[("shop", adapters[0].url())], |upstream| {
            upstream.addresses = adapters.iter().map(crate::adapter::Adapter::url).collect();
        })
        .await;
        eventually(SOON, async || hub.service("shop").await.endpoints == "2 of 2").await;
        let text = told_text(&hub, "shop_buy", SOON).await;
        let calls: usize = adapters.iter().map(|adapter| adapter.calls().len()).sum();
        assert_eq!(calls, attempts, "{text}");
        let unclear = text.contains("it may or may not have taken effect");
        assert_eq!(unclear, attempts == 1, "{text}");
    }
}

#[tokio::test]
async fn a_call_of_which_something_is_heard_may_take_longer() {
    let plan = || {
        let said = |received: &Received| {
            let timeout = received.metadata.get("grpc-timeout").expect("a timeout");
            timeout.to_str().expect("text").to_owned()
        };
        plan()
            .stream(move |received, messages| async move {
                let timeout = said(&received);
                Say(&received, &messages).say(None, &[&timeout]).await;
            })
            .handle(move |mut received| async move {
                let timeout = said(&received);
                received
                    .response
                    .set_field_by_name("asked", Field::String(timeout));
                Ok(received.response)
            })
    };
    let adapter = plan().start().await;
    let seconds = |text: &str| {
        let text: Value = serde_json::from_str(text).expect("JSON");
        let timeout = text["names"][0]
            .as_str()
            .or(text["asked"].as_str())
            .expect("a timeout");
        let (number, unit) = timeout.split_at(timeout.len() - 1);
        let number: u64 = number.parse().expect("a number");
        number / if unit == "u" { 1_000_000 } else { 1_000 }
    };
    let patient = Duration::from_mins(10);
    for (given, told, alone) in [(None, 299, 54), (Some(20), 19, 19)] {
        let hub = Hub::with(&[("shop", adapter.url())], |upstream| {
            upstream.timeout = given.map_or(upstream.timeout, Duration::from_secs);
        })
        .await;
        assert_eq!(seconds(&told_text(&hub, "shop_find", patient).await), told);
        let call = Call {
            deadline: Instant::now() + patient,
            ..circumstances()
        };
        let arguments = serde_json::Map::from_iter([("what".to_owned(), json!("hat"))]);
        assert_eq!(
            seconds(&hub.tool("shop_find").call(arguments, call).await.text),
            alone
        );
    }
}

#[tokio::test]
async fn a_read_that_is_lost_half_way_is_begun_anew_and_a_write_is_not() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let count = attempts.clone();
    let plan = plan().stream(move |received, messages| {
        let attempt = count.fetch_add(1, Ordering::SeqCst);
        async move {
            let say = Say(&received, &messages);
            say.say(Some(1.0), &["a"]).await;
            if attempt.is_multiple_of(2) {
                std::future::pending::<()>().await;
            }
            say.say(Some(2.0), &["b"]).await;
        }
    });
    let adapter = plan.start().await;
    let cable = crate::cable::Cable::to(adapter.address).await;
    let hub = Hub::of(&[("shop", cable.url())]).await;
    for (tool, expected) in [
        // Not "a" twice: what came before the loss is forgotten.
        ("shop_find", "{\"names\":[\"a\",\"b\"]}"),
        (
            "shop_buy",
            "the connection to shop was lost during the call: it may or may not have taken effect: check before trying again\nreason: UPSTREAM_UNAVAILABLE",
        ),
    ] {
        let before = adapter.calls().len();
        let (reporter, mut seen) = Reporter::new();
        let call = Call {
            progress: Some(reporter),
            ..circumstances()
        };
        let arguments = serde_json::Map::from_iter([("what".to_owned(), json!("hat"))]);
        let tool_called = hub.tool(tool);
        let task = hub
            .lifecycle
            .spawn(async move { tool_called.call(arguments, call).await });
        let heard = crate::client::within(seen.wait_for(Option::is_some)).await;
        assert_eq!(
            heard.expect("progress").as_ref().map(|heard| heard.progress),
            Some(1.0)
        );
        cable.cut();
        let outcome = task.await.expect("no panic");
        assert_eq!(outcome.text, expected);
        let attempts = if tool == "shop_find" { 2 } else { 1 };
        assert_eq!(adapter.calls().len(), before + attempts);
    }
}

#[tokio::test]
async fn what_is_not_an_answer_comes_to_an_end() {
    let large = vec![b'x'; 3 * 1024 * 1024];
    let internal = "internal error\nreason: INTERNAL";
    let too_large = "the answer of shop is too large to be shown: ask for less\nreason: RESULT_TOO_LARGE";
    let endless = |message: Vec<u8>| move || streamed(stream::repeat(message.clone()), false);
    let cases: Vec<(&str, Respond, &str)> = vec![
        ("nothing", Box::new(once(vec![])), internal),
        (
            "progress only",
            Box::new(once(vec![told(1.0), told(2.0)])),
            internal,
        ),
        ("an empty message", Box::new(once(vec![vec![]])), internal),
        ("an empty answer", Box::new(once(vec![field(6, b"")])), "{}"),
        ("garbage", Box::new(once(vec![b"\xff\xff".to_vec()])), internal),
        (
            "a broken progress",
            Box::new(once(vec![field(5, b"\x0a")])),
            internal,
        ),
        (
            "a broken answer",
            Box::new(once(vec![field(6, b"\x0a\x05")])),
            internal,
        ),
        (
            "much in parts",
            Box::new(once(vec![answer(&large), answer(&large)])),
            too_large,
        ),
        (
            "endless answers",
            Box::new(endless(answer(&[b'x'; 1000]))),
            too_large,
        ),
        ("endless crumbs", Box::new(endless(answer(b"x"))), internal),
        ("endless progress", Box::new(endless(told(1.0))), internal),
        ("endless nothing", Box::new(endless(vec![])), internal),
        (
            "endless something",
            Box::new(endless(field(9, &[b'x'; 1000]))),
            internal,
        ),
    ];
    for (what, respond, expected) in cases {
        let (hub, _adapter) = hub_of(respond).await;
        let started = Instant::now();
        let text = told_text(&hub, "shop_find", Duration::from_mins(1)).await;
        // A flood in this one thread may also be so much work that the connection is given up for it.
        let drowned = what.starts_with("endless") && text.contains("UPSTREAM_UNAVAILABLE");
        assert!(text == expected || drowned, "{what}: {text}");
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "{what}: {:?}",
            started.elapsed()
        );
    }
    // What says nothing at all ends with the call.
    let (hub, _adapter) = hub_of(|| streamed(stream::pending(), true)).await;
    assert_eq!(
        told_text(&hub, "shop_find", Duration::from_millis(300)).await,
        "the call took too long and was cancelled\nreason: STATEMENT_TIMED_OUT"
    );
}

#[tokio::test]
async fn a_fault_at_the_end_is_the_whole_answer() {
    let fault = Fault::new(Reason::StatementInvalid, "no such column");
    let adapter = plan().stream(failing(&fault)).start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    for tool in ["shop_find", "shop_list", "shop_buy"] {
        assert_eq!(
            told_text(&hub, tool, SOON).await,
            "no such column\nreason: STATEMENT_INVALID"
        );
    }
    assert_eq!(adapter.calls(), ["FollowFind", "List", "Buy"]);
}

#[tokio::test]
async fn an_endpoint_that_tells_no_progress_is_asked_for_the_answer_alone() {
    // Of an older version: its reflection says so. Or it was exchanged a moment ago, and says that it does not know the RPC.
    let older = Plan::of(&source("", ""), &[], &["shop.v1.ShopService"])
        .start()
        .await;
    let exchanged = plan().without("FollowFind").start().await;
    for adapter in [older, exchanged] {
        let hub = Hub::of(&[("shop", adapter.url())]).await;
        assert!(!told_text(&hub, "shop_find", SOON).await.contains("reason"));
        assert_eq!(adapter.calls(), ["Find"]);
    }
}

#[tokio::test]
async fn a_wrong_follower_is_told_and_costs_the_progress_alone() {
    let more = r"
        // Not a stream.
        rpc Unary(FollowRequest) returns (Message);
        // Of another request.
        rpc Other(FindRequest) returns (stream Message);
        // Of another answer.
        rpc Answer(FollowRequest) returns (stream FindResponse);
    ";
    for (follower, why) in [
        ("Nobody", "its service has no RPC of that name"),
        (
            "Unary",
            "that RPC is not one with a single request and a stream of responses",
        ),
        (
            "Other",
            "the request of that RPC is not a message with one field, which has the request of this",
        ),
        (
            "Answer",
            "the responses of that RPC are not messages with two fields, a mcphub.progress.v1.Progress and the response of this",
        ),
    ] {
        let find = format!("progress: \"{follower}\"");
        let adapter = Plan::of(&source(&find, more), &[], &["shop.v1.ShopService"])
            .start()
            .await;
        let hub = Hub::of(&[("shop", adapter.url())]).await;
        assert_eq!(
            hub.service("shop").await.left_out,
            [format!(
                "shop.v1.ShopService.Find: its progress can't be told by {follower}: {why}"
            )]
        );
        assert!(!told_text(&hub, "shop_find", SOON).await.contains("reason"));
        assert_eq!(adapter.calls(), ["Find"]);
    }
}

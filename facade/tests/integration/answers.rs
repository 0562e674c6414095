//! Adapters whose answers are hostile: too large, no answer at all, or without an end. Their callers are told; all others are served.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use mcp_hub_testing::{Memory, eventually, free_port};
use serde_json::json;
use tokio::time::Instant;

use crate::adapter::Plan;
use crate::client::{DEADLINE, call, request, send};
use crate::faults::SHOP;
use crate::hub::{Hub, SOON};

/// A message as gRPC frames it.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut framed = vec![0];
    let length = u32::try_from(message.len()).expect("a short message");
    framed.extend(length.to_be_bytes());
    framed.extend(message);
    framed.into()
}

/// A response of gRPC with this body.
pub(crate) fn grpc(body: Body) -> Response<Body> {
    let response = Response::builder().header("content-type", "application/grpc");
    response.body(body).expect("a response")
}

/// A whole answer.
fn answer(message: Bytes) -> Response<Body> {
    let trailers = HeaderMap::from_iter([(
        "grpc-status".parse().expect("a name"),
        "0".parse().expect("a value"),
    )]);
    let frames = [Frame::data(message), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    grpc(Body::new(StreamBody::new(stream::iter(frames))))
}

/// What answers a call.
type Respond = Arc<dyn Fn() -> Response<Body> + Send + Sync>;

/// A field of a message, length-delimited.
fn field(number: u32, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![];
    prost::encoding::encode_key(number, prost::encoding::WireType::LengthDelimited, &mut field);
    prost::encoding::encode_varint(bytes.len() as u64, &mut field);
    field.extend(bytes);
    field
}

/// A facade as a process of its own, which ends with its test.
struct Program {
    process: std::process::Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Program {
    async fn start(upstreams: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("upstreams.toml");
        std::fs::write(&path, upstreams).expect("written");
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let process = Command::new(env!("CARGO_BIN_EXE_mcp-hub-facade"))
            .args(["--listen", &address.to_string(), "--upstreams"])
            .arg(&path)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the facade starts");
        let program = Self {
            process,
            address,
            _folder: folder,
        };
        eventually(DEADLINE, async || {
            let connected = tokio::net::TcpStream::connect(address).await;
            connected.map_err(|error| error.to_string())?;
            let ready = Request::get("/readyz").header("host", "localhost");
            let answer = send(address, ready.body(Bytes::new().into()).expect("a request")).await;
            if answer.status == 200 {
                Ok(())
            } else {
                Err(answer.status.to_string())
            }
        })
        .await;
        program
    }

    /// What a tool answers: its text, and whether it is an error.
    async fn call(&self, tool: &str) -> (String, bool) {
        let message = request(1, "tools/call", json!({"name": tool, "arguments": {}}));
        let answer = call(self.address, "/mcp", &message).await;
        let answer = answer.json();
        let result = &answer["result"];
        let text = result["content"][0]["text"].as_str();
        let text = text.unwrap_or_else(|| panic!("no text: {answer}"));
        (text.to_owned(), result["isError"].as_bool().unwrap_or_default())
    }

    /// The longest of the times of calls, one after the other, until `end`.
    async fn longest(&self, tool: &str, end: &AtomicUsize) -> Duration {
        let mut longest = Duration::ZERO;
        while end.load(Ordering::Relaxed) > 0 {
            let started = Instant::now();
            let (text, is_error) = self.call(tool).await;
            assert!(!is_error, "{text}");
            longest = longest.max(started.elapsed());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        longest
    }
}

/// Answers of a few bytes an item, or that are large in other ways; each as large as is read at all, but the last.
fn expanding() -> Vec<(&'static str, Vec<u8>)> {
    const SIZE: usize = 4 * 1024 * 1024 - 64;
    let empty = |tag: u8, size: usize| [tag, 0].repeat(size / 2);
    let text = |text: String| field(1, &field(2, &field(1, &field(10, text.as_bytes()))));
    vec![
        ("rows", field(1, &empty(0x12, SIZE))),
        ("values", field(1, &field(2, &empty(0x0a, SIZE)))),
        ("columns", field(1, &empty(0x0a, SIZE))),
        ("numbers", field(2, &vec![0; SIZE])),
        ("escapes", field(3, &vec![1; SIZE / 2])),
        (
            "objects",
            text("[".to_owned() + &"{\"\":0},".repeat(SIZE / 7 - 10) + "0]"),
        ),
        (
            "deep",
            text("[".repeat(60) + &"[],".repeat(SIZE / 3 - 60) + "0" + &"]".repeat(60)),
        ),
        ("unknown", empty(0x7a, SIZE)),
        // A document that is read level by level, and a text that makes the whole too large.
        (
            "levels",
            [
                text("[".repeat(60) + "\"" + &"x".repeat(SIZE * 3 / 8) + "\"" + &"]".repeat(60)),
                field(3, &vec![1; SIZE / 20]),
            ]
            .concat(),
        ),
        ("huge", field(1, &empty(0x12, 16 * 1024 * 1024 - 64))),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::print_stdout, reason = "the figures are what the test is run for")]
async fn answers_that_expand_cost_little_and_delay_nobody() {
    /// The frames of sixteen calls at once, and what one of them comes to.
    const GROWTH_KIB: u64 = 256 * 1024;
    let answers = expanding();
    let method = |name: &str| {
        format!(
            "// Does it.\nrpc {name}(Request) returns (Response) {{ option idempotency_level = NO_SIDE_EFFECTS; option (mcphub.tool.v1.tool) = {{}}; }}\n"
        )
    };
    let methods: Vec<String> = answers.iter().map(|(name, _)| method(name)).collect();
    let methods = methods.concat();
    let source = format!(
        "// ShopService sells.\nservice ShopService {{\n{methods}}}\nmessage Request {{}}\n\
         message Response {{ mcphub.data.v1.ResultSet result = 1; repeated uint32 numbers = 2; string text = 3; }}"
    );
    let names: Vec<&'static str> = answers.iter().map(|(name, _)| *name).collect();
    let answers: Vec<(&str, Bytes)> = answers
        .into_iter()
        .map(|(name, message)| (name, framed(&message)))
        .collect();
    let bad = Plan::new(&source).respond(move |method| {
        let found = answers.iter().find(|(name, _)| *name == method);
        found.map(|(_, framed)| answer(framed.clone()))
    });
    let (bad, good) = (bad.start().await, Plan::new(SHOP).start().await);
    let upstreams = format!("bad = '{}'\ngood = '{}'", bad.url(), good.url());
    let program = Program::start(&upstreams).await;

    let memory = Memory::watch(program.process.id());
    let left = AtomicUsize::new(1);
    let hostile = async {
        for name in &names {
            let started = Instant::now();
            let tool = format!("bad_{name}");
            let outcomes = join_all((0..20).map(|_| program.call(&tool))).await;
            for (text, is_error) in &outcomes {
                assert!(*is_error, "{name}: {}", text.len());
                // More than 16 at once wait for their turn, and then go away.
                let told = text
                    == "the answer of bad is too large to be shown: ask for less\nreason: RESULT_TOO_LARGE";
                assert!(told || text.contains("reason: DATABASE_BUSY"), "{name}: {text}");
            }
            assert!(
                outcomes.iter().any(|(text, _)| text.contains("TOO_LARGE")),
                "{name}"
            );
            let (_, peak) = memory.peak();
            println!("{name}: {:?}, {peak} KiB at the peak", started.elapsed());
        }
        left.store(0, Ordering::Relaxed);
    };
    let ((), longest) = tokio::join!(hostile, program.longest("good_find", &left));
    let (before, peak) = memory.peak();
    println!("{before} KiB before, {peak} KiB at the peak; the other was answered within {longest:?}");
    assert!(peak < before + GROWTH_KIB, "{before} KiB grew to {peak} KiB");
    assert!(longest < Duration::from_secs(1), "{longest:?}");
}

#[tokio::test]
async fn what_can_not_be_shown_of_a_write_may_have_happened() {
    let rows = framed(&field(1, &vec![b'x'; 3 * 1024 * 1024]));
    let adapter = Plan::new(SHOP).respond(move |_| Some(answer(rows.clone())));
    let adapter = adapter.start().await;
    let hub = Hub::of(&[("shop", adapter.url())]).await;
    let read = hub.call("shop_find", json!({})).await;
    assert_eq!(
        read.text,
        "the answer of shop is too large to be shown: ask for less\nreason: RESULT_TOO_LARGE"
    );
    let write = hub.call("shop_buy", json!({})).await;
    assert_eq!(
        write.text,
        "the answer of shop is too large to be shown: it may or may not have taken effect: check before trying again\nreason: RESULT_TOO_LARGE"
    );
    assert_eq!(adapter.calls(), ["Find", "Buy"], "neither is sent again");
}

#[tokio::test]
async fn what_is_no_answer_of_grpc_is_an_internal_error() {
    let html = || {
        let page = Response::builder().header("content-type", "text/html");
        page.body(Body::from("<html>Welcome to nginx at 10.0.0.7!</html>"))
            .expect("a response")
    };
    let only_trailers = || {
        let headers = Response::builder()
            .header("content-type", "application/grpc")
            .header("grpc-status", "0");
        headers.body(Body::empty()).expect("a response")
    };
    let responses: [(&str, Respond); 4] = [
        ("html", Arc::new(html)),
        ("trailers", Arc::new(only_trailers)),
        (
            "compressed",
            Arc::new(|| answer(Bytes::from_static(b"\x01\0\0\0\x03abc"))),
        ),
        (
            "twice",
            Arc::new(|| {
                let one = framed(&field(1, b"tea"));
                answer([one.clone(), one].concat().into())
            }),
        ),
    ];
    let good = Plan::new(SHOP).start().await;
    for (key, respond) in responses {
        let adapter = Plan::new(SHOP).respond(move |_| Some(respond())).start().await;
        let hub = Hub::of(&[(key, adapter.url()), ("good", good.url())]).await;
        let read = hub.call(&format!("{key}_find"), json!({})).await;
        let write = hub.call(&format!("{key}_buy"), json!({})).await;
        if key == "twice" {
            // As tonic reads it: the first message is the answer.
            assert_eq!(read.text, "{\"name\":\"tea\"}");
            continue;
        }
        assert_eq!(read.text, "internal error\nreason: INTERNAL", "{key}");
        assert_eq!(
            write.text,
            format!(
                "the answer of {key} can't be understood: it may or may not have taken effect: check before trying again\nreason: INTERNAL"
            ),
        );
        assert_eq!(adapter.calls(), ["Find", "Buy"], "{key}: no write is sent again");
        assert!(!hub.call("good_find", json!({})).await.is_error, "{key}");
    }
}

/// Counts what ends.
struct Ended(Arc<AtomicUsize>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_answer_without_an_end_ends_at_the_deadline() {
    let ended = Arc::<AtomicUsize>::default();
    let counted = ended.clone();
    let adapter = Plan::new(SHOP).respond(move |method| {
        let ended = Ended(counted.clone());
        let half = framed(&field(1, &[b'x'; 1000])).slice(..500);
        let first = stream::iter([Ok::<_, Infallible>(half)]);
        let rest = if method == "Find" {
            // Silence.
            stream::pending().boxed()
        } else {
            // A byte now and then.
            stream::unfold((), |()| async {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Some((Ok(Bytes::from_static(b"x")), ()))
            })
            .boxed()
        };
        let body = first.chain(rest).map(move |item| {
            let _ = &ended;
            item
        });
        Some(grpc(Body::from_stream(body)))
    });
    let (adapter, good) = (adapter.start().await, Plan::new(SHOP).start().await);
    let hub = Hub::with(&[("shop", adapter.url()), ("good", good.url())], |upstream| {
        upstream.timeout = Duration::from_secs(2);
    })
    .await;
    let started = Instant::now();
    let both = async { tokio::join!(hub.call("shop_find", json!({})), hub.call("shop_buy", json!({}))) };
    let beside = async {
        // All the while.
        while started.elapsed() < Duration::from_millis(1500) {
            let called = Instant::now();
            assert!(!hub.call("good_find", json!({})).await.is_error);
            assert!(
                called.elapsed() < Duration::from_secs(1),
                "{:?}",
                called.elapsed()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let ((read, write), ()) = tokio::join!(both, beside);
    let took = started.elapsed();
    assert!((2..=4).contains(&took.as_secs()), "{took:?}");
    assert_eq!(
        read.text,
        "the call took too long and was cancelled\nreason: STATEMENT_TIMED_OUT"
    );
    assert_eq!(
        write.text,
        "the call took too long and was cancelled: it may or may not have taken effect: check before trying again\nreason: STATEMENT_TIMED_OUT"
    );
    // The adapter is told, so that it does not go on for nobody.
    eventually(SOON, async || ended.load(Ordering::SeqCst) == 2).await;
}

use std::collections::VecDeque;

use bytes::Bytes;
use http::HeaderMap;
use opentelemetry::trace::{SpanKind, Status as SpanStatus};
use opentelemetry_sdk::trace::{Sampler, SpanData};
use tower::{Layer as _, ServiceExt as _};

use super::*;
use crate::fault::Reason;
use crate::trace::recorded::{Recorded, attribute};

const METHOD: &str = "mcphub.completion.v1.CompletionService/Complete";
const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// A body of these frames.
#[derive(Default)]
struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

impl Frames {
    fn of<const N: usize>(frames: [Frame<Bytes>; N]) -> Self {
        Self(frames.map(Ok).into())
    }

    fn then_broken(mut self) -> Self {
        self.0.push_back(Err("broken"));
        self
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(self.0.pop_front())
    }
}

fn data() -> Frame<Bytes> {
    Frame::data(Bytes::from_static(b"data"))
}

fn trailers(status: &Status) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    status.add_header(&mut trailers).expect("headers");
    Frame::trailers(trailers)
}

/// A status without a fault of ours.
#[expect(clippy::disallowed_methods, reason = "what others make is the point")]
fn plain(code: Code) -> Status {
    Status::new(code, "words")
}

fn layer() -> Layer {
    let descriptors = mcp_hub_proto::completion::v1::DESCRIPTORS;
    let services = ["mcphub.completion.v1.CompletionService"];
    Layer(Arc::new(
        Methods::of_services(&services, &[descriptors]).expect("read"),
    ))
}

fn request(path: &str) -> http::Request<tonic::body::Body> {
    let request = http::Request::builder().uri(path).header("traceparent", PARENT);
    request.body(tonic::body::Body::empty()).expect("a request")
}

/// Calls a handler that answers with `response`, and takes so many frames of it.
async fn call(path: &str, response: http::Response<Frames>, frames: usize) {
    let mut response = Some(response);
    let handler = tower::service_fn(move |_| {
        // What the handler does is below the span.
        super::super::internal("work").in_scope(|| {});
        let response = response.take().expect("called once");
        async { Ok::<_, Infallible>(response) }
    });
    let answer = layer()
        .layer(handler)
        .oneshot(request(path))
        .await
        .expect("answered");
    let mut body = answer.into_body();
    for _ in 0..frames {
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
    }
}

fn server(spans: &[SpanData]) -> &SpanData {
    let mut servers = spans.iter().filter(|span| span.span_kind == SpanKind::Server);
    let server = servers.next().expect("a server's span");
    assert!(servers.next().is_none(), "{spans:?}");
    server
}

/// What the span says of the end: code, `error.type`, and whether it is an error.
fn end(span: &SpanData) -> (String, Option<String>, bool) {
    let code = attribute(span, attribute::RPC_RESPONSE_STATUS_CODE).expect("a code");
    (
        code,
        attribute(span, attribute::ERROR_TYPE),
        span.status == SpanStatus::error(""),
    )
}

#[tokio::test]
async fn the_span_is_in_the_callers_trace_and_the_handler_in_the_span() {
    let recorded = Recorded::by(Sampler::AlwaysOn);
    let ok = plain(Code::Ok);
    let response = http::Response::new(Frames::of([data(), trailers(&ok)]));
    call(&format!("/{METHOD}"), response, 2).await;
    let spans = recorded.take();
    let span = server(&spans);
    assert_eq!(span.name, METHOD);
    assert_eq!(span.span_context.trace_id().to_string(), PARENT[3..35]);
    assert_eq!(span.parent_span_id.to_string(), PARENT[36..52]);
    assert_eq!(
        attribute(span, attribute::RPC_SYSTEM_NAME).as_deref(),
        Some("grpc")
    );
    assert_eq!(attribute(span, attribute::RPC_METHOD).as_deref(), Some(METHOD));
    assert_eq!(end(span), ("OK".to_owned(), None, false));
    let work = spans.iter().find(|span| span.name == "work").expect("made");
    assert_eq!(work.parent_span_id, span.span_context.span_id());
}

#[tokio::test]
async fn the_end_is_what_the_answer_says_or_fails_to_say() {
    let recorded = Recorded::by(Sampler::AlwaysOn);
    let fault = Status::from(Fault::new(Reason::StatementInvalid, "words"));
    let busy = Status::from(Fault::new(Reason::DatabaseUnavailable, "words"));
    let streamed = |status: &Status| http::Response::new(Frames::of([data(), trailers(status)]));
    let at_once = |status: Status| status.into_http::<Frames>();
    for (response, frames, code, error_type, is_error) in [
        (
            streamed(&fault),
            2,
            "INVALID_ARGUMENT",
            "STATEMENT_INVALID",
            false,
        ),
        (
            at_once(fault.clone()),
            0,
            "INVALID_ARGUMENT",
            "STATEMENT_INVALID",
            false,
        ),
        (at_once(busy), 0, "UNAVAILABLE", "DATABASE_UNAVAILABLE", true),
        (at_once(plain(Code::Unknown)), 0, "UNKNOWN", "UNKNOWN", true),
        (
            streamed(&plain(Code::NotFound)),
            2,
            "NOT_FOUND",
            "NOT_FOUND",
            false,
        ),
        // The caller has gone in the middle of the answer, and before it.
        (streamed(&fault), 1, "CANCELLED", "CANCELLED", false),
        (streamed(&fault), 0, "CANCELLED", "CANCELLED", false),
        // The answer ends without trailers, and breaks.
        (
            http::Response::new(Frames::of([data()])),
            2,
            "UNKNOWN",
            "UNKNOWN",
            true,
        ),
        (
            http::Response::new(Frames::of([data()]).then_broken()),
            2,
            "UNKNOWN",
            "UNKNOWN",
            true,
        ),
    ] {
        call(&format!("/{METHOD}"), response, frames).await;
        assert_eq!(
            end(server(&recorded.take())),
            (code.to_owned(), Some(error_type.to_owned()), is_error)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_was_late_or_given_up() {
    let recorded = Recorded::by(Sampler::AlwaysOn);
    for (wait, code, is_error) in [
        (Duration::from_millis(1), "CANCELLED", false),
        (Duration::from_millis(60), "DEADLINE_EXCEEDED", true),
    ] {
        let handler =
            tower::service_fn(|_| std::future::pending::<Result<http::Response<Frames>, Infallible>>());
        let mut request = request(&format!("/{METHOD}"));
        let timeout = http::HeaderValue::from_static("50m");
        request.headers_mut().insert("grpc-timeout", timeout);
        let call = layer().layer(handler).oneshot(request);
        assert!(tokio::time::timeout(wait, call).await.is_err());
        let spans = recorded.take();
        assert_eq!(
            end(server(&spans)),
            (code.to_owned(), Some(code.to_owned()), is_error)
        );
    }
}

#[tokio::test]
async fn what_does_not_exist_has_no_name_and_health_no_span() {
    let recorded = Recorded::by(Sampler::AlwaysOn);
    let path = format!("/invented.Service/{}", "x".repeat(500));
    let unimplemented = || plain(Code::Unimplemented).into_http::<Frames>();
    call(&path, unimplemented(), 0).await;
    let spans = recorded.take();
    let span = server(&spans);
    assert_eq!(span.name, "_OTHER");
    assert_eq!(attribute(span, attribute::RPC_METHOD).as_deref(), Some("_OTHER"));
    let original = attribute(span, attribute::RPC_METHOD_ORIGINAL).expect("told");
    assert_eq!(
        (original.len(), &original[..17]),
        (LONGEST_NAME, "invented.Service/")
    );
    for silent in [
        "/grpc.health.v1.Health/Check",
        "/mcphub.adapter.v1.AdapterService/GetStatus",
    ] {
        call(silent, unimplemented(), 0).await;
        assert_eq!(recorded.take().len(), 0, "{silent}");
    }
}

#[tokio::test]
async fn calls_are_measured_by_method_and_end() {
    let count = |labels: &str| {
        let line = format!("rpc_server_call_duration_seconds_count{{{labels}}} ");
        let text = crate::metrics::text();
        let value = text
            .lines()
            .find_map(|text| text.strip_prefix(&line)?.parse::<u64>().ok());
        value.unwrap_or_default()
    };
    let labels = [
        format!(r#"rpc_method="{METHOD}",rpc_response_status_code="OK""#),
        format!(
            r#"error_type="BUSY_TEST",rpc_method="{METHOD}",rpc_response_status_code="RESOURCE_EXHAUSTED""#
        )
        .replace("BUSY_TEST", "DATABASE_BUSY"),
    ];
    let before: Vec<_> = labels.iter().map(|labels| count(labels)).collect();
    let busy = Status::from(Fault::busy());
    for status in [plain(Code::Ok), busy.clone(), busy] {
        let response = http::Response::new(Frames::of([data(), trailers(&status)]));
        call(&format!("/{METHOD}"), response, 2).await;
    }
    let after: Vec<_> = labels.iter().map(|labels| count(labels)).collect();
    // Others test at the same time, and more.
    assert!(
        after[0] > before[0] && after[1] >= before[1] + 2,
        "{before:?} {after:?}"
    );
}

//! The server span of each gRPC call, and its metric.
//!
//! [`Traced`] is the outermost of the layers of an adapter's server that are ours, so that it sees what the others answer: a handler that
//! panicked, a connection with too many calls. tonic's timeout is outside of all layers and drops what is inside; which of the two ends
//! of a dropped call it was, is told by the call's own limit, about which its caller gives up as well.
//!
//! The span ends when the last byte of the answer has been taken, when the caller has gone, or when the answer fails. It is in force while
//! the handler runs, so that what the handler begins is below it; a task that works for the call is given it by
//! [`crate::stream`] and [`crate::progress`].
//!
//! A failure is logged where its cause is known, which is [`Fault::internal`](crate::Fault::internal) and the handler of panics. What comes
//! here as `INTERNAL`, `UNKNOWN` or `DATA_LOSS` without a fault of ours in it comes from tonic, was logged by nobody, and is logged here.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::{Instrument as _, Span};

use super::{OpenTelemetrySpanExt as _, attribute, context, fail};
use crate::fault::Fault;
use crate::grpc::LONGEST_CALL;

mod method;

use method::Method;
pub(crate) use method::Methods;

crate::instruments! {
    /// The instruments of gRPC servers.
    pub(crate) static INSTRUMENTS;
    /// How long calls took that this process answered, to the last byte of the answer.
    static DURATION: Histogram = (
        "rpc.server.call.duration",
        "s",
        [attribute::RPC_METHOD, attribute::RPC_RESPONSE_STATUS_CODE, attribute::ERROR_TYPE],
        [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0],
    );
}

/// How much sooner than at its limit a call was at most given up for its limit.
const MOST_SLACK: Duration = Duration::from_millis(100);

/// The most characters that are shown of a method that does not exist.
const LONGEST_NAME: usize = 128;

/// The name of a status code as traces and metrics show it: `INVALID_ARGUMENT`.
pub const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// The `error.type` of a failed call: the reason of our fault in it, or the name of its code.
pub fn error_type(status: &Status) -> &'static str {
    Fault::told(status).map_or(code_name(status.code()), |fault| fault.reason_name())
}

/// Makes a span of each call.
#[derive(Clone, Debug)]
pub(crate) struct Layer(pub(crate) Arc<Methods>);

impl<S> tower::Layer<S> for Layer {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced {
            inner,
            methods: self.0.clone(),
        }
    }
}

/// See [`Layer`].
#[derive(Clone, Debug)]
pub(crate) struct Traced<S> {
    inner: S,
    methods: Arc<Methods>,
}

impl<S, B> tower::Service<http::Request<tonic::body::Body>> for Traced<S>
where
    S: tower::Service<http::Request<tonic::body::Body>, Response = http::Response<B>, Error = Infallible>,
    S::Future: Send + 'static,
    B: Send + 'static,
{
    type Response = http::Response<Answer<B>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<tonic::body::Body>) -> Self::Future {
        let Some(method) = self.methods.of(request.uri().path()) else {
            let answer = self.inner.call(request);
            return Box::pin(async move { Ok(answer.await?.map(Answer::silent)) });
        };
        let call = Call::begin(method, &request);
        let answer = call.span.in_scope(|| self.inner.call(request));
        Box::pin(async move {
            let answer = answer.instrument(call.span.clone()).await?;
            Ok(call.answered(answer))
        })
    }
}

/// A call under way. Dropped before it is settled, its caller has gone or its time was over.
#[derive(Debug)]
struct Call {
    span: Span,
    method: Arc<Method>,
    begun: Instant,
    limit: Duration,
    /// Whether the head of the answer has been sent: tonic's timeout is over then.
    answered: bool,
    settled: bool,
}

impl Call {
    fn begin<B>(method: Arc<Method>, request: &http::Request<B>) -> Self {
        let span = super::server(method.name(), context::trusted(request.headers()));
        if !span.is_disabled() {
            span.set_attribute(attribute::RPC_SYSTEM_NAME, "grpc");
            span.set_attribute(attribute::RPC_METHOD, method.value());
            if method.is_other() {
                let asked: String = request.uri().path().chars().skip(1).take(LONGEST_NAME).collect();
                span.set_attribute(attribute::RPC_METHOD_ORIGINAL, asked);
            }
        }
        Self {
            span,
            method,
            begun: Instant::now(),
            limit: crate::grpc::told_timeout(request.headers())
                .map_or(LONGEST_CALL, |limit| limit.min(LONGEST_CALL)),
            answered: false,
            settled: false,
        }
    }

    /// A caller's own timer began before ours, by the way of the request, and may be what ends the call.
    fn slack(&self) -> Duration {
        (self.limit / 10).min(MOST_SLACK)
    }

    /// The head of the answer is there. Without a body it says how the call ended.
    fn answered<B>(mut self, answer: http::Response<B>) -> http::Response<Answer<B>> {
        if answer.headers().contains_key(Status::GRPC_STATUS) {
            self.settle(Some(answer.headers()));
            return answer.map(Answer::silent);
        }
        self.answered = true;
        answer.map(|body| Answer {
            body,
            call: Some(self),
        })
    }

    /// The call ended as these headers or trailers say.
    fn settle(&mut self, headers: Option<&http::HeaderMap>) {
        match headers.and_then(Status::from_header_map) {
            Some(status) if status.code() == Code::Ok => self.end(Code::Ok, None),
            Some(status) => {
                let reason = Fault::told(&status).map(|fault| fault.reason_name());
                if reason.is_none()
                    && matches!(status.code(), Code::Unknown | Code::Internal | Code::DataLoss)
                {
                    self.log(status.code(), status.message());
                }
                self.end(status.code(), reason);
            }
            None => self.broke("the answer has no status"),
        }
    }

    /// The answer ended without saying how.
    fn broke(&mut self, error: &str) {
        self.log(Code::Unknown, error);
        self.end(Code::Unknown, None);
    }

    fn log(&self, code: Code, error: &str) {
        let (method, code) = (self.method.name(), code_name(code));
        self.span
            .in_scope(|| tracing::error!(method, code, error, "a call failed"));
    }

    fn end(&mut self, code: Code, reason: Option<&'static str>) {
        self.settled = true;
        let (span, taken) = (&self.span, self.begun.elapsed().as_secs_f64());
        let name = code_name(code);
        span.set_attribute(attribute::RPC_RESPONSE_STATUS_CODE, name);
        if code == Code::Ok {
            span.in_scope(|| DURATION.record(taken, self.method.ok()));
            return;
        }
        let error_type = reason.unwrap_or(name);
        if is_error(code) {
            fail(span, error_type);
        } else {
            span.set_attribute(attribute::ERROR_TYPE, error_type);
        }
        let attributes = self.method.failed(name, error_type);
        span.in_scope(|| DURATION.record(taken, &attributes));
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.settled {
            let late = !self.answered && self.begun.elapsed() + self.slack() >= self.limit;
            let code = if late {
                Code::DeadlineExceeded
            } else {
                Code::Cancelled
            };
            self.end(code, None);
        }
    }
}

/// Whether a call that ended so is an error of the server, and not of its caller.
const fn is_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The body of an answer, and the call that is over with it.
#[derive(Debug)]
pub(crate) struct Answer<B> {
    body: B,
    call: Option<Call>,
}

impl<B> Answer<B> {
    /// A body that nobody wants to know the end of.
    fn silent(body: B) -> Self {
        Self { body, call: None }
    }
}

impl<B: Body + Unpin> Body for Answer<B>
where
    B::Error: std::fmt::Display,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let more = matches!(&frame, Some(Ok(frame)) if frame.is_data());
        if !more && let Some(mut call) = self.call.take() {
            match &frame {
                Some(Ok(trailers)) => call.settle(trailers.trailers_ref()),
                Some(Err(error)) => call.broke(&error.to_string()),
                None => call.settle(None),
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;

//! The spans of HTTP requests to the doors of MCP.
//!
//! [`admitted`] stands behind the lock and [`refused`] in front of everything: strangers can knock as often as they like, so that only so
//! many of their requests are told to whoever collects spans, and a metric counts them all. A span ends when the head of the answer is
//! sent; a stream may last for days. Probes and the page for people have none.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::USER_AGENT;
use http::{HeaderValue, Method, StatusCode, Version};
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute, context};
use opentelemetry::Context;
use tracing::{Instrument as _, Span};

use super::client::Client;
use crate::rate::{Bucket, Rate};
use crate::server::shown;

/// How many requests that are not let in get a span.
const REFUSED: Rate = Rate {
    burst: 20,
    every: Duration::from_secs(1),
};

/// On answers whose requests were let in.
#[derive(Clone, Copy, Debug)]
struct Admitted;

/// How many requests of strangers may still be told.
#[derive(Clone, Debug)]
pub(super) struct Strangers(Arc<Mutex<Bucket>>);

impl Default for Strangers {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Bucket::full())))
    }
}

/// Answers a request that was let in inside of its span.
pub(super) async fn admitted(request: Request, next: Next) -> Response {
    let Some(door) = door(&request) else {
        return next.run(request).await;
    };
    let seen = Seen::begin(&About::of(door, &request));
    let mut answer = next.run(request).instrument(seen.span.clone()).await;
    seen.answered(answer.status());
    answer.extensions_mut().insert(Admitted);
    answer
}

/// Tells of requests that were not let in, as long as they are few.
pub(super) async fn refused(State(strangers): State<Strangers>, request: Request, next: Next) -> Response {
    let Some(door) = door(&request) else {
        return next.run(request).await;
    };
    let about = About::of(door, &request);
    let answer = next.run(request).await;
    let admitted = answer.extensions().get::<Admitted>().is_some();
    // Begun only when it is known that it was refused, which takes no time that anybody would look for.
    if !admitted && answer.status().is_client_error() && strangers.may_be_told() {
        Seen::begin(&about).answered(answer.status());
    }
    answer
}

impl Strangers {
    fn may_be_told(&self) -> bool {
        let mut bucket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(REFUSED).is_ok()
    }
}

/// A request to a door that is named in traces.
#[derive(Clone, Copy, Debug)]
struct Door {
    /// The span's.
    name: &'static str,
    method: &'static str,
    route: &'static str,
}

fn door(request: &Request) -> Option<Door> {
    let door = |name, method, route| Some(Door { name, method, route });
    match (request.method(), request.uri().path()) {
        (&Method::POST, "/mcp") => door("POST /mcp", "POST", "/mcp"),
        (&Method::POST, "/sse") => door("POST /sse", "POST", "/sse"),
        (&Method::GET, "/sse") => door("GET /sse", "GET", "/sse"),
        (&Method::POST, "/messages") => door("POST /messages", "POST", "/messages"),
        _ => None,
    }
}

/// What is told of a request. Cheap to make.
#[derive(Debug)]
struct About {
    door: Door,
    /// None when it is there twice: then it is nobody's word.
    traceparent: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    client: Client,
    version: Version,
}

impl About {
    fn of(door: Door, request: &Request) -> Self {
        let headers = request.headers();
        let mut named = headers.get_all(context::TRACEPARENT).iter();
        Self {
            door,
            traceparent: named.next().filter(|_| named.next().is_none()).cloned(),
            user_agent: headers.get(USER_AGENT).cloned(),
            client: Client::of(request),
            version: request.version(),
        }
    }

    fn parent(&self) -> Option<Context> {
        context::untrusted(self.traceparent.as_ref()?.to_str().ok()?)
    }
}

/// A request under way. Its span ends when this is dropped: without an answer, its client has gone or its handler has panicked.
#[derive(Debug)]
struct Seen {
    span: Span,
    answered: bool,
}

impl Seen {
    fn begin(about: &About) -> Self {
        let span = trace::server(about.door.name, about.parent().unwrap_or_default());
        if span.in_scope(trace::is_recorded) {
            describe(&span, about);
        }
        Self {
            span,
            answered: false,
        }
    }

    fn answered(mut self, status: StatusCode) {
        self.answer(status);
    }

    fn answer(&mut self, status: StatusCode) {
        self.answered = true;
        let code = status.as_u16();
        self.span
            .set_attribute(attribute::HTTP_RESPONSE_STATUS_CODE, i64::from(code));
        if status.is_server_error() {
            trace::fail(&self.span, status.as_str());
        }
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        if !self.answered && std::thread::panicking() {
            // The answer that it gets from whoever catches the panic.
            self.answer(StatusCode::INTERNAL_SERVER_ERROR);
        }
        trace::end(&self.span);
    }
}

fn describe(span: &Span, about: &About) {
    span.set_attribute(attribute::HTTP_REQUEST_METHOD, about.door.method);
    span.set_attribute(attribute::HTTP_ROUTE, about.door.route);
    // What was spoken to us; TLS is a proxy's affair.
    span.set_attribute(attribute::URL_SCHEME, "http");
    span.set_attribute(attribute::NETWORK_PROTOCOL_NAME, "http");
    if let Some(version) = version(about.version) {
        span.set_attribute(attribute::NETWORK_PROTOCOL_VERSION, version);
    }
    span.set_attribute(attribute::CLIENT_ADDRESS, about.client.address.to_string());
    let user_agent = about.user_agent.as_ref().and_then(|value| value.to_str().ok());
    if let Some(user_agent) = user_agent {
        span.set_attribute(attribute::USER_AGENT_ORIGINAL, shown(user_agent));
    }
}

fn version(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_10 => Some("1.0"),
        Version::HTTP_11 => Some("1.1"),
        Version::HTTP_2 => Some("2"),
        _ => None,
    }
}

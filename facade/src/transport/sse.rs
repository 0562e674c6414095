//! Legacy HTTP+SSE (2024-11-05): `GET /sse` opens a stream and names the URL for its messages, `POST /messages` takes them.
//!
//! Deprecated, and still what many configurations name. A client may send requests on a new stream without `initialize`: after a
//! lost connection some reconnect without it.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::StatusCode;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use opentelemetry::Context;
use tokio::time::{Instant, Interval, MissedTickBehavior};

use super::Doors;
use super::client::Client;
use super::conversation::{self, Answers, Door};
use super::filter::{ToolFilter, parameters};
use super::message::Refusal;
use super::session::{Posted, Registration};
use super::{admission, body, media};
use crate::server::Remote;

/// Keeps proxies and clients from taking an idle stream for a dead one; the shortest of their timeouts is 30 s.
const PING_INTERVAL: Duration = Duration::from_secs(15);
const PING: &[u8] = b": ping\n\n";

/// The most bytes that are given to the connection at a time.
const PIECE: usize = 32 * 1024;

/// `GET /sse`.
pub(super) async fn open(State(doors): State<Doors>, request: Request) -> Response {
    if let Some(refusal) = refusal(&doors, &request) {
        return refusal.into_response();
    }
    let (uri, headers) = (request.uri(), request.headers());
    let tools = ToolFilter::of_query(uri.query());
    let query = tools
        .to_query()
        .map(|query| format!("&{query}"))
        .unwrap_or_default();
    let principal = admission::principal(request.extensions());
    let remote = Remote::http(Client::of(&request).address, headers);
    let (conversation, answers) = conversation::open(doors.server, tools, principal, remote, Door::Sse);
    // Known before the client learns the URL.
    let registration = doors.sessions.register(&conversation);
    // Relative: clients refuse another origin than the one they have connected to, and only they know which that is.
    let endpoint = format!(
        "event: endpoint\ndata: /messages?session_id={}{query}\n\n",
        registration.id()
    );
    let stream = Stream {
        rest: endpoint.into(),
        answers,
        ping: ping(),
        registration,
    };
    let frames = futures_util::stream::unfold(stream, async |mut stream| {
        let frame = stream.next().await?;
        Some((Ok::<_, Infallible>(frame), stream))
    });
    (stream_headers(), Body::from_stream(frames)).into_response()
}

/// `HEAD /sse`: what `GET` would be answered, without a stream.
pub(super) async fn head(State(doors): State<Doors>, request: Request) -> Response {
    if let Some(refusal) = refusal(&doors, &request) {
        return refusal.into_response();
    }
    // Of no length, as a stream is: a body without one would say that it has 0 bytes.
    let nothing = futures_util::stream::empty::<Result<Bytes, Infallible>>();
    (stream_headers(), Body::from_stream(nothing)).into_response()
}

/// Why no stream is opened.
fn refusal(doors: &Doors, request: &Request) -> Option<Refusal> {
    if !media::accepts(request.headers(), &ACCEPT, media::EVENT_STREAM) {
        let sentence = "Accept must allow text/event-stream";
        return Some(Refusal::new(StatusCode::NOT_ACCEPTABLE, sentence));
    }
    let stopping = doors.server.lifecycle().is_stopping();
    stopping.then(|| Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "the server is stopping"))
}

fn stream_headers() -> [(HeaderName, HeaderValue); 3] {
    [
        (CONTENT_TYPE, HeaderValue::from_static(media::EVENT_STREAM)),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
        // nginx, and others after it, would hold events back otherwise.
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ]
}

/// `POST /messages?session_id=..`: 202 before anything is executed, since clients wait only seconds for it.
pub(super) async fn message(State(doors): State<Doors>, request: Request) -> Response {
    match take(&doors, request).await {
        Ok(()) => (StatusCode::ACCEPTED, "Accepted").into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

async fn take(doors: &Doors, request: Request) -> Result<(), Refusal> {
    let query = request.uri().query();
    let id = parameters(query, "session_id")
        .chain(parameters(query, "sessionId"))
        .next();
    let session_id = id.ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, "session_id is missing"))?;
    body::check_content_type(request.headers())?;
    let principal = admission::principal(request.extensions()).fingerprint();
    let posted = Posted {
        session_id,
        principal,
        message: body::read(request.into_body()).await?,
        around: Context::current(),
    };
    doors.sessions.deliver(posted).await
}

struct Stream {
    /// What is left of the event that is being sent.
    rest: Bytes,
    answers: Answers,
    ping: Interval,
    registration: Registration,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        self.answers.reads();
        if self.rest.is_empty() {
            // Serialized JSON has no line breaks, so one data line holds it.
            self.rest = tokio::select! {
                message = self.answers.next() => format!("event: message\ndata: {}\n\n", message?).into(),
                _ = self.ping.tick() => {
                    if Instant::now() >= self.registration.ends() {
                        self.answers.finish();
                    }
                    Bytes::from_static(PING)
                }
            };
        }
        // In pieces, so that it shows how a slow client gets on with a large answer.
        Some(self.rest.split_to(self.rest.len().min(PIECE)))
    }
}

fn ping() -> Interval {
    let first = Instant::now() + PING_INTERVAL;
    let mut ping = tokio::time::interval_at(first, PING_INTERVAL);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping
}

#[cfg(test)]
#[path = "sse/tests.rs"]
mod tests;

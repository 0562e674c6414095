//! The doors: every way into the facade, and what stands in front of all of them.
//!
//! [`accept`] takes connections, [`host`] refuses what is not addressed to us, [`streamable`] and [`sse`] are the HTTP doors and
//! [`stdio`] the one without HTTP. They all end at [`crate::server`].

use std::time::Instant;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use tower_http::catch_panic::{CatchPanicLayer, ResponseForPanic};

pub(crate) mod accept;
mod admission;
mod body;
pub(crate) mod client;
mod conversation;
mod filter;
mod host;
mod media;
mod message;
pub(crate) mod relay;
pub(crate) mod session;
mod sse;
mod stall;
pub(crate) mod stdio;
mod streamable;
mod trace;

pub(crate) use admission::Lock;
pub(crate) use filter::ToolFilter;

use crate::config::{Config, PublicUrl};
use crate::server::Server;
use session::Sessions;

/// What the HTTP doors share. Cheap to clone.
#[derive(Clone)]
struct Doors {
    server: Server,
    streamable: streamable::Service,
    sessions: Sessions,
    public_url: Option<PublicUrl>,
    lock: Lock,
}

/// All HTTP doors.
pub(crate) fn router(server: Server, config: &Config, lock: Lock, sessions: Sessions) -> Router {
    let public_url = config.public_url.clone();
    let names = host::Names {
        public: public_url.clone(),
        // A page that resolves its own name to this machine has no token.
        any: !lock.auth.is_open(),
    };
    let doors = Doors {
        streamable: streamable::service(server.clone()),
        server,
        sessions,
        public_url,
        lock: lock.clone(),
    };
    Router::new()
        .route("/mcp", post(streamable::post))
        .route("/sse", get(sse::open).head(sse::head).post(streamable::post))
        .route("/messages", post(sse::message))
        .route_layer(middleware::from_fn(trace::admitted))
        .route_layer(middleware::from_fn_with_state(lock, admission::check))
        // Behind no lock: it tells how to connect and nothing else.
        .route("/", get(page))
        .fallback(async || (StatusCode::NOT_FOUND, "not found\n"))
        .layer(middleware::from_fn_with_state(names, host::check))
        // Probes name us by an address, tell nothing and change nothing: they are not checked.
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .layer(CatchPanicLayer::custom(Panicked))
        .layer(middleware::from_fn_with_state(
            trace::Strangers::default(),
            trace::refused,
        ))
        .layer(middleware::from_fn(log))
        .with_state(doors)
}

/// Ready after the first pass over the upstreams, when somebody can be let in; never dependent on the upstreams later.
async fn ready(State(doors): State<Doors>) -> Response {
    let waits = !doors.server.registry().ready() || doors.lock.awaited.lacks_some();
    if !waits && !doors.server.lifecycle().is_stopping() {
        return "ok\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, "not ready\n").into_response()
}

/// What the page says where a token has to be shown.
const TOKEN: [(&str, &str); 4] = [
    (
        "{{token_note}}",
        "<p>It asks for a token. Who runs the server gives you one; keep it in a file that only you can read.</p>\n",
    ),
    (
        "{{token_code}}",
        r#" --header "Authorization: Bearer $(cat /path/to/token)""#,
    ),
    ("{{token_bridge}}", r#", "--token-file", "/path/to/token""#),
    ("{{token_remote}}", r#", "--header", "X-API-Key:TOKEN""#),
];

/// For people: how to connect.
async fn page(State(doors): State<Doors>, request: Request) -> Response {
    let address = match &doors.public_url {
        Some(url) => url.to_string(),
        None => format!("http://{}", escaped(authority(&request).unwrap_or("localhost"))),
    };
    let mut html = include_str!("transport/page.html").replace("{{address}}", &address);
    let locked = !doors.lock.auth.is_open();
    for (place, text) in TOKEN {
        html = html.replace(place, if locked { text } else { "" });
    }
    let headers = [
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
        ),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (headers, Html(html)).into_response()
}

fn authority(request: &Request) -> Option<&str> {
    let header = || request.headers().get(http::header::HOST)?.to_str().ok();
    request
        .uri()
        .authority()
        .map(http::uri::Authority::as_str)
        .or_else(header)
}

/// Text from outside, fit for HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

async fn log(request: Request, next: Next) -> Response {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let started = Instant::now();
    let response = next.run(request).await;
    let elapsed_ms = started.elapsed().as_millis();
    tracing::debug!(%method, path, status = response.status().as_u16(), elapsed_ms, "request");
    response
}

/// What a client gets when a door panicked.
#[derive(Clone, Copy, Debug)]
struct Panicked;

impl ResponseForPanic for Panicked {
    type ResponseBody = axum::body::Body;

    fn response_for_panic(&mut self, _: Box<dyn std::any::Any + Send>) -> Response {
        // The panic's own message is in the log already, from the panic hook.
        let error = rmcp::model::ErrorData::internal_error("internal error", None);
        message::Refusal::with_error(StatusCode::INTERNAL_SERVER_ERROR, error).into_response()
    }
}

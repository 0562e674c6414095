//! `/metrics` on a port of its own.
//!
//! Nobody is asked who reads, so nobody gets much: a few connections at a time, one request on each, and a limit for all of it. A scraper that
//! sends nothing, or takes nothing of the answer, is gone after that.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, VARY};
use http::{Method, Request, StatusCode};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::{Form, Options};
use crate::Lifecycle;

/// How many scrapers are served at the same time; others wait.
const MOST_CONNECTIONS: usize = 16;

/// How long one may take from its connection to the last byte, which is as long as Prometheus waits by itself.
const LONGEST: Duration = Duration::from_secs(10);

/// How long to wait after the system had no connection to give.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves `/metrics` until the process stops, if it is to be.
///
/// # Errors
/// The address can't be listened on.
pub(crate) async fn serve(options: &Options, lifecycle: &Lifecycle) -> std::io::Result<()> {
    let Some(address) = options.metrics_listen else {
        return Ok(());
    };
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "metrics are served");
    lifecycle.spawn_until_stopped(accept(listener, lifecycle.clone()));
    Ok(())
}

async fn accept(listener: TcpListener, lifecycle: Lifecycle) {
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    loop {
        // It is never closed.
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => lifecycle.spawn_until_stopped(async move {
                connection(stream).await;
                drop(place);
            }),
            Err(error) => {
                tracing::debug!(%error, "a scraper's connection was not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream) {
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(false)
        .max_buf_size(16 * 1024)
        .serve_connection(
            TokioIo::new(stream),
            service_fn(|request| ready(Ok::<_, Infallible>(answer(&request)))),
        );
    // However it ends, the scraper knows, and comes again.
    let _ = timeout(LONGEST, serving).await;
}

fn answer<B>(request: &Request<B>) -> Response {
    if request.uri().path() != "/metrics" {
        return StatusCode::NOT_FOUND.into_response();
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return (StatusCode::METHOD_NOT_ALLOWED, [(ALLOW, "GET, HEAD")]).into_response();
    }
    let accept = request
        .headers()
        .get_all(ACCEPT)
        .iter()
        .filter_map(|accept| accept.to_str().ok());
    let form = Form::wanted(&accept.collect::<Vec<_>>().join(","));
    let headers = [(CONTENT_TYPE, form.content_type()), (VARY, "Accept")];
    (headers, Body::from(super::write(form))).into_response()
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn served() -> (std::net::SocketAddr, Lifecycle) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_until_stopped(accept(listener, lifecycle.clone()));
        (address, lifecycle)
    }

    async fn ask(address: std::net::SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.expect("connected");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("answered");
        answer
    }

    #[tokio::test]
    async fn metrics_and_nothing_else() {
        super::super::process::start();
        let (address, _lifecycle) = served().await;
        let openmetrics = "GET /metrics HTTP/1.1\r\nHost: a\r\nAccept: application/openmetrics-text\r\n\r\n";
        for (request, status, has) in [
            (
                "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n",
                "200",
                "text/plain; version=0.0.4",
            ),
            (openmetrics, "200", "application/openmetrics-text; version=1.0.0"),
            (openmetrics, "200", "\n# EOF\n"),
            ("GET /metrics HTTP/1.0\r\n\r\n", "200", "\nmcp_hub_build_info{"),
            (
                "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
                "405",
                "allow: GET, HEAD",
            ),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "404", "content-length: 0"),
        ] {
            let answer = ask(address, request).await;
            let (protocol, rest) = answer.split_at(9);
            assert!(protocol.starts_with("HTTP/1."), "{answer}");
            assert!(
                rest.starts_with(status) && rest.contains(has),
                "{request}\n{answer}"
            );
        }
        let head = ask(address, "HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(
            head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"),
            "{head}"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_says_nothing_is_gone_after_a_while_and_the_others_get_their_turn() {
        let (address, _lifecycle) = served().await;
        let mut silent = vec![];
        for _ in 0..MOST_CONNECTIONS {
            silent.push(TcpStream::connect(address).await.expect("connected"));
        }
        let start = tokio::time::Instant::now();
        let answer = ask(address, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(start.elapsed() >= LONGEST, "{:?}", start.elapsed());
        for mut stream in silent {
            assert_eq!(stream.read(&mut [0; 16]).await.expect("ended"), 0);
        }
    }
}

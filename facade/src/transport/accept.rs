//! The accept loop: connections with bounds on their number, their time and their memory.
//!
//! `axum::serve` has none of them: it sets no timer, so that a client which sends its header one byte an hour keeps its connection,
//! and it takes connections without end.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Version};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use mcp_hub_chassis::Lifecycle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service as _;

use super::client::{TrustedProxies, owner};
use super::stall::{STALLED, Stalling};
use crate::error::Error;
use crate::quiet::{Quiet, WARNINGS};

/// How long the first request of a connection may take to arrive, its body aside.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// How long a connection may be idle between requests. Longer than reverse proxies keep theirs, so that it is they who close: a
/// connection that we close while a request is on its way looks to them like a crash.
const IDLE: Duration = Duration::from_mins(3);

/// What a connection on which nothing is under way gets to say goodbye.
const LINGER: Duration = Duration::from_millis(500);

/// How long to wait when the system gives us no more connections (no file descriptors left).
pub(super) const EXHAUSTED: Duration = Duration::from_millis(100);

/// The least that hyper takes. An idle stream costs little more than its buffers.
const HTTP1_BUFFER: usize = 8 * 1024;

const HTTP2_STREAMS: u32 = 64;
const HTTP2_STREAM_WINDOW: u32 = 64 * 1024;
const HTTP2_CONNECTION_WINDOW: u32 = 256 * 1024;
const HTTP2_HEADER_LIST: u32 = 16 * 1024;

/// Bounds on the number of connections.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// At the same time.
    pub(crate) total: usize,
    /// At the same time from one address.
    pub(crate) per_address: usize,
    /// Those whose connections are everybody's, and count only in `total`.
    pub(crate) proxies: TrustedProxies,
}

/// Serves `app` until the process stops. Connections are tasks of `lifecycle` and may outlast the return.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    limits: Limits,
    lifecycle: &Lifecycle,
) -> Result<(), Error> {
    let total = limits.total;
    let mut door = Door {
        app,
        slots: Arc::new(Semaphore::new(total)),
        addresses: Addresses::default(),
        limits,
        lifecycle: lifecycle.clone(),
        warnings: Quiet::new(WARNINGS),
    };
    loop {
        if door.slots.available_permits() == 0 && door.warnings.line().is_some() {
            tracing::warn!(max_connections = total, "too many connections: new ones wait");
        }
        let accepted = async {
            // The semaphore is never closed.
            let slot = door.slots.clone().acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, accepted) = tokio::select! {
            () = lifecycle.stopping() => return door.last(listener),
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, peer)) => door.admit(stream, peer.ip(), slot),
            Err(error) if is_of_the_client(&error) => {}
            Err(error) => {
                if door.warnings.line().is_some() {
                    tracing::warn!(%error, "can't accept a connection");
                }
                tokio::time::sleep(EXHAUSTED).await;
            }
        }
    }
}

/// What lets connections in.
struct Door {
    app: Router,
    slots: Arc<Semaphore>,
    addresses: Addresses,
    limits: Limits,
    lifecycle: Lifecycle,
    warnings: Quiet,
}

impl Door {
    /// Serves a connection in a task of its own, unless its address has too many.
    fn admit(&mut self, stream: TcpStream, peer: IpAddr, slot: Option<OwnedSemaphorePermit>) {
        let counted = self.addresses.admit(peer, self.limits.per_address);
        if counted.is_none() && !self.limits.proxies.contains(peer) {
            if self.warnings.line().is_some() {
                let max = self.limits.per_address;
                tracing::warn!(address = %peer, max, "too many connections from one address: closed");
            }
            return;
        }
        let served = connection(
            stream,
            peer,
            self.limits.proxies.clone(),
            self.app.clone(),
            self.lifecycle.clone(),
        );
        self.lifecycle.spawn(async move {
            let _held = (slot, counted);
            served.await;
        });
    }

    /// Serves those who are connected already and have not been accepted yet, and closes the listener: the system would reset their
    /// connections, and to a reverse proxy a reset under a request is a crash, while a refused connection sends it to another replica.
    fn last(&mut self, listener: TcpListener) -> Result<(), Error> {
        let listener = listener.into_std().map_err(Error::Accept)?;
        loop {
            let (stream, peer) = match listener.accept() {
                Ok(accepted) => accepted,
                Err(error) if is_of_the_client(&error) => continue,
                Err(_) => return Ok(()),
            };
            let Ok(slot) = self.slots.clone().try_acquire_owned() else {
                return Ok(());
            };
            let stream = stream
                .set_nonblocking(true)
                .and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.admit(stream, peer.ip(), Some(slot));
            }
        }
    }
}

/// The connection was lost before it was accepted; the next may be fine.
pub(super) fn is_of_the_client(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

async fn connection(
    stream: TcpStream,
    peer: IpAddr,
    proxies: TrustedProxies,
    app: Router,
    lifecycle: Lifecycle,
) {
    // Answers are small and waited for. It fails only when the connection is lost, which the next read will say.
    let _ = stream.set_nodelay(true);
    let (requests, mut watched) = watch::channel(Requests::default());
    let mut last = watched.clone();
    let life = lifecycle.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        let client = proxies.client(peer, request.headers());
        request.extensions_mut().insert(client);
        let multiplexed = request.version() == Version::HTTP_2;
        let guard = InFlight::begin(requests.clone(), multiplexed);
        let (mut app, life) = (app.clone(), life.clone());
        async move {
            let mut response = app.call(request.map(Body::new)).await?;
            if life.is_stopping() && !multiplexed {
                // HTTP/2 has a message for it.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(CONNECTION, close);
            }
            // In flight until the last byte has been taken.
            Ok::<_, Infallible>(response.map(|body| {
                body.map_frame(move |frame| {
                    let _in_flight = &guard;
                    frame
                })
            }))
        }
    });
    let builder = builder(&lifecycle);
    let connection = builder.serve_connection(TokioIo::new(Stalling::new(stream, STALLED)), service);
    tokio::pin!(connection);
    tokio::select! {
        // An error is the client's: it broke off, or spoke something else than HTTP.
        _ = connection.as_mut() => return,
        () = quiet(&mut watched, FIRST_REQUEST, IDLE) => {}
        () = lifecycle.stopping() => {
            // A reverse proxy may be sending a request on this idle connection just now; closing it would look to the proxy like a crash.
            // The request is answered, and told that it was the last.
            tokio::select! {
                _ = connection.as_mut() => return,
                () = quiet(&mut watched, LINGER, LINGER) => {}
                () = multiplexed(&mut last) => {}
            }
        }
    }
    // What is under way is finished; then, or when there is nothing, the connection ends.
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection.as_mut() => {}
        () = quiet(&mut watched, LINGER, LINGER) => {}
    }
}

/// The requests of a connection.
#[derive(Clone, Copy, Debug, Default)]
struct Requests {
    /// Whether there has been one.
    any: bool,
    /// Whether it is HTTP/2, which can say that no more requests are taken without closing on those that are on their way.
    multiplexed: bool,
    in_flight: usize,
}

/// Resolves when nothing was in flight for long: for `first` before the first request, for `idle` after it.
async fn quiet(requests: &mut watch::Receiver<Requests>, first: Duration, idle: Duration) {
    loop {
        let none = requests.wait_for(|requests| requests.in_flight == 0).await;
        let Some(any) = none.ok().map(|requests| requests.any) else {
            break;
        };
        let limit = if any { idle } else { first };
        match tokio::time::timeout(limit, requests.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => break,
            Err(_) => return,
        }
    }
    // The connection is over; its own branch says so.
    std::future::pending::<()>().await;
}

/// Resolves when the connection is known to be HTTP/2.
async fn multiplexed(requests: &mut watch::Receiver<Requests>) {
    if requests.wait_for(|requests| requests.multiplexed).await.is_err() {
        // The connection is over; its own branch says so.
        std::future::pending::<()>().await;
    }
}

fn builder(lifecycle: &Lifecycle) -> auto::Builder<Tracked> {
    let mut builder = auto::Builder::new(Tracked(lifecycle.clone()));
    builder
        .http1()
        // Time is kept by `quiet`, for both versions and from the first byte on, which this does not cover.
        .header_read_timeout(None)
        .max_buf_size(HTTP1_BUFFER);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS)
        .initial_stream_window_size(HTTP2_STREAM_WINDOW)
        .initial_connection_window_size(HTTP2_CONNECTION_WINDOW)
        .max_header_list_size(HTTP2_HEADER_LIST)
        // A peer that vanished is found, so that its calls are cancelled.
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

/// Tasks of HTTP/2 streams, tracked like all others.
#[derive(Clone)]
pub(super) struct Tracked(pub(super) Lifecycle);

impl<F> Executor<F> for Tracked
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, task: F) {
        drop(self.0.spawn(task));
    }
}

/// A request that is being served.
struct InFlight(watch::Sender<Requests>);

impl InFlight {
    fn begin(requests: watch::Sender<Requests>, multiplexed: bool) -> Self {
        requests.send_modify(|requests| {
            requests.any = true;
            requests.multiplexed = multiplexed;
            requests.in_flight += 1;
        });
        Self(requests)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|requests| requests.in_flight -= 1);
    }
}

/// The connections of each address.
#[derive(Clone, Default)]
struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

impl Addresses {
    /// Counts a connection until the guard is dropped; `None` when its address has too many.
    fn admit(&self, address: IpAddr, limit: usize) -> Option<Counted> {
        let owner = owner(address);
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(owner).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Counted {
            addresses: self.clone(),
            owner,
        })
    }
}

struct Counted {
    addresses: Addresses,
    owner: IpAddr,
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.addresses.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.owner);
            }
        }
    }
}

#[cfg(test)]
mod tests;

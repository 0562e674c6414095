//! A collector that takes whatever it is sent by OTLP over gRPC, counts the bytes, and forgets them.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// An answer of gRPC without a field, framed: which export services give when they took all.
const TAKEN: &[u8] = &[0; 5];

/// A collector. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    address: SocketAddr,
    taken: Arc<Taken>,
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct Taken {
    bytes: AtomicU64,
    last: Mutex<Option<Instant>>,
}

impl Collector {
    /// Starts one on loopback.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let taken = Arc::<Taken>::default();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, taken.clone()));
        Ok(Self {
            address,
            taken,
            _serving: serving,
        })
    }

    /// Where it takes spans.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How much it has been sent.
    pub(crate) fn bytes(&self) -> u64 {
        self.taken.bytes.load(Ordering::Relaxed)
    }

    /// How long ago the last of it came.
    pub(crate) fn quiet_for(&self) -> Option<Duration> {
        let last = self.taken.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.map(|last| last.elapsed())
    }
}

async fn serve(listener: TcpListener, taken: Arc<Taken>) {
    // They end with this.
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let taken = taken.clone();
        connections.spawn(async move {
            let take = service_fn(move |request| take(request, taken.clone()));
            // A process that ends does not say so first.
            let _ = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), take)
                .await;
        });
    }
}

async fn take(
    request: Request<Incoming>,
    taken: Arc<Taken>,
) -> Result<Response<impl http_body::Body<Data = Bytes, Error = Infallible>>, Infallible> {
    let mut body = request.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        taken.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }
    *taken.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        HeaderValue::from_static("0"),
    )]);
    let body = Full::new(Bytes::from_static(TAKEN)).with_trailers(std::future::ready(Some(Ok(trailers))));
    let mut response = Response::new(body);
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert(CONTENT_TYPE, grpc);
    Ok(response)
}

//! The relay's way in: takes messages that other replicas hand over for streams of this one.
//!
//! It never hands on. A connection is one of few until it has proved that it has the session keys, and is told nothing but TLS until
//! then. When the process stops, the listener closes, and what still comes on open connections is answered: that a stream is not
//! here, once it has ended, so that the client finds another replica.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::trace::{OpenTelemetrySpanExt as _, attribute};
use mcp_hub_chassis::{Fault, Lifecycle};
use mcp_hub_proto::relay::v1::relay_service_server::{RelayService, RelayServiceServer};
use mcp_hub_proto::relay::v1::{DeliverRequest, DeliverResponse};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::Status;
use tonic::body::Body;
use tower::Service as _;
use tower_http::catch_panic::CatchPanic;

use super::handshakes::{Handshake, Handshakes};
use super::identity::Identity;
use super::trace;
use crate::metrics;
use crate::quiet::{Quiet, WARNINGS};
use crate::transport::accept::{self, Tracked};
use crate::transport::session::{Posted, Undelivered};

/// How long a connection may take to prove what it is.
const HANDSHAKE: Duration = Duration::from_secs(1);

/// The most connections that have not yet done so, at the same time.
const MAX_HANDSHAKES: usize = 128;

/// The most connections that have.
const MAX_CONNECTIONS: usize = 512;

/// The most messages of one connection at the same time; a peer keeps more back.
const MAX_MESSAGES: u32 = 256;

/// How long one message may take to arrive. Its sender has given up before.
const MESSAGE: Duration = Duration::from_secs(10);

/// How long a connection that is to end may still take for what is under way on it.
const LINGER: Duration = Duration::from_secs(5);

/// A peer that vanished without a word is missed after these two together.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of one message, and of all of a connection, may be on its way.
const STREAM_WINDOW: u32 = 512 * 1024;
const CONNECTION_WINDOW: u32 = 2 * 1024 * 1024;
const MAX_HEADER_LIST: u32 = 8 * 1024;

/// What a message is given to: the streams of this process, and no others.
pub(super) trait Take: Fn(&Posted) -> Result<(), Undelivered> + Clone + Send + Sync + 'static {}

impl<F> Take for F where F: Fn(&Posted) -> Result<(), Undelivered> + Clone + Send + Sync + 'static {}

/// Gives messages to `take` until the process stops. Connections are tasks of `lifecycle` and may outlast the return.
pub(super) async fn serve(listener: TcpListener, identity: Identity, take: impl Take, lifecycle: Lifecycle) {
    let handshakes = Handshakes::new(MAX_HANDSHAKES);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let warnings = Quiet::new(WARNINGS);
    loop {
        let accepted = tokio::select! {
            () = lifecycle.stopping() => return,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) if accept::is_of_the_client(&error) => continue,
            Err(error) => {
                if warnings.line().is_some() {
                    tracing::warn!(%error, "can't accept a connection of a peer");
                }
                tokio::time::sleep(accept::EXHAUSTED).await;
                continue;
            }
        };
        let handshake = handshakes.begin(peer.ip().to_canonical());
        let (identity, slots, take) = (identity.clone(), slots.clone(), take.clone());
        let life = lifecycle.clone();
        lifecycle.spawn(async move {
            if let Err(refused) = connection(stream, handshake, identity, &slots, take, life).await {
                metrics::RELAY_REFUSED.add(1, &[metrics::reason(refused.reason())]);
                tracing::debug!(%peer, reason = refused.reason(), "a connection to the relay was refused");
            }
        });
    }
}

/// Why a connection was not let in.
#[derive(Clone, Copy, Debug)]
enum Refused {
    /// It has none of our keys, or proves none.
    Identity,
    /// It spoke something else than the TLS of the relay, or broke off.
    Handshake,
    /// It was too slow.
    Timeout,
    /// It had to make room for another.
    Evicted,
    /// There are too many that have been let in.
    TooMany,
}

impl Refused {
    fn reason(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Handshake => "handshake",
            Self::Timeout => "timeout",
            Self::Evicted => "evicted",
            Self::TooMany => "too_many",
        }
    }
}

async fn connection(
    stream: TcpStream,
    handshake: Handshake,
    mut identity: Identity,
    slots: &Semaphore,
    take: impl Take,
    lifecycle: Lifecycle,
) -> Result<(), Refused> {
    // Answers are small and waited for. It fails only when the connection is lost, which the next read will say.
    let _ = stream.set_nodelay(true);
    let accept = TlsAcceptor::from(identity.now().server.clone()).accept(stream);
    let accepted = tokio::select! {
        accepted = timeout(HANDSHAKE, accept) => accepted.map_err(|_| Refused::Timeout)?,
        () = handshake.evicted() => return Err(Refused::Evicted),
        () = lifecycle.stopping() => return Ok(()),
    };
    let stream = accepted.map_err(|error| {
        let cause = error.get_ref().and_then(|inner| inner.downcast_ref());
        match cause {
            Some(
                rustls::Error::InvalidCertificate(_)
                | rustls::Error::NoCertificatesPresented
                | rustls::Error::AlertReceived(_),
            ) => Refused::Identity,
            _ => Refused::Handshake,
        }
    })?;
    drop(handshake);
    let _slot = slots.try_acquire().map_err(|_| Refused::TooMany)?;
    speak(stream, identity, take, lifecycle).await;
    Ok(())
}

/// Serves a peer until it goes, the process stops, or the keys change that it proved itself by.
async fn speak(stream: TlsStream<TcpStream>, mut identity: Identity, take: impl Take, lifecycle: Lifecycle) {
    // A panic is that message's failure, not the end of the connection that others share.
    let service = CatchPanic::new(
        RelayServiceServer::new(Inbox(take)).max_decoding_message_size(super::MAX_MESSAGE_BYTES),
    );
    let service = service_fn(move |request: Request<Incoming>| {
        let mut service = service.clone();
        async move {
            let answer = timeout(MESSAGE, service.call(request)).await;
            Ok::<_, Infallible>(match answer {
                Ok(Ok(response)) => response.map(Body::new),
                Ok(Err(never)) => match never {},
                Err(_) => too_slow(),
            })
        }
    });
    let connection = http2::Builder::new(Tracked(lifecycle.clone()))
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_MESSAGES)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_LIST)
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    tokio::select! {
        // An error is the peer's: it broke off.
        _ = connection.as_mut() => return,
        () = identity.changed() => {}
        () = lifecycle.stopping() => {}
    }
    // Says first that it ends, and takes what was sent before the peer has heard it.
    connection.as_mut().graceful_shutdown();
    let _ = timeout(LINGER, connection).await;
}

fn too_slow() -> Response<Body> {
    Status::from(Fault::timed_out(MESSAGE)).into_http()
}

/// The service.
#[derive(Clone)]
struct Inbox<T>(T);

#[tonic::async_trait]
impl<T: Take> RelayService for Inbox<T> {
    async fn deliver(
        &self,
        request: tonic::Request<DeliverRequest>,
    ) -> Result<tonic::Response<DeliverResponse>, Status> {
        let request = request.into_inner();
        let unknown = || Status::from(Fault::new(Reason::ObjectNotFound, "no such stream here"));
        let span = trace::arrived(&request.traceparent);
        let posted = Posted {
            session_id: request.session_id,
            principal: request.principal.try_into().map_err(|_| unknown())?,
            message: request.message.into(),
            around: span.context(),
        };
        let (outcome, answer) = match span.in_scope(|| (self.0)(&posted)) {
            Ok(()) => ("taken", Ok((http::StatusCode::ACCEPTED, String::new()))),
            Err(Undelivered::Refused(refusal)) => ("refused", Ok((refusal.status, refusal.to_json()))),
            Err(Undelivered::Unknown) => ("gone", Err(unknown())),
        };
        span.set_attribute(attribute::OUTCOME, outcome);
        let (status, error) = answer?;
        Ok(tonic::Response::new(DeliverResponse {
            status: status.as_u16().into(),
            error,
        }))
    }
}

//! One connection of the relay to a peer: how it is made, and what became of a message that was sent on it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::relay::v1::relay_service_client::RelayServiceClient;
use mcp_hub_proto::relay::v1::{DeliverRequest, DeliverResponse};
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::body::Body;
use tonic::{Code, Status};

use super::identity::Ends;
use crate::transport::accept::Tracked;
use crate::unhandled::{Cause, root_cause};

/// How long a connection may take to be made, until the peer has taken our proof.
const CONNECT: Duration = Duration::from_secs(1);

/// A peer that vanished without a word is missed after these two together.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long a connection is kept that nothing is sent on.
const IDLE: Duration = Duration::from_mins(1);

/// The largest answer: a JSON-RPC error, with a request's id in it.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What a connection is driven by.
pub(super) type Driver = BoxFuture<'static, ()>;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// It took too long.
    #[error("no answer within {CONNECT:?}")]
    Timeout,
    /// There is nobody.
    #[error("the peer can't be reached")]
    Unreachable(#[source] io::Error),
    /// One end can't prove to the other what it is.
    #[error("the proof of the session keys failed")]
    Identity(#[source] io::Error),
    /// It broke off, or is something else than a replica.
    #[error("the handshake failed")]
    Handshake(#[source] io::Error),
    /// What is spoken inside of TLS is no HTTP/2.
    #[error("the protocol failed")]
    Protocol(#[source] hyper::Error),
}

/// What became of a message.
#[derive(Debug)]
pub(super) enum Sent {
    /// The peer has it, and says what to answer.
    Answered(DeliverResponse),
    /// The peer has it, and has no such stream.
    Unknown,
    /// The peer may have it.
    Unclear,
    /// The connection had ended before, or the peer has surely not looked at it.
    NotAtAll,
}

/// A connection on which both ends have proved what they are. Cheap to clone; it ends when the last clone is dropped.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    sender: SendRequest<Body>,
    used: Arc<watch::Sender<()>>,
}

/// Makes a connection. It works only while the driver is polled; what else it runs are tasks of `lifecycle`.
pub(super) async fn connect(
    owner: SocketAddr,
    ends: &Ends,
    lifecycle: &Lifecycle,
) -> Result<(Connection, Driver), Error> {
    timeout(CONNECT, handshake(owner, ends, lifecycle))
        .await
        .unwrap_or(Err(Error::Timeout))
}

async fn handshake(
    owner: SocketAddr,
    ends: &Ends,
    lifecycle: &Lifecycle,
) -> Result<(Connection, Driver), Error> {
    let stream = TcpStream::connect(owner).await.map_err(Error::Unreachable)?;
    stream.set_nodelay(true).map_err(Error::Unreachable)?;
    // An address is not sent as the server's name: who the peer is, its key says.
    let name = ServerName::IpAddress(owner.ip().into());
    let connected = TlsConnector::from(ends.client.clone())
        .connect(name, stream)
        .await;
    let mut stream = connected.map_err(failed)?;
    // In TLS 1.3 a client is done before the server has looked at its proof. Only what the server then sends of its own accord (the
    // SETTINGS of HTTP/2) shows that it has taken it; what was sent before that could be lost without a word.
    if stream.fill_buf().await.map_err(failed)?.is_empty() {
        return Err(Error::Handshake(io::ErrorKind::UnexpectedEof.into()));
    }
    let (sender, connection) = Builder::new(Tracked(lifecycle.clone()))
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .keep_alive_while_idle(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(Error::Protocol)?;
    let driver = async move {
        if let Err(error) = connection.await {
            tracing::debug!(%owner, %error, "the connection to a peer is lost");
        }
    };
    let used = Arc::new(watch::Sender::new(()));
    Ok((Connection { sender, used }, driver.boxed()))
}

/// Whether it was the proof that a handshake failed at, on this end or on the other.
fn failed(error: io::Error) -> Error {
    let cause = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::AlertReceived(_)) => {
            Error::Identity(error)
        }
        _ => Error::Handshake(error),
    }
}

impl Connection {
    /// Whether anything can be sent on it, as far as is known.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    /// Resolves when nothing has been sent for a while.
    pub(super) async fn idle(&self) {
        let mut used = self.used.subscribe();
        while timeout(IDLE, used.changed()).await.is_ok() {}
    }

    /// Sends a message and waits for the answer.
    pub(super) async fn send(&self, request: DeliverRequest) -> Sent {
        self.used.send_replace(());
        // A name that is in no certificate and no DNS: HTTP/2 wants one.
        let origin = Uri::from_static("https://replica");
        let answer = RelayServiceClient::with_origin(Once(self.sender.clone()), origin)
            .max_decoding_message_size(MAX_ANSWER_BYTES)
            .max_encoding_message_size(super::MAX_MESSAGE_BYTES)
            .deliver(request)
            .await;
        match answer {
            Ok(response) => Sent::Answered(response.into_inner()),
            Err(status) => judge(&status),
        }
    }
}

/// What a failed call means for its message.
fn judge(status: &Status) -> Sent {
    let source = std::error::Error::source(status).and_then(|source| source.downcast_ref::<Failed>());
    match (source, status.code()) {
        (Some(Failed::BeforeSending), _) => Sent::NotAtAll,
        // It crossed the peer's word that it takes no more: at a change of keys, or at the end of its process.
        (Some(Failed::AfterSending(error)), _) if root_cause(error) == Some(Cause::Unhandled) => {
            Sent::NotAtAll
        }
        // The peer's own words: it has no such stream, or (another version) no such method.
        (None, Code::NotFound | Code::Unimplemented) => Sent::Unknown,
        _ => Sent::Unclear,
    }
}

/// The connection as the generated client takes it: it sends each request once, or says that it did not.
#[derive(Clone, Debug)]
struct Once(SendRequest<Body>);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the connection had ended")]
    BeforeSending,
    #[error("the connection broke")]
    AfterSending(#[source] hyper::Error),
}

impl tower::Service<http::Request<Body>> for Once {
    type Response = http::Response<Incoming>;
    type Error = Failed;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        // A connection that has ended gives the request back.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let sent = self.0.try_send_request(request);
        async move {
            sent.await.map_err(|error| match error.message() {
                // Given back: no byte of it has left.
                Some(_) => Failed::BeforeSending,
                None => Failed::AfterSending(error.into_error()),
            })
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    /// What becomes of a message to a peer that reads some of it and then says `frame`.
    async fn sent(frame: &[u8]) -> Sent {
        let (near, mut far) = duplex(64 * 1024);
        let lifecycle = Lifecycle::new();
        let (sender, driver) = Builder::new(Tracked(lifecycle.clone()))
            .handshake(TokioIo::new(near))
            .await
            .expect("a connection");
        let driver = lifecycle.spawn(driver);
        let used = Arc::new(watch::Sender::new(()));
        let connection = Connection { sender, used };
        let peer = async {
            // Its own SETTINGS, empty.
            far.write_all(&[0, 0, 0, 4, 0, 0, 0, 0, 0]).await.expect("writes");
            let mut read = Vec::new();
            // The path stands in the HEADERS, compressed, and the message behind them: it is surely under way.
            while !read.windows(7).any(|bytes| bytes == b"message") {
                assert!(far.read_buf(&mut read).await.expect("reads") > 0);
            }
            far.write_all(frame).await.expect("writes");
            far
        };
        let request = DeliverRequest {
            message: b"message".to_vec(),
            ..DeliverRequest::default()
        };
        let (sent, far) = tokio::join!(connection.send(request), peer);
        drop((far, connection));
        driver.await.expect("ends").ok();
        sent
    }

    #[tokio::test]
    async fn what_the_peer_has_surely_not_looked_at_was_not_sent() {
        // GOAWAY: the last stream that was looked at is 0, NO_ERROR.
        let gone = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(matches!(sent(&gone).await, Sent::NotAtAll));
        // RST_STREAM of stream 1.
        let reset = |code| [0, 0, 4, 3, 0, 0, 0, 0, 1, 0, 0, 0, code];
        assert!(matches!(sent(&reset(7)).await, Sent::NotAtAll), "REFUSED_STREAM");
        assert!(matches!(sent(&reset(2)).await, Sent::Unclear), "INTERNAL_ERROR");
        assert!(matches!(sent(&reset(8)).await, Sent::Unclear), "CANCEL");
    }
}

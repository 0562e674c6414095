//! One connection to an endpoint, from its first byte to its last.
//!
//! tonic's channel opens another socket behind one's back when the first is gone. Here a channel has one socket: whoever holds a
//! connection knows when it ended, whether the peer still says anything, and whether a call on it may have reached an adapter.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint};

use meter::Meter;

mod meter;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// An open connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) channel: Channel,
    traffic: Arc<Traffic>,
    /// Cancelled when it takes no new calls: the peer said so. Those under way go on.
    draining: CancellationToken,
    /// Cancelled when the peer is taken for dead: calls under way will never be answered.
    dead: CancellationToken,
    blamed: AtomicBool,
    /// Whose large answer is read.
    reader: Arc<Mutex<()>>,
}

/// What is seen on the socket.
#[derive(Debug, Default)]
struct Traffic {
    reads: AtomicU64,
    writes: AtomicU64,
    /// Cancelled when the socket is gone.
    closed: CancellationToken,
    /// Whether that was because the peer flooded it.
    flooded: AtomicBool,
}

/// How much was seen on the socket until now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    reads: u64,
    writes: u64,
}

impl Connection {
    /// Connects to `address`; requests name `origin`. An error is told without the address.
    pub(super) async fn open(address: SocketAddr, origin: &Uri) -> Result<Arc<Self>, String> {
        let stream = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(connected) => connected.map_err(|error| why(&error).to_owned())?,
            Err(_) => return Err("no answer".to_owned()),
        };
        // Else each call waits for the peer's delayed acknowledgement. It fails only for a socket that is gone, which is seen soon.
        let _ = stream.set_nodelay(true);
        let traffic = Arc::<Traffic>::default();
        let mut socket = Some(TokioIo::new(Tap {
            stream,
            traffic: traffic.clone(),
            meter: Meter::default(),
        }));
        let once = tower::service_fn(move |_: Uri| {
            let socket = socket.take().ok_or(io::ErrorKind::NotConnected);
            std::future::ready(socket.map_err(io::Error::from))
        });
        let target = Endpoint::from_shared(format!("http://{address}"))
            .map_err(|_| "its address can't be used".to_owned())?
            .origin(origin.clone());
        let channel = match timeout(CONNECT, target.connect_with_connector(once)).await {
            Ok(connected) => connected.map_err(|_| "it can't be connected".to_owned())?,
            Err(_) => return Err("no answer".to_owned()),
        };
        Ok(Arc::new(Self {
            channel,
            traffic,
            draining: CancellationToken::new(),
            dead: CancellationToken::new(),
            blamed: AtomicBool::new(false),
            reader: Arc::default(),
        }))
    }

    /// Whether a call may still be sent over it.
    pub(super) fn takes_calls(&self) -> bool {
        !self.draining.is_cancelled() && !self.traffic.closed.is_cancelled()
    }

    /// Returns when the socket is gone.
    pub(super) async fn closed(&self) {
        self.traffic.closed.cancelled().await;
    }

    /// Whether the peer sent more frames than anybody needs to, so that the socket was closed.
    pub(super) fn was_flooded(&self) -> bool {
        self.traffic.flooded.load(Ordering::Relaxed)
    }

    /// Sends no more calls over it. Those under way go on.
    pub(super) fn drain(&self) {
        self.draining.cancel();
    }

    /// Returns when it takes no new calls.
    pub(super) async fn drained(&self) {
        self.draining.cancelled().await;
    }

    /// Gives the peer up: calls under way end now, so that reads are tried elsewhere.
    pub(super) fn give_up(&self) {
        self.draining.cancel();
        self.dead.cancel();
    }

    /// Whether the peer was given up.
    pub(super) fn is_given_up(&self) -> bool {
        self.dead.is_cancelled()
    }

    /// Returns when the peer was given up.
    pub(super) async fn given_up(&self) {
        self.dead.cancelled().await;
    }

    /// Whether its end was not yet held against the endpoint: a lost connection is one failure, however many calls were on it.
    pub(super) fn blame(&self) -> bool {
        !self.blamed.swap(true, Ordering::Relaxed)
    }

    /// Waits until no other large answer that came over it is read.
    pub(super) async fn turn_to_read(&self) -> OwnedMutexGuard<()> {
        self.reader.clone().lock_owned().await
    }

    pub(super) fn seen(&self) -> Seen {
        Seen {
            reads: self.traffic.reads.load(Ordering::Relaxed),
            writes: self.traffic.writes.load(Ordering::Relaxed),
        }
    }

    /// Whether something was written since, and nothing came back. A peer that allows no more streams lets a request wait at this
    /// end: who was not asked is not silent.
    pub(super) fn silent_since(&self, then: Seen) -> bool {
        let now = self.seen();
        now.reads == then.reads && now.writes != then.writes
    }
}

/// Why there is no connection, without the address that the error may name.
fn why(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the connection is refused",
        io::ErrorKind::ConnectionReset => "the connection was reset",
        io::ErrorKind::TimedOut => "no answer",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "there is no route to it",
        _ => "it can't be connected",
    }
}

/// A socket whose traffic is counted and whose end is told.
#[derive(Debug)]
struct Tap {
    stream: TcpStream,
    traffic: Arc<Traffic>,
    meter: Meter,
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.traffic.closed.cancel();
    }
}

impl AsyncRead for Tap {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let new = &buffer.filled()[before..];
        if !new.is_empty() {
            self.traffic.reads.fetch_add(1, Ordering::Relaxed);
            if self.meter.is_flood(new) {
                self.traffic.flooded.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
            }
        }
        read
    }
}

impl AsyncWrite for Tap {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // The attempt counts: a peer that reads nothing fills its window, and then nothing can be written.
        self.traffic.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.traffic.writes.fetch_add(1, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

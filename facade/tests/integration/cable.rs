//! A cable between the facade and an adapter, which a test can cut.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use mcp_hub_chassis::Lifecycle;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A TCP proxy.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cut: Arc<Mutex<CancellationToken>>,
    stalled: watch::Sender<bool>,
    /// After how many bytes of answers all connections break; none when it is below zero.
    left: Arc<AtomicI64>,
    connections: Arc<AtomicUsize>,
    lifecycle: Lifecycle,
}

/// What a connection through the cable needs to know.
#[derive(Clone)]
struct Through {
    target: Option<SocketAddr>,
    cut: CancellationToken,
    stalled: watch::Receiver<bool>,
    left: Arc<AtomicI64>,
}

impl Cable {
    /// A cable to `target`.
    pub(crate) async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let cable = Self {
            address: listener.local_addr().expect("an address"),
            target: Arc::new(Mutex::new(Some(target))),
            cut: Arc::default(),
            stalled: watch::Sender::new(false),
            left: Arc::new(AtomicI64::new(-1)),
            connections: Arc::default(),
            lifecycle: Lifecycle::new(),
        };
        let (target, cut, stalled) = (cable.target.clone(), cable.cut.clone(), cable.stalled.clone());
        let (left, connections) = (cable.left.clone(), cable.connections.clone());
        let lifecycle = cable.lifecycle.clone();
        cable.lifecycle.spawn_until_stopped(async move {
            while let Ok((near, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let through = Through {
                    target: *target.lock().expect("unpoisoned"),
                    cut: cut.lock().expect("unpoisoned").clone(),
                    stalled: stalled.subscribe(),
                    left: left.clone(),
                };
                lifecycle.spawn_until_stopped(connection(near, through));
            }
        });
        cable
    }

    /// The address for the upstreams.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Breaks all connections; new ones work.
    pub(crate) fn cut(&self) {
        let mut cut = self.cut.lock().expect("unpoisoned");
        std::mem::take(&mut *cut).cancel();
    }

    /// Breaks all connections after so many more bytes of answers; new ones work.
    pub(crate) fn cut_after(&self, bytes: usize) {
        let bytes = i64::try_from(bytes).expect("few");
        self.left.store(bytes, Ordering::SeqCst);
    }

    /// Whether what [`cut_after`](Self::cut_after) ordered has happened.
    pub(crate) fn is_cut(&self) -> bool {
        self.left.load(Ordering::SeqCst) < 0
    }

    /// How many connections there were.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Breaks all connections; new ones are accepted and closed at once.
    pub(crate) fn unplug(&self) {
        *self.target.lock().expect("unpoisoned") = None;
        self.cut();
    }

    /// Keeps all connections and lets nothing through, as a machine that hangs does.
    pub(crate) fn stall(&self) {
        self.stalled.send_replace(true);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

async fn connection(mut near: TcpStream, mut through: Through) {
    let Some(target) = through.target else { return };
    let Ok(far) = TcpStream::connect(target).await else {
        return;
    };
    let (mut from_far, mut to_far) = far.into_split();
    let (mut from_near, mut to_near) = near.split();
    tokio::select! {
        () = through.cut.cancelled() => return,
        _ = tokio::io::copy(&mut from_near, &mut to_far) => return,
        () = answers(&mut from_far, &mut to_near, &through.left) => return,
        _ = through.stalled.wait_for(|stalled| *stalled) => {}
    }
    through.cut.cancelled().await;
}

/// Copies what comes back, until it ends or as much as may has come back.
async fn answers(from: &mut OwnedReadHalf, to: &mut WriteHalf<'_>, left: &AtomicI64) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        let size = i64::try_from(count).expect("few");
        let before = left.load(Ordering::SeqCst);
        let allowed = if before < 0 {
            count
        } else {
            usize::try_from(before.min(size)).expect("few")
        };
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return;
        }
        if before >= 0 {
            let after = before - size;
            left.store(after.max(-1), Ordering::SeqCst);
            if after < 0 {
                return;
            }
        }
    }
}

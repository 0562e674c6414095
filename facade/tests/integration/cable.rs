//! A cable between the facade and an adapter, which a test can cut.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use mcp_hub_chassis::Lifecycle;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// A TCP proxy.
pub(crate) struct Cable {
    pub(crate) address: SocketAddr,
    target: Arc<Mutex<Option<SocketAddr>>>,
    cut: Arc<Mutex<CancellationToken>>,
    stalled: watch::Sender<bool>,
    lifecycle: Lifecycle,
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
            lifecycle: Lifecycle::new(),
        };
        let (target, cut, stalled) = (cable.target.clone(), cable.cut.clone(), cable.stalled.clone());
        let lifecycle = cable.lifecycle.clone();
        cable.lifecycle.spawn_until_stopped(async move {
            while let Ok((near, _)) = listener.accept().await {
                let target = *target.lock().expect("unpoisoned");
                let cut = cut.lock().expect("unpoisoned").clone();
                let stalled = stalled.subscribe();
                lifecycle.spawn_until_stopped(connection(near, target, cut, stalled));
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

async fn connection(
    mut near: TcpStream,
    target: Option<SocketAddr>,
    cut: CancellationToken,
    mut stalled: watch::Receiver<bool>,
) {
    let Some(target) = target else { return };
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    tokio::select! {
        () = cut.cancelled() => return,
        _ = copy_bidirectional(&mut near, &mut far) => return,
        _ = stalled.wait_for(|stalled| *stalled) => {}
    }
    cut.cancelled().await;
}

//! A cable between two processes, which a test can cut, stall, pull and put back.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mcp_hub_testing::{eventually, free_port};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long it may take until a listener is closed, or open again.
const DEADLINE: Duration = Duration::from_secs(10);

/// How much is read at once, and so how much a stalled connection holds in either direction.
const CHUNK: usize = 16 * 1024;

/// A TCP proxy on a port of its own. It ends with this value, and its connections with it.
#[derive(Debug)]
pub struct Cable {
    address: SocketAddr,
    state: watch::Sender<State>,
    listening: watch::Receiver<bool>,
    _task: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    mode: Mode,
    /// How often all connections were broken.
    cuts: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Whole,
    Stalled,
    Pulled,
}

impl Cable {
    /// A cable to `target`, whole.
    ///
    /// # Panics
    ///
    /// When no port is to be had.
    pub async fn to(target: SocketAddr) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let whole = State {
            mode: Mode::Whole,
            cuts: 0,
        };
        let (state, states) = watch::channel(whole);
        let (told, listening) = watch::channel(false);
        let mut task = JoinSet::new();
        task.spawn(accept(address, target, states, told));
        let cable = Self {
            address,
            state,
            listening,
            _task: task,
        };
        cable.listens(true).await;
        cable
    }

    /// Where it is connected to in the place of its target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections; new ones work.
    pub fn cut(&self) {
        self.state.send_modify(|state| state.cuts += 1);
    }

    /// Keeps all connections, and new ones, and lets nothing through: neither bytes nor the end of either side.
    pub fn stall(&self) {
        self.state.send_modify(|state| state.mode = Mode::Stalled);
    }

    /// Breaks all connections; new ones are refused.
    ///
    /// # Panics
    ///
    /// When its listener does not close.
    pub async fn pull(&self) {
        self.state.send_modify(|state| {
            state.mode = Mode::Pulled;
            state.cuts += 1;
        });
        self.listens(false).await;
    }

    /// Makes it whole again: what was held back goes on its way, and connections are accepted.
    ///
    /// # Panics
    ///
    /// When its port was taken by another meanwhile.
    pub async fn heal(&self) {
        self.state.send_modify(|state| state.mode = Mode::Whole);
        self.listens(true).await;
    }

    async fn listens(&self, wanted: bool) {
        eventually(DEADLINE, async || *self.listening.borrow() == wanted).await;
    }
}

async fn accept(
    address: SocketAddr,
    target: SocketAddr,
    mut states: watch::Receiver<State>,
    listening: watch::Sender<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        if states.wait_for(|state| state.mode != Mode::Pulled).await.is_err() {
            return;
        }
        // Another has the port: `listens` waits in vain, and says so.
        let Ok(listener) = TcpListener::bind(address).await else {
            return;
        };
        listening.send_replace(true);
        let mut pulled = states.clone();
        loop {
            tokio::select! {
                biased;
                // The sender goes with the cable.
                _ = pulled.wait_for(|state| state.mode == Mode::Pulled) => break,
                // Those that have ended.
                Some(_) = connections.join_next() => {}
                Ok((near, _)) = listener.accept() => {
                    connections.spawn(connection(near, target, states.clone()));
                }
            }
        }
        drop(listener);
        listening.send_replace(false);
    }
}

/// Moves bytes until either side ends, or the cable is cut.
async fn connection(near: TcpStream, target: SocketAddr, mut states: watch::Receiver<State>) {
    let cuts = states.borrow().cuts;
    let mut cut = states.clone();
    let moves = async {
        // Nothing gets through a stalled cable, so that its far end hears nothing of a new connection.
        let _ = states.wait_for(|state| state.mode == Mode::Whole).await;
        let far = TcpStream::connect(target).await?;
        near.set_nodelay(true)?;
        far.set_nodelay(true)?;
        let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
        tokio::try_join!(
            copy(near_read, far_write, states.clone()),
            copy(far_read, near_write, states.clone())
        )?;
        io::Result::Ok(())
    };
    tokio::select! {
        // Either side learns of the other's error by the end of its own connection.
        _ = moves => {}
        _ = cut.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut states: watch::Receiver<State>,
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from.read(&mut chunk).await;
        // The end of a connection, good or bad, gets through no more than a byte does.
        let _ = states.wait_for(|state| state.mode == Mode::Whole).await;
        match read? {
            0 => return to.shutdown().await,
            count => to.write_all(&chunk[..count]).await?,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);
    const A_WHILE: Duration = Duration::from_millis(100);

    /// A server that says everything again.
    async fn echo() -> (SocketAddr, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.spawn(async move {
                    let (mut reader, mut writer) = stream.split();
                    let _ = tokio::io::copy(&mut reader, &mut writer).await;
                });
            }
        });
        (address, tasks)
    }

    async fn says_again(stream: &mut TcpStream) -> io::Result<()> {
        let mut answer = [0; 2];
        stream.write_all(b"hi").await?;
        stream.read_exact(&mut answer).await?;
        assert_eq!(&answer, b"hi");
        Ok(())
    }

    #[tokio::test]
    async fn a_cable_is_cut_stalled_pulled_and_healed() {
        let (server, _tasks) = echo().await;
        let cable = Cable::to(server).await;
        let connect = async || TcpStream::connect(cable.address()).await;
        let mut stream = connect().await.expect("connects");
        says_again(&mut stream).await.expect("whole");

        cable.cut();
        let broken = timeout(SOON, says_again(&mut stream)).await.expect("soon");
        broken.expect_err("cut");

        let mut stream = connect().await.expect("connects");
        says_again(&mut stream).await.expect("whole again");
        cable.stall();
        let mut late = connect().await.expect("connects");
        timeout(A_WHILE, says_again(&mut stream))
            .await
            .expect_err("silent");
        timeout(A_WHILE, says_again(&mut late))
            .await
            .expect_err("silent as well");
        cable.heal().await;
        let mut answer = [0; 2];
        let read = timeout(SOON, stream.read_exact(&mut answer)).await.expect("soon");
        read.expect("what was held back");

        cable.pull().await;
        let refused = connect().await.expect_err("refused");
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        cable.heal().await;
        says_again(&mut connect().await.expect("connects"))
            .await
            .expect("whole again");
    }
}

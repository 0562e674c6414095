//! What the relay says of a message when the connection breaks: at every byte, in either direction.

use std::collections::BTreeMap;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::*;

/// How many bytes pass each way before the connection breaks.
#[derive(Clone, Copy, Debug)]
struct Fuse {
    to_replica: usize,
    from_replica: usize,
}

const WHOLE: Fuse = Fuse {
    to_replica: usize::MAX,
    from_replica: usize::MAX,
};

/// A wire to a replica. The next connection breaks as the fuse says.
struct Wire {
    address: SocketAddr,
    fuse: Arc<Mutex<Fuse>>,
    hangs: watch::Sender<bool>,
    lifecycle: Lifecycle,
}

impl Wire {
    async fn to(target: SocketAddr) -> Self {
        Self::at("127.0.0.1:0".parse().unwrap(), target).await
    }

    async fn at(address: SocketAddr, target: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let wire = Self {
            address: listener.local_addr().unwrap(),
            fuse: Arc::new(Mutex::new(WHOLE)),
            hangs: watch::Sender::new(false),
            lifecycle: Lifecycle::new(),
        };
        let (fuse, hangs, lifecycle) = (wire.fuse.clone(), wire.hangs.clone(), wire.lifecycle.clone());
        wire.lifecycle.spawn_until_stopped(async move {
            while let Ok((near, _)) = listener.accept().await {
                // The next ones are whole: a message that is sent again arrives, and is counted.
                let fuse = std::mem::replace(&mut *fuse.lock().unwrap(), WHOLE);
                lifecycle.spawn_until_stopped(connection(near, target, fuse, hangs.subscribe()));
            }
        });
        wire
    }

    fn set(&self, fuse: Fuse) {
        *self.fuse.lock().unwrap() = fuse;
    }

    /// Lets nothing through any more, as a machine that lost its network does.
    fn hang(&self, hangs: bool) {
        self.hangs.send_replace(hangs);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

async fn connection(mut near: TcpStream, target: SocketAddr, fuse: Fuse, hangs: watch::Receiver<bool>) {
    let Ok(mut far) = TcpStream::connect(target).await else {
        return;
    };
    for side in [&near, &far] {
        side.set_nodelay(true).unwrap();
    }
    let (near_read, near_write) = near.split();
    let (far_read, far_write) = far.split();
    // The first that ends breaks both.
    tokio::select! {
        () = pass(near_read, far_write, fuse.to_replica, hangs.clone()) => {}
        () = pass(far_read, near_write, fuse.from_replica, hangs) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut left: usize,
    mut hangs: watch::Receiver<bool>,
) {
    let mut buffer = [0; 4096];
    while left > 0 {
        let room = left.min(buffer.len());
        let Ok(read @ 1..) = from.read(&mut buffer[..room]).await else {
            return;
        };
        if hangs.wait_for(|hangs| !hangs).await.is_err() || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
        left -= read;
    }
}

/// What was said of a message, and how often it was taken.
type Fate = (&'static str, usize);

/// Sends a message over a new connection with a fuse, and says what became of it.
async fn send_over(fuse: Fuse, replica: &Replica, wire: &Wire, keys: &Changeable, text: &str) -> Fate {
    wire.set(fuse);
    let relay = relay_to(wire.address, keys);
    let outcome = relay.deliver(wire.address, message(text)).await;
    wire.set(WHOLE);
    if outcome.is_err() {
        let healed = relay.deliver(wire.address, message("healed")).await;
        assert_eq!(healed, ACCEPTED, "{fuse:?}");
    }
    relay.stop();
    let said = match outcome {
        Ok(_) => "taken",
        Err(Failure::Gone) => "gone",
        Err(Failure::Unclear) => "unclear",
    };
    (said, replica.taken.count(text))
}

#[tokio::test]
async fn no_cut_makes_a_message_arrive_twice_or_be_lost_unsaid() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let wire = Wire::to(replica.address).await;
    let mut fates = BTreeMap::<Fate, usize>::new();
    for bytes in (0..2000).step_by(7) {
        let cuts = [
            Fuse {
                to_replica: bytes,
                ..WHOLE
            },
            Fuse {
                from_replica: bytes,
                ..WHOLE
            },
        ];
        for fuse in cuts {
            let text = format!("{fuse:?}");
            let fate = send_over(fuse, &replica, &wire, &keys, &text).await;
            assert!(
                matches!(fate, ("taken", 1) | ("gone", 0) | ("unclear", 0 | 1)),
                "{fuse:?}: {fate:?}"
            );
            *fates.entry(fate).or_default() += 1;
        }
    }
    // Every stage was met: before and in the handshake, on the way there, on the way back, and after.
    for stage in [("gone", 0), ("unclear", 0), ("unclear", 1), ("taken", 1)] {
        assert!(fates.contains_key(&stage), "{stage:?} is missing: {fates:?}");
    }
}

#[tokio::test]
async fn a_kept_connection_that_breaks_is_noticed_or_unclear() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let mut wire = Wire::to(replica.address).await;
    let address = wire.address;
    let relay = relay_to(address, &keys);
    for round in 0..50 {
        assert_eq!(relay.deliver(address, message("before")).await, ACCEPTED);
        wire.lifecycle.stop();
        // Yields as often as the round says, so that the loss is noticed at different times.
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        let text = format!("round {round}");
        let outcome = relay.deliver(address, message(text.clone())).await;
        // The wire lies there cut: nothing can have got through, on whatever connection.
        assert!(outcome.is_err(), "{outcome:?}");
        wire.lifecycle.drain(SOON).await;
        assert_eq!(replica.taken.count(&text), 0);
        wire = Wire::at(address, replica.address).await;
    }
}

#[tokio::test]
async fn a_replica_that_hangs_is_given_up_in_seconds() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let wire = Wire::to(replica.address).await;
    let relay = relay_to(wire.address, &keys);
    assert_eq!(relay.deliver(wire.address, message("before")).await, ACCEPTED);

    wire.hang(true);
    let start = Instant::now();
    let outcome = relay.deliver(wire.address, message("into the void")).await;
    assert_eq!(outcome, Err(Failure::Unclear));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
    // From now on it is known, and costs what a connection may cost.
    let start = Instant::now();
    let outcome = relay.deliver(wire.address, message("later")).await;
    assert_eq!(outcome, Err(Failure::Gone));
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());

    wire.hang(false);
    assert_eq!(relay.deliver(wire.address, message("after")).await, ACCEPTED);
    assert_eq!(replica.taken.count("later"), 0);
    assert!(replica.taken.count("into the void") <= 1);
}

#[tokio::test]
async fn an_idle_connection_that_hangs_is_noticed() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let wire = Wire::to(replica.address).await;
    let relay = relay_to(wire.address, &keys);
    assert_eq!(relay.deliver(wire.address, message("before")).await, ACCEPTED);
    assert_eq!(relay.connections(), 1);
    wire.hang(true);
    eventually(SOON, async || relay.connections() == 0).await;
    let outcome = relay.deliver(wire.address, message("later")).await;
    assert_eq!(outcome, Err(Failure::Gone), "nothing had left");
}

#[tokio::test]
async fn one_connection_serves_all_messages_until_it_is_idle() {
    let keys = Changeable::of(&[1]);
    let replica = Replica::start(&keys).await;
    let relay = relay_to(replica.address, &keys);
    let sent = (0..64).map(|_| relay.deliver(replica.address, message("x")));
    assert!(join_all(sent).await.into_iter().all(|sent| sent == ACCEPTED));
    assert_eq!(relay.connections(), 1);
    tokio::time::pause();
    eventually(Duration::from_mins(2), async || relay.connections() == 0).await;
    tokio::time::resume();
    assert_eq!(relay.deliver(replica.address, message("x")).await, ACCEPTED);
}

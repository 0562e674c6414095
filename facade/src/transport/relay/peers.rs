//! Which addresses a replica may have: what a session id names is dialled only when it is one of them.
//!
//! Only sealed ids get here, so an address was put into its id by somebody with the session keys. Still, a leaked key must not become
//! a way to have any address of the network dialled.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, join_all};
use ipnet::IpNet;
use mcp_hub_chassis::Lifecycle;
use tokio::time::{Instant, sleep_until, timeout};

/// The least time between two looks at what names stand for, however many ids ask for one.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// How long a look is trusted: an address that was a replica's may be another's soon.
const FRESH: Duration = Duration::from_secs(30);

/// How long a message waits for a look. A name server may be silent for much longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// One entry of the list of peers: a name, or an address, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Without brackets.
    host: String,
    port: u16,
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self {
                host: address.ip().to_string(),
                port: address.port(),
            });
        }
        let (host, port) = text
            .rsplit_once(':')
            .ok_or("a port is missing: host:port, like mcp-hub-peers:8001")?;
        let port = port.parse().ok().filter(|port| *port != 0);
        let port = port.ok_or("the port is no number from 1 to 65535")?;
        let named = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if host.is_empty() || !host.bytes().all(named) {
            return Err("the host is neither a name nor an address; one of IPv6 is in brackets".to_owned());
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl Peer {
    /// Its host and its port.
    pub(crate) fn parts(&self) -> (&str, u16) {
        (&self.host, self.port)
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.host, self.port)
    }
}

/// Where a replica may be. Cheap to clone.
#[derive(Clone)]
pub(super) struct Peers(Arc<Shared>);

struct Shared {
    own: SocketAddr,
    listed: Vec<Peer>,
    networks: Vec<IpNet>,
    resolve: Resolve,
    known: Mutex<Known>,
    /// When the last look began; held while one is under way.
    looked: Arc<tokio::sync::Mutex<Option<Instant>>>,
    lifecycle: Lifecycle,
}

/// What finds the addresses of a name.
type Resolve = fn(Peer) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

/// What the last look saw.
#[derive(Default)]
struct Known {
    /// The addresses of each listed peer, in the order of the list.
    addresses: Vec<HashSet<SocketAddr>>,
    at: Option<Instant>,
}

impl Known {
    /// Whether an address was a peer's when it was last looked.
    fn has(&self, address: SocketAddr) -> bool {
        self.addresses.iter().any(|peer| peer.contains(&address))
    }

    fn is_fresh(&self) -> bool {
        self.at.is_some_and(|at| at.elapsed() < FRESH)
    }
}

impl Peers {
    /// The peers of the replica at `own`. Names are looked up in tasks of `lifecycle`, when they are needed.
    pub(super) fn new(
        own: SocketAddr,
        listed: Vec<Peer>,
        networks: Vec<IpNet>,
        lifecycle: Lifecycle,
    ) -> Self {
        Self::with(own, listed, networks, lifecycle, |peer| resolve(peer).boxed())
    }

    fn with(
        own: SocketAddr,
        listed: Vec<Peer>,
        networks: Vec<IpNet>,
        lifecycle: Lifecycle,
        resolve: Resolve,
    ) -> Self {
        Self(Arc::new(Shared {
            own: canonical(own),
            listed,
            networks,
            resolve,
            known: Mutex::default(),
            looked: Arc::default(),
            lifecycle,
        }))
    }

    /// Whether another replica may be at an address. It takes as long as a look at the names, a few seconds at most.
    pub(super) async fn has(&self, address: SocketAddr) -> bool {
        let address = canonical(address);
        let ip = address.ip();
        if address == self.0.own || ip.is_unspecified() || ip.is_multicast() {
            return false;
        }
        if self.0.is_in_networks(address) {
            return true;
        }
        if !self.0.knows(address) {
            // When it takes too long, what was known before counts: a name server that is down must not part the replicas.
            let _ = timeout(PATIENCE, self.look_for(address)).await;
        }
        self.0.known().has(address)
    }

    /// Looks at what the names stand for. One look is enough for all who wait for it.
    async fn look_for(&self, address: SocketAddr) {
        let wanted = Instant::now();
        let mut looked = self.0.looked.clone().lock_owned().await;
        if self.0.knows(address) || looked.is_some_and(|began| began >= wanted) {
            return;
        }
        if let Some(began) = *looked {
            sleep_until(began + LOOK_PAUSE).await;
        }
        *looked = Some(Instant::now());
        let shared = self.0.clone();
        // A task, because those who wait give up sooner than a name server may; the next look does not begin before it has ended.
        let task = self.0.lifecycle.spawn(async move {
            let found = join_all(shared.listed.iter().cloned().map(shared.resolve)).await;
            shared.update(found);
            drop(looked);
        });
        // It does not panic, and is never aborted.
        let _ = task.await;
    }
}

impl Shared {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an address is a peer's, by a look that can be trusted.
    fn knows(&self, address: SocketAddr) -> bool {
        let known = self.known();
        known.is_fresh() && known.has(address)
    }

    /// Whether the address is in a network of peers, at a port that replicas have.
    fn is_in_networks(&self, address: SocketAddr) -> bool {
        let port = address.port();
        (port == self.own.port() || self.listed.iter().any(|peer| peer.port == port))
            && self
                .networks
                .iter()
                .any(|network| network.contains(&address.ip()))
    }

    fn update(&self, found: Vec<io::Result<Vec<SocketAddr>>>) {
        let mut known = self.known();
        known.addresses.resize_with(self.listed.len(), HashSet::new);
        for ((peer, found), addresses) in self.listed.iter().zip(found).zip(&mut known.addresses) {
            match found {
                Ok(found) => *addresses = found.into_iter().map(canonical).collect(),
                // Its last addresses stay: whoever answers there has to prove itself all the same.
                Err(error) => tracing::warn!(%peer, %error, "the name of a peer can't be resolved"),
            }
        }
        known.at = Some(Instant::now());
    }
}

impl fmt::Debug for Peers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Peers")
            .field("listed", &self.0.listed)
            .finish_non_exhaustive()
    }
}

async fn resolve(peer: Peer) -> io::Result<Vec<SocketAddr>> {
    let addresses = tokio::net::lookup_host((peer.host.as_str(), peer.port)).await?;
    Ok(addresses.collect())
}

/// One form for each address: no IPv4 in IPv6, no flow or scope.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(IpAddr::to_canonical(&address.ip()), address.port())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn listed(text: &str) -> Vec<Peer> {
        text.split(',').map(|peer| peer.parse().unwrap()).collect()
    }

    fn networks(text: &str) -> Vec<IpNet> {
        text.split(',').map(|network| network.parse().unwrap()).collect()
    }

    #[test]
    fn a_peer_is_a_host_and_a_port() {
        let peer = |text: &str| text.parse::<Peer>().map(|peer| (peer.host, peer.port));
        let is = |host: &str, port| Ok((host.to_owned(), port));
        assert_eq!(peer("mcp-hub-peers:8001"), is("mcp-hub-peers", 8001));
        assert_eq!(
            peer(" a.b_c.svc.cluster.local.:1 "),
            is("a.b_c.svc.cluster.local.", 1)
        );
        assert_eq!(peer("10.0.0.1:8001"), is("10.0.0.1", 8001));
        assert_eq!(peer("[fd00::1]:8001"), is("fd00::1", 8001));
        for wrong in [
            "",
            "peers",
            "peers:",
            "peers:0",
            "peers:65536",
            "peers:http",
            ":8001",
            "fd00::1:8001",
            "http://peers:8001",
            "a b:1",
            "a/b:1",
        ] {
            assert!(wrong.parse::<Peer>().is_err(), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_addresses_of_peers_are_dialled() {
        let peers = Peers::new(
            address("10.0.0.1:8001"),
            listed("10.0.0.1:8001,10.0.0.2:8001,[fd00::2]:8002"),
            networks("10.42.0.0/16,fd42::/64"),
            Lifecycle::new(),
        );
        for (candidate, is_peer) in [
            ("10.0.0.2:8001", true),
            ("[::ffff:10.0.0.2]:8001", true),
            ("[fd00::2]:8002", true),
            ("10.42.255.1:8001", true),
            ("10.42.255.1:8002", true),
            ("[fd42::7]:8001", true),
            // Itself, also by its other form.
            ("10.0.0.1:8001", false),
            ("[::ffff:10.0.0.1]:8001", false),
            // The port of something else.
            ("10.0.0.2:5432", false),
            ("10.42.255.1:22", false),
            // Anything else.
            ("10.0.0.3:8001", false),
            ("127.0.0.1:8001", false),
            ("169.254.169.254:8001", false),
            ("[fd42:0:0:1::7]:8001", false),
            ("0.0.0.0:8001", false),
            ("224.0.0.1:8001", false),
        ] {
            assert_eq!(peers.has(address(candidate)).await, is_peer, "{candidate}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_network_makes_these_peers() {
        let own = address("127.0.0.1:8001");
        let peers = Peers::new(own, vec![], networks("0.0.0.0/0,::/0"), Lifecycle::new());
        assert!(peers.has(address("192.0.2.1:8001")).await);
        for never in [
            "127.0.0.1:8001",
            "0.0.0.0:8001",
            "[::]:8001",
            "224.0.0.1:8001",
            "[ff02::1]:8001",
        ] {
            assert!(!peers.has(address(never)).await, "{never}");
        }
    }

    /// A name server: how often it was asked, and what it says now. Each test has names of its own.
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    static LAST_OCTET: AtomicUsize = AtomicUsize::new(1);

    fn counting(_: Peer) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async {
            ASKED.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(10)).await;
            let last = LAST_OCTET.load(Ordering::SeqCst);
            if last == 0 {
                return Err(io::ErrorKind::TimedOut.into());
            }
            Ok(vec![address(&format!("10.0.0.{last}:8001"))])
        }
        .boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_missing_address_is_looked_for_once_a_second_at_most() {
        let asked = || ASKED.swap(0, Ordering::SeqCst);
        let own = address("10.9.9.9:8001");
        let peers = Peers::with(own, listed("peers:8001"), vec![], Lifecycle::new(), counting);

        assert!(peers.has(address("10.0.0.1:8001")).await);
        assert!(peers.has(address("10.0.0.1:8001")).await);
        assert_eq!(asked(), 1, "what is known is not looked for");

        // 1,000 ids of nobody at the same moment, and again a moment later.
        let start = Instant::now();
        for _ in 0..2 {
            let all = join_all((0..1000).map(|_| peers.has(address("10.0.0.7:8001")))).await;
            assert!(all.into_iter().all(|is_peer| !is_peer));
        }
        assert_eq!(asked(), 2);
        assert!(start.elapsed() >= LOOK_PAUSE && start.elapsed() < 3 * LOOK_PAUSE);

        // A new replica is found at once, even when there has just been a look.
        LAST_OCTET.store(2, Ordering::SeqCst);
        assert!(peers.has(address("10.0.0.2:8001")).await);
        assert!(!peers.has(address("10.0.0.1:8001")).await, "no longer one");
        asked();

        // What is known is looked at again after a while, and kept when the names can't be had.
        tokio::time::advance(FRESH).await;
        LAST_OCTET.store(0, Ordering::SeqCst);
        assert!(peers.has(address("10.0.0.2:8001")).await);
        assert_eq!(asked(), 1);
        LAST_OCTET.store(3, Ordering::SeqCst);
        tokio::time::advance(FRESH).await;
        assert!(!peers.has(address("10.0.0.2:8001")).await);
    }

    fn silent(_: Peer) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        std::future::pending().boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_name_server_holds_up_a_message_only_for_a_while() {
        let own = address("10.9.9.9:8001");
        let peers = Peers::with(own, listed("peers:8001"), vec![], Lifecycle::new(), silent);
        let start = Instant::now();
        let all = join_all((0..10).map(|_| peers.has(address("10.0.0.1:8001")))).await;
        assert!(all.into_iter().all(|is_peer| !is_peer));
        assert_eq!(start.elapsed(), PATIENCE);
    }
}

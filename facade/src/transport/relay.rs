//! The relay: how a replica hands a posted message to the replica that has its stream.
//!
//! gRPC on a port of its own, between replicas only. Both ends prove by [`identity`] that they have the session keys before anything
//! is said; [`peers`] says which addresses a replica may have at all. [`client`] hands over, on a [`connection`] for each peer;
//! [`server`] takes, and [`handshakes`] keeps strangers from being in the way. [`trace`] shows the hop in traces.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use mcp_hub_chassis::Lifecycle;
use tokio::net::TcpListener;

pub(super) mod client;
mod connection;
mod handshakes;
mod identity;
mod peers;
mod server;
pub(super) mod trace;

use super::body;
use super::session::Sessions;
use super::session::keys::KeyRing;
use client::Relay;
use identity::Identity;
use peers::{Peer, Peers};

/// The port that replicas have for each other when nothing else is said.
const PORT: u16 = 8001;

/// The largest message between replicas: one of a client, with its session's id and the rest around it.
const MAX_MESSAGE_BYTES: usize = body::MAX_MESSAGE_BYTES + 16 * 1024;

/// How replicas of the facade find each other.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {
    /// The replicas, `host:port` with commas in between. A name stands for all addresses that it has, like that of a headless
    /// Service. This replica may be among them. The port is that of --relay-listen.
    #[arg(long, env = "MCP_HUB_PEERS", value_name = "HOST:PORT", value_delimiter = ',')]
    pub peers: Vec<Peer>,
    /// Networks, or addresses, that replicas may be in beside those of --peers, like 10.42.0.0/16, with commas in between: a name
    /// server may be slow to tell of a new one.
    #[arg(long, env = "MCP_HUB_PEER_NETWORKS", value_name = "NETWORK", value_delimiter = ',',
          value_parser = crate::config::network)]
    pub peer_networks: Vec<IpNet>,
    /// Where this replica takes messages that others hand over. Without: port 8001 of every address, when there are peers.
    #[arg(long, env = "MCP_HUB_RELAY_LISTEN", value_name = "ADDRESS:PORT")]
    pub relay_listen: Option<SocketAddr>,
    /// The address that others reach this replica's relay at, like the pod's. Without a port, or with 0, the port is the one that it
    /// listens on. Without the setting: --relay-listen, if that is one address.
    #[arg(long, env = "MCP_HUB_RELAY_ADDRESS", value_name = "ADDRESS[:PORT]", value_parser = address)]
    pub relay_address: Option<SocketAddr>,
}

/// An address, with a port or without.
fn address(text: &str) -> Result<SocketAddr, String> {
    let text = text.trim();
    text.parse()
        .or_else(|_| text.parse::<IpAddr>().map(|ip| SocketAddr::new(ip, 0)))
        .map_err(|_| {
            "neither an address nor an address with a port; one of IPv6 with a port is in brackets".to_owned()
        })
}

/// Why the relay can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Every replica would have keys of its own.
    #[error(
        "replicas need the same session keys: make a file of them with `echo \"first:$(openssl rand -base64 32)\"`, give it to every \
         replica, and name it with --session-keys-file"
    )]
    NoKeys,
    /// Other replicas could not reach this one.
    #[error(
        "{0} stands for every address of this machine, and other replicas need one to reach it at: set --relay-address \
         (MCP_HUB_RELAY_ADDRESS) to it, in Kubernetes to the pod's, from the field status.podIP"
    )]
    NoAddress(SocketAddr),
    /// There is nobody to hand messages to.
    #[error(
        "--relay-listen and --relay-address are for several replicas: name them with --peers, or leave these out"
    )]
    NoPeers,
    /// Another program has the port.
    #[error("{0} is in use by another program; choose another address with --relay-listen")]
    AddressInUse(SocketAddr),
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// What both ends know each other by can't be made.
    #[error("TLS")]
    Tls(#[from] rustls::Error),
}

/// A relay with its port taken, before anything is sent or taken.
#[derive(Debug)]
pub(crate) struct Bound {
    listener: TcpListener,
    /// Where others reach it.
    own: SocketAddr,
    peers: Vec<Peer>,
    networks: Vec<IpNet>,
}

impl Config {
    /// Where messages of other replicas are taken, if there are to be any.
    ///
    /// # Errors
    /// The settings contradict each other.
    pub(crate) fn listen(&self) -> Result<Option<SocketAddr>, Error> {
        if self.peers.is_empty() && self.peer_networks.is_empty() {
            // It would listen for nobody, and its streams would end with a 404 at every other replica.
            return match (self.relay_listen, self.relay_address) {
                (None, None) => Ok(None),
                _ => Err(Error::NoPeers),
            };
        }
        let listen = self.relay_listen;
        Ok(Some(listen.unwrap_or_else(|| default_listen(self.relay_address))))
    }
}

impl Bound {
    /// Listens, if there are to be other replicas.
    ///
    /// # Errors
    /// The settings contradict each other, or the address can't be listened on.
    pub(crate) async fn open(config: &Config, keys: &KeyRing) -> Result<Option<Self>, Error> {
        let Some(address) = config.listen()? else {
            return Ok(None);
        };
        if keys.is_random() {
            return Err(Error::NoKeys);
        }
        let refuse = |source: io::Error| match source.kind() {
            io::ErrorKind::AddrInUse => Error::AddressInUse(address),
            _ => Error::Listen { address, source },
        };
        let listener = TcpListener::bind(address).await.map_err(refuse)?;
        let bound = listener.local_addr().map_err(refuse)?;
        let mut own = config.relay_address.unwrap_or(bound);
        if own.ip().is_unspecified() {
            return Err(Error::NoAddress(own));
        }
        if own.port() == 0 {
            own.set_port(bound.port());
        }
        tracing::info!(address = %bound, own = %own, "the relay between replicas listens");
        Ok(Some(Self {
            listener,
            own,
            peers: config.peers.clone(),
            networks: config.peer_networks.clone(),
        }))
    }
}

/// The sessions as this replica sees them: its own, and with a relay those of the others, from whom it then takes messages in tasks of
/// `lifecycle`.
///
/// # Errors
/// TLS can't be set up.
pub(crate) fn sessions(
    relay: Option<Bound>,
    keys: &KeyRing,
    lifecycle: &Lifecycle,
) -> Result<Sessions, Error> {
    let Some(bound) = relay else {
        return Ok(Sessions::new(keys, None, None));
    };
    let identity = Identity::follow(keys, lifecycle)?;
    let peers = Peers::new(bound.own, bound.peers, bound.networks, lifecycle.clone());
    let relay = Relay::new(identity.clone(), peers, lifecycle.clone());
    let sessions = Sessions::new(keys, Some(bound.own), Some(relay));
    let here = sessions.clone();
    let take = move |posted: &_| here.take(posted);
    lifecycle.spawn(server::serve(bound.listener, identity, take, lifecycle.clone()));
    Ok(sessions)
}

/// Every address of the family that others reach this replica by.
fn default_listen(own: Option<SocketAddr>) -> SocketAddr {
    let any = match own {
        Some(SocketAddr::V6(_)) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
        _ => IpAddr::from(Ipv4Addr::UNSPECIFIED),
    };
    SocketAddr::new(any, PORT)
}

#[cfg(test)]
mod tests;

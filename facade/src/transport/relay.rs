//! The relay: how a replica hands a posted message to the replica that has its stream.
//!
//! gRPC on a port of its own, between replicas only. Both ends prove by [`identity`] that they hold the session keys before anything
//! is said; [`peers`] says which addresses a replica may have at all; [`client`] hands over, [`server`] takes.

use std::net::SocketAddr;

use ipnet::IpNet;

/// How replicas of the facade find each other.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {
    /// The other replicas, `host:port` with commas in between; a name stands for all addresses that it has, like that of a headless
    /// Service. The port is that of --relay-listen.
    #[arg(long, env = "MCP_HUB_PEERS", value_name = "HOST:PORT", value_delimiter = ',')]
    pub peers: Vec<String>,
    /// Networks that replicas may be in beside the addresses of --peers, like 10.42.0.0/16, with commas in between.
    #[arg(
        long,
        env = "MCP_HUB_PEER_NETWORKS",
        value_name = "NETWORK",
        value_delimiter = ','
    )]
    pub peer_networks: Vec<IpNet>,
    /// Where this replica takes messages that others hand over. Without: port 8001 of every address, when there are peers.
    #[arg(long, env = "MCP_HUB_RELAY_LISTEN", value_name = "ADDRESS:PORT")]
    pub relay_listen: Option<SocketAddr>,
    /// The address that others reach this replica's relay at, like the pod's; 0 as its port stands for the one that it listens on.
    /// Without: --relay-listen, if that is one address.
    #[arg(long, env = "MCP_HUB_RELAY_ADDRESS", value_name = "ADDRESS:PORT")]
    pub relay_address: Option<SocketAddr>,
}

/// Why the relay can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

impl Config {
    /// Whether there are other replicas.
    pub(crate) fn is_on(&self) -> bool {
        !(self.peers.is_empty() && self.peer_networks.is_empty())
    }
}

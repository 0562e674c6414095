//! Why the facade can't start or go on.

use std::net::SocketAddr;

/// Why the facade can't start or go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another program has the port.
    #[error("{0} is in use by another program; stop it, or choose another address with --listen")]
    AddressInUse(SocketAddr),
    /// The address can't be listened on.
    #[error("can't listen on {address}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The address can be reached from outside, and nothing would ask callers who they are.
    #[error(
        "{0} can be reached by other machines, and every caller could use the databases: let only those in who have a token \
         (make one with \"mcp-hub token new NAME --tokens-file FILE\", and name the file with --tokens-file), listen on 127.0.0.1, or accept \
         it with --allow-unauthenticated"
    )]
    Unauthenticated(SocketAddr),
    /// The listener ended.
    #[error("can't accept connections")]
    Accept(#[source] std::io::Error),
    /// Callers can't be asked who they are.
    #[error("authentication")]
    Auth(#[from] crate::auth::Error),
    /// The session keys can't be used.
    #[error("the session keys")]
    SessionKeys(#[from] crate::transport::session::keys::Error),
    /// The relay can't be set up.
    #[error("the relay between replicas")]
    Relay(#[from] crate::transport::relay::Error),
    /// The upstreams file can't be used.
    #[error("can't use the upstreams file")]
    Upstreams(#[from] crate::upstream::file::Error),
}

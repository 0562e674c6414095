//! What stands in front: the listeners, and the files of locks and keys, read before anything else starts.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::auth::Auth;
use crate::config::Config;
use crate::error::Error;
use crate::secrets::Awaited;
use crate::transport::relay;
use crate::transport::session::keys::KeyRing;

/// A taken port with everything that has to be right before a caller is let in.
#[derive(Debug)]
pub struct Front {
    pub(crate) listener: TcpListener,
    pub(crate) auth: Auth,
    pub(crate) keys: KeyRing,
    /// The files of both that are not there yet.
    pub(crate) awaited: Awaited,
    /// The way between replicas; `None` when there is one.
    pub(crate) relay: Option<relay::Bound>,
}

impl Front {
    /// Reads the files that `config` names and listens on `address`.
    ///
    /// # Errors
    /// The address can be reached from outside without authentication, is in use, or is none of this machine's; a file can't be
    /// used; or the settings of the relay contradict each other.
    pub async fn open(config: &Config, address: SocketAddr) -> Result<Self, Error> {
        let awaited = Awaited::new(config.wait_for_secrets);
        let auth = Auth::read(&config.auth, &awaited)?;
        if auth.is_open() && !address.ip().is_loopback() {
            if !config.allow_unauthenticated {
                return Err(Error::Unauthenticated(address));
            }
            tracing::warn!(%address, "{UNAUTHENTICATED}");
        }
        let keys = KeyRing::read(&config.session, &awaited)?;
        if keys.is_random() && !address.ip().is_loopback() {
            tracing::warn!(
                "no session keys: sessions of legacy SSE end with this process, and no other replica can serve them; \
                 MCP_HUB_SESSION_KEYS_FILE names a file of keys"
            );
        }
        let listener = TcpListener::bind(address)
            .await
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::AddrInUse => Error::AddressInUse(address),
                _ => Error::Listen { address, source },
            })?;
        let relay = relay::Bound::open(&config.relay, &keys).await?;
        Ok(Self {
            listener,
            auth,
            keys,
            awaited,
            relay,
        })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// The system does not say.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Whether callers have to show a token.
    pub fn asks_for_tokens(&self) -> bool {
        !self.auth.is_open()
    }

    /// What is to be said of it to whoever asks for the server's health.
    pub(crate) fn notice(&self) -> Option<&'static str> {
        let outside = self.local_addr().is_ok_and(|address| !address.ip().is_loopback());
        (self.auth.is_open() && outside).then_some(UNAUTHENTICATED)
    }
}

/// What is said, in the log and in `health_check`, when everybody may call.
const UNAUTHENTICATED: &str = "no authentication: everybody who reaches this address can use the databases";

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_address_that_others_reach_needs_the_switch() {
        let open = async |arguments: &[&str], address: SocketAddr| {
            let sources = mcp_hub_chassis::config::Sources {
                arguments: arguments.iter().map(Into::into).collect(),
                ..Default::default()
            };
            Front::open(&sources.load().unwrap(), address).await
        };
        let anywhere = "0.0.0.0:0".parse().unwrap();
        let refused = open(&["x"], anywhere).await;
        assert!(matches!(refused, Err(Error::Unauthenticated(_))));
        assert!(open(&["x", "--allow-unauthenticated"], anywhere).await.is_ok());
        assert!(
            open(&["x", "--allow-unauthenticated=no"], anywhere)
                .await
                .is_err()
        );

        let taken = open(&["x"], "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let again = open(&["x"], taken.local_addr().unwrap()).await;
        assert!(matches!(again, Err(Error::AddressInUse(_))));
    }
}

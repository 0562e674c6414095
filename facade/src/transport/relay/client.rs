//! The relay's way out: hands a message to the replica that has its stream, once.
//!
//! A message may change a database, so it must never arrive twice. What has left for a peer is not sent again, whatever became of it;
//! only what surely has not left may be. That is why this stands on hyper's bare connection and not on `tonic::transport::Channel`:
//! hyper gives a request back that it has not begun to send, and a connection that is lost stays lost, while a channel reconnects by
//! itself and says of both the same.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use mcp_hub_chassis::{Lifecycle, fault};
use mcp_hub_proto::relay::v1::{DeliverRequest, DeliverResponse};
use tokio::time::{Instant, timeout_at};

use super::connection::{self, Connection, Driver, Sent};
use super::identity::Identity;
use super::peers::{self, Peers};
use crate::metrics;
use crate::quiet::{Quiet, WARNINGS};

/// How long one message may take, from the look at its address to the peer's answer. Clients wait seconds for the answer to a POST.
const DELIVER: Duration = Duration::from_secs(5);

/// The most connections that are kept. Beyond, one is made for each message: there are never so many replicas.
const MAX_KEPT: usize = 256;

/// Why a message was not delivered, or may not have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It surely was not, and the stream is not to be had: there is no such peer, or not that stream at it.
    Gone,
    /// It may have been. It must not be sent again.
    Unclear,
}

/// What became of a message, as metrics and traces name it.
pub(super) fn result(delivered: &Result<DeliverResponse, Failure>) -> &'static str {
    match delivered {
        // 202 Accepted.
        Ok(response) if response.status == 202 => "taken",
        Ok(_) => "refused",
        Err(Failure::Gone) => "gone",
        Err(Failure::Unclear) => "unclear",
    }
}

/// Hands messages to peers. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Relay(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    identity: Identity,
    peers: Peers,
    kept: Mutex<HashMap<SocketAddr, Kept>>,
    warnings: Quiet,
    lifecycle: Lifecycle,
}

/// A connection, made or being made, that all messages for a peer share.
#[derive(Clone, Debug)]
struct Kept {
    /// Tells it from those before and after it.
    id: u64,
    connection: Shared<BoxFuture<'static, Option<Connection>>>,
}

impl Kept {
    /// Whether it can be waited for or used.
    fn is_open(&self) -> bool {
        match self.connection.peek() {
            Some(made) => made.as_ref().is_some_and(Connection::is_open),
            None => true,
        }
    }
}

impl Relay {
    /// A relay to `peers`. Its connections are tasks of `lifecycle`.
    pub(super) fn new(identity: Identity, peers: Peers, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Inner {
            identity,
            peers,
            kept: Mutex::default(),
            warnings: Quiet::new(WARNINGS),
            lifecycle,
        }))
    }

    /// Hands a message to the peer at `owner`, within seconds.
    ///
    /// # Errors
    /// It was not delivered, or that is not known.
    pub(in crate::transport) async fn deliver(
        &self,
        owner: SocketAddr,
        request: DeliverRequest,
    ) -> Result<DeliverResponse, Failure> {
        let began = Instant::now();
        let delivered = self.try_deliver(owner, &request, began + DELIVER).await;
        let attributes = [metrics::result(result(&delivered))];
        metrics::RELAYED.add(1, &attributes);
        metrics::RELAY_DURATION.record(began.elapsed().as_secs_f64(), &attributes);
        delivered
    }

    async fn try_deliver(
        &self,
        owner: SocketAddr,
        request: &DeliverRequest,
        deadline: Instant,
    ) -> Result<DeliverResponse, Failure> {
        let owner = peers::canonical(owner);
        if !self.0.peers.has(owner).await {
            tracing::debug!(%owner, "a session of a replica that is none of the peers");
            return Err(Failure::Gone);
        }
        // The second time, when the connection turns out to have ended before the message was begun to be sent on it: at the end of
        // the peer's process or at a change of keys, when a new one will do, or tell that there is no peer any more.
        for _ in 0..2 {
            let kept = self.kept(owner);
            let Some(connection) = kept.connection.await else {
                return Err(Failure::Gone);
            };
            let sent = timeout_at(deadline, connection.send(request.clone())).await;
            match sent.unwrap_or(Sent::Unclear) {
                Sent::Answered(response) => return Ok(response),
                Sent::Unknown => return Err(Failure::Gone),
                Sent::Unclear => {
                    // Others on it may still be answered; the next message gets another.
                    self.0.forget(owner, kept.id);
                    return Err(Failure::Unclear);
                }
                Sent::NotAtAll => self.0.forget(owner, kept.id),
            }
        }
        Err(Failure::Gone)
    }

    /// How many connections are kept.
    #[cfg(test)]
    pub(super) fn connections(&self) -> usize {
        self.0.lock().len()
    }

    /// Ends the connections.
    #[cfg(test)]
    pub(super) fn stop(&self) {
        self.0.lifecycle.stop();
    }

    /// The connection to a peer, made now if there is none.
    fn kept(&self, owner: SocketAddr) -> Kept {
        let mut all = self.0.lock();
        if let Some(kept) = all.get(&owner).filter(|kept| kept.is_open()) {
            return kept.clone();
        }
        let id = rand::random();
        // A task, so that it does not stop half-way when the one message that waits for it is given up.
        let task = self.0.lifecycle.spawn(self.0.clone().connect(owner, id));
        let kept = Kept {
            id,
            connection: async move { task.await.ok().flatten() }.boxed().shared(),
        };
        if all.len() < MAX_KEPT || all.contains_key(&owner) {
            all.insert(owner, kept.clone());
        }
        kept
    }
}

impl Inner {
    async fn connect(self: Arc<Self>, owner: SocketAddr, id: u64) -> Option<Connection> {
        let mut identity = self.identity.clone();
        let connected = connection::connect(owner, &identity.now(), &self.lifecycle).await;
        match connected {
            Ok((connection, driver)) => {
                let kept = self.clone().keep(owner, id, connection.clone(), driver, identity);
                self.lifecycle.spawn(kept);
                Some(connection)
            }
            Err(error) => {
                self.forget(owner, id);
                self.tell(owner, &error);
                None
            }
        }
    }

    /// Drives a connection as long as it is of use.
    async fn keep(
        self: Arc<Self>,
        owner: SocketAddr,
        id: u64,
        connection: Connection,
        driver: Driver,
        mut identity: Identity,
    ) {
        tokio::pin!(driver);
        let ended = tokio::select! {
            () = &mut driver => true,
            () = connection.idle() => false,
            () = identity.changed() => false,
            () = self.lifecycle.stopping() => false,
        };
        self.forget(owner, id);
        drop(connection);
        if !ended {
            // Until those who still use it have let it go.
            driver.await;
        }
    }

    fn forget(&self, owner: SocketAddr, id: u64) {
        let mut all = self.lock();
        if all.get(&owner).is_some_and(|kept| kept.id == id) {
            all.remove(&owner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SocketAddr, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, owner: SocketAddr, error: &connection::Error) {
        let text = fault::chain(error);
        if matches!(error, connection::Error::Identity(_)) && self.warnings.line().is_some() {
            tracing::warn!(%owner, error = text, "a peer and this replica do not have the same session keys");
        } else {
            tracing::debug!(%owner, error = text, "no connection to a peer");
        }
    }
}

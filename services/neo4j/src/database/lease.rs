//! A connection on loan: whatever becomes of the call, it goes back clean or is closed, and nothing keeps running on the server.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::trace;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use super::pool::{Pool, Pooled};
use crate::config::Address;
use crate::error::Error;
use crate::wire::Connection;

/// How long an interrupted statement may take to end before its connection is closed, which ends it as well.
const DRAIN: Duration = Duration::from_secs(1);

/// A connection on loan.
pub(crate) struct Lease {
    /// Both are there until the drop.
    inner: Option<(Pooled, OwnedSemaphorePermit)>,
    pool: Arc<Pool>,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, connection: Pooled, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner: Some((connection, permit)),
            pool,
        }
    }

    /// The connection.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.pooled().connection
    }

    /// The server at its other end.
    pub(super) fn address(&self) -> &Address {
        &self.pool.address
    }

    /// Whether the connection has served another call, so that a failure may be about the past.
    pub(crate) fn was_used(&mut self) -> bool {
        self.pooled().used
    }

    /// Puts a new connection in the place of a dead one.
    pub(crate) async fn replace(&mut self) -> Result<(), Error> {
        let fresh = self.pool.replacement().await?;
        let old = std::mem::replace(self.pooled(), fresh);
        self.pool.close(old);
        Ok(())
    }

    fn pooled(&mut self) -> &mut Pooled {
        let pooled = self.inner.as_mut().map(|(pooled, _)| pooled);
        pooled.expect("the connection is there until the drop")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((mut pooled, permit)) = self.inner.take() else {
            return;
        };
        let pool = self.pool.clone();
        if pooled.connection.is_broken() {
            pool.close(pooled);
        } else if pooled.connection.is_idle() {
            pool.put_back(pooled);
        } else {
            // The permit goes along: the server is still busy with us.
            let lifecycle = pool.lifecycle.clone();
            // Of the call, which may be over before.
            let span = trace::internal("release connection");
            let released = async move {
                match tokio::time::timeout(DRAIN, pooled.connection.clear()).await {
                    Ok(Ok(())) => pool.put_back(pooled),
                    Ok(Err(_)) => pool.close(pooled),
                    Err(_) => {
                        tracing::warn!("an interrupted statement did not end: its connection is closed");
                        pool.close(pooled);
                    }
                }
                drop(permit);
            };
            lifecycle.spawn(released.instrument(span));
        }
    }
}

//! A session on loan: whatever becomes of the call, it goes back clean or is closed, and nothing keeps running on the server.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::trace;
use tokio::sync::OwnedSemaphorePermit;
use tracing::Instrument as _;

use super::pool::{Pool, Pooled};
use super::session::{self, Groups, Mode};
use crate::error::Error;
use crate::types::Types;
use crate::wire::Connection;

/// How long an abandoned statement may take to end by itself before it is cancelled.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long the cancelled statement may take to end before its session is closed.
const DRAIN: Duration = Duration::from_secs(1);

/// A session on loan.
pub(crate) struct Lease {
    /// Both are there until the drop.
    inner: Option<(Pooled, OwnedSemaphorePermit)>,
    pool: Arc<Pool>,
    /// The session may not be used again.
    spoilt: bool,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, session: Pooled, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner: Some((session, permit)),
            pool,
            spoilt: false,
        }
    }

    /// The session.
    pub(crate) fn connection(&mut self) -> &mut Connection {
        &mut self.session().connection
    }

    /// The session, and the types of its database.
    pub(crate) fn parts(&mut self) -> (&mut Connection, &Types) {
        let session = self.inner.as_mut().map(|(session, _)| session);
        let session = session.expect("the session is there until the drop");
        (&mut session.connection, &self.pool.types)
    }

    pub(super) fn mode(&mut self) -> Mode {
        self.session().mode
    }

    /// Whether the session has served another call, so that a failure may be about the past.
    pub(crate) fn was_used(&mut self) -> bool {
        self.session().used
    }

    /// Puts a new session in the place of a dead one.
    pub(crate) async fn replace(&mut self) -> Result<(), Error> {
        let fresh = self.pool.replacement().await?;
        let old = std::mem::replace(self.session(), fresh);
        self.pool.close(old);
        Ok(())
    }

    /// Reads to the end of a statement whose remaining rows nobody wants: patiently, then by a cancel request.
    ///
    /// # Errors
    /// When the statement does not end; the session is closed then.
    pub(crate) async fn finish(&mut self) -> Result<(), Error> {
        let settled = tokio::time::timeout(PATIENCE, self.connection().settle()).await;
        match settled {
            Ok(result) => result,
            Err(_) => self.recover().await,
        }
    }

    /// Ends what is under way and rolls back, so that the session can go on: patiently, then by a cancel request.
    ///
    /// # Errors
    /// When the statement does not end; the session is closed then.
    pub(crate) async fn recover(&mut self) -> Result<(), Error> {
        let end = session::end(self.mode());
        let result = recover(self.connection(), end).await;
        self.spoilt |= result.is_err();
        result
    }

    fn session(&mut self) -> &mut Pooled {
        let session = self.inner.as_mut().map(|(session, _)| session);
        session.expect("the session is there until the drop")
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((mut session, permit)) = self.inner.take() else {
            return;
        };
        let pool = self.pool.clone();
        if session.connection.is_broken() {
            pool.close(session);
        } else if session.connection.is_idle() {
            if self.spoilt {
                pool.close(session);
            } else {
                pool.put_back(session);
            }
        } else {
            // The permit goes along: the server is still busy with us.
            let (lifecycle, spoilt) = (pool.lifecycle.clone(), self.spoilt);
            // Of the call, which may be over before.
            let span = trace::internal("release connection");
            let released = async move {
                let end = session::end(session.mode);
                let recovered = recover(&mut session.connection, end).await;
                if spoilt || recovered.is_err() {
                    pool.close(session);
                } else {
                    pool.put_back(session);
                }
                drop(permit);
            };
            lifecycle.spawn(released.instrument(span));
        }
    }
}

async fn recover(connection: &mut Connection, end: Groups) -> Result<(), Error> {
    end.iter().try_for_each(|group| connection.queue_group(group))?;
    // What the server says about a rollback without a transaction is nothing for a caller.
    let notices = connection.take_notices();
    let result = match tokio::time::timeout(PATIENCE, connection.settle()).await {
        Ok(settled) => settled,
        Err(_) => cancel(connection).await,
    };
    connection.put_notices(notices);
    result
}

async fn cancel(connection: &mut Connection) -> Result<(), Error> {
    let key = connection.key();
    let cancelled = async {
        // While the request is under way, reading goes on: a server that waits for us to take its rows does not hear of a cancel.
        let (cancelled, settled) = tokio::join!(key.cancel(), connection.settle());
        if let Err(error) = cancelled {
            tracing::warn!(
                error = mcp_hub_chassis::fault::chain(&error),
                "a cancel request failed"
            );
        }
        settled
    };
    match tokio::time::timeout(DRAIN, cancelled).await {
        Ok(settled) => settled,
        Err(_) => Err(Error::Protocol("a cancelled statement did not end")),
    }
}

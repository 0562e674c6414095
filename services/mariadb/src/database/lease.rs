//! A session on loan: whatever becomes of the call, it goes back clean or is closed, and nothing keeps running on the server.
//!
//! The driver's connection is useless after a future of it was dropped half way, because it may have read a part of a message. So
//! work owns the session while it runs: when its caller goes away, it is moved to a task of its own, ended on the server by
//! `KILL QUERY` from a second connection, and polled on until the session can be used again. The kill is over before that,
//! so it can't hit another call's statement.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use mcp_hub_chassis::trace;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Instrument as _;

use super::pool::Pool;
use super::session::{self, Identity, Session};
use crate::config::Target;
use crate::error::Error;
use crate::traced::{Returned, Shown, settle};
use crate::types::Types;

/// How long an abandoned statement may take to end by itself before it is killed.
const PATIENCE: Duration = Duration::from_millis(50);

/// How long the killed statement may take to end before its session is closed: what is on the way is read to its end.
const DRAIN: Duration = Duration::from_millis(500);

/// How long cleaning up may take.
const CLEAN: Duration = Duration::from_secs(1);

/// Work that has the session, and gives it back.
type Work<T> = BoxFuture<'static, (Session, Result<T, Error>)>;

/// How work that can say early what it has found came to its end.
pub(crate) enum Ended<T, E> {
    /// To its very end.
    Fully(T),
    /// What it found, while the rest is of no interest.
    Early(E),
}

/// A session on loan.
pub(crate) struct Lease {
    /// Absent while work has the session, and for good when that was abandoned.
    inner: Option<(Session, OwnedSemaphorePermit)>,
    pool: Arc<Pool>,
}

impl Lease {
    pub(super) fn new(pool: Arc<Pool>, session: Session, permit: OwnedSemaphorePermit) -> Self {
        Self {
            inner: Some((session, permit)),
            pool,
        }
    }

    /// The session between two pieces of work; `None` after one was abandoned.
    pub(super) fn session(&mut self) -> Option<&mut Session> {
        self.inner.as_mut().map(|(session, _)| session)
    }

    /// What is known of columns.
    pub(crate) fn types(&self) -> Arc<Types> {
        self.pool.types.clone()
    }

    /// Puts a new session in the place of a dead one.
    pub(super) async fn replace(&mut self) -> Result<(), Error> {
        let (mut old, permit) = self.inner.take().ok_or_else(gone)?;
        old.spoilt = true;
        let database = old.target.database.clone();
        self.pool.close(old);
        let fresh = self.pool.replacement(database.as_deref()).await?;
        self.inner = Some((fresh, permit));
        Ok(())
    }

    /// Does work with the session. Dropped before its end, it is killed on the server and finished in the background.
    ///
    /// # Errors
    /// The work's.
    pub(crate) async fn run<T, F>(&mut self, work: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Session) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        let mut running = self.start(work)?;
        let ended = running.work().await;
        self.settle(running, ended)
    }

    /// Does work that may say early what it has found. What it still has to read is then given some time, and else ended in the
    /// background.
    ///
    /// # Errors
    /// The work's.
    pub(crate) async fn run_until<T, E, F>(
        &mut self,
        work: F,
        early: &mut oneshot::Receiver<E>,
    ) -> Result<Ended<T, E>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Session) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        let mut running = self.start(work)?;
        tokio::select! {
            biased;
            ended = running.work() => self.settle(running, ended).map(Ended::Fully),
            Ok(found) = early => {
                if let Ok(ended) = tokio::time::timeout(PATIENCE, running.work()).await {
                    // How the rest ended is of no interest, but for the session.
                    let _ = self.settle(running, ended);
                }
                Ok(Ended::Early(found))
            }
        }
    }

    fn start<T, F>(&mut self, work: F) -> Result<Running<T>, Error>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Session) -> BoxFuture<'a, Result<T, Error>> + Send + 'static,
    {
        let (mut session, permit) = self.inner.take().ok_or_else(gone)?;
        Ok(Running {
            target: session.target.clone(),
            identity: session.identity.clone(),
            work: Some(Box::pin(async move {
                let result = work(&mut session).await;
                (session, result)
            })),
            permit: Some(permit),
            pool: self.pool.clone(),
        })
    }

    fn settle<T: Send + 'static>(
        &mut self,
        mut running: Running<T>,
        (mut session, result): (Session, Result<T, Error>),
    ) -> Result<T, Error> {
        running.work = None;
        session.spoilt |= spoils(&result);
        let secrets = session.target.secrets();
        self.inner = running.permit.take().map(|permit| (session, permit));
        result.map_err(|error| match error {
            Error::Server(mut error) => {
                error.redact(&secrets);
                Error::Server(error)
            }
            error => error,
        })
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some((session, permit)) = self.inner.take() else {
            return;
        };
        if session.in_transaction && !session.spoilt {
            let pool = self.pool.clone();
            // The permit goes along: the server is still busy with us.
            // Of the call, which may be over before.
            let cleaned = async move {
                clean(&pool, session).await;
                drop(permit);
            };
            let span = trace::internal("release connection");
            self.pool.lifecycle.spawn(cleaned.instrument(span));
        } else {
            self.pool.put_back(session);
        }
    }
}

/// Work under way.
struct Running<T: Send + 'static> {
    work: Option<Work<T>>,
    permit: Option<OwnedSemaphorePermit>,
    pool: Arc<Pool>,
    target: Arc<Target>,
    identity: Identity,
}

impl<T: Send + 'static> Running<T> {
    fn work(&mut self) -> &mut Work<T> {
        self.work.as_mut().expect("the work is there until it has ended")
    }
}

impl<T: Send + 'static> Drop for Running<T> {
    fn drop(&mut self) {
        let Some(work) = self.work.take() else { return };
        let (pool, permit) = (self.pool.clone(), self.permit.take());
        let (target, identity) = (self.target.clone(), self.identity.clone());
        let recovered = async move {
            match recover(work, &target, &identity).await {
                Some(session) => clean(&pool, session).await,
                // Its connection went with the work.
                None => pool.lost(),
            }
            drop(permit);
        };
        let span = trace::internal("release connection");
        self.pool.lifecycle.spawn(recovered.instrument(span));
    }
}

/// Ends work that nobody waits for: patiently, then by a kill. `None` when it does not end soon: dropping it has closed its connection.
async fn recover<T>(mut work: Work<T>, target: &Target, identity: &Identity) -> Option<Session> {
    let ended = if let Ok(ended) = tokio::time::timeout(PATIENCE, &mut work).await {
        Some(ended)
    } else {
        // While the kill is under way, reading goes on: a server that waits for us to take its rows does not hear of it.
        let drained = async move { tokio::time::timeout(DRAIN, work).await.ok() };
        let (killed, ended) = tokio::join!(session::kill(target, identity), drained);
        if let Err(error) = killed {
            tracing::warn!(
                error = mcp_hub_chassis::fault::chain(&error),
                "a statement could not be killed"
            );
        }
        ended
    };
    let (mut session, result) = ended?;
    session.spoilt |= spoils(&result);
    Some(session)
}

/// Rolls back, and gives the session back to the pool.
async fn clean(pool: &Pool, mut session: Session) {
    if session.in_transaction && !session.spoilt {
        let mut ended = roll_back(&mut session).await;
        // A kill that came too late for its statement hits the first one after it.
        if matches!(&ended, Err(error) if error.is_interrupted()) {
            ended = roll_back(&mut session).await;
        }
        session.spoilt |= ended.is_err();
    }
    pool.put_back(session);
}

async fn roll_back(session: &mut Session) -> Result<(), Error> {
    let statement = session.statement(Shown::ours("ROLLBACK"), "");
    let end = session.end(false).instrument(statement.span().clone());
    let ended = tokio::time::timeout(CLEAN, end).await;
    let ended = ended.unwrap_or(Err(Error::TimedOut(CLEAN)));
    settle(statement, ended.map(|()| ((), Returned::default())))
}

/// Whether a session can't be used again after this.
fn spoils<T>(result: &Result<T, Error>) -> bool {
    match result {
        Err(Error::Protocol(_) | Error::UnknownType(_)) => true,
        Err(error) => error.is_lost_connection(),
        Ok(_) => false,
    }
}

fn gone() -> Error {
    Error::Protocol("the session was given up".to_owned())
}

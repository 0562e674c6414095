//! Connections to one database as one role: bounded, lazy, and never handed out dead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::slots::Slots;
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _};
use mcp_hub_chassis::{Lifecycle, fault, metrics};
use mcp_hub_proto::adapter::v1 as adapter;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, Span};

use super::lease::Lease;
use super::session::{self, Mode};
use crate::config::{Config, Pooler, Role, Target};
use crate::error::Error;
use crate::types::Types;
use crate::wire::Connection;

/// A session that stood idle for longer is asked before it is used: a peer that vanished leaves no trace on this side.
const ASK_AFTER: Duration = Duration::from_mins(1);

/// How long that question may take.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// A session that is older is closed, so that load spreads again after a fail-over.
const LONGEST_LIFE: Duration = Duration::from_mins(30);

/// A pool.
pub(super) struct Pool {
    config: Config,
    role: Role,
    database: String,
    application_name: String,
    pub(super) lifecycle: Lifecycle,
    pub(super) types: Types,
    slots: Slots,
    metrics: metrics::pool::Pool,
    idle: Mutex<Vec<Idle>>,
    /// What `auto` has learnt, and the target of the last login.
    learnt: Mutex<Learnt>,
    /// Sessions of an older generation are not used again.
    generation: AtomicU64,
}

#[derive(Default)]
struct Learnt {
    behind_pooler: bool,
    target: Option<Arc<Target>>,
}

/// A session and what the pool keeps with it.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    pub(super) mode: Mode,
    /// Whether it has served a call before: its server may be gone without our knowing.
    pub(super) used: bool,
    generation: u64,
    born: Instant,
    counted: metrics::pool::Connection,
}

struct Idle {
    session: Pooled,
    since: Instant,
}

impl Pool {
    /// A pool without connections. `key` is the adapter's.
    pub(super) fn new(
        config: Config,
        role: Role,
        database: String,
        key: &str,
        lifecycle: Lifecycle,
    ) -> Arc<Self> {
        // Several adapters may be in one process, each with databases of the same name.
        let name = match role {
            Role::Reader => format!("{key}/{database}"),
            Role::Writer => format!("{key}/{database}/write"),
        };
        Arc::new(Self {
            metrics: metrics::pool::Pool::new(&name, config.pool_size()),
            application_name: format!("mcp-hub/{key}"),
            slots: Slots::new(config.pool_size()),
            config,
            role,
            database,
            lifecycle,
            types: Types::default(),
            idle: Mutex::default(),
            learnt: Mutex::default(),
            generation: AtomicU64::new(0),
        })
    }

    /// A session for one call, after at most `wait` for a free one.
    pub(super) async fn lease(self: &Arc<Self>, wait: Duration) -> Result<Lease, Error> {
        let acquired = async {
            let slot = self.slot(wait).await?;
            let session = match self.take_idle().await {
                Some(session) => session,
                None => self.connect().await?,
            };
            Ok(Lease::new(self.clone(), session, slot))
        };
        acquire(acquired).await
    }

    /// A new session for a lease whose own turned out to be dead.
    pub(super) async fn replacement(&self) -> Result<Pooled, Error> {
        acquire(self.connect()).await
    }

    /// A place among the pool's connections.
    async fn slot(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Error> {
        let begun = Instant::now();
        let mut slot = std::pin::pin!(self.slots.take(wait));
        let slot = if let Some(slot) = slot.as_mut().now_or_never() {
            slot
        } else {
            let _pending = self.metrics.pending();
            slot.await
        };
        let Some(slot) = slot else {
            self.metrics.timed_out();
            return Err(Error::Busy);
        };
        self.metrics.waited(begun.elapsed());
        Ok(slot)
    }

    async fn connect(&self) -> Result<Pooled, Error> {
        Span::current().set_attribute(trace::attribute::POOL_CONNECTED, true);
        let begun = Instant::now();
        let generation = self.generation.load(Ordering::Acquire);
        let mut target = self.config.target(self.role)?;
        target.database.clone_from(&self.database);
        let target = Arc::new(target);
        let (connection, mode) = self.log_in(&target).await?;
        self.learnt().target = Some(target);
        self.slots.opened();
        self.metrics.connected(begun.elapsed());
        Ok(Pooled {
            connection,
            mode,
            used: false,
            generation,
            born: Instant::now(),
            counted: self.metrics.used(),
        })
    }

    async fn log_in(&self, target: &Arc<Target>) -> Result<(Connection, Mode), Error> {
        let behind_pooler = match self.config.pooler {
            Pooler::Transaction => true,
            Pooler::None => false,
            Pooler::Auto => self.learnt().behind_pooler,
        };
        if !behind_pooler {
            match session::log_in(target.clone(), self.role, &self.application_name).await {
                Ok(Some(connection)) => return Ok((connection, Mode::Session)),
                Ok(None) | Err(Error::StartupParameter(_)) if self.config.pooler == Pooler::Auto => {
                    tracing::info!("a pooler in transaction mode stands in front of the server");
                    self.learnt().behind_pooler = true;
                }
                Ok(None) | Err(Error::StartupParameter(_)) => {
                    return Err(Error::Unavailable {
                        verdict: Verdict::PoolerDenied,
                        reason:
                            "the session does not keep its settings: a pooler stands in front of the server, \
                                 and POSTGRES_POOLER=none says that there is none"
                                .to_owned(),
                        source: None,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        let connection = session::log_in_to_pooler(target.clone(), &self.application_name).await?;
        Ok((connection, Mode::Transaction))
    }

    /// Takes a session back. What can't serve another call is closed.
    pub(super) fn put_back(&self, mut session: Pooled) {
        let fit = session.connection.is_idle()
            && session.generation == self.generation.load(Ordering::Acquire)
            && session.born.elapsed() < LONGEST_LIFE
            && !self.lifecycle.is_stopping();
        if !fit {
            self.close(session);
            return;
        }
        session.used = true;
        session.counted.now_idle();
        // What the server said to one caller, or to our own cleaning up, is nothing for the next.
        session.connection.take_notices();
        let since = Instant::now();
        self.idle().push(Idle { session, since });
    }

    pub(super) fn close(&self, session: Pooled) {
        self.slots.closed();
        session.connection.close();
    }

    /// Makes the next calls log in anew if the secrets' files say something else than at the last login.
    pub(super) fn renew_if_changed(&self) {
        let Ok(mut now) = self.config.target(self.role) else {
            return;
        };
        now.database.clone_from(&self.database);
        let changed = self.learnt().target.as_deref().is_some_and(|then| *then != now);
        if changed {
            tracing::info!("the login has changed: the pool is replaced");
            self.learnt().target = Some(Arc::new(now));
            self.generation.fetch_add(1, Ordering::AcqRel);
            let old = std::mem::take(&mut *self.idle());
            for idle in old {
                self.close(idle.session);
            }
        }
    }

    /// Whether a login has learnt that a pooler in transaction mode stands in front of the server.
    pub(super) fn is_behind_pooler(&self) -> bool {
        self.learnt().behind_pooler
    }

    pub(super) fn status(&self) -> adapter::Pool {
        self.slots.counts(self.idle().len())
    }

    /// The idle session that was used last, if it is still there.
    async fn take_idle(&self) -> Option<Pooled> {
        loop {
            // Not in the condition: the guard must not live across the await.
            let idle = self.idle().pop();
            let Idle { mut session, since } = idle?;
            let alive = session.connection.is_alive()
                && (since.elapsed() < ASK_AFTER || answers(&mut session.connection).await);
            if alive {
                session.counted.now_used();
                return Some(session);
            }
            self.close(session);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows in the trace how long a call had to wait until it had a session, and why it got none.
async fn acquire<T>(acquired: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let span = trace::internal("acquire connection");
    let acquired = acquired.instrument(span.clone()).await;
    acquired.inspect_err(|error| trace::fail(&span, fault::name(error.reason())))
}

/// The simplest question that there is: an empty group.
async fn answers(connection: &mut Connection) -> bool {
    connection.queue_sync();
    matches!(
        tokio::time::timeout(ASK_LIMIT, connection.settle()).await,
        Ok(Ok(()))
    )
}

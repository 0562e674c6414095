//! Connections to one server as one user: bounded, lazy, and never handed out dead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::slots::Slots;
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _, attribute};
use mcp_hub_chassis::{Lifecycle, fault, metrics};
use mcp_hub_proto::adapter::v1 as adapter;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, Span};

use super::lease::Lease;
use crate::config::{Address, Config, Role, Target};
use crate::error::Error;
use crate::traced;
use crate::wire::{self, Connection};

/// A connection that stood idle for longer is asked before it is used: a peer that vanished leaves no trace on this side.
const ASK_AFTER: Duration = Duration::from_mins(1);

/// How long that question may take.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// How long a login that the server refused is not tried again: after some wrong passwords the server locks the user out, also for
/// those who know the right one. Another password is tried at once.
const REFUSED_FOR: Duration = Duration::from_secs(20);

/// A connection that is older is closed, so that load spreads again after a fail-over.
const LONGEST_LIFE: Duration = Duration::from_mins(30);

/// A pool.
pub(super) struct Pool {
    config: Config,
    role: Role,
    pub(super) address: Address,
    pub(super) lifecycle: Lifecycle,
    slots: Slots,
    metrics: metrics::pool::Pool,
    idle: Mutex<Vec<Idle>>,
    /// The target of the last login.
    target: Mutex<Option<Target>>,
    /// The last login that was refused: as whom, when and why.
    refused: Mutex<Option<(Target, Instant, Refusal)>>,
    /// Connections of an older generation are not used again.
    generation: AtomicU64,
}

/// What doctor says of a refused login, and why it is one.
type Refusal = (Verdict, String);

/// A connection and what the pool keeps with it.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    /// Whether it has served a call before: its server may be gone without our knowing.
    pub(super) used: bool,
    generation: u64,
    born: Instant,
    counted: metrics::pool::Connection,
}

struct Idle {
    pooled: Pooled,
    since: Instant,
}

impl Pool {
    /// A pool without connections. `key` is the adapter's.
    pub(super) fn new(
        config: Config,
        role: Role,
        address: Address,
        key: &str,
        lifecycle: Lifecycle,
    ) -> Arc<Self> {
        // Those of all members of a cluster are counted together: an address is no label.
        let name = match role {
            Role::Reader => key.to_owned(),
            Role::Writer => format!("{key}/write"),
        };
        Arc::new(Self {
            metrics: metrics::pool::Pool::new(&name, config.pool_size()),
            slots: Slots::new(config.pool_size()),
            config,
            role,
            address,
            lifecycle,
            idle: Mutex::default(),
            target: Mutex::default(),
            refused: Mutex::default(),
            generation: AtomicU64::new(0),
        })
    }

    /// A connection for one call, after at most `wait` for a free one. `attempt` counts the servers that were tried for it, from 1.
    pub(super) async fn lease(self: &Arc<Self>, wait: Duration, attempt: i64) -> Result<Lease, Error> {
        let acquired = async {
            let slot = self.slot(wait).await?;
            let pooled = match self.take_idle().await {
                Some(pooled) => pooled,
                // Large, and seldom.
                None => Box::pin(self.connect()).await?,
            };
            Ok(Lease::new(self.clone(), pooled, slot))
        };
        self.acquire(attempt, acquired).await
    }

    /// A new connection for a lease whose own turned out to be dead.
    pub(super) async fn replacement(&self) -> Result<Pooled, Error> {
        self.acquire(2, Box::pin(self.connect())).await
    }

    /// Shows in the trace how long a call had to wait until it had a connection, to which server, and why it got none.
    async fn acquire<T>(
        &self,
        attempt: i64,
        acquired: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let span = trace::internal("acquire connection");
        if !span.is_disabled() {
            span.set_attribute(attribute::SERVER_ADDRESS, self.address.host.clone());
            span.set_attribute(attribute::SERVER_PORT, i64::from(self.address.port));
            if attempt > 1 {
                traced::retried(&span, attempt);
            }
        }
        let acquired = acquired.instrument(span.clone()).await;
        acquired.inspect_err(|error| trace::fail(&span, fault::name(error.reason())))
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
        Span::current().set_attribute(attribute::POOL_CONNECTED, true);
        let begun = Instant::now();
        let generation = self.generation.load(Ordering::Acquire);
        let target = self.config.target(self.role)?;
        if let Some((verdict, reason)) = self.refusal(&target) {
            return Err(Error::Refused { verdict, reason });
        }
        let connection = match wire::connect(&target, &self.address).await {
            Err(Error::Refused { verdict, reason }) => {
                *lock(&self.refused) = Some((target, Instant::now(), (verdict, reason.clone())));
                return Err(Error::Refused { verdict, reason });
            }
            result => result?,
        };
        *lock(&self.target) = Some(target);
        self.slots.opened();
        self.metrics.connected(begun.elapsed());
        Ok(Pooled {
            connection,
            used: false,
            generation,
            born: Instant::now(),
            counted: self.metrics.used(),
        })
    }

    /// Takes a connection back. What can't serve another call is closed.
    pub(super) fn put_back(&self, mut pooled: Pooled) {
        let fit = pooled.connection.is_idle()
            && pooled.generation == self.generation.load(Ordering::Acquire)
            && pooled.born.elapsed() < LONGEST_LIFE
            && !self.lifecycle.is_stopping();
        if !fit {
            self.close(pooled);
            return;
        }
        pooled.used = true;
        pooled.counted.now_idle();
        let since = Instant::now();
        self.idle().push(Idle { pooled, since });
    }

    pub(super) fn close(&self, pooled: Pooled) {
        self.slots.closed();
        pooled.connection.close();
    }

    /// Makes the next calls log in anew if the secrets' files say something else than at the last login.
    pub(super) fn renew_if_changed(&self) {
        let Ok(now) = self.config.target(self.role) else {
            return;
        };
        let changed = lock(&self.target).as_ref().is_some_and(|then| *then != now);
        if changed {
            tracing::info!("the login has changed: the pool is replaced");
            *lock(&self.target) = Some(now);
            self.generation.fetch_add(1, Ordering::AcqRel);
            let old = std::mem::take(&mut *self.idle());
            for idle in old {
                self.close(idle.pooled);
            }
        }
    }

    pub(super) fn status(&self) -> adapter::Pool {
        self.slots.counts(self.idle().len())
    }

    /// The idle connection that was used last, if it is still there.
    async fn take_idle(&self) -> Option<Pooled> {
        loop {
            // Not in the condition: the guard must not live across the await.
            let idle = self.idle().pop();
            let Idle { mut pooled, since } = idle?;
            let alive = pooled.connection.is_alive()
                && (since.elapsed() < ASK_AFTER || answers(&mut pooled.connection).await);
            if alive {
                pooled.counted.now_used();
                return Some(pooled);
            }
            self.close(pooled);
        }
    }

    /// Why this login would be refused, as it was a moment ago.
    fn refusal(&self, target: &Target) -> Option<Refusal> {
        let refused = lock(&self.refused);
        let (then, at, reason) = refused.as_ref()?;
        (then == target && at.elapsed() < REFUSED_FOR).then(|| reason.clone())
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        lock(&self.idle)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The simplest question that there is.
async fn answers(connection: &mut Connection) -> bool {
    matches!(
        tokio::time::timeout(ASK_LIMIT, connection.reset()).await,
        Ok(Ok(()))
    )
}

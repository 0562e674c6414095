//! Connections to one server as one user: bounded, lazy, and never handed out dead.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::slots::Slots;
use mcp_hub_proto::adapter::v1 as adapter;

use super::lease::Lease;
use crate::config::{Address, Config, Role, Target};
use crate::error::Error;
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
    address: Address,
    pub(super) lifecycle: Lifecycle,
    slots: Slots,
    idle: Mutex<Vec<Idle>>,
    /// The target of the last login.
    target: Mutex<Option<Target>>,
    /// The last login that was refused: as whom, when and why.
    refused: Mutex<Option<(Target, Instant, String)>>,
    /// Connections of an older generation are not used again.
    generation: AtomicU64,
}

/// A connection and what the pool keeps with it.
pub(super) struct Pooled {
    pub(super) connection: Connection,
    /// Whether it has served a call before: its server may be gone without our knowing.
    pub(super) used: bool,
    generation: u64,
    born: Instant,
}

struct Idle {
    pooled: Pooled,
    since: Instant,
}

impl Pool {
    pub(super) fn new(config: Config, role: Role, address: Address, lifecycle: Lifecycle) -> Arc<Self> {
        Arc::new(Self {
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

    /// A connection for one call, after at most `wait` for a free one.
    pub(super) async fn lease(self: &Arc<Self>, wait: Duration) -> Result<Lease, Error> {
        let slot = self.slots.take(wait).await.ok_or(Error::Busy)?;
        let pooled = match self.take_idle().await {
            Some(pooled) => pooled,
            None => self.connect().await?,
        };
        Ok(Lease::new(self.clone(), pooled, slot))
    }

    /// A new connection, also for a lease whose own turned out to be dead.
    pub(super) async fn connect(&self) -> Result<Pooled, Error> {
        let generation = self.generation.load(Ordering::Acquire);
        let target = self.config.target(self.role)?;
        if let Some(reason) = self.refusal(&target) {
            return Err(Error::Refused { reason });
        }
        let connection = match wire::connect(&target, &self.address).await {
            Err(Error::Refused { reason }) => {
                *lock(&self.refused) = Some((target, Instant::now(), reason.clone()));
                return Err(Error::Refused { reason });
            }
            result => result?,
        };
        *lock(&self.target) = Some(target);
        self.slots.opened();
        Ok(Pooled {
            connection,
            used: false,
            generation,
            born: Instant::now(),
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
                return Some(pooled);
            }
            self.close(pooled);
        }
    }

    /// Why this login would be refused, as it was a moment ago.
    fn refusal(&self, target: &Target) -> Option<String> {
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

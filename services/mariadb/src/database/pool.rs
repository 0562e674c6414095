//! Connections of one role: bounded, lazy, and never handed out dead.
//!
//! One pool serves all databases of the server, because a caller may name any of hundreds: a session of another database than the
//! wanted one is closed when there is no room for one more. (`USE` would need a name in the text of a statement.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use mcp_hub_chassis::slots::Slots;
use mcp_hub_chassis::trace::{self, OpenTelemetrySpanExt as _};
use mcp_hub_chassis::{Lifecycle, fault, metrics};
use mcp_hub_proto::adapter::v1 as adapter;
use sqlx::Connection as _;
use tokio::sync::OwnedSemaphorePermit;
use tracing::{Instrument as _, Span};

use super::flavor::Flavor;
use super::lease::Lease;
use super::login;
use super::session::Session;
use crate::config::{Config, Role, Target};
use crate::error::Error;
use crate::types::Types;

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
    key: Arc<str>,
    mark: Arc<str>,
    pub(super) lifecycle: Lifecycle,
    pub(super) types: Arc<Types>,
    slots: Slots,
    metrics: OnceLock<metrics::pool::Pool>,
    idle: Mutex<Vec<Idle>>,
    learnt: Mutex<Learnt>,
    /// Sessions of an older generation are not used again.
    generation: AtomicU64,
}

/// What the last login showed.
#[derive(Default)]
struct Learnt {
    flavor: Option<Flavor>,
    target: Option<Target>,
}

struct Idle {
    session: Session,
    since: Instant,
}

impl Pool {
    /// A pool without sessions. `key` is the adapter's.
    pub(super) fn new(
        config: Config,
        role: Role,
        key: &str,
        types: Arc<Types>,
        lifecycle: Lifecycle,
    ) -> Arc<Self> {
        let is_used = role == Role::Reader || config.allow_writes;
        let pool = Arc::new(Self {
            slots: Slots::new(config.pool_size()),
            metrics: OnceLock::new(),
            config,
            role,
            key: key.into(),
            mark: format!("/* mcp-hub/{key} */ ").into(),
            lifecycle,
            types,
            idle: Mutex::default(),
            learnt: Mutex::default(),
            generation: AtomicU64::new(0),
        });
        if is_used {
            // Its series are there before its first session.
            pool.metrics();
        }
        pool
    }

    fn metrics(&self) -> &metrics::pool::Pool {
        self.metrics.get_or_init(|| {
            let name = match self.role {
                Role::Reader => self.key.to_string(),
                Role::Writer => format!("{}/write", self.key),
            };
            metrics::pool::Pool::new(&name, self.config.pool_size())
        })
    }

    /// A session in a database for one call, after at most `wait` for a free one.
    pub(super) async fn lease(
        self: &Arc<Self>,
        database: Option<&str>,
        wait: Duration,
    ) -> Result<Lease, Error> {
        let acquired = async {
            let slot = self.slot(wait).await?;
            let session = match self.take_idle(database).await {
                Some(session) => session,
                // Large, and seldom.
                None => Box::pin(self.connect(database)).await?,
            };
            Ok(Lease::new(self.clone(), session, slot))
        };
        acquire(acquired).await
    }

    /// A new session for a lease whose own turned out to be dead.
    pub(super) async fn replacement(&self, database: Option<&str>) -> Result<Session, Error> {
        acquire(Box::pin(self.connect(database))).await
    }

    /// A place among the pool's sessions.
    async fn slot(&self, wait: Duration) -> Result<OwnedSemaphorePermit, Error> {
        let begun = Instant::now();
        let mut slot = std::pin::pin!(self.slots.take(wait));
        let slot = if let Some(slot) = slot.as_mut().now_or_never() {
            slot
        } else {
            let _pending = self.metrics().pending();
            slot.await
        };
        let Some(slot) = slot else {
            self.metrics().timed_out();
            return Err(Error::Busy);
        };
        self.metrics().waited(begun.elapsed());
        Ok(slot)
    }

    async fn connect(&self, database: Option<&str>) -> Result<Session, Error> {
        Span::current().set_attribute(trace::attribute::POOL_CONNECTED, true);
        let begun = Instant::now();
        let generation = self.generation.load(Ordering::Acquire);
        let mut target = self.config.target(self.role)?;
        target.database = database.map(str::to_owned);
        let opening = Opening::new(self);
        let (mark, counted) = (self.mark.clone(), self.metrics().used());
        let session = Session::log_in(Arc::new(target), self.role, mark, generation, counted).await?;
        opening.done();
        self.metrics().connected(begun.elapsed());
        let mut learnt = self.learnt();
        learnt.flavor = Some(session.flavor);
        learnt.target = Some(login_of(&session.target));
        Ok(session)
    }

    /// Takes a session back. What can't serve another call is closed.
    pub(super) fn put_back(&self, mut session: Session) {
        let fit = !session.spoilt
            && !session.tainted
            && !session.is_worn()
            && !session.in_transaction
            && session.generation == self.generation.load(Ordering::Acquire)
            && session.born.elapsed() < LONGEST_LIFE
            && !self.lifecycle.is_stopping();
        if !fit {
            self.close(session);
            return;
        }
        session.used = true;
        session.counted.now_idle();
        let since = Instant::now();
        self.idle().push(Idle { session, since });
    }

    /// Closes a session in the background.
    pub(super) fn close(&self, session: Session) {
        self.lost();
        if !session.spoilt {
            self.lifecycle.spawn(login::close(session.connection));
        }
    }

    /// Counts a session that is gone.
    pub(super) fn lost(&self) {
        self.slots.closed();
    }

    /// Makes the next calls log in anew if the secrets' files say something else than at the last login.
    pub(super) fn renew_if_changed(&self) {
        let Ok(now) = self.config.target(self.role) else {
            return;
        };
        let now = login_of(&now);
        let changed = self.learnt().target.as_ref().is_some_and(|then| *then != now);
        if changed {
            tracing::info!("the login has changed: the pool is replaced");
            self.learnt().target = Some(now);
            self.generation.fetch_add(1, Ordering::AcqRel);
            let old = std::mem::take(&mut *self.idle());
            for idle in old {
                self.close(idle.session);
            }
        }
    }

    /// What kind of server the last login reached.
    pub(super) fn flavor(&self) -> Option<Flavor> {
        self.learnt().flavor
    }

    pub(super) fn status(&self) -> adapter::Pool {
        self.slots.counts(self.idle().len())
    }

    /// The idle session of a database that was used last, if it is still there.
    async fn take_idle(&self, database: Option<&str>) -> Option<Session> {
        loop {
            let Idle { mut session, since } = {
                let mut idle = self.idle();
                let place = idle
                    .iter()
                    .rposition(|idle| idle.session.target.database.as_deref() == database)?;
                idle.remove(place)
            };
            if since.elapsed() < ASK_AFTER || answers(&mut session).await {
                session.counted.now_used();
                return Some(session);
            }
            session.spoilt = true;
            self.close(session);
        }
    }

    /// Closes the session that was idle for longest.
    fn make_room(&self) {
        let oldest = {
            let mut idle = self.idle();
            (!idle.is_empty()).then(|| idle.remove(0))
        };
        if let Some(oldest) = oldest {
            self.close(oldest.session);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn learnt(&self) -> MutexGuard<'_, Learnt> {
        self.learnt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A target without its database, which differs from session to session.
fn login_of(target: &Target) -> Target {
    Target {
        database: None,
        ..target.clone()
    }
}

/// Shows in the trace how long a call had to wait until it had a session, and why it got none.
async fn acquire<T>(acquired: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    let span = trace::internal("acquire connection");
    let acquired = acquired.instrument(span.clone()).await;
    acquired.inspect_err(|error| trace::fail(&span, fault::name(error.reason())))
}

async fn answers(session: &mut Session) -> bool {
    matches!(
        tokio::time::timeout(ASK_LIMIT, session.connection.ping()).await,
        Ok(Ok(()))
    )
}

/// Counts a session that is being opened, so that no more are open than may be; until it is done, it can be given up.
struct Opening<'a>(Option<&'a Pool>);

impl<'a> Opening<'a> {
    /// An idle session of another database makes room.
    fn new(pool: &'a Pool) -> Self {
        if pool.slots.opened() {
            pool.make_room();
        }
        Self(Some(pool))
    }

    fn done(mut self) {
        self.0 = None;
    }
}

impl Drop for Opening<'_> {
    fn drop(&mut self) {
        if let Some(pool) = self.0 {
            pool.lost();
        }
    }
}

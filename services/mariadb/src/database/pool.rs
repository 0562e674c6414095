//! Connections of one role: bounded, lazy, and never handed out dead.
//!
//! One pool serves all databases of the server, because a caller may name any of hundreds: a session of another database than the
//! wanted one is closed when there is no room for one more. (`USE` would need a name in the text of a statement.)

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_hub_chassis::Lifecycle;
use mcp_hub_chassis::slots::Slots;
use mcp_hub_proto::adapter::v1 as adapter;
use sqlx::Connection as _;

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
    mark: Arc<str>,
    pub(super) lifecycle: Lifecycle,
    pub(super) types: Arc<Types>,
    slots: Slots,
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
    pub(super) fn new(
        config: Config,
        role: Role,
        mark: Arc<str>,
        types: Arc<Types>,
        lifecycle: Lifecycle,
    ) -> Arc<Self> {
        Arc::new(Self {
            slots: Slots::new(config.pool_size()),
            config,
            role,
            mark,
            lifecycle,
            types,
            idle: Mutex::default(),
            learnt: Mutex::default(),
            generation: AtomicU64::new(0),
        })
    }

    /// A session in a database for one call, after at most `wait` for a free one.
    pub(super) async fn lease(
        self: &Arc<Self>,
        database: Option<&str>,
        wait: Duration,
    ) -> Result<Lease, Error> {
        let slot = self.slots.take(wait).await.ok_or(Error::Busy)?;
        let session = match self.take_idle(database).await {
            Some(session) => session,
            None => self.connect(database).await?,
        };
        Ok(Lease::new(self.clone(), session, slot))
    }

    /// A new session, also for a lease whose own turned out to be dead.
    pub(super) async fn connect(&self, database: Option<&str>) -> Result<Session, Error> {
        let generation = self.generation.load(Ordering::Acquire);
        let mut target = self.config.target(self.role)?;
        target.database = database.map(str::to_owned);
        let opening = Opening::new(self);
        let session = Session::log_in(Arc::new(target), self.role, self.mark.clone(), generation).await?;
        opening.done();
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

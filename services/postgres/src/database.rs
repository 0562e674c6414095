//! The database behind the adapter: its pools, transactions on them, and what they learnt.
//!
//! No proto types but those of `data.v1`. Above it stand the RPCs' modules ([`query`](crate::query), `catalogue`, `write` and so
//! on), below it the [`wire`](crate::wire).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, Lifecycle, arguments, slots};
use mcp_hub_proto::adapter::v1 as adapter;

use crate::config::{Config, Role};
use crate::error::Error;
use crate::timer::Timer;
use crate::traced::Shown;

mod lease;
mod pool;
mod session;
mod transaction;

pub(crate) use lease::Lease;
use pool::Pool;
pub(crate) use session::Groups;
pub use transaction::{Outcome, Transaction};

/// The longest that a call waits for a free connection.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// The database: cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    config: Config,
    /// The adapter's key.
    key: String,
    lifecycle: Lifecycle,
    pools: Mutex<HashMap<(Role, String), Arc<Pool>>>,
}

impl Database {
    /// A database that has not been asked anything yet. `name` is the adapter's key.
    pub fn new(config: Config, name: &str, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Inner {
            config,
            key: name.to_owned(),
            lifecycle,
            pools: Mutex::default(),
        }))
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The name of the database that is asked unless a call names another.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the URL's file can't be read.
    pub fn default_database(&self) -> Result<String, Error> {
        Ok(self.0.config.target(Role::Reader)?.database)
    }

    /// Whether a call may name this database.
    pub fn may_ask(&self, name: &str) -> bool {
        self.0.config.databases.iter().any(|allowed| allowed == name)
            || self.default_database().is_ok_and(|default| default == name)
    }

    /// The databases that a call may name, the default one first.
    ///
    /// # Errors
    /// As [`default_database`](Self::default_database).
    pub(crate) fn askable(&self) -> Result<Vec<String>, Error> {
        let default = self.default_database()?;
        Ok(self.names(&default).into_iter().map(str::to_owned).collect())
    }

    /// Whether there is another database to ask than the default one.
    pub(crate) fn has_several(&self) -> bool {
        self.askable()
            .map_or(!self.0.config.databases.is_empty(), |names| names.len() > 1)
    }

    /// A transaction that can only read, always rolled back. `timeout` is the limit of each statement.
    ///
    /// # Errors
    /// `OBJECT_NOT_FOUND` for a database that may not be asked, [`Error::Busy`] and [`Error::Unavailable`].
    pub async fn read(&self, database: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
        let lease = self.lease(Role::Reader, database, timeout).await?;
        Transaction::begin(lease, "BEGIN READ ONLY", timeout)
    }

    /// A transaction that can write, on the writing role where there is one. `timeout` is the limit of each statement.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn write(&self, database: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
        let lease = self.lease(Role::Writer, database, timeout).await?;
        Transaction::begin(lease, "BEGIN READ WRITE", timeout)
    }

    /// Runs a statement of ours that no transaction may hold, such as `CREATE DATABASE`, as the writing role.
    ///
    /// # Errors
    /// The server's error, and as [`write`](Self::write).
    pub async fn run_outside_transaction(
        &self,
        database: Option<&str>,
        shown: Shown<'_>,
        sql: &str,
        timeout: Duration,
    ) -> Result<(), Error> {
        let mut lease = self.lease(Role::Writer, database, timeout).await?;
        let timer = Timer::start(timeout);
        let rows = lease.connection().rows(shown, sql, &[], Some(&timer)).await;
        rows.map(drop)
    }

    /// A connection of the pool, within the time that a call may wait.
    pub(crate) async fn lease(
        &self,
        role: Role,
        database: Option<&str>,
        timeout: Duration,
    ) -> Result<Lease, Error> {
        let pool = self.pool(role, database)?;
        pool.lease(LONGEST_WAIT.min(timeout)).await
    }

    /// Makes all pools log in anew when the secrets' files have changed.
    pub(crate) fn renew_if_changed(&self) {
        for pool in self.pools() {
            pool.renew_if_changed();
        }
    }

    /// The connections of all pools together.
    pub(crate) fn pool_status(&self) -> adapter::Pool {
        let size = self.0.config.pool_size();
        slots::sum(size, self.pools().iter().map(|pool| pool.status()))
    }

    /// Whether a pooler in transaction mode stands in front of the server, as far as a login has learnt it.
    pub(crate) fn is_behind_pooler(&self) -> bool {
        self.pools().iter().any(|pool| pool.is_behind_pooler())
    }

    fn pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.values().cloned().collect()
    }

    fn pool(&self, role: Role, database: Option<&str>) -> Result<Arc<Pool>, Error> {
        let config = &self.0.config;
        // Without a role of its own, writing shares the login but never a session: a reader's is READ ONLY by default.
        let default = self.default_database()?;
        let name = database.filter(|name| !name.is_empty()).unwrap_or(&default);
        if !self.may_ask(name) {
            return Err(self.unknown_database(name)?.into());
        }
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry((role, name.to_owned())).or_insert_with(|| {
            Pool::new(
                config.clone(),
                role,
                name.to_owned(),
                &self.0.key,
                self.0.lifecycle.clone(),
            )
        });
        Ok(pool.clone())
    }

    fn names<'a>(&'a self, default: &'a str) -> Vec<&'a str> {
        let others = self.0.config.databases.iter().map(String::as_str);
        [default]
            .into_iter()
            .chain(others.filter(|name| *name != default))
            .collect()
    }

    /// What is said of a database that no call may name.
    ///
    /// # Errors
    /// As [`default_database`](Self::default_database).
    pub(crate) fn unknown_database(&self, name: &str) -> Result<Fault, Error> {
        let default = self.default_database()?;
        let names = self.names(&default);
        let message = format!(
            "database \"{name}\" can't be asked; these can: {}",
            names.join(", ")
        );
        Ok(Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", {
            let similar = arguments::similar(name, names.iter().copied());
            if similar.is_empty() { names } else { similar }.join(",")
        }))
    }
}

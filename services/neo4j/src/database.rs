//! The database behind the adapter: its pools, its routes, and transactions on them.
//!
//! No proto types but those of `data.v1`. Above it stand the RPCs' modules ([`query`](crate::query), `schema`, `write` and so on),
//! below it the [`wire`](crate::wire).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, Lifecycle, arguments, slots};
use mcp_hub_proto::adapter::v1 as adapter;

use crate::config::{Address, Config, Role, Target};
use crate::error::Error;
pub use crate::traced::Shown;
use crate::wire::packstream::Entries;

mod lease;
mod pool;
pub(crate) mod routing;
mod summary;
mod transaction;

use lease::Lease;
use pool::Pool;
use routing::Routes;
pub use summary::{QueryType, Summary};
use transaction::Beginning;
pub(crate) use transaction::{Next, limit};
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
    pools: Mutex<HashMap<(Role, Address), Arc<Pool>>>,
    routes: Arc<Routes>,
    /// The name of the user's home database, once the server has told it.
    home: Mutex<Option<String>>,
}

impl Database {
    /// A database that has not been asked anything yet. `name` is the adapter's key.
    pub fn new(config: Config, name: &str, lifecycle: Lifecycle) -> Self {
        Self(Arc::new(Inner {
            config,
            key: name.to_owned(),
            lifecycle,
            pools: Mutex::default(),
            routes: Arc::default(),
            home: Mutex::default(),
        }))
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The name of the database that is asked unless a call names another; `None` until the server has told the user's home.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the URI's file can't be read.
    pub fn default_database(&self) -> Result<Option<String>, Error> {
        let configured = self.0.config.target(Role::Reader)?.database;
        Ok(configured.or_else(|| self.0.home.lock().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    /// Keeps the name of the user's home database.
    pub(crate) fn set_home(&self, name: &str) {
        *self.0.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(name.to_owned());
    }

    /// A transaction that can only read, always rolled back. `timeout` is the limit of each statement.
    ///
    /// # Errors
    /// `OBJECT_NOT_FOUND` for a database that may not be asked, [`Error::Busy`], [`Error::Unreachable`] and [`Error::Unavailable`].
    pub async fn read(&self, database: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
        self.begin(Role::Reader, database, timeout).await
    }

    /// A transaction that can write, as the writing user where there is one. `timeout` is the limit of each statement.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn write(&self, database: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
        self.begin(Role::Writer, database, timeout).await
    }

    /// A transaction of our own on the database that knows users and rights, which no caller may name unless the settings say so.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) async fn read_system(&self, timeout: Duration) -> Result<Transaction, Error> {
        let target = self.0.config.target(Role::Reader)?;
        self.begin_on(Role::Reader, &target, Some("system"), timeout)
            .await
    }

    async fn begin(
        &self,
        role: Role,
        database: Option<&str>,
        timeout: Duration,
    ) -> Result<Transaction, Error> {
        let target = self.0.config.target(role)?;
        let database = self.allowed(database, target.database.as_deref())?;
        self.begin_on(role, &target, database.as_deref(), timeout).await
    }

    async fn begin_on(
        &self,
        role: Role,
        target: &Target,
        database: Option<&str>,
        timeout: Duration,
    ) -> Result<Transaction, Error> {
        let lease = self
            .lease(role, target, database, LONGEST_WAIT.min(timeout))
            .await?;
        // The server must not see a limit of 0: that is none.
        let milliseconds = i64::try_from(timeout.as_millis()).unwrap_or(i64::MAX).max(1);
        let mut begin: Entries = vec![("tx_timeout".to_owned(), milliseconds.into())];
        if role == Role::Reader {
            begin.push(("mode".to_owned(), "r".into()));
        }
        if let Some(database) = database {
            begin.push(("db".to_owned(), database.into()));
        }
        let beginning = Beginning {
            database: database.unwrap_or_default().to_owned(),
            metadata: self.metadata(),
            extra: begin,
        };
        Ok(Transaction::new(lease, beginning, timeout, self.0.routes.clone()))
    }

    /// A connection to the server of the settings, or to one of its cluster that does for the role.
    async fn lease(
        &self,
        role: Role,
        target: &Target,
        database: Option<&str>,
        wait: Duration,
    ) -> Result<Lease, Error> {
        let routes = &self.0.routes;
        if !target.routing {
            return self.pool(role, &target.address).lease(wait, 1).await;
        }
        if let Some(table) = routes.known(database) {
            let servers = routes.servers(&table, role);
            if let Some(lease) = self.first(role, &servers, wait).await? {
                return Ok(lease);
            }
            // They may be gone and others in their place.
            routes.forget();
        }
        let mut guide = self.pool(role, &target.address).lease(wait, 1).await?;
        let table = match routes.ask(guide.connection(), target, database).await {
            Err(error) if error.is_lost_connection() && guide.was_used() => {
                guide.replace().await?;
                routes.ask(guide.connection(), target, database).await?
            }
            result => result?,
        };
        // It may be one of the servers, and the pool may be of one connection.
        drop(guide);
        let servers = routes.servers(&table, role);
        let first = self.first(role, &servers, wait).await?;
        first.ok_or_else(|| {
            routes.forget();
            table.nobody(role)
        })
    }

    /// The servers that the one of the settings sends its clients to, each once.
    ///
    /// # Errors
    /// When it can't be asked.
    pub(crate) async fn advertised(&self) -> Result<Vec<Address>, Error> {
        let target = self.0.config.target(Role::Reader)?;
        let mut guide = self
            .pool(Role::Reader, &target.address)
            .lease(LONGEST_WAIT, 1)
            .await?;
        let database = target.database.as_deref();
        let table = self.0.routes.ask(guide.connection(), &target, database).await?;
        Ok(table.addresses())
    }

    /// A connection to the first of the servers that can be reached; `None` when none can.
    async fn first(&self, role: Role, servers: &[Address], wait: Duration) -> Result<Option<Lease>, Error> {
        for (attempt, address) in (1..).zip(servers) {
            let begun = Instant::now();
            match self.pool(role, address).lease(wait, attempt).await {
                Err(Error::Unreachable { reason, .. }) => {
                    self.0.routes.unreachable(address, &reason, begun.elapsed());
                }
                result => return result.map(Some),
            }
        }
        Ok(None)
    }

    /// What `SHOW TRANSACTIONS` and the server's log say about a transaction of ours.
    fn metadata(&self) -> Entries {
        let application = format!("mcp-hub/{}", self.0.key);
        let call = format!("{:016x}", rand::random::<u64>());
        vec![
            ("app".to_owned(), application.into()),
            ("mcphub_call".to_owned(), call.into()),
        ]
    }

    /// The database to ask, if it may be asked; `None` is the user's home. Names have no case.
    fn allowed(&self, wanted: Option<&str>, configured: Option<&str>) -> Result<Option<String>, Error> {
        let Some(wanted) = wanted.filter(|name| !name.is_empty()) else {
            return Ok(configured.map(str::to_owned));
        };
        let default = self.default_database()?;
        let names: Vec<&str> = default
            .iter()
            .chain(&self.0.config.databases)
            .map(String::as_str)
            .collect();
        if names.iter().any(|name| name.eq_ignore_ascii_case(wanted)) {
            return Ok(Some(wanted.to_owned()));
        }
        let message = if names.is_empty() {
            format!("database \"{wanted}\" can't be asked: leave database out")
        } else {
            format!(
                "database \"{wanted}\" can't be asked; these can: {}",
                names.join(", ")
            )
        };
        let similar = arguments::similar(wanted, names.iter().copied());
        let meant = if similar.is_empty() { names } else { similar }.join(",");
        let fault = Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", meant);
        Err(fault.into())
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

    fn pools(&self) -> Vec<Arc<Pool>> {
        let pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        pools.values().cloned().collect()
    }

    fn pool(&self, role: Role, address: &Address) -> Arc<Pool> {
        let mut pools = self.0.pools.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = pools.entry((role, address.clone())).or_insert_with(|| {
            let config = self.0.config.clone();
            let lifecycle = self.0.lifecycle.clone();
            Pool::new(config, role, address.clone(), &self.0.key, lifecycle)
        });
        pool.clone()
    }
}

//! The server behind the adapter: its pools, transactions on them, and what they learnt.
//!
//! No proto types but those of `data.v1`. Above it stand the RPCs' modules ([`query`](crate::query), `catalogue`, `write` and so
//! on), below it the driver.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, Lifecycle, arguments, slots};
use mcp_hub_proto::adapter::v1 as adapter;
use tracing::Instrument as _;

use crate::config::{Config, Role};
use crate::error::Error;
use crate::execution;
pub use crate::traced::Shown;
use crate::traced::settle;
use crate::types::Types;

mod flavor;
mod lease;
mod login;
mod pool;
mod session;
mod transaction;

pub use flavor::{Flavor, Product};
use lease::Lease;
use pool::Pool;
use session::Access;
pub(crate) use session::Session;
pub use transaction::{Outcome, Transaction};

/// The longest that a call waits for a free connection.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How long looking for the names of databases may take: an error must not wait for its advice.
const PATIENCE: Duration = Duration::from_secs(2);

/// The server: cheap to clone.
#[derive(Clone)]
pub struct Database(Arc<Inner>);

struct Inner {
    config: Config,
    reader: Arc<Pool>,
    writer: Arc<Pool>,
}

impl Database {
    /// A server that has not been asked anything yet. `name` is the adapter's key.
    pub fn new(config: Config, name: &str, lifecycle: Lifecycle) -> Self {
        let types = Arc::<Types>::default();
        let writer = Pool::new(
            config.clone(),
            Role::Writer,
            name,
            types.clone(),
            lifecycle.clone(),
        );
        let reader = Pool::new(config.clone(), Role::Reader, name, types, lifecycle);
        Self(Arc::new(Inner {
            config,
            reader,
            writer,
        }))
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The name of the database that names without one are looked up in, unless a call names another.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the URL's file can't be read.
    pub fn default_database(&self) -> Result<Option<String>, Error> {
        Ok(self.0.config.target(Role::Reader)?.database)
    }

    /// What kind of server the last login reached.
    pub fn flavor(&self) -> Option<Flavor> {
        self.0.reader.flavor()
    }

    /// A transaction that can only read, always rolled back. `timeout` is the limit of each statement.
    ///
    /// # Errors
    /// `OBJECT_NOT_FOUND` for a database that is not there or may not be asked, [`Error::Busy`] and [`Error::Unavailable`].
    pub async fn read(&self, database: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
        let lease = self.lease(Role::Reader, database, timeout).await?;
        Transaction::new(lease, Access::ReadOnly, timeout)
    }

    /// A transaction that can write, as the writing user where there is one. `timeout` is the limit of each statement.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub async fn write(&self, database: Option<&str>, timeout: Duration) -> Result<Transaction, Error> {
        let lease = self.lease(Role::Writer, database, timeout).await?;
        Transaction::new(lease, Access::ReadWrite, timeout)
    }

    /// Runs a statement of ours that ends a transaction by itself, such as `CREATE DATABASE`, as the writing user. The trace shows it as
    /// `summary`.
    ///
    /// # Errors
    /// The server's error, and as [`write`](Self::write).
    pub async fn run_outside_transaction(
        &self,
        database: Option<&str>,
        summary: &'static str,
        sql: &str,
        timeout: Duration,
    ) -> Result<(), Error> {
        let mut lease = self.lease(Role::Writer, database, timeout).await?;
        let session = lease
            .session()
            .ok_or_else(|| Error::Protocol("a lease without a session".to_owned()))?;
        let statement = session.statement(Shown::ours(summary), sql);
        let (sql, span) = (sql.to_owned(), statement.span().clone());
        let work = lease.run(|session| {
            async move { execution::rows(session, &sql, vec![]).instrument(span).await }.boxed()
        });
        let rows = tokio::time::timeout(timeout, work).await;
        settle(statement, rows.unwrap_or(Err(Error::TimedOut(timeout)))).map(drop)
    }

    /// Makes all pools log in anew when the secrets' files have changed.
    pub(crate) fn renew_if_changed(&self) {
        self.0.reader.renew_if_changed();
        self.0.writer.renew_if_changed();
    }

    /// The connections of both pools together.
    pub(crate) fn pool_status(&self) -> adapter::Pool {
        let config = &self.0.config;
        let writer = config.allow_writes.then_some(&self.0.writer);
        let pools = [&self.0.reader].into_iter().chain(writer);
        slots::sum(config.pool_size(), pools.map(|pool| pool.status()))
    }

    /// A session in a database, within the time that a call may wait.
    async fn lease(&self, role: Role, database: Option<&str>, timeout: Duration) -> Result<Lease, Error> {
        let pool = match role {
            Role::Reader => &self.0.reader,
            Role::Writer => &self.0.writer,
        };
        let wait = LONGEST_WAIT.min(timeout);
        let default = self.default_database()?;
        let Some(named) = database.filter(|named| !named.is_empty() && Some(*named) != default.as_deref())
        else {
            let name = default.as_deref().unwrap_or_default();
            let unavailable = |verdict, reason| {
                let source = None;
                Err(Error::Unavailable {
                    verdict,
                    reason,
                    source,
                })
            };
            return match pool.lease(default.as_deref(), wait).await {
                Err(Error::Server(error)) if error.number == UNKNOWN_DATABASE => unavailable(
                    Verdict::DatabaseMissing,
                    format!("there is no database \"{name}\""),
                ),
                Err(Error::Server(error)) => unavailable(error.verdict(), error.message),
                result => result,
            };
        };
        if !self.0.config.may_ask(named) {
            return Err(self.unknown_database(named).await.into());
        }
        match pool.lease(Some(named), wait).await {
            Err(Error::Server(error)) if error.number == UNKNOWN_DATABASE => {
                Err(self.unknown_database(named).await.into())
            }
            result => result,
        }
    }

    async fn unknown_database(&self, name: &str) -> Fault {
        let fault = Fault::new(
            Reason::ObjectNotFound,
            format!("there is no database \"{name}\" that can be asked"),
        );
        let found = tokio::time::timeout(PATIENCE, Box::pin(self.databases())).await;
        // The error itself matters more than advice on it.
        let names = found.ok().and_then(Result::ok).unwrap_or_default();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let similar = arguments::similar(name, names.iter().copied());
        let shown = if similar.is_empty() { names } else { similar };
        let shown: Vec<&str> = shown.into_iter().take(10).collect();
        fault.with("did_you_mean", shown.join(","))
    }

    /// The databases that can be asked, the server's own left out.
    async fn databases(&self) -> Result<Vec<String>, Error> {
        const SQL: &str = "select schema_name from information_schema.schemata
            where schema_name not in ('information_schema', 'mysql', 'performance_schema', 'sys') order by 1";
        let mut transaction = self.read(None, PATIENCE).await?;
        let rows = transaction
            .rows("SELECT information_schema.schemata", SQL, &[])
            .await?;
        transaction.rollback().await?;
        let names = rows.iter().filter_map(|row| row.text(0));
        Ok(names
            .filter(|name| self.0.config.may_ask(name))
            .map(str::to_owned)
            .collect())
    }
}

/// `ER_BAD_DB_ERROR`
const UNKNOWN_DATABASE: u16 = 1049;

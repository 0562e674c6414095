//! The table that is asked, and what a right answer is.

use anyhow::{Context as _, ensure};
use tokio::task::JoinSet;
use tokio_postgres::{Client, NoTls};

/// A table of its own name, so that nothing of the database's owner is touched.
#[derive(Debug)]
pub(crate) struct Table {
    /// The statement, with the key as its one parameter.
    pub(crate) statement: String,
    name: String,
    connection: Direct,
}

/// A row as every way brings it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) balance: i64,
}

impl Row {
    /// The row of a key.
    pub(crate) fn of(id: i32) -> Self {
        Self {
            id,
            name: format!("account {id}"),
            balance: i64::from(id) * 7919 % 1_000_003,
        }
    }

    /// Checks that this is the row of the key that was asked for.
    pub(crate) fn check(&self, id: i32) -> anyhow::Result<()> {
        ensure!(*self == Self::of(id), "the answer to key {id} is {self:?}");
        Ok(())
    }
}

impl Table {
    /// Makes it and fills it.
    pub(crate) async fn create(url: &str, rows: i32) -> anyhow::Result<Self> {
        let connection = Direct::connect(url).await?;
        let name = format!("mcp_hub_bench_{:016x}", rand::random::<u64>());
        let sql = format!(
            "create table {name} (id int primary key, name text not null, balance bigint not null, filler char(84) not null);
             insert into {name} select n, 'account ' || n, n::bigint * 7919 % 1000003, '' from generate_series(1, {rows}) n;
             analyze {name}"
        );
        connection
            .client
            .batch_execute(&sql)
            .await
            .context("making the table")?;
        Ok(Self {
            statement: format!("select id, name, balance from {name} where id = $1"),
            name,
            connection,
        })
    }

    /// Removes it.
    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        let sql = format!("drop table {}", self.name);
        let dropped = self.connection.client.batch_execute(&sql).await;
        dropped.with_context(|| format!("removing the table: please run `{sql}`"))
    }
}

/// A connection to the database. It is closed when this is dropped.
#[derive(Debug)]
pub(crate) struct Direct {
    pub(crate) client: Client,
    _connection: JoinSet<()>,
}

impl Direct {
    pub(crate) async fn connect(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, NoTls)
            .await
            .context("connecting to PostgreSQL")?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // What went wrong is told to whoever waits for an answer.
            let _ = connection.await;
        });
        Ok(Self {
            client,
            _connection: tasks,
        })
    }
}

//! What the adapter tells of PostgreSQL to whoever asks how it is.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::status::{About, Failure, LOOK_TIMEOUT, Product, Watched};

use crate::database::Database;
use crate::error::Error;
use crate::posture;
use crate::traced::Shown;

#[tonic::async_trait]
impl Watched for Database {
    type Error = Error;

    const KIND: &'static str = "postgres";

    fn about(&self) -> About {
        About {
            database: self.default_database().unwrap_or_default(),
            description: self.config().description.clone().unwrap_or_default(),
            allow_writes: self.config().allow_writes,
            pool: Some(self.pool_status()),
        }
    }

    /// The version is of the server itself and not of a pooler in front of it.
    async fn look(&self) -> Result<Product, Error> {
        const SQL: &str = "select pg_catalog.version(), pg_catalog.current_setting('server_version')";
        self.renew_if_changed();
        let mut transaction = self.read(None, LOOK_TIMEOUT).await?;
        let rows = transaction.rows(Shown::ours("SELECT"), SQL, &[]).await?;
        transaction.rollback().await?;
        let Some(row) = rows.first() else {
            return Err(Error::Protocol("no row from a SELECT without FROM"));
        };
        // "PostgreSQL 15.18 on x86_64-pc-linux-gnu, ..", "15.18 (Debian 15.18-1)"
        let first = |text: String| text.split(' ').next().unwrap_or_default().to_owned();
        Ok(Product {
            name: first(row.get(0)?),
            version: first(row.get(1)?),
        })
    }

    fn failure(error: Error) -> Failure {
        match error {
            Error::Busy => Failure::Busy,
            Error::TimedOut(_) => Failure::Silent,
            Error::Unavailable { reason, .. } => Failure::Unusable(reason),
            error => Failure::Unusable(Fault::from(error).message),
        }
    }

    async fn judge(&self) -> Result<Vec<String>, Error> {
        posture::judge(self).await
    }
}

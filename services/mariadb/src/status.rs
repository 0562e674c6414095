//! What the adapter tells of MariaDB or MySQL to whoever asks how it is.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::status::{About, Failure, LOOK_TIMEOUT, Product, Watched};

use crate::database::Database;
use crate::error::Error;
use crate::posture;

#[tonic::async_trait]
impl Watched for Database {
    type Error = Error;

    const KIND: &'static str = "mariadb";

    fn about(&self) -> About {
        About {
            database: self.default_database().ok().flatten().unwrap_or_default(),
            description: self.config().description.clone().unwrap_or_default(),
            allow_writes: self.config().allow_writes,
            pool: Some(self.pool_status()),
        }
    }

    async fn look(&self) -> Result<Product, Error> {
        self.renew_if_changed();
        let mut transaction = self.read(None, LOOK_TIMEOUT).await?;
        transaction.rows("SELECT", "SELECT 1", &[]).await?;
        let flavor = transaction.flavor();
        transaction.rollback().await?;
        Ok(Product {
            name: flavor.name().to_owned(),
            version: flavor.to_string(),
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

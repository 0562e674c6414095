//! What the adapter tells of Neo4j to whoever asks how it is.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::status::{About, Failure, LOOK_TIMEOUT, Product, Watched};

use crate::database::Database;
use crate::error::Error;
use crate::posture;

#[tonic::async_trait]
impl Watched for Database {
    type Error = Error;

    const KIND: &'static str = "neo4j";

    fn about(&self) -> About {
        About {
            database: self.default_database().ok().flatten().unwrap_or_default(),
            description: self.config().description.clone().unwrap_or_default(),
            allow_writes: self.config().allow_writes,
            pool: Some(self.pool_status()),
        }
    }

    /// The version with the edition. Learns the name of the user's home database as well.
    async fn look(&self) -> Result<Product, Error> {
        const CYPHER: &str = "CALL dbms.components() YIELD name, versions, edition \
                              CALL db.info() YIELD name AS database \
                              RETURN name, versions[0], edition, database";
        self.renew_if_changed();
        let mut transaction = self.read(None, LOOK_TIMEOUT).await?;
        let rows = transaction
            .rows("CALL dbms.components db.info", CYPHER, vec![])
            .await?;
        transaction.rollback().await?;
        // "Neo4j Kernel"; other components are Cypher's versions.
        let kernel = rows.iter().find(|row| row.text(0) == Some("Neo4j Kernel"));
        let Some(kernel) = kernel.or(rows.first()) else {
            return Err(Error::Protocol("the server has no components"));
        };
        self.set_home(&kernel.get::<String>(3)?);
        let version = kernel.get::<Option<String>>(1)?.unwrap_or_default();
        let edition = kernel.get::<Option<String>>(2)?.unwrap_or_default();
        Ok(Product {
            name: "Neo4j".to_owned(),
            version: format!("{version} {edition}").trim().to_owned(),
        })
    }

    fn failure(error: Error) -> Failure {
        match error {
            Error::Busy => Failure::Busy,
            Error::TimedOut(_) => Failure::Silent,
            Error::Unreachable { reason, .. }
            | Error::Unavailable { reason, .. }
            | Error::Refused { reason, .. } => Failure::Unusable(reason),
            error => Failure::Unusable(Fault::from(error).message),
        }
    }

    async fn judge(&self) -> Result<Vec<String>, Error> {
        posture::judge(self).await
    }
}

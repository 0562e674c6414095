//! What the adapter tells of Qdrant to whoever asks how it is.

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::status::{About, Failure, LOOK_TIMEOUT, Product, Watched};
use qdrant_client::qdrant::CollectionExistsRequest;

use crate::database::{Database, Version};
use crate::error::{Error, ServerError};
use crate::posture;

/// The oldest version that the adapter works with: the first with the Query API, by which it searches.
const OLDEST: Version = Version(1, 10);

#[tonic::async_trait]
impl Watched for Database {
    type Error = Error;

    const KIND: &'static str = "qdrant";

    fn about(&self) -> About {
        About {
            // A server has no databases.
            database: String::new(),
            description: self.config().description.clone().unwrap_or_default(),
            allow_writes: self.config().allow_writes,
            pool: None,
        }
    }

    async fn look(&self) -> Result<Product, Error> {
        self.renew_if_changed();
        let session = self.read(LOOK_TIMEOUT);
        let version = session.health().await?.version;
        if Version::parse(&version).is_some_and(|version| version < OLDEST) {
            return Err(Error::Unavailable {
                verdict: Verdict::VersionUnsupported,
                reason: format!(
                    "Qdrant {version} is older than {OLDEST}, the oldest version that the adapter works with"
                ),
                source: None,
            });
        }
        // The server tells its version to everybody, so ask something for which the key counts.
        match session.send(CollectionExistsRequest::default()).await {
            Ok(_) | Err(Error::Server(ServerError { .. })) => {}
            Err(error) => return Err(error),
        }
        Ok(Product {
            name: "Qdrant".to_owned(),
            version,
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

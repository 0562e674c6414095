//! What the adapter says of itself and its database, as the last probe left it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mcp_hub_chassis::Fault;
use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, State};

use crate::database::Database;
use crate::error::Error;
use crate::posture;

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(4);

/// How often the user is judged again.
const JUDGE_EVERY: Duration = Duration::from_mins(5);

/// The outcome of the last probe.
#[derive(Debug, Default)]
pub(crate) struct Status(Mutex<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    up: bool,
    /// Why not, without address or password.
    reason: String,
    product: String,
    version: String,
    posture: Vec<String>,
    judged: Option<Instant>,
}

impl Known {
    /// Whether the user is to be judged: not while calls wait for its connections.
    fn is_due(&self) -> bool {
        !self.product.is_empty() && self.judged.is_none_or(|judged| judged.elapsed() >= JUDGE_EVERY)
    }
}

impl Status {
    /// Asks the database whether it answers, and from time to time what its user may do.
    pub(crate) async fn probe(&self, database: &Database) -> bool {
        database.renew_if_changed();
        match ask(database).await {
            Ok((product, version)) => {
                let mut known = self.known();
                if !known.up {
                    tracing::info!(product, version, "the database answers");
                }
                known.up = true;
                known.reason.clear();
                (known.product, known.version) = (product, version);
            }
            // All connections at work is a database that answers.
            Err(Error::Busy) if database.pool_status().open > 0 => self.busy(),
            Err(error) => {
                self.down(error);
                return false;
            }
        }
        let due = self.known().is_due();
        if due {
            self.judge(database).await;
        }
        true
    }

    /// The last outcome, and what is known without asking.
    pub(crate) fn response(&self, database: &Database) -> GetStatusResponse {
        let known = self.known().clone();
        let config = database.config();
        let mode = if config.allow_writes {
            Mode::ReadWrite
        } else {
            Mode::ReadOnly
        };
        let state = if known.up {
            State::Serving
        } else {
            State::Unavailable
        };
        GetStatusResponse {
            kind: "mariadb".to_owned(),
            adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
            product: known.product,
            product_version: known.version,
            database: database.default_database().ok().flatten().unwrap_or_default(),
            mode: mode.into(),
            state: state.into(),
            reason: known.reason,
            posture: known.posture,
            pool: Some(database.pool_status()),
        }
    }

    /// It answers others; what it is may still be unknown.
    fn busy(&self) {
        let mut known = self.known();
        known.up = true;
        known.reason.clear();
    }

    fn down(&self, error: Error) {
        let chain = mcp_hub_chassis::fault::chain(&error);
        let reason = match error {
            Error::Unavailable { reason, .. } => reason,
            Error::TimedOut(_) => "it does not answer".to_owned(),
            error => Fault::from(error).message,
        };
        let mut known = self.known();
        if known.reason != reason {
            tracing::warn!(error = chain, "the database can't be used");
        }
        known.up = false;
        known.reason = reason;
        // The next server may be another one.
        known.judged = None;
    }

    async fn judge(&self, database: &Database) {
        match posture::judge(database).await {
            Ok(sentences) => {
                let mut known = self.known();
                if known.posture != sentences {
                    for sentence in &sentences {
                        tracing::warn!(posture = sentence, "the user has more rights than it needs");
                    }
                }
                known.posture = sentences;
                known.judged = Some(Instant::now());
            }
            // The next probe tries again.
            Err(error) => tracing::debug!(
                error = mcp_hub_chassis::fault::chain(&error),
                "the user can't be judged"
            ),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Product and version.
async fn ask(database: &Database) -> Result<(String, String), Error> {
    let mut transaction = database.read(None, PROBE_TIMEOUT).await?;
    transaction.rows("SELECT 1", &[]).await?;
    let flavor = transaction.flavor();
    transaction.rollback().await?;
    Ok((flavor.name().to_owned(), flavor.to_string()))
}

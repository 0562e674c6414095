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

/// How often the role is judged again.
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
    /// Whether the role is to be judged: not while calls wait for its connections.
    fn is_due(&self) -> bool {
        !self.product.is_empty() && self.judged.is_none_or(|judged| judged.elapsed() >= JUDGE_EVERY)
    }
}

impl Status {
    /// Asks the database whether it answers, and from time to time what its role may do.
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
            kind: "neo4j".to_owned(),
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
            Error::Unreachable { reason, .. }
            | Error::Unavailable { reason, .. }
            | Error::Refused { reason } => reason,
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
                        tracing::warn!(posture = sentence, "the role has more rights than it needs");
                    }
                }
                known.posture = sentences;
                known.judged = Some(Instant::now());
            }
            // The next probe tries again.
            Err(error) => tracing::debug!(
                error = mcp_hub_chassis::fault::chain(&error),
                "the role can't be judged"
            ),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Product and version, with the edition.
async fn ask(database: &Database) -> Result<(String, String), Error> {
    const CYPHER: &str = "CALL dbms.components() YIELD name, versions, edition \
                          CALL db.info() YIELD name AS database \
                          RETURN name, versions[0], edition, database";
    let mut transaction = database.read(None, PROBE_TIMEOUT).await?;
    let rows = transaction.rows(CYPHER, vec![]).await?;
    transaction.rollback().await?;
    // "Neo4j Kernel"; other components are Cypher's versions.
    let kernel = rows.iter().find(|row| row.text(0) == Some("Neo4j Kernel"));
    let Some(kernel) = kernel.or(rows.first()) else {
        return Err(Error::Protocol("the server has no components"));
    };
    database.set_home(&kernel.get::<String>(3)?);
    let version = kernel.get::<Option<String>>(1)?.unwrap_or_default();
    let edition = kernel.get::<Option<String>>(2)?.unwrap_or_default();
    Ok((
        "Neo4j".to_owned(),
        format!("{version} {edition}").trim().to_owned(),
    ))
}

//! What an adapter says of itself and its database, as the last look left it.
//!
//! An adapter tells what is its database's own by [`Watched`]. [`Status`] keeps the outcome; the [`grpc`](crate::grpc) server makes
//! it look again and again, and asks it for the health of the services and for the answer of `GetStatus`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, Pool, State};
use tokio::time::Instant;

use crate::fault::{self, Fault};
use crate::grpc::Adapter;

/// How long a look at the database may take.
pub const LOOK_TIMEOUT: Duration = Duration::from_secs(4);

/// How often the login is judged again.
const JUDGE_EVERY: Duration = Duration::from_mins(5);

/// A database as its adapter watches it.
#[tonic::async_trait]
pub trait Watched: Send + Sync + 'static {
    /// Why a look or a judgement failed, for the log.
    type Error: std::error::Error + Send + 'static;

    /// The kind of database: `postgres`.
    const KIND: &'static str;

    /// What is known without asking. Must not wait for the database.
    fn about(&self) -> About;

    /// Asks the database what it is, within [`LOOK_TIMEOUT`]. Called again and again, never twice at once.
    ///
    /// # Errors
    /// When it can't be used; [`failure`](Self::failure) says what of the error is told.
    async fn look(&self) -> Result<Product, Self::Error>;

    /// What a failed look says of the database.
    fn failure(error: Self::Error) -> Failure;

    /// What the login may do beyond what the adapter's mode needs, each a sentence for an operator. Called from time to time, and
    /// only when the database has just answered; by default there is nothing to judge.
    ///
    /// # Errors
    /// When the database can't be asked; the next look tries again.
    async fn judge(&self) -> Result<Vec<String>, Self::Error> {
        Ok(vec![])
    }
}

/// What an adapter knows of its database without asking it.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// The name of the database that is asked by default; empty while it is not known.
    pub database: String,
    /// What is in it, in its operator's words; empty when nobody said it.
    pub description: String,
    /// Whether writes are offered.
    pub allow_writes: bool,
    /// The connections; `None` where there is no pool.
    pub pool: Option<Pool>,
}

/// What answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Product {
    /// `PostgreSQL`
    pub name: String,
    /// `15.18`
    pub version: String,
}

/// What a failed look says of the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No connection was free for the look. As long as one is open, or where there is no pool, that is a database that answers.
    Busy,
    /// It did not answer in time.
    Silent,
    /// It can't be used, in words that hold no address and no password.
    Unusable(String),
}

/// The status of a database: what is known without asking, and the outcome of the last look.
#[derive(Debug)]
pub struct Status<D> {
    database: D,
    known: Mutex<Known>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    up: bool,
    /// Why not.
    reason: String,
    product: Product,
    posture: Vec<String>,
    judged: Option<Instant>,
}

impl<D: Watched> Status<D> {
    /// A database that has not been looked at yet, and counts as unavailable.
    pub fn new(database: D) -> Self {
        let known = Mutex::default();
        Self { database, known }
    }

    fn up(&self, product: Product) {
        let mut known = self.known();
        if !known.up {
            let Product { name, version } = &product;
            tracing::info!(product = name, version, "the database answers");
        }
        known.up = true;
        known.reason.clear();
        known.product = product;
    }

    /// Whether it is up all the same.
    fn failed(&self, error: D::Error) -> bool {
        let cause = fault::chain(&error);
        let reason = match D::failure(error) {
            Failure::Busy if self.database.about().pool.is_none_or(|pool| pool.open > 0) => {
                let mut known = self.known();
                known.up = true;
                known.reason.clear();
                return true;
            }
            Failure::Busy => Fault::busy().message,
            Failure::Silent => "it does not answer".to_owned(),
            Failure::Unusable(reason) => reason,
        };
        let mut known = self.known();
        if known.reason != reason {
            tracing::warn!(error = cause, "the database can't be used");
        }
        known.up = false;
        known.reason = reason;
        // The next server may be another one.
        known.judged = None;
        false
    }

    async fn judge_if_due(&self) {
        let judged = self.known().judged;
        if judged.is_some_and(|judged| judged.elapsed() < JUDGE_EVERY) {
            return;
        }
        match self.database.judge().await {
            Ok(posture) => {
                let mut known = self.known();
                if known.posture != posture {
                    for sentence in &posture {
                        tracing::warn!(posture = sentence, "the login has more rights than it needs");
                    }
                }
                known.posture = posture;
                known.judged = Some(Instant::now());
            }
            Err(error) => tracing::debug!(error = fault::chain(&error), "the login can't be judged"),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[tonic::async_trait]
impl<D: Watched> Adapter for Status<D> {
    async fn probe(&self) -> bool {
        match self.database.look().await {
            Ok(product) => {
                self.up(product);
                self.judge_if_due().await;
                true
            }
            Err(error) => self.failed(error),
        }
    }

    async fn status(&self) -> GetStatusResponse {
        let about = self.database.about();
        let known = self.known().clone();
        let mode = if about.allow_writes {
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
            kind: D::KIND.to_owned(),
            // The adapters and the chassis have one version, the workspace's.
            adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
            product: known.product.name,
            product_version: known.product.version,
            database: about.database,
            mode: mode.into(),
            state: state.into(),
            reason: known.reason,
            posture: known.posture,
            pool: about.pool,
            description: about.description,
        }
    }
}

#[cfg(test)]
mod tests;

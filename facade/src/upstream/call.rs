//! One call of an upstream: when its turn is, which endpoint, how long, how often.
//!
//! A write is sent once and never again; what was surely not handled was not sent. A read that got no answer is sent once more, to
//! another endpoint if there is one. An RPC that an endpoint does not know was not run there, so that another one is asked. Each of the
//! rules has its file: the turn in [`admission`], the endpoint in [`choice`], one attempt in [`mod@attempt`], how traces show it in [`rpc`], an answer that comes in parts in
//! [`stream`], what is told in [`failure`].

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, trace};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use super::backend::Backend;
use super::endpoint::Endpoint;
use crate::metrics;
use crate::tool::Call;
use crate::tool::version::Asked;
use attempt::attempt;
use choice::Chosen;
use failure::Failure;

pub(super) mod admission;
pub(super) mod attempt;
mod choice;
pub(super) mod failure;
mod rpc;
mod stream;

/// The longest that a call may take of which its client hears nothing: it gives up after 60 s.
pub(crate) const LONGEST: Duration = Duration::from_secs(55);

/// The longest that any call may take. That of an upstream which is given less than [`LONGEST`] never takes more than it is given.
pub(crate) const LONGEST_TOLD: Duration = Duration::from_mins(5);

/// How long a call waits for an endpoint that was there a moment ago. A restarted adapter is back within it; nothing was sent, so writes
/// wait as well.
const COMING_BACK: Duration = Duration::from_secs(1);

/// How often a call that was not sent may look for another connection: peers that end their connections on purpose do not do it in a row.
const MAX_UNSENT: usize = 8;

/// How long a broken endpoint that is tried with a read may take before the read goes to one that works.
const PROBE: Duration = Duration::from_secs(5);

impl Backend {
    /// Calls what an upstream offers; gives its answer as `asked` reads it.
    ///
    /// # Errors
    /// Whatever the adapter says, or why it could not be asked.
    pub(crate) async fn call<T>(&self, asked: Asked<'_, T>, call: &Call) -> Result<T, Fault>
    where
        T: Send + 'static,
    {
        let asked = &asked;
        // Whoever drops the call has cancelled it.
        let mut counted = Counted {
            key: &self.key,
            outcome: "cancelled",
        };
        let limits = self.limits.load_full();
        let limit = match limits.settings.timeout.min(LONGEST) {
            LONGEST if call.progress.is_some() => LONGEST_TOLD,
            limit => limit,
        };
        let deadline = call.deadline.min(Instant::now() + limit);
        let answer = async {
            // Held until the answer is there, and given back however the call ends.
            let _turn = limits.admission.enter(&self.key, deadline).await?;
            self.attempts(asked, (deadline, limit), call).await
        };
        tokio::select! {
            biased;
            () = call.cancelled.cancelled() => Err(Fault::new(Reason::Cancelled, "the call was cancelled")),
            answer = answer => {
                counted.outcome = answer.as_ref().map_or_else(Failure::outcome, |_| "ok");
                let concurrency = limits.settings.concurrency;
                answer.map_err(|failure| failure.fault(&self.key, asked.listed, concurrency))
            }
        }
    }

    async fn attempts<T: Send + 'static>(
        &self,
        asked: &Asked<'_, T>,
        (deadline, limit): (Instant, Duration),
        call: &Call,
    ) -> Result<T, Failure> {
        let mut tries = Tries::default();
        let (first, failure) = self
            .sent(None, asked, (deadline, limit), call, &mut tries)
            .await?;
        let Err(failure) = failure else { return failure };
        let other = || self.choose(asked, Some(&first.endpoint)).ok();
        let (reason, next) = match &failure {
            // It was not run there, so another may run it, whatever it does.
            Failure::UnknownRpc => ("unknown_rpc", other()),
            _ if !first.offer.read_only => return Err(failure),
            Failure::Busy { .. } => ("busy", other()),
            Failure::Garbled(_) => ("garbled", other()),
            Failure::TimedOut if first.probe => ("probe", other()),
            // The same one where there is no other: it connects again by itself.
            Failure::Lost { .. } => (
                "lost",
                Some(self.chosen(asked, Some(&first.endpoint), deadline).await?),
            ),
            _ => return Err(failure),
        };
        let Some(next) = next else { return Err(failure) };
        self.count_retry(reason, &mut tries);
        tracing::debug!(upstream = self.key, rpc = %next.offer.path, reason, "a call is tried once more");
        let (_, outcome) = self
            .sent(Some(next), asked, (deadline, limit), call, &mut tries)
            .await?;
        outcome
    }

    /// Sends a call once: to another endpoint, or over another connection, as long as it was surely not handled.
    async fn sent<T: Send + 'static>(
        &self,
        to: Option<Chosen>,
        asked: &Asked<'_, T>,
        (deadline, limit): (Instant, Duration),
        call: &Call,
        tries: &mut Tries,
    ) -> Result<(Chosen, Result<T, Failure>), Failure> {
        let mut chosen = match to {
            Some(chosen) => chosen,
            None => self.chosen(asked, None, deadline).await?,
        };
        loop {
            let until = if chosen.probe {
                deadline.min(Instant::now() + PROBE)
            } else {
                deadline
            };
            match attempt(&self.key, &chosen, asked.read, (until, limit), call, tries.retry).await {
                Err(Failure::Unsent) if tries.unsent < MAX_UNSENT => {
                    tries.unsent += 1;
                    self.count_retry("unsent", tries);
                    chosen = self.chosen(asked, None, deadline).await?;
                }
                outcome => return Ok((chosen, outcome)),
            }
        }
    }

    fn count_retry(&self, reason: &'static str, tries: &mut Tries) {
        let number = tries.retry.map_or(0, |retry| retry.number) + 1;
        tries.retry = Some(Retry { number, reason });
        metrics::UPSTREAM_RETRIES.add(1, &[metrics::upstream(&self.key), metrics::reason(reason)]);
    }

    /// An endpoint, another than `asked_before` if there is one; waits for one if the last has gone just now.
    async fn chosen<T>(
        &self,
        asked: &Asked<'_, T>,
        asked_before: Option<&Arc<Endpoint>>,
        deadline: Instant,
    ) -> Result<Chosen, Failure> {
        let end = deadline.min(Instant::now() + COMING_BACK);
        let mut waited = false;
        loop {
            let mut change = std::pin::pin!(self.connected.notified());
            change.as_mut().enable();
            if let Some(before) = asked_before
                && let Ok(other) = self.choose(asked, Some(before))
            {
                return Ok(other);
            }
            let failure = match self.choose(asked, None) {
                Err(failure @ (Failure::Unreachable(_) | Failure::NotOffered)) => failure,
                chosen => return chosen,
            };
            if !waited {
                let lost = |endpoint: &Arc<Endpoint>| endpoint.lost_within(COMING_BACK);
                if !self.endpoints().iter().any(lost) {
                    return Err(failure);
                }
                waited = true;
                metrics::UPSTREAM_WAITS.add(1, &[metrics::upstream(&self.key), metrics::reason("endpoint")]);
            }
            let waiting = timeout_at(end, change).instrument(trace::internal("wait for an endpoint"));
            if waiting.await.is_err() {
                return Err(failure);
            }
        }
    }
}

/// How often a call was tried so far.
#[derive(Debug, Default)]
struct Tries {
    /// How often it was not sent.
    unsent: usize,
    /// Which attempt comes next, when it is not the first.
    retry: Option<Retry>,
}

/// An attempt that is not the first.
#[derive(Clone, Copy, Debug)]
struct Retry {
    /// Counted from 1.
    number: i64,
    reason: &'static str,
}

/// A call that is counted when it is over.
struct Counted<'a> {
    key: &'a str,
    outcome: &'static str,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        metrics::UPSTREAM_CALLS.add(1, &[metrics::upstream(self.key), metrics::outcome(self.outcome)]);
    }
}

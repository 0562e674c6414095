//! One call of an upstream: which endpoint, how long, how often.
//!
//! A write is sent once and never again. A read whose connection failed before an answer came is sent once more, to another endpoint
//! if there is one. An RPC that an endpoint does not know was not run there, so that another one is asked.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::grpc::MAX_MESSAGE_BYTES;
use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::backend::Backend;
use super::codec::Encoded;
use super::endpoint::Endpoint;
use crate::tool::Call;
use crate::tool::offer::Offer;

/// The longest that a call may take, whatever anybody says: clients give up after 60 s.
pub(crate) const LONGEST: Duration = Duration::from_secs(55);

/// What is added to an error after which nobody knows whether a write happened.
const UNCLEAR: &str = "it may or may not have taken effect: check before trying again";

/// Why an attempt gave no answer.
enum Failure {
    /// The endpoint could not be reached; nothing was sent.
    Unreached,
    /// The connection failed while the call was under way.
    Lost,
    /// The endpoint does not know the RPC.
    Unknown,
    /// The adapter, or the deadline, says no.
    Refused(Status),
}

impl Backend {
    /// Calls the RPC of an offer.
    ///
    /// # Errors
    /// Whatever the adapter says, or why it could not be asked.
    pub(crate) async fn call(&self, offer: &Offer, request: Bytes, call: &Call) -> Result<Bytes, Fault> {
        let limits = self.limits.load_full();
        let Ok(_permit) = limits.permits.try_acquire() else {
            let message = format!(
                "{} calls of {} are under way already: try again",
                limits.settings.concurrency, self.key
            );
            return Err(Fault::new(Reason::DatabaseBusy, message));
        };
        let longest = limits.settings.timeout.min(LONGEST);
        let deadline = call.deadline.min(Instant::now() + longest);
        tokio::select! {
            biased;
            () = call.cancelled.cancelled() => Err(Fault::new(Reason::Cancelled, "the call was cancelled")),
            answer = timeout_at(deadline, self.attempts(offer, request, deadline, call)) => {
                answer.unwrap_or_else(|_| Err(too_long(offer)))
            }
        }
    }

    async fn attempts(
        &self,
        offer: &Offer,
        request: Bytes,
        deadline: Instant,
        call: &Call,
    ) -> Result<Bytes, Fault> {
        let first = self
            .choose(&offer.path, None)
            .ok_or_else(|| self.unavailable(offer))?;
        let failure = match attempt(&first, offer, request.clone(), deadline, call).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let other = self.choose(&offer.path, Some(&first.0));
        let second = match failure {
            Failure::Unknown => {
                first.0.reflect_soon();
                other.ok_or_else(|| gone(&self.key))?
            }
            // The same one where there is no other: its channel connects again by itself.
            Failure::Lost | Failure::Unreached if offer.read_only => other.unwrap_or(first),
            failure => return Err(self.fault(offer, failure)),
        };
        tracing::debug!(upstream = self.key, rpc = %offer.path, "a call is tried once more");
        match attempt(&second, offer, request, deadline, call).await {
            Ok(answer) => Ok(answer),
            Err(failure) => {
                if matches!(failure, Failure::Unknown) {
                    second.0.reflect_soon();
                }
                Err(self.fault(offer, failure))
            }
        }
    }

    /// What is told of a failure that is the last.
    fn fault(&self, offer: &Offer, failure: Failure) -> Fault {
        match failure {
            Failure::Refused(status) => refused(offer, &status),
            Failure::Unknown => gone(&self.key),
            Failure::Lost if !offer.read_only => {
                let message = format!(
                    "the connection to {} was lost during the call: {UNCLEAR}",
                    self.key
                );
                Fault {
                    retry_after: None,
                    ..Fault::new(Reason::UpstreamUnavailable, message)
                }
            }
            Failure::Lost | Failure::Unreached => self.unavailable(offer),
        }
    }

    /// The best endpoint for the RPC: one that serves, else one that says why it does not; among equals the least loaded, in turn.
    fn choose(
        &self,
        path: &PathAndQuery,
        except: Option<&Arc<Endpoint>>,
    ) -> Option<(Arc<Endpoint>, Channel)> {
        let endpoints = self.endpoints();
        let candidates = endpoints.iter().filter_map(|endpoint| {
            if except.is_some_and(|except| Arc::ptr_eq(except, endpoint)) {
                return None;
            }
            let (rank, channel) = endpoint.candidate(path)?;
            Some(((rank, endpoint.load()), endpoint, channel))
        });
        let mut candidates: Vec<_> = candidates.collect();
        let best = candidates.iter().map(|(cost, ..)| *cost).min()?;
        candidates.retain(|(cost, ..)| *cost == best);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len();
        let (_, endpoint, channel) = candidates.swap_remove(turn);
        Some((endpoint.clone(), channel))
    }

    /// There is nobody to ask.
    fn unavailable(&self, offer: &Offer) -> Fault {
        let connected = self
            .endpoints()
            .iter()
            .any(|endpoint| endpoint.state().channel.is_some());
        if connected && self.choose(&offer.path, None).is_none() {
            return gone(&self.key);
        }
        let message = format!("{} can't be reached now: {}", self.key, self.problem());
        Fault::new(Reason::UpstreamUnavailable, message)
    }
}

async fn attempt(
    (endpoint, channel): &(Arc<Endpoint>, Channel),
    offer: &Offer,
    message: Bytes,
    deadline: Instant,
    call: &Call,
) -> Result<Bytes, Failure> {
    let _in_flight = endpoint.enter();
    let mut client = tonic::client::Grpc::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    client.ready().await.map_err(|_| Failure::Unreached)?;
    let mut request = Request::new(message);
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    if let Some(context) = &call.traceparent
        && let Ok(context) = MetadataValue::try_from(context)
    {
        request.metadata_mut().insert("traceparent", context);
    }
    match client.unary(request, offer.path.clone(), Encoded).await {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => Err(judge(status)),
    }
}

/// What a status means: ours, or tonic's own for a failed connection, whose code may be any.
fn judge(status: Status) -> Failure {
    if status.get_details_error_info().is_some() {
        return Failure::Refused(status);
    }
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<tonic::TimeoutExpired>() {
            return Failure::Refused(status);
        }
        if error.is::<tonic::ConnectError>() {
            return Failure::Unreached;
        }
        source = error.source();
    }
    match status.code() {
        Code::Unimplemented => Failure::Unknown,
        Code::Unavailable => Failure::Lost,
        _ if status.source().is_some() => Failure::Lost,
        _ => Failure::Refused(status),
    }
}

fn refused(offer: &Offer, status: &Status) -> Fault {
    if status.get_details_error_info().is_none() && status.code() == Code::OutOfRange {
        // tonic's own refusal to read on.
        let message = format!("the answer is larger than {MAX_MESSAGE_BYTES} bytes: ask for less");
        return Fault::new(Reason::ResultTooLarge, message);
    }
    match Fault::from_status(status) {
        fault if fault.reason == Reason::StatementTimedOut && status.get_details_error_info().is_none() => {
            too_long(offer)
        }
        fault => fault,
    }
}

fn too_long(offer: &Offer) -> Fault {
    let mut message = "the call took too long and was cancelled".to_owned();
    if !offer.read_only {
        message = format!("{message}: {UNCLEAR}");
    }
    Fault::new(Reason::StatementTimedOut, message)
}

fn gone(key: &str) -> Fault {
    Fault::new(
        Reason::NotSupported,
        format!("{key} does not offer this tool any more: list the tools again"),
    )
}

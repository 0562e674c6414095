//! One call of an upstream: which endpoint, how long, how often.
//!
//! A write is sent once and never again. A read whose connection failed before an answer came is sent once more, to another endpoint
//! if there is one. An RPC that an endpoint does not know was not run there, so that another one is asked.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
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
use crate::tool::version::Asked;

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

/// An endpoint for a call, and the call as its version of the tool takes it.
struct Chosen {
    endpoint: Arc<Endpoint>,
    channel: Channel,
    offer: Arc<Offer>,
    message: Bytes,
}

impl Backend {
    /// Calls a tool; gives the encoded answer with the version of the tool that it is of.
    ///
    /// # Errors
    /// Whatever the adapter says, or why it could not be asked.
    pub(crate) async fn call(&self, asked: Asked<'_>, call: &Call) -> Result<(Arc<Offer>, Bytes), Fault> {
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
            answer = timeout_at(deadline, self.attempts(asked, deadline, call)) => {
                answer.unwrap_or_else(|_| Err(too_long(asked.listed)))
            }
        }
    }

    async fn attempts(
        &self,
        asked: Asked<'_>,
        deadline: Instant,
        call: &Call,
    ) -> Result<(Arc<Offer>, Bytes), Fault> {
        let first = self.choose(asked, None)?.ok_or_else(|| self.unavailable())?;
        let failure = match attempt(&first, deadline, call).await {
            Ok(answer) => return Ok((first.offer, answer)),
            Err(failure) => failure,
        };
        let other = || self.choose(asked, Some(&first.endpoint)).ok().flatten();
        let second = match failure {
            Failure::Unknown => {
                first.endpoint.reflect_soon();
                other().ok_or_else(|| gone(&self.key))?
            }
            // The same one where there is no other: its channel connects again by itself.
            Failure::Lost | Failure::Unreached if first.offer.read_only => other().unwrap_or(first),
            failure => return Err(self.fault(&first.offer, failure)),
        };
        tracing::debug!(upstream = self.key, rpc = %second.offer.path, "a call is tried once more");
        match attempt(&second, deadline, call).await {
            Ok(answer) => Ok((second.offer, answer)),
            Err(failure) => {
                if matches!(failure, Failure::Unknown) {
                    second.endpoint.reflect_soon();
                }
                Err(self.fault(&second.offer, failure))
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
            Failure::Lost | Failure::Unreached => self.lost(),
        }
    }

    /// A read found nobody who answers it; that nothing was changed is sure.
    fn lost(&self) -> Fault {
        let message = format!("{} can't be reached now: {}", self.key, self.problem());
        Fault::new(Reason::UpstreamUnavailable, message)
    }

    /// The best endpoint for a call: one that serves, else one that says why it does not; among equals the least loaded, in turn.
    /// In a roll-out, only those whose version of the tool stands for the listed one and takes the arguments.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID`: no version takes the arguments.
    fn choose(&self, asked: Asked<'_>, except: Option<&Arc<Endpoint>>) -> Result<Option<Chosen>, Fault> {
        let endpoints = self.endpoints();
        // Endpoints of one version share it, so that the arguments are encoded once for all of them.
        let mut versions: Vec<(Arc<Offer>, Result<Bytes, Fault>)> = Vec::with_capacity(1);
        let mut candidates = Vec::with_capacity(endpoints.len());
        for endpoint in endpoints.iter() {
            if except.is_some_and(|except| Arc::ptr_eq(except, endpoint)) {
                continue;
            }
            let Some((rank, channel, offer)) = endpoint.candidate(&asked.listed.rpc) else {
                continue;
            };
            let known = versions.iter().position(|(known, _)| Arc::ptr_eq(known, &offer));
            let version = match known {
                Some(version) => version,
                None if offer.stands_for(asked.listed) => {
                    let message = asked.encode(&offer);
                    versions.push((offer, message));
                    versions.len() - 1
                }
                None => continue,
            };
            if versions[version].1.is_ok() {
                candidates.push(((rank, endpoint.load()), endpoint, channel, version));
            }
        }
        let Some(best) = candidates.iter().map(|(cost, ..)| *cost).min() else {
            // A mistake of the caller's is told first; of the listed version's, which is the one that it knows.
            asked.encode(asked.listed)?;
            return Ok(None);
        };
        candidates.retain(|(cost, ..)| *cost == best);
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % candidates.len();
        let (_, endpoint, channel, version) = candidates.swap_remove(turn);
        let (offer, message) = versions.swap_remove(version);
        Ok(Some(Chosen {
            endpoint: endpoint.clone(),
            channel,
            offer,
            message: message?,
        }))
    }

    /// There is nobody to ask.
    fn unavailable(&self) -> Fault {
        let endpoints = self.endpoints();
        let known = |endpoint: &Arc<Endpoint>| {
            let state = endpoint.state();
            state.channel.is_some() && state.reflection.is_some()
        };
        if endpoints.iter().any(known) {
            return gone(&self.key);
        }
        self.lost()
    }
}

async fn attempt(chosen: &Chosen, deadline: Instant, call: &Call) -> Result<Bytes, Failure> {
    let _in_flight = chosen.endpoint.enter();
    let mut client =
        tonic::client::Grpc::new(chosen.channel.clone()).max_decoding_message_size(MAX_MESSAGE_BYTES);
    client.ready().await.map_err(|_| Failure::Unreached)?;
    let mut request = Request::new(chosen.message.clone());
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    if let Some(context) = &call.traceparent
        && let Ok(context) = MetadataValue::try_from(context)
    {
        request.metadata_mut().insert("traceparent", context);
    }
    match client.unary(request, chosen.offer.path.clone(), Encoded).await {
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

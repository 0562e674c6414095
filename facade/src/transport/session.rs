//! The sessions of legacy SSE: which stream a posted message belongs to, on whichever replica that stream is.
//!
//! A session's id is a sealed token: opening the [`seal`] tells the replica that has the stream, until when, and whose it is, so that
//! nothing is shared between replicas but [`keys`]. The stream itself is among the [`streams`] of its replica; a message for another
//! replica's stream is handed over once, by the [`relay`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::StatusCode;
use mcp_hub_proto::relay::v1::{DeliverRequest, DeliverResponse};
use opentelemetry::Context;
use tokio::time::Instant;

pub(crate) mod keys;
mod seal;
mod streams;

use super::conversation::Conversation;
use super::message::{self, Refusal};
use super::relay;
use super::relay::client::{Failure, Relay};
use crate::metrics;
use keys::KeyRing;
use seal::{Claims, Owner, Seal};
use streams::{Entry, Streams};

/// How long an id is good for.
const LIFETIME: Duration = Duration::from_hours(24);

/// How long before the end of its id a stream ends itself, so that its client opens another before messages fail. Random within it, so
/// that clients which came together don't come back together.
const EARLY: std::ops::Range<Duration> = Duration::from_mins(5)..Duration::from_hours(1);

/// A message that a client posted for a session.
#[derive(Clone, Debug)]
pub(super) struct Posted {
    /// The id that the client named.
    pub(super) session_id: String,
    /// The fingerprint of who posted it.
    pub(super) principal: [u8; 16],
    pub(super) message: Bytes,
    /// The span that it came by: of the POST, or of the relay.
    pub(super) around: Context,
}

/// Why another replica could not give us a message for a stream of ours.
#[derive(Debug)]
pub(super) enum Undelivered {
    /// The stream is not here, or is not that principal's.
    Unknown,
    /// The stream is here and does not take the message; what to answer the client.
    Refused(Refusal),
}

/// What brings a message to the replica that has its stream: the [`Relay`], or in tests what stands for it.
pub(crate) trait Carry: Clone + Send + Sync + 'static {
    /// Hands a message to the replica at `owner`, once.
    fn carry(
        &self,
        owner: SocketAddr,
        request: DeliverRequest,
    ) -> impl Future<Output = Result<DeliverResponse, Failure>> + Send;
}

impl Carry for Relay {
    async fn carry(&self, owner: SocketAddr, request: DeliverRequest) -> Result<DeliverResponse, Failure> {
        self.deliver(owner, request).await
    }
}

/// The sessions of all replicas, as this one sees them. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Sessions<C = Relay> {
    seal: Seal,
    /// This run of this replica.
    own: Owner,
    streams: Streams,
    /// The way to the others; `None` when there are none.
    carrier: Option<C>,
}

impl<C: Carry> Sessions<C> {
    /// The sessions of a replica that others reach at `own`.
    pub(super) fn new(keys: &KeyRing, own: Option<SocketAddr>, relay: Option<C>) -> Self {
        let canonical = |address: SocketAddr| SocketAddr::new(address.ip().to_canonical(), address.port());
        Self {
            seal: Seal::new(keys.clone()),
            own: Owner {
                address: own.map(canonical),
                boot: rand::random(),
            },
            streams: Streams::default(),
            carrier: relay,
        }
    }

    /// Makes a stream known and gives it an id, until the registration is dropped.
    pub(super) fn register(&self, conversation: &Arc<Conversation>) -> Registration {
        let principal = conversation.principal().fingerprint();
        let entry = self.streams.add(conversation.clone());
        let expires = SystemTime::now() + LIFETIME;
        let claims = Claims {
            owner: self.own,
            stream: entry.id(),
            principal,
            expires: seconds(expires),
        };
        let id = self.seal.seal(&claims);
        conversation.remote().opened(&id);
        Registration {
            id,
            ends: Instant::now() + LIFETIME - rand::random_range(EARLY),
            _entry: entry,
        }
    }

    /// Brings a posted message to its stream: here, or by the relay.
    ///
    /// # Errors
    /// What to answer the client. Whatever is wrong with a session, it is not found.
    pub(super) async fn deliver(&self, posted: Posted) -> Result<(), Refusal> {
        let (result, delivered) = self.bring(posted).await;
        metrics::SSE_MESSAGES.add(1, &[metrics::result(result)]);
        delivered
    }

    /// Takes a message that another replica hands over: for streams of this very process, never further.
    ///
    /// # Errors
    /// The stream is not here, or does not take the message.
    pub(super) fn take(&self, posted: &Posted) -> Result<(), Undelivered> {
        let claims = self.open(posted).ok_or(Undelivered::Unknown)?;
        if claims.owner != self.own {
            return Err(Undelivered::Unknown);
        }
        self.receive(&claims, posted)
    }

    async fn bring(&self, posted: Posted) -> (&'static str, Result<(), Refusal>) {
        let Some(claims) = self.open(&posted) else {
            return ("gone", Err(gone()));
        };
        if claims.owner == self.own {
            return match self.receive(&claims, &posted) {
                Ok(()) => ("here", Ok(())),
                Err(Undelivered::Unknown) => ("gone", Err(gone())),
                Err(Undelivered::Refused(refusal)) => ("refused", Err(refusal)),
            };
        }
        // An earlier process at our own address has taken its streams with it.
        let elsewhere = claims
            .owner
            .address
            .filter(|owner| Some(*owner) != self.own.address);
        let Some((owner, carrier)) = elsewhere.zip(self.carrier.as_ref()) else {
            return ("gone", Err(gone()));
        };
        // What would be refused there is refused here.
        if let Err(refusal) = message::inspect(&posted.message) {
            return ("refused", Err(refusal));
        }
        let hop = relay::trace::Hop::to(owner);
        let request = DeliverRequest {
            session_id: posted.session_id,
            principal: posted.principal.to_vec(),
            message: posted.message.into(),
            traceparent: hop.traceparent(),
        };
        match hop.carried(carrier.carry(owner, request)).await {
            Ok(answer) if answer.status == u32::from(StatusCode::ACCEPTED.as_u16()) => ("relayed", Ok(())),
            Ok(answer) => match Refusal::read(answer.status, &answer.error) {
                Some(refusal) => ("refused", Err(refusal)),
                None => ("unclear", Err(unclear())),
            },
            Err(Failure::Gone) => ("gone", Err(gone())),
            Err(Failure::Unclear) => ("unclear", Err(unclear())),
        }
    }

    /// What the id of a message says, if it is its poster's and good.
    fn open(&self, posted: &Posted) -> Option<Claims> {
        let claims = self.seal.open(&posted.session_id, SystemTime::now());
        claims.filter(|claims| claims.principal == posted.principal)
    }

    /// Gives a message to a stream of this process.
    fn receive(&self, claims: &Claims, posted: &Posted) -> Result<(), Undelivered> {
        let conversation = self.streams.find(&claims.stream).ok_or(Undelivered::Unknown)?;
        // The claim says so too; but what runs in a stream's name is the stream's own affair.
        if conversation.principal().fingerprint() != posted.principal {
            return Err(Undelivered::Unknown);
        }
        conversation
            .receive(&posted.message, posted.around.clone())
            .map_err(Undelivered::Refused)?;
        Ok(())
    }
}

/// A stream's place among the sessions; dropping it gives it up.
#[derive(Debug)]
pub(super) struct Registration {
    id: String,
    ends: Instant,
    _entry: Entry,
}

impl Registration {
    /// The id for the client, fit for a URL as it is.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// When the stream is to end, a little before its id does.
    pub(super) fn ends(&self) -> Instant {
        self.ends
    }
}

/// The answer to every id that leads nowhere: forged, expired, foreign or of a stream that is no more. It tells none from the other.
fn gone() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "Could not find session")
}

fn unclear() -> Refusal {
    Refusal::new(
        StatusCode::BAD_GATEWAY,
        "it is not known whether the message arrived: a change must not be sent again unseen",
    )
}

fn seconds(time: SystemTime) -> u64 {
    // Before 1970 there was no session.
    time.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod model;

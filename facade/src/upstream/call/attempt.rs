//! One attempt of a call, on one connection of one endpoint, and what its outcome says of the endpoint.

use std::error::Error as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::uri::PathAndQuery;
use mcp_hub_chassis::trace::grpc::code_name;
use mcp_hub_chassis::trace::{self, context};
use opentelemetry::Context;
use prost::encoding::{WireType, encode_key, encode_varint};
use tokio::time::{Instant, timeout_at};
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use tracing::{Instrument as _, Span};

use super::choice::Chosen;
use super::failure::Failure;
use super::rpc::Rpc;
use super::{Retry, stream};
use crate::json::answer::{self, Unreadable};
use crate::json::wire::Malformed;
use crate::progress::Reporter;
use crate::tool::Call;
use crate::tool::offer::Offer;
use crate::tool::offer::stream::Parts;
use crate::unhandled;
use crate::upstream::codec::Encoded;

/// What tonic's server says when it sheds load, as ours do beyond 256 calls on one connection: no handler has seen the call.
const SHED: &str = "Too many active requests for the connection";

/// Where a status came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::upstream) enum Cause {
    /// From the peer.
    Answered,
    /// From this end: the deadline passed.
    TimedOut,
    /// From this end: the peer has surely not handled the request.
    Unsent,
    /// From this end: the connection failed, or only the stream; what the peer did with the request is unknown.
    Lost { connection: bool },
}

/// Where a status came from. Its code does not tell: a connection that dies may give any.
pub(in crate::upstream) fn cause(status: &Status) -> Cause {
    let mut source = status.source();
    if source.is_none() {
        return Cause::Answered;
    }
    while let Some(error) = source {
        if error.is::<tonic::TimeoutExpired>() {
            return Cause::TimedOut;
        }
        if error.is::<tonic::ConnectError>() {
            return Cause::Unsent;
        }
        match unhandled::cause(error) {
            Some(unhandled::Cause::Unhandled) => return Cause::Unsent,
            Some(unhandled::Cause::Lost { connection }) => return Cause::Lost { connection },
            None => source = error.source(),
        }
    }
    Cause::Lost { connection: true }
}

/// Reads an answer: see [`Asked`](crate::tool::version::Asked).
type Read<T> = fn(&str, &Offer, &[u8]) -> Result<T, Unreadable>;

/// Sends the request once. `limit` is how long the upstream gives its calls.
pub(super) async fn attempt<T: Send + 'static>(
    key: &str,
    chosen: &Chosen,
    read: Read<T>,
    (deadline, limit): (Instant, Duration),
    call: &Call,
    retry: Option<Retry>,
) -> Result<T, Failure> {
    let Chosen {
        endpoint, connection, ..
    } = chosen;
    let _in_flight = endpoint.enter();
    let started = Instant::now();
    let sending = Sending {
        upstream: key,
        chosen,
        deadline,
        reporter: call.progress.as_ref(),
        retry,
    };
    let sent = async {
        let bytes = sending.send().await?;
        let decoding = trace::internal("decode answer");
        answer(key, chosen, read, bytes).instrument(decoding).await
    };
    let result = tokio::select! {
        biased;
        answered = timeout_at(deadline, sent) => answered.unwrap_or(Err(Failure::TimedOut)),
        () = connection.given_up() => Err(Failure::Lost { connection: true }),
    };
    match &result {
        // Whatever the adapter says, it is there and says it. Somebody else's deadline or haste is not held against it.
        Ok(_) | Err(Failure::Refused(_) | Failure::TooLarge) => endpoint.succeeded(),
        Err(Failure::Lost { connection: true }) => {
            if connection.blame() {
                endpoint.failed();
            }
        }
        Err(Failure::Lost { .. } | Failure::Garbled(_)) => endpoint.failed(),
        Err(Failure::TimedOut) if started.elapsed() * 2 >= limit => endpoint.failed(),
        Err(Failure::Unsent) => connection.drain(),
        Err(Failure::UnknownRpc) => endpoint.reflect_soon(),
        Err(_) => {}
    }
    result
}

/// How an encoded request goes to an endpoint.
struct Sending<'a> {
    /// The key of the upstream.
    upstream: &'a str,
    chosen: &'a Chosen,
    deadline: Instant,
    reporter: Option<&'a Reporter>,
    retry: Option<Retry>,
}

impl Sending<'_> {
    /// Sends the request the way that the endpoint's version of the offer takes it, and gives the encoded answer.
    async fn send(&self) -> Result<Bytes, Failure> {
        let (offer, message) = (&self.chosen.offer, &self.chosen.message);
        if let Some(parts) = offer.parts {
            return self.streamed(&offer.path, message.clone(), parts).await;
        }
        if let Some(follower) = offer.follower.as_ref().filter(|_| self.reporter.is_some()) {
            let wrapped = wrapped(follower.request, message);
            let answer = self.streamed(&follower.path, wrapped, follower.parts).await;
            // It was not run, and another process may listen at the address by now: one of a version that tells no progress.
            let Err(Failure::UnknownRpc) = answer else {
                return answer;
            };
            self.chosen.endpoint.reflect_soon();
        }
        let unary = async {
            let mut client = client(self.chosen).await?;
            let request = self.request(message.clone());
            let response = client.unary(request, offer.path.clone(), Encoded).await;
            response.map(tonic::Response::into_inner).map_err(judge)
        };
        self.rpc(&offer.path).run(unary).await
    }

    async fn streamed(&self, path: &PathAndQuery, message: Bytes, parts: Parts) -> Result<Bytes, Failure> {
        let streamed = async {
            let mut client = client(self.chosen).await?;
            let request = self.request(message);
            let response = client.server_streaming(request, path.clone(), Encoded).await;
            let messages = response.map_err(judge)?.into_inner();
            stream::collect(messages, parts, self.reporter).await
        };
        self.rpc(path).run(streamed).await
    }

    fn rpc(&self, path: &PathAndQuery) -> Rpc<'_> {
        Rpc::begin(self.upstream, self.chosen, path, self.deadline, self.retry)
    }

    /// A request in the current span.
    fn request(&self, message: Bytes) -> Request<Bytes> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline.saturating_duration_since(Instant::now()));
        context::inject(&Context::current(), request.metadata_mut().as_mut());
        request
    }
}

/// A client whose connection takes a call.
async fn client(chosen: &Chosen) -> Result<Grpc<Channel>, Failure> {
    let channel = chosen.connection.channel.clone();
    let mut client = Grpc::new(channel).max_decoding_message_size(answer::MAX_BYTES);
    client.ready().await.map_err(|_| Failure::Unsent)?;
    Ok(client)
}

/// A message whose field `number` has `message`.
fn wrapped(number: u32, message: &Bytes) -> Bytes {
    let mut wrapped = BytesMut::with_capacity(message.len() + 16);
    encode_key(number, WireType::LengthDelimited, &mut wrapped);
    encode_varint(message.len() as u64, &mut wrapped);
    wrapped.extend_from_slice(message);
    wrapped.freeze()
}

/// Reads the answer: a large one on a thread that serves nobody else, and one at a time of each connection, so that an adapter
/// whose answers are all as large as may be takes one thread and the memory of one.
async fn answer<T: Send + 'static>(
    key: &str,
    chosen: &Chosen,
    read: Read<T>,
    bytes: Bytes,
) -> Result<T, Failure> {
    let answer = if bytes.len() < answer::LARGE {
        read(key, &chosen.offer, &bytes)
    } else {
        let (key, offer) = (key.to_owned(), chosen.offer.clone());
        let (turn, span) = (chosen.connection.turn_to_read().await, Span::current());
        let reading = tokio::task::spawn_blocking(move || {
            let answer = span.in_scope(|| read(&key, &offer, &bytes));
            // Now, and not when the caller goes away, which does not end this.
            drop((bytes, turn));
            answer
        });
        // It panicked, or the process ends.
        reading.await.unwrap_or(Err(Unreadable::Malformed(Malformed)))
    };
    answer.map_err(|error| {
        let failure = match error {
            Unreadable::TooLarge => Failure::TooLarge,
            Unreadable::Malformed(_) => {
                tracing::error!(%error, rpc = %chosen.offer.path, upstream = key, "an answer can't be decoded");
                Failure::Garbled(Code::Ok)
            }
        };
        trace::fail(&Span::current(), failure.outcome());
        failure
    })
}

/// What a status means: the adapter's, its server's, or tonic's own for what happened on the way.
pub(super) fn judge(status: Status) -> Failure {
    if status.get_details_error_info().is_some() {
        return Failure::Refused(status);
    }
    match cause(&status) {
        Cause::TimedOut => return Failure::TimedOut,
        Cause::Unsent => return Failure::Unsent,
        Cause::Lost { connection } => return Failure::Lost { connection },
        Cause::Answered => {}
    }
    match status.code() {
        Code::Unimplemented => Failure::UnknownRpc,
        Code::ResourceExhausted => Failure::Busy {
            unhandled: status.message() == SHED,
        },
        // tonic's server says CANCELLED "Timeout expired" where the protocol says DEADLINE_EXCEEDED.
        Code::Cancelled if status.message() == "Timeout expired" => Failure::TimedOut,
        Code::DeadlineExceeded => Failure::TimedOut,
        // tonic's own refusal to read on.
        Code::OutOfRange => Failure::TooLarge,
        // A proxy's words for a connection that it lost.
        Code::Unavailable | Code::Cancelled | Code::Aborted => Failure::Lost { connection: false },
        Code::Internal | Code::Unknown | Code::DataLoss => {
            // Its message may be anything, a statement with its values for one.
            tracing::error!(
                code = code_name(status.code()),
                "an endpoint fails without a reason"
            );
            Failure::Garbled(status.code())
        }
        _ => Failure::Refused(status),
    }
}

//! The client side of Bolt, Neo4j's protocol, as far as the adapter needs it: versions 4.4 and 5.0 to 5.8.
//!
//! Requests are queued and sent in one flight, so that `BEGIN`, `RUN` and `PULL` cost one round trip; `PULL` says how many rows the
//! server may make, and `RESET` interrupts what it is doing, on the same connection. ADR 5 says why this is not a driver crate.
//!
//! Every method is cancel-safe: a dropped future leaves the connection knowing what is still to come, and
//! [`clear`](Connection::clear) reads it.

use std::collections::VecDeque;
use std::io;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::error::{Error, ServerError};

mod chunks;
#[cfg(test)]
pub(crate) mod fake;
mod login;
pub(crate) mod message;
pub(crate) mod packstream;
mod socket;

use chunks::Chunks;
pub(crate) use login::{connect, routing_context};
use message::{Request, Response};
use packstream::{Entries, Packed};
use socket::Socket;

/// The largest message that is read: a row that could never be in an answer need not be held here either.
const MAX_MESSAGE: usize = mcp_hub_chassis::grpc::MAX_MESSAGE_BYTES;

/// A version of the protocol: major and minor.
pub(crate) type Version = (u8, u8);

/// What a connection is at, in the protocol's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Nothing.
    Ready,
    /// In a transaction that waits for a statement.
    InTransaction,
    /// In a statement that has rows which were not asked for yet.
    Streaming,
    /// A request failed: the server ignores everything until a `RESET`.
    Failed,
    /// The server ended the connection, or what it sent made no sense.
    Defunct,
}

/// A connection to a server, logged in.
pub(crate) struct Connection {
    socket: Socket,
    input: BytesMut,
    chunks: Chunks,
    output: BytesMut,
    /// Requests whose answers are still to come, the oldest first.
    pending: VecDeque<Request>,
    state: State,
    secrets: Vec<String>,
    /// The bytes of the last message that came.
    received: usize,
}

impl Connection {
    /// Queues a request.
    pub(crate) fn queue(&mut self, request: Request, fields: Vec<Packed>) {
        chunks::write(&mut self.output, &Packed::Struct(request.tag(), fields));
        self.pending.push_back(request);
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        // Not `write_all`: when this future is dropped, the buffer must hold exactly what is still to be sent.
        while !self.output.is_empty() {
            match self.socket.write_buf(&mut self.output).await {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost_while_sending(error).await),
            }
        }
        self.socket.flush().await.map_err(|error| self.lost(error))
    }

    /// The next response.
    ///
    /// # Errors
    /// The server's [`Error::Server`], after which it ignores what else was queued; [`Error::Lost`].
    pub(crate) async fn receive(&mut self) -> Result<Response, Error> {
        let message = self.message().await?;
        let Some(request) = self.pending.front().copied() else {
            return Err(self.nonsense("an answer without a request"));
        };
        let response = match Response::read(message) {
            Some(Response::Record(values)) if request.has_records() => return Ok(Response::Record(values)),
            Some(Response::Record(_)) | None => {
                return Err(self.nonsense("an answer that is none of the protocol's"));
            }
            Some(response) => response,
        };
        self.pending.pop_front();
        match &response {
            Response::Success(metadata) => match request {
                Request::Begin => self.state = State::InTransaction,
                Request::Pull | Request::Discard if !has_more(metadata) => self.state = State::InTransaction,
                Request::Run | Request::Pull | Request::Discard => self.state = State::Streaming,
                Request::Commit | Request::Rollback | Request::Reset => self.state = State::Ready,
                Request::Hello | Request::Logon | Request::Route => {}
            },
            Response::Failure(details) => {
                // Without a `RESET` that works there is no way on.
                let last = request == Request::Reset;
                self.state = if last { State::Defunct } else { State::Failed };
                let mut error = ServerError::read(details);
                error.redact(&self.secrets);
                return Err(Error::Server(Box::new(error)));
            }
            // What comes behind a failure, or is interrupted by a RESET.
            Response::Ignored => self.state = State::Failed,
            Response::Record(_) => {}
        }
        Ok(response)
    }

    /// The metadata of the next request's success.
    ///
    /// # Errors
    /// As [`receive`](Self::receive).
    pub(crate) async fn success(&mut self) -> Result<Entries, Error> {
        match self.receive().await? {
            Response::Success(metadata) => Ok(metadata),
            Response::Ignored => Err(Error::Protocol("a request was ignored")),
            Response::Record(_) | Response::Failure(_) => Err(self.nonsense("a row before its statement")),
        }
    }

    /// Ends whatever is under way: a transaction that has come to an end of its own is rolled back, everything else interrupted.
    ///
    /// # Errors
    /// Only when the connection is lost.
    pub(crate) async fn clear(&mut self) -> Result<(), Error> {
        let at_rest = self.pending.is_empty() && self.output.is_empty();
        if at_rest && self.state == State::InTransaction {
            self.queue(Request::Rollback, vec![]);
            self.flush().await?;
            self.read_all().await?;
        }
        if self.is_idle() {
            Ok(())
        } else {
            self.reset().await
        }
    }

    /// Interrupts what the server is doing for this connection, rolls back, and makes the connection usable again.
    ///
    /// # Errors
    /// Only when the connection is lost.
    pub(crate) async fn reset(&mut self) -> Result<(), Error> {
        // A future that was dropped in here has asked already.
        if !self.pending.contains(&Request::Reset) {
            self.queue(Request::Reset, vec![]);
        }
        self.flush().await?;
        self.read_all().await
    }

    async fn read_all(&mut self) -> Result<(), Error> {
        while !self.pending.is_empty() {
            match self.receive().await {
                Ok(_) => {}
                // A row too large for us is one that nobody wants here.
                Err(Error::Server(_) | Error::TooLarge(_)) if !self.is_broken() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// How many bytes the last response had.
    pub(crate) fn received(&self) -> usize {
        self.received
    }

    /// Whether nothing is under way, so that another call may use the connection.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Ready && self.pending.is_empty() && self.output.is_empty()
    }

    /// Whether every request has been answered.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether the next answer is that of a transaction's beginning.
    pub(crate) fn awaits_begin(&self) -> bool {
        self.pending.front() == Some(&Request::Begin)
    }

    /// Whether the connection can't be used any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.state == State::Defunct
    }

    /// Whether an idle connection is still there, as far as this side knows: without a round trip. A server that ended it has
    /// closed the stream; between requests it says nothing but empty chunks, which keep the network awake.
    pub(crate) fn is_alive(&mut self) -> bool {
        loop {
            if !matches!(self.chunks.next(&mut self.input), Ok(None)) {
                return false;
            }
            match self.socket.read_buf(&mut self.input).now_or_never() {
                None => return !self.is_broken(),
                Some(Ok(0) | Err(_)) => return false,
                Some(Ok(_)) => {}
            }
        }
    }

    /// Says good-bye, as far as the socket takes it at once.
    pub(crate) fn close(mut self) {
        self.output.clear();
        chunks::write(&mut self.output, &Packed::Struct(message::GOODBYE, vec![]));
        let _ = self.flush().now_or_never();
    }

    /// The next message.
    async fn message(&mut self) -> Result<Packed, Error> {
        loop {
            match self.chunks.next(&mut self.input) {
                Ok(Some(mut message)) => {
                    self.received = message.len();
                    let decoded = packstream::decode(&message);
                    message.clear();
                    self.chunks.recycle(message);
                    return decoded.map_err(|malformed| self.refuse(malformed));
                }
                Ok(None) => {}
                Err(error) => return Err(error),
            }
            match self.socket.read_buf(&mut self.input).await {
                Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost(error)),
            }
        }
    }

    fn refuse(&mut self, malformed: packstream::Malformed) -> Error {
        use packstream::Malformed;
        match malformed {
            // What a statement can bring about is no fault of the server's.
            Malformed::TooDeep | Malformed::TooMany => Error::TooLarge(malformed.to_string()),
            malformed => {
                tracing::warn!(error = %malformed, "the server sent what can't be read");
                self.nonsense("a message that can't be read")
            }
        }
    }

    fn lost(&mut self, error: io::Error) -> Error {
        self.state = State::Defunct;
        Error::Lost(error)
    }

    fn nonsense(&mut self, what: &'static str) -> Error {
        self.state = State::Defunct;
        Error::Protocol(what)
    }

    /// A server that ends a connection may have said why before; the reset that sending met must not hide it.
    async fn lost_while_sending(&mut self, error: io::Error) -> Error {
        self.state = State::Defunct;
        loop {
            match self.message().await.map(Response::read) {
                Ok(Some(Response::Failure(details))) => {
                    let mut error = ServerError::read(&details);
                    error.redact(&self.secrets);
                    return Error::Server(Box::new(error));
                }
                Ok(_) => {}
                Err(_) => return Error::Lost(error),
            }
        }
    }
}

/// Whether a statement has rows beyond those that were asked for.
pub(crate) fn has_more(metadata: &Entries) -> bool {
    let more = metadata.iter().find(|(key, _)| key == "has_more");
    more.is_some_and(|(_, value)| *value == Packed::Bool(true))
}

#[cfg(test)]
mod tests;

//! The client side of PostgreSQL's protocol, as far as the adapter needs it, on the messages of `postgres-protocol`. What goes out is made in
//! [`queue`].
//!
//! Statements go by the extended protocol only, which takes one statement and keeps parameters apart; there is no way here to send
//! the simple protocol's `Query`. Results are text, because every type has a text form. Messages are queued and sent in one flight,
//! so that `BEGIN`, a statement and `ROLLBACK` cost one round trip. ADR 4 says why this is not a driver crate.
//!
//! Every method is cancel-safe: a dropped future leaves the connection knowing what is still to come, and
//! [`settle`](Connection::settle) reads it.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use mcp_hub_chassis::trace::statement::{self, Statement};
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tracing::Instrument as _;

use crate::config::Target;
use crate::error::{Error, ServerError};
use crate::row::Row;
use crate::timer::Timer;
use crate::traced::{Returned, Shown, settle};

mod login;
mod queue;
mod socket;
mod tls;

pub(crate) use login::connect;
pub(crate) use queue::Parameter;
use socket::Socket;

/// The text of a message of the server's that is no error, and how much it matters.
const NOTICES_KEPT: usize = 20;

/// The status that `ReadyForQuery` tells: no transaction is open.
const IDLE: u8 = b'I';

/// A session with the server.
pub(crate) struct Connection {
    socket: Socket,
    input: BytesMut,
    output: BytesMut,
    /// `Sync`s that wait for their `ReadyForQuery`.
    pending: u32,
    /// Statements of ours in front of the next one, whose answers nobody wants.
    preamble: u32,
    /// The transaction status of the last `ReadyForQuery`.
    status: u8,
    /// The server said that it ends the session, or the stream made no sense.
    broken: bool,
    key: Key,
    notices: Vec<String>,
    secrets: Vec<String>,
}

/// What a cancel request needs: where the session is and which it is.
#[derive(Clone)]
pub(crate) struct Key {
    target: Arc<Target>,
    process: i32,
    secret: i32,
}

impl Key {
    /// Asks the server to cancel what the session is doing. It answers nothing, but has signalled when it closes the connection.
    pub(crate) async fn cancel(&self) -> Result<(), Error> {
        let mut socket = socket::open(&self.target).await?;
        let mut request = BytesMut::new();
        frontend::cancel_request(self.process, self.secret, &mut request);
        socket.write_all(&request).await.map_err(Error::Lost)?;
        socket.flush().await.map_err(Error::Lost)?;
        // An error here is as good as the end of the stream: the server has closed.
        let _ = socket.read_to_end(&mut Vec::new()).await;
        Ok(())
    }
}

impl Connection {
    /// Begins the span of a statement on this session.
    pub(crate) fn begin(&self, shown: Shown<'_>, sql: &str) -> Statement {
        let target = &self.key.target;
        let target = statement::Target {
            system: "postgresql",
            namespace: &target.database,
            address: &target.host,
            // A socket is a file.
            port: (!target.host.starts_with('/')).then_some(target.port),
        };
        shown.begin(target, sql)
    }

    /// What a cancel request for this session needs.
    pub(crate) fn key(&self) -> Key {
        self.key.clone()
    }

    /// Sends what is queued.
    pub(crate) async fn flush(&mut self) -> Result<(), Error> {
        // Not `write_all`: when this future is dropped, the buffer must hold exactly what is still to be sent.
        while !self.output.is_empty() {
            let sent = self.socket.write_buf(&mut self.output).await;
            match sent {
                Ok(0) => return Err(self.lost(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) => return Err(self.lost_while_sending(error).await),
            }
        }
        self.socket.flush().await.map_err(|error| self.lost(error))
    }

    /// The next message that matters: notices are kept, answers of preambles skipped.
    pub(crate) async fn receive(&mut self) -> Result<Message, Error> {
        loop {
            let message = self.next().await?;
            match message {
                Message::ErrorResponse(body) => {
                    self.preamble = 0;
                    let mut error = ServerError::read(body.fields());
                    error.redact(&self.secrets);
                    self.broken |= error.is_fatal();
                    return Err(Error::Server(Box::new(error)));
                }
                Message::ReadyForQuery(ref body) => {
                    self.pending = self.pending.saturating_sub(1);
                    self.status = body.status();
                    self.preamble = 0;
                    return Ok(message);
                }
                Message::CopyInResponse(_) | Message::CopyOutResponse(_) => {
                    self.broken = true;
                    let fault = mcp_hub_chassis::Fault::new(
                        mcp_hub_chassis::fault::Reason::NotSupported,
                        "COPY can't be used here: select or insert the rows",
                    );
                    return Err(fault.into());
                }
                Message::CommandComplete(_) | Message::EmptyQueryResponse if self.preamble > 0 => {
                    self.preamble -= 1;
                }
                _ if self.preamble > 0 => {}
                message => return Ok(message),
            }
        }
    }

    /// Sends what is queued, if anything, and reads to the end of all that is under way, errors skipped. Ends early only when the
    /// connection is lost.
    pub(crate) async fn settle(&mut self) -> Result<(), Error> {
        self.flush().await?;
        while self.pending > 0 {
            match self.receive().await {
                Ok(_) | Err(Error::Server(_)) if !self.broken => {}
                Ok(_) => return Err(Error::Protocol("the session ended")),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Runs a statement of ours to its end, within the limit if there is one, and returns its rows.
    pub(crate) async fn rows(
        &mut self,
        shown: Shown<'_>,
        sql: &str,
        parameters: &[Parameter<'_>],
        timer: Option<&Timer>,
    ) -> Result<Vec<Row>, Error> {
        let statement = self.begin(shown, sql);
        let rows = self.all_rows(&statement, sql, parameters);
        let rows = rows.instrument(statement.span().clone());
        let result = match timer {
            Some(timer) => timer.limit(rows).await,
            None => rows.await,
        };
        settle(statement, result)
    }

    async fn all_rows(
        &mut self,
        statement: &Statement,
        sql: &str,
        parameters: &[Parameter<'_>],
    ) -> Result<(Vec<Row>, Option<Returned>), Error> {
        self.queue_statement(sql, parameters)?;
        self.flush().await?;
        let (mut rows, mut returned, mut has_rows) = (Vec::new(), Returned::default(), false);
        loop {
            match self.receive().await {
                Ok(Message::DataRow(body)) => {
                    let row = Row::read(&body)?;
                    if rows.is_empty() {
                        statement.first_row();
                    }
                    returned.add(&row);
                    rows.push(row);
                }
                Ok(Message::CommandComplete(body)) => {
                    let tag = body.tag().map_err(Error::Lost)?;
                    has_rows = !rows.is_empty() || tag.starts_with("SELECT");
                }
                Ok(Message::ReadyForQuery(_)) => return Ok((rows, Some(returned).filter(|_| has_rows))),
                Ok(_) => {}
                Err(error @ Error::Server(_)) if !self.broken => {
                    self.settle().await?;
                    return Err(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs groups of statements of ours to their end.
    pub(crate) async fn run_groups(&mut self, groups: &[&[&str]]) -> Result<(), Error> {
        for group in groups {
            self.queue_group(group)?;
        }
        self.flush().await?;
        let mut result = Ok(());
        while self.pending > 0 {
            match self.receive().await {
                Ok(_) => {}
                // The first error tells; the groups after it run.
                Err(error @ Error::Server(_)) if !self.broken => result = result.and(Err(error)),
                Err(error) => return Err(error),
            }
        }
        result
    }

    /// Gives back notices that were taken.
    pub(crate) fn put_notices(&mut self, notices: Vec<String>) {
        self.notices = notices;
    }

    /// The warnings and notices since the last call, each as a sentence.
    pub(crate) fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notices)
    }

    /// Whether the session is between transactions with nothing under way, so that another call may use it.
    pub(crate) fn is_idle(&self) -> bool {
        !self.broken && self.pending == 0 && self.output.is_empty() && self.status == IDLE
    }

    /// Whether the session can't be used any more.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Whether an idle session is still there, as far as this side knows: without a round trip. A server that ended it has sent an
    /// error or closed the stream.
    pub(crate) fn is_alive(&mut self) -> bool {
        loop {
            match self.socket.read_buf(&mut self.input).now_or_never() {
                None => return !self.broken,
                Some(Ok(0) | Err(_)) => return false,
                Some(Ok(_)) => {
                    // Parameter changes and notices may come at any time; an error is the session's last word.
                    while let Ok(Some(message)) = Message::parse(&mut self.input) {
                        if matches!(self.note(message), Some(Message::ErrorResponse(_))) {
                            return false;
                        }
                    }
                }
            }
        }
    }

    /// Says good-bye, as far as the socket takes it at once.
    pub(crate) fn close(mut self) {
        self.output.clear();
        frontend::terminate(&mut self.output);
        let _ = self.flush().now_or_never();
    }

    /// The next message that is not a matter of the session as a whole.
    async fn next(&mut self) -> Result<Message, Error> {
        loop {
            let parsed = Message::parse(&mut self.input).map_err(|error| self.lost(error))?;
            match parsed {
                Some(message) => {
                    if let Some(message) = self.note(message) {
                        return Ok(message);
                    }
                }
                None => match self.socket.read_buf(&mut self.input).await {
                    Ok(0) => return Err(self.lost(io::ErrorKind::UnexpectedEof.into())),
                    Ok(_) => {}
                    Err(error) => return Err(self.lost(error)),
                },
            }
        }
    }

    /// Keeps what the server says beside the answers; everything else comes back.
    fn note(&mut self, message: Message) -> Option<Message> {
        match message {
            Message::NoticeResponse(body) => {
                let mut notice = ServerError::read(body.fields());
                notice.redact(&self.secrets);
                let wanted = matches!(notice.severity.as_str(), "WARNING" | "NOTICE" | "INFO");
                if wanted && self.preamble == 0 && self.notices.len() < NOTICES_KEPT {
                    let text: String = notice.message.chars().take(500).collect();
                    self.notices.push(format!("the server said: {text}"));
                }
                None
            }
            Message::ParameterStatus(_) | Message::NotificationResponse(_) => None,
            message => Some(message),
        }
    }

    fn lost(&mut self, error: io::Error) -> Error {
        self.broken = true;
        Error::Lost(error)
    }

    /// A server that ends a session says why before it closes; the reset that sending met must not hide it.
    async fn lost_while_sending(&mut self, error: io::Error) -> Error {
        self.broken = true;
        loop {
            match self.next().await {
                Ok(Message::ErrorResponse(body)) => {
                    let mut error = ServerError::read(body.fields());
                    error.redact(&self.secrets);
                    return Error::Server(Box::new(error));
                }
                Ok(_) => {}
                Err(_) => return Error::Lost(error),
            }
        }
    }
}

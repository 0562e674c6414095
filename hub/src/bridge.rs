//! The bridge: MCP on stdin and stdout here, a hub's `/mcp` there. It is what `mcp-remote` does, without Node.
//!
//! A line is a message, a message is one POST, and what the POST brings, one JSON message or a stream of them, goes out line by
//! line. Messages are relayed byte for byte; [`message`](crate::message) says how little of them is read. Every request gets an
//! answer: when the hub is away, the answer is an error that says so, and the next message is tried afresh.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use mcp_hub_chassis::{Lifecycle, fault};
use reqwest::header::HeaderMap;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::message::{Incoming, Message, NoMessage};

/// How long a hub that refuses connections is tried again: as long as a restart takes.
const RECONNECT: Duration = Duration::from_secs(3);
const RECONNECT_PAUSE: Duration = Duration::from_millis(150);

/// How long requests under way may take after the last line. `echo .. | mcp-hub stdio --url ..` wants its answer; a client that
/// has gone does not want the hub to work on.
const AFTER_LAST_LINE: Duration = Duration::from_secs(10);

/// The code of errors that are the bridge's own: the first of those that JSON-RPC leaves to servers.
const BRIDGE_ERROR: i32 = -32000;

/// Relays until `reader` ends or the process stops.
///
/// # Errors
/// When `reader` or `writer` fails. The hub's failures are answers.
pub async fn run<R, W>(client: &Client, reader: R, writer: W, lifecycle: &Lifecycle) -> Result<()>
where
    R: AsyncBufRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let bridge = Bridge {
        client,
        writer: Mutex::new(writer),
        version: std::sync::Mutex::new(None),
    };
    let mut reader = reader;
    let mut under_way: HashMap<String, CancellationToken> = HashMap::new();
    let mut relays = FuturesUnordered::new();
    let mut line = Vec::new();
    loop {
        tokio::select! {
            () = lifecycle.stopping() => return Ok(()),
            Some(done) = relays.next() => {
                let (id, outcome): (Option<String>, Result<()>) = done;
                if let Some(id) = id {
                    under_way.remove(&id);
                }
                outcome?;
            }
            // Cancel-safe: what was read stays in `line`.
            read = reader.read_until(b'\n', &mut line) => {
                let last = read.map_err(Error::Stdin)? == 0;
                let text = std::mem::take(&mut line).trim_ascii().to_vec();
                if !text.is_empty() {
                    match Relay::read(text, bridge.version().as_deref()) {
                        Read::Relay(relay) => {
                            let cancelled = CancellationToken::new();
                            if let Some(id) = &relay.id {
                                under_way.insert(id.get().to_owned(), cancelled.clone());
                            }
                            relays.push(bridge.relay(relay, cancelled).left_future());
                        }
                        Read::Cancel(id) => {
                            if let Some(token) = under_way.get(&id) {
                                token.cancel();
                            }
                        }
                        // Not said here: a relay that has the writer goes on only while this loop does.
                        Read::Refuse(error) => relays.push(bridge.refuse(error).right_future()),
                    }
                }
                if last {
                    break;
                }
            }
        }
    }
    let finish = async {
        while let Some((_, outcome)) = relays.next().await {
            outcome?;
        }
        Ok(())
    };
    tokio::select! {
        () = lifecycle.stopping() => Ok(()),
        () = tokio::time::sleep(AFTER_LAST_LINE) => Ok(()),
        outcome = finish => outcome,
    }
}

/// What a line asks for.
enum Read {
    /// To be sent.
    Relay(Relay),
    /// The request of this id to be given up.
    Cancel(String),
    /// Nothing that could be done.
    Refuse(NoMessage),
}

/// One message on its way.
struct Relay {
    text: Vec<u8>,
    /// Present when an answer is expected.
    id: Option<Box<RawValue>>,
    headers: HeaderMap,
    is_initialize: bool,
    /// Whether the hub may see it twice.
    repeatable: bool,
    /// Whether it asks for a stream that has no end.
    endless: bool,
}

impl Relay {
    fn read(text: Vec<u8>, negotiated: Option<&str>) -> Read {
        let message = match Message::parse(&text) {
            Ok(message) => message,
            Err(error) => return Read::Refuse(error),
        };
        if let Some(id) = message.cancels() {
            // The end of its POST is what tells a hub that keeps no session.
            return Read::Cancel(id.to_owned());
        }
        let method = message.method.as_deref().unwrap_or_default();
        Read::Relay(Self {
            id: message.id.filter(|_| message.is_request()).map(ToOwned::to_owned),
            headers: message.headers(negotiated),
            is_initialize: method == "initialize",
            repeatable: changes_nothing(method),
            endless: method == "subscriptions/listen",
            text,
        })
    }
}

/// Whether a message may be carried out twice. Of methods that are not known nobody can tell.
fn changes_nothing(method: &str) -> bool {
    method.starts_with("notifications/")
        || method.ends_with("/list")
        || matches!(
            method,
            "initialize"
                | "server/discover"
                | "ping"
                | "prompts/get"
                | "resources/read"
                | "completion/complete"
                | "subscriptions/listen"
        )
}

struct Bridge<'a, W> {
    client: &'a Client,
    writer: Mutex<W>,
    /// What `initialize` settled on.
    version: std::sync::Mutex<Option<String>>,
}

impl<W: AsyncWrite + Unpin> Bridge<'_, W> {
    /// Brings one message to its end; a request is answered unless it was cancelled.
    async fn relay(&self, relay: Relay, cancelled: CancellationToken) -> (Option<String>, Result<()>) {
        let id = relay.id.as_ref().map(|id| id.get().to_owned());
        let outcome = tokio::select! {
            () = cancelled.cancelled() => Ok(()),
            outcome = self.exchange(&relay) => outcome,
        };
        let outcome = match (outcome, &relay.id) {
            (Err(Error::Stdout(error)), _) => Err(Error::Stdout(error)),
            (Err(error), Some(id)) => {
                let text = fault::chain(&error);
                self.say(&error_message(Some(id), BRIDGE_ERROR, &text)).await
            }
            (Err(error), None) => {
                tracing::warn!(error = fault::chain(&error), "a notification was lost");
                Ok(())
            }
            (Ok(()), _) => Ok(()),
        };
        (id, outcome)
    }

    /// Says why a line can't be sent.
    async fn refuse(&self, error: NoMessage) -> (Option<String>, Result<()>) {
        let text = error_message(None, error.code(), &fault::chain(&error));
        (None, self.say(&text).await)
    }

    async fn exchange(&self, relay: &Relay) -> Result<()> {
        let mut incoming = Incoming::new(self.send(relay).await?).await?;
        let mut answered = relay.id.is_none();
        while let Some(text) = incoming.next().await? {
            let message = Message::parse(text.as_bytes()).map_err(Error::Answer)?;
            if let Some(id) = &relay.id {
                if message.answers(id.get()) {
                    answered = true;
                    if relay.is_initialize
                        && let Some(version) = message.negotiated_version()
                    {
                        *self
                            .version
                            .lock()
                            .expect("never poisoned: nothing panics under it") = Some(version);
                    }
                } else if let (None, Some(error)) = (message.id, message.error) {
                    // An error without an id is about what we sent, but a client could not tell.
                    let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#);
                    self.say(&text).await?;
                    return Ok(());
                }
            }
            self.say(&text).await?;
        }
        if answered {
            Ok(())
        } else if relay.endless {
            Err(Error::StreamEnded)
        } else {
            Err(Error::NoAnswer)
        }
    }

    /// Sends a message. A hub that refuses the connection has not seen it, so any message may be tried again; one that hangs up
    /// without an answer may have, so only what changes nothing is sent again, once.
    async fn send(&self, relay: &Relay) -> Result<reqwest::Response> {
        let give_up = Instant::now() + RECONNECT;
        let mut repeatable = relay.repeatable;
        loop {
            let sent = self.client.post(relay.text.clone(), relay.headers.clone()).await;
            match sent {
                Err(Error::Unreachable { .. }) if Instant::now() < give_up => {
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                }
                Err(Error::Lost { .. }) if repeatable => repeatable = false,
                sent => return sent,
            }
        }
    }

    async fn say(&self, text: &str) -> Result<()> {
        let line = [text.as_bytes(), b"\n"].concat();
        let mut writer = self.writer.lock().await;
        writer.write_all(&line).await.map_err(Error::Stdout)?;
        writer.flush().await.map_err(Error::Stdout)
    }

    fn version(&self) -> Option<String> {
        self.version
            .lock()
            .expect("never poisoned: nothing panics under it")
            .clone()
    }
}

fn error_message(id: Option<&RawValue>, code: i32, message: &str) -> String {
    // Not through `Value`: an id goes back as it came, digit for digit.
    let id = id.map_or("null", RawValue::get);
    let error = json!({ "code": code, "message": message });
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

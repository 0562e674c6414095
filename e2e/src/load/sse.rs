//! A client of legacy SSE: one stream, and a POST for each message.
//!
//! It does as the TypeScript SDK does when it loses the stream: a pause, a new GET, the messages to the new endpoint, and no second
//! `initialize`. Whose answer was to come on the lost stream is not known.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::connection::Connection;
use super::streamable::{initialize, of_message, request, send};
use super::{Client, Failed, Kind, Shared};

/// How long the head of a stream, and its endpoint, may take to come.
const OPEN: Duration = Duration::from_secs(5);

/// A client of legacy SSE.
#[derive(Debug)]
pub(super) struct Sse {
    shared: Arc<Shared>,
    stream: Option<Stream>,
    posts: Connection,
    /// Whether there has been a stream.
    known: bool,
    initialized: bool,
}

/// An open stream.
#[derive(Debug)]
struct Stream {
    endpoint: String,
    waiting: Arc<Waiting>,
    lost: watch::Receiver<bool>,
    /// Reads the stream; ends with this value.
    _reader: JoinSet<()>,
    /// What the stream comes on.
    _connection: Connection,
}

/// Who waits for an answer on a stream.
#[derive(Debug, Default)]
struct Waiting(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    waiting: HashMap<u64, oneshot::Sender<Value>>,
    /// Requests whose caller has given up; their answers may still come.
    given_up: HashSet<u64>,
}

impl Sse {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            shared: shared.clone(),
            stream: None,
            posts: Connection::new(shared),
            known: false,
            initialized: false,
        }
    }

    async fn open(&self) -> Result<Stream, Failed> {
        let mut connection = Connection::new(&self.shared);
        let request = connection.get("/sse").body(bytes::Bytes::new().into());
        let answer = connection.begin(request.expect("a request")).await?;
        if answer.status() != 200 {
            return Err(Failed::Failure(
                Kind::Status(answer.status().as_u16()),
                "no stream".to_owned(),
            ));
        }
        let mut events = Events::of(answer.into_body());
        let lost = || Failed::Failure(Kind::StreamLost, "no endpoint".to_owned());
        let (event, endpoint) = events.next().await.ok_or_else(lost)?;
        if event != "endpoint" {
            return Err(Failed::Wrong(format!("the first event is {event}: {endpoint}")));
        }
        let waiting = Arc::<Waiting>::default();
        let (told, lost) = watch::channel(false);
        let mut reader = JoinSet::new();
        reader.spawn(read(events, waiting.clone(), self.shared.clone(), told));
        Ok(Stream {
            endpoint,
            waiting,
            lost,
            _reader: reader,
            _connection: connection,
        })
    }

    /// Posts a message to the stream's endpoint.
    async fn post(&mut self, message: &Value) -> Result<(), Failed> {
        let Some(stream) = &self.stream else {
            return Err(Failed::Failure(Kind::StreamLost, "there is no stream".to_owned()));
        };
        let head = self.posts.post(&stream.endpoint);
        let answer = send(&mut self.posts, head, message, self.shared.plan.patience).await?;
        if answer.status == 202 {
            return Ok(());
        }
        let body = String::from_utf8_lossy(&answer.body).chars().take(200).collect();
        Err(Failed::Failure(Kind::Status(answer.status.as_u16()), body))
    }

    async fn exchange(&mut self, id: u64, message: &Value) -> Result<Value, Failed> {
        let stream_lost = || Failed::Failure(Kind::StreamLost, "the stream ended first".to_owned());
        let stream = self.stream.as_ref().ok_or_else(stream_lost)?;
        let waiting = stream.waiting.clone();
        // Before the POST: the answer may come before the 202.
        let answer = waiting.expect(id);
        if let Err(failed) = self.post(message).await {
            waiting.give_up(id);
            return Err(failed);
        }
        match timeout(self.shared.plan.patience, answer).await {
            Ok(Ok(message)) => of_message(id, &message),
            Ok(Err(_)) => Err(stream_lost()),
            Err(_) => {
                waiting.give_up(id);
                let patience = self.shared.plan.patience;
                Err(Failed::Failure(
                    Kind::TimedOut,
                    format!("nothing in {patience:?}"),
                ))
            }
        }
    }
}

impl Client for Sse {
    const DOOR: &'static str = "sse";

    async fn prepare(&mut self) -> bool {
        if self.stream.as_ref().is_some_and(|stream| *stream.lost.borrow()) {
            self.stream = None;
        }
        if self.stream.is_none() {
            if self.known {
                sleep(self.shared.plan.reconnect).await;
            }
            let opened = timeout(OPEN, self.open()).await;
            let opened = opened.unwrap_or_else(|_| {
                let nothing = format!("nothing in {OPEN:?}");
                Err(Failed::Failure(Kind::TimedOut, nothing))
            });
            let mut counted = self.shared.counted();
            match opened {
                Ok(stream) => {
                    counted.reconnects += u64::from(self.known);
                    self.stream = Some(stream);
                    self.known = true;
                }
                Err(Failed::Failure(kind, _)) => {
                    *counted.not_opened.entry(kind).or_default() += 1;
                    // So that an address that is dead from the first is not tried without a pause.
                    self.known = true;
                    return false;
                }
                Err(Failed::Wrong(what)) => {
                    counted.wrong(what);
                    return false;
                }
            }
        }
        if !self.initialized {
            let answer = self.exchange(0, &initialize("2025-06-18")).await;
            let told = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            self.initialized = answer.is_ok() && self.post(&told).await.is_ok();
        }
        self.initialized
    }

    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Result<Value, Failed> {
        self.exchange(id, &request(id, method, params)).await
    }
}

/// Reads a stream to its end and hands out the answers. Then all who wait learn that there will be none.
async fn read(mut events: Events, waiting: Arc<Waiting>, shared: Arc<Shared>, lost: watch::Sender<bool>) {
    while let Some((event, data)) = events.next().await {
        let message = serde_json::from_str::<Value>(&data)
            .ok()
            .filter(|_| event == "message");
        let Some(message) = message else {
            shared.counted().wrong(format!("sse event {event}: {data}"));
            continue;
        };
        match message["id"].as_u64() {
            Some(id) => {
                if let Err(message) = waiting.answer(id, message) {
                    shared
                        .counted()
                        .wrong(format!("sse: an answer that nobody waits for: {message}"));
                }
            }
            None if message["method"].is_string() => shared.counted().notifications += 1,
            None => shared
                .counted()
                .wrong(format!("sse: neither an answer nor a notification: {message}")),
        }
    }
    lost.send_replace(true);
    waiting.lock().waiting.clear();
}

impl Waiting {
    fn expect(&self, id: u64) -> oneshot::Receiver<Value> {
        let (sender, receiver) = oneshot::channel();
        self.lock().waiting.insert(id, sender);
        receiver
    }

    fn give_up(&self, id: u64) {
        let mut calls = self.lock();
        calls.waiting.remove(&id);
        calls.given_up.insert(id);
    }

    /// Hands an answer to who waits for it; gives it back when there is nobody.
    fn answer(&self, id: u64, message: Value) -> Result<(), Value> {
        let mut calls = self.lock();
        match calls.waiting.remove(&id) {
            // Who has gone in this moment has given up.
            Some(sender) => {
                let _ = sender.send(message);
                Ok(())
            }
            None if calls.given_up.remove(&id) => Ok(()),
            None => Err(message),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The events of a body.
#[derive(Debug)]
struct Events {
    body: Incoming,
    read: Vec<u8>,
}

impl Events {
    fn of(body: Incoming) -> Self {
        Self {
            body,
            read: Vec::new(),
        }
    }

    /// The next event and its data; comments are skipped. `None` at the end, however it came.
    async fn next(&mut self) -> Option<(String, String)> {
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let block = String::from_utf8_lossy(&block).into_owned();
                let field = |name: &str| {
                    let line = block.lines().find_map(|line| line.strip_prefix(name));
                    line.map(|value| value.trim_start().to_owned())
                };
                if let Some(data) = field("data:") {
                    return Some((field("event:").unwrap_or_else(|| "message".to_owned()), data));
                }
            }
            let frame = self.body.frame().await?.ok()?;
            if let Ok(data) = frame.into_data() {
                self.read.extend_from_slice(&data);
            }
        }
    }
}

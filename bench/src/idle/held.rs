//! Many clients that hold a connection each and say nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, ensure};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use http_body_util::BodyExt as _;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http::Client;
use crate::latency::{Latencies, Summary};
use crate::sse::Events;

/// How many are opened at the same time.
const AT_ONCE: usize = 64;

/// Connections from one address of 127.0.0.0/8: below the facade's cap for each address, and below the system's ports for one.
const PER_ADDRESS: usize = 500;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

/// What is held.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// Legacy SSE streams.
    Streams,
    /// HTTP/1.1 connections that have had one answer and are kept.
    Connections,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Streams => "streams",
            Self::Connections => "connections",
        })
    }
}

/// Clients, all of which have had their first answer. They go when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    /// How long each took to its first answer.
    pub(crate) opening: Latencies,
    address: SocketAddr,
    clients: Clients,
}

#[derive(Debug)]
enum Clients {
    Streams {
        /// Where each one's messages go.
        endpoints: Vec<String>,
        pings: Arc<[AtomicU32]>,
        /// What was said on a stream, by its number.
        said: mpsc::UnboundedReceiver<(usize, String)>,
        /// One reader for each. It ends with its stream, which nobody has asked it to.
        readers: JoinSet<anyhow::Error>,
    },
    Connections(Vec<Client>),
}

impl Held {
    /// Opens them.
    pub(crate) async fn open(address: SocketAddr, kind: Kind, count: usize) -> anyhow::Result<Self> {
        let mut opening = Latencies::new();
        let clients = match kind {
            Kind::Streams => {
                let mut endpoints = vec![String::new(); count];
                let pings: Arc<[AtomicU32]> = (0..count).map(|_| AtomicU32::new(0)).collect();
                let (say, said) = mpsc::unbounded_channel();
                let mut readers = JoinSet::new();
                let open = async |mut client: Client| {
                    let (events, endpoint) = client.events().await?;
                    Ok((client, events, endpoint))
                };
                open_all(
                    address,
                    count,
                    &mut opening,
                    open,
                    |number, (client, events, endpoint)| {
                        endpoints[number] = endpoint;
                        readers.spawn(read(number, client, events, pings.clone(), say.clone()));
                    },
                )
                .await?;
                Clients::Streams {
                    endpoints,
                    pings,
                    said,
                    readers,
                }
            }
            Kind::Connections => {
                let mut clients = Vec::with_capacity(count);
                let open = async |mut client: Client| {
                    client.get("/livez").await?.into_body().collect().await?;
                    Ok(client)
                };
                open_all(address, count, &mut opening, open, |_, client| {
                    clients.push(client);
                })
                .await?;
                Clients::Connections(clients)
            }
        };
        Ok(Self {
            opening,
            address,
            clients,
        })
    }

    /// Checks that none was lost, and with `pinged` that each has had a ping; gives the number of pings.
    pub(crate) fn all_alive(&mut self, pinged: bool) -> anyhow::Result<u64> {
        match &mut self.clients {
            Clients::Streams { pings, readers, .. } => {
                if let Some(lost) = readers.try_join_next() {
                    return Err(lost?.context("a stream was lost"));
                }
                let pings: Vec<u32> = pings.iter().map(|pings| pings.load(Ordering::Relaxed)).collect();
                let without = pings.iter().filter(|pings| **pings == 0).count();
                ensure!(!pinged || without == 0, "{without} streams have had no ping");
                Ok(pings.into_iter().map(u64::from).sum())
            }
            Clients::Connections(clients) => {
                let lost = clients.iter().filter(|client| client.is_closed()).count();
                ensure!(lost == 0, "{lost} connections were closed");
                Ok(0)
            }
        }
    }

    /// Asks `count` of them, spread over all, for the answer to a `ping` of MCP, one after the other.
    pub(crate) async fn sample(&mut self, count: usize) -> anyhow::Result<Summary> {
        let mut latencies = Latencies::new();
        match &mut self.clients {
            Clients::Streams { endpoints, said, .. } => {
                let mut poster = Client::connect(self.address, None).await?;
                for number in spread(endpoints.len(), count) {
                    let start = Instant::now();
                    poster.post(&endpoints[number], PING.to_owned()).await?;
                    let heard = timeout(PATIENCE, said.recv())
                        .await
                        .context("no answer on a stream")?;
                    let (stream, answer) = heard.context("all streams are lost")?;
                    latencies.record(start.elapsed());
                    ensure!(
                        stream == number,
                        "stream {stream} has the answer to stream {number}"
                    );
                    check(&answer)?;
                }
            }
            Clients::Connections(clients) => {
                for number in spread(clients.len(), count) {
                    let start = Instant::now();
                    let answer = clients[number].post("/mcp", PING.to_owned()).await?;
                    latencies.record(start.elapsed());
                    check(std::str::from_utf8(&answer)?)?;
                }
            }
        }
        Ok(latencies.summary())
    }
}

/// Opens `count` clients, [`AT_ONCE`] at a time, and hands each to `keep` with its number.
async fn open_all<T>(
    address: SocketAddr,
    count: usize,
    opening: &mut Latencies,
    open: impl AsyncFn(Client) -> anyhow::Result<T>,
    mut keep: impl FnMut(usize, T),
) -> anyhow::Result<()> {
    let opened = stream::iter(0..count).map(async |number| {
        let start = Instant::now();
        let client = Client::connect(address, Some(source(number)?)).await?;
        anyhow::Ok((number, open(client).await?, start.elapsed()))
    });
    let mut opened = pin!(opened.buffer_unordered(AT_ONCE));
    while let Some((number, client, took)) = opened.try_next().await? {
        opening.record(took);
        keep(number, client);
    }
    Ok(())
}

/// Reads a stream as long as it lasts.
async fn read(
    number: usize,
    _client: Client,
    mut events: Events,
    pings: Arc<[AtomicU32]>,
    say: mpsc::UnboundedSender<(usize, String)>,
) -> anyhow::Error {
    loop {
        match events.next().await {
            Ok(Some(event)) if event.is_comment() => {
                pings[number].fetch_add(1, Ordering::Relaxed);
            }
            Ok(Some(event)) => {
                // Whoever listens is there as long as the readers are.
                let _ = say.send((number, event.data));
            }
            Ok(None) => return anyhow!("the facade ended it"),
            Err(error) => return error,
        }
    }
}

fn check(answer: &str) -> anyhow::Result<()> {
    let json: serde_json::Value = serde_json::from_str(answer)?;
    ensure!(
        json["id"] == 1 && json["result"].is_object(),
        "no answer to a ping: {answer}"
    );
    Ok(())
}

/// Numbers of `count` out of `all`, evenly spread.
fn spread(all: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |step| step * all / count)
}

/// Where the client of a number comes from: 127.0.0.2 and on.
fn source(number: usize) -> anyhow::Result<Ipv4Addr> {
    let base = u32::from(Ipv4Addr::new(127, 0, 0, 2));
    Ok(Ipv4Addr::from(base + u32::try_from(number / PER_ADDRESS)?))
}

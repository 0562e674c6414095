//! Load: clients that call again and again, look at each answer, and count what they saw.
//!
//! [`Load::start`] lets a [`Plan`]'s clients loose; [`Load::finish`] stops them, each after the call that it is in, and gives the
//! [`Report`]. What is called and what a right answer is, a [`Workload`] says. Nothing is tried twice: whatever an ordinary client
//! would see is counted, by its [`Kind`], and for each write what the client may believe of it, by its [`Fate`].

mod connection;
mod failure;

mod report;
mod shop;
mod sse;
mod streamable;
mod workload;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

pub use failure::{Failure, Fate, Kind};
pub use report::{Report, Writes};
pub use shop::{Habit, Shopping};
pub use workload::{Check, Question, Workload};

use report::Counted;

/// How many clients of which sort, where, and how fast.
#[derive(Clone, Debug)]
pub struct Plan {
    /// `host:port` of the proxy or the facade.
    pub address: String,
    /// A bearer token, where there is a lock.
    pub token: Option<String>,
    /// Clients of Streamable HTTP that begin with `initialize` (2025-11-25).
    pub http: usize,
    /// Clients of stateless Streamable HTTP (2026-07-28).
    pub modern: usize,
    /// Clients of legacy SSE, which reconnect as the TypeScript SDK does: a new GET, the new endpoint, no second `initialize`.
    pub sse: usize,
    /// The least time from one call of a client to its next.
    pub pace: Duration,
    /// How long a client waits for an answer.
    pub patience: Duration,
    /// How long a client of legacy SSE waits before it opens a lost stream anew. The TypeScript SDK waits 3 s.
    pub reconnect: Duration,
}

impl Plan {
    /// Four clients of each sort, each with at most 200 calls a second.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            token: None,
            http: 4,
            modern: 4,
            sse: 4,
            pace: Duration::from_millis(5),
            patience: Duration::from_secs(20),
            reconnect: Duration::from_millis(500),
        }
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Load {
    clients: JoinSet<()>,
    shared: Arc<Shared>,
    started: Instant,
}

/// What the clients of a load have in common.
#[derive(Debug)]
struct Shared {
    plan: Plan,
    workload: Arc<dyn Workload>,
    /// Numbers the calls of all clients.
    number: AtomicU64,
    counted: Mutex<Counted>,
    stop: watch::Sender<bool>,
}

/// A way to ask the hub, kept by one client.
trait Client: Send {
    /// The name of the door, for the report.
    const DOOR: &'static str;

    /// Gets ready to ask, by a new stream if need be. False when that was not possible; then it is tried again.
    fn prepare(&mut self) -> impl Future<Output = bool> + Send;

    /// Sends a request with a number of its own and gives the `result` of the answer.
    fn ask(
        &mut self,
        id: u64,
        method: &str,
        params: Value,
    ) -> impl Future<Output = Result<Value, Failed>> + Send;
}

/// Why a request has no result.
#[derive(Debug)]
enum Failed {
    /// It failed in a way that clients must live with.
    Failure(Kind, String),
    /// What came is none of the answers that there can be.
    Wrong(String),
}

impl Load {
    /// Starts the clients. They call until [`finish`](Self::finish).
    pub fn start(plan: Plan, workload: impl Workload) -> Self {
        let shared = Arc::new(Shared {
            plan,
            workload: Arc::new(workload),
            number: AtomicU64::new(0),
            counted: Mutex::default(),
            stop: watch::Sender::new(false),
        });
        let mut clients = JoinSet::new();
        for _ in 0..shared.plan.http {
            clients.spawn(shared.clone().run(streamable::Legacy::new(&shared)));
        }
        for _ in 0..shared.plan.modern {
            clients.spawn(shared.clone().run(streamable::Modern::new(&shared)));
        }
        for _ in 0..shared.plan.sse {
            clients.spawn(shared.clone().run(sse::Sse::new(&shared)));
        }
        Self {
            clients,
            shared,
            started: Instant::now(),
        }
    }

    /// How many calls have succeeded so far.
    pub fn succeeded(&self) -> u64 {
        self.shared.counted().ok
    }

    /// How many streams were opened again after they were lost.
    pub fn reconnects(&self) -> u64 {
        self.shared.counted().reconnects
    }

    /// The tool lists that were seen so far, each with how often.
    pub fn lists(&self) -> BTreeMap<Vec<String>, u64> {
        self.shared.counted().lists.clone()
    }

    /// Stops the clients, each after the call that it is in, and tells what they saw.
    ///
    /// # Panics
    ///
    /// When a client does.
    pub async fn finish(mut self) -> Report {
        self.shared.stop.send_replace(true);
        while let Some(ended) = self.clients.join_next().await {
            ended.expect("a client does not panic");
        }
        let counted = std::mem::take(&mut *self.shared.counted());
        Report::new(counted, self.started.elapsed())
    }
}

impl Shared {
    async fn run<C: Client>(self: Arc<Self>, mut client: C) {
        let mut stop = self.stop.subscribe();
        let mut next = Instant::now();
        loop {
            tokio::select! {
                biased;
                // The sender is in `self`.
                _ = stop.wait_for(|stop| *stop) => return,
                () = sleep_until(next) => {}
            }
            next = Instant::now() + self.plan.pace;
            let ready = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                ready = client.prepare() => ready,
            };
            if ready {
                self.one(&mut client).await;
            }
        }
    }

    /// One call, counted.
    async fn one<C: Client>(&self, client: &mut C) {
        let number = self.number.fetch_add(1, Ordering::Relaxed) + 1;
        let question = self.workload.next(number);
        if let Some(id) = &question.write {
            // Until there is an answer, nobody knows.
            self.counted().writes.insert(id.clone(), Fate::Unclear);
        }
        let (method, params) = match &question.tool {
            Some(tool) => (
                "tools/call",
                json!({"name": tool, "arguments": question.arguments}),
            ),
            None => ("tools/list", json!({})),
        };
        let from = Instant::now();
        let asked = client.ask(number, method, params).await;
        let until = Instant::now();
        let judged = asked.and_then(|result| workload::judge(&question, &result));
        let mut counted = self.counted();
        counted.calls += 1;
        let fate = match judged {
            Ok(names) => {
                counted.ok += 1;
                counted.latencies.push(until - from);
                if let Some(names) = names {
                    *counted.lists.entry(names).or_default() += 1;
                }
                Fate::Done
            }
            Err(Failed::Wrong(what)) => {
                counted.wrong(format!("{} {}: {what}", C::DOOR, question.label));
                Fate::Unclear
            }
            Err(Failed::Failure(kind, detail)) => {
                let fate = kind.fate();
                counted.failures.push(Failure {
                    label: question.label,
                    door: C::DOOR,
                    kind,
                    detail,
                    from,
                    until,
                });
                fate
            }
        };
        if let Some(id) = question.write {
            counted.writes.insert(id, fate);
        }
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

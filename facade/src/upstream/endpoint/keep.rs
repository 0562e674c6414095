//! The task of an endpoint: connects, watches health and resources, reflects, and connects again.
//!
//! A connection that ends is replaced at once, before the endpoint is given up: servers end connections because they are old, and an
//! adapter that restarts, or a load balancer in front of several, takes the next one. Meanwhile calls go to other endpoints, or wait.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::{Endpoint, State};
use crate::tool::offer::Kind;
use crate::upstream::connection::Connection;
use crate::upstream::health::{self, Gone};
use crate::upstream::reflect::Reflection;
use crate::upstream::{resources, status};

/// The pauses between attempts to connect: the first for a second, because a restarted adapter is back soon; then doubled to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_millis(1500);

/// How long a connection has to have lasted to be replaced without a pause.
const LASTING: Duration = Duration::from_secs(1);

/// How often what an adapter offers is looked at again without cause, and how soon after a failure.
const REFLECT_AGAIN: Duration = Duration::from_mins(1);
const REFLECT_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The least time between two reflections, whoever asks for one.
const REFLECT_PAUSE: Duration = Duration::from_secs(1);

/// When a watch of resources that ended is opened again, and when one that said nothing is at the latest.
const WATCH_AGAIN: Duration = Duration::from_secs(1);
const LAST_WATCH_AGAIN: Duration = Duration::from_mins(1);

/// How long a service that did not serve has to say that it serves again, without a break, to be believed. One that flaps a thousand
/// times a second has one change: that it does not serve. It still gets calls where there is no better one.
const STEADY: Duration = Duration::from_millis(500);

impl Endpoint {
    /// Connects again and again.
    pub(super) async fn keep(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let problem = match Connection::open(self.address, &self.origin).await {
                Ok(connection) => {
                    // Whoever listens anew may be well again.
                    self.breaker.reconnected();
                    let since = Instant::now();
                    let gone = self.serve(&connection).await;
                    if let Some(line) = self.shared.quiet.line() {
                        tracing::info!(reason = %gone, unwritten = line.unwritten, "a connection to an endpoint is gone");
                    }
                    let had_calls = self.lock().is_connected();
                    self.lose(&connection, gone);
                    if had_calls && gone != Gone::Silent && since.elapsed() >= LASTING {
                        pause = FIRST_PAUSE;
                        continue;
                    }
                    gone.to_string()
                }
                Err(problem) => {
                    tracing::debug!(problem, "an endpoint can't be reached");
                    problem
                }
            };
            self.update(|state| {
                if let Some(reflection) = state.reflection.take() {
                    state.last_reflection = Some(reflection);
                }
                state.serving = false;
                state.tried = true;
                state.problem = Some(problem);
            });
            // Jitter, so that replicas do not come back to a restarted adapter in step.
            sleep(pause.mul_f64(rand::random_range(0.75..1.25))).await;
            if !self.lost_within(Duration::from_secs(1)) {
                pause = (pause * 2).min(LAST_PAUSE);
            }
        }
    }

    /// No more calls go over a connection. Those under way go on, unless they can't be answered any more.
    fn lose(&self, connection: &Connection, gone: Gone) {
        connection.drain();
        if gone == Gone::Silent {
            connection.give_up();
        }
        self.update(|state| {
            // Nobody waits for one that was silent: it was away for two seconds when that was seen.
            let lost = state.connection.take().filter(|_| gone != Gone::Silent);
            state.lost = lost.map(|_| Instant::now()).or(state.lost);
            state.confirmed = false;
            state.problem = Some(gone.to_string());
        });
    }

    /// Uses a connection until it is gone.
    async fn serve(&self, connection: &Arc<Connection>) -> Gone {
        // What this connection has said that is offered behind it.
        let (offers, offered) = watch::channel(None::<Arc<Reflection>>);
        let mut first = offered.clone();
        // Whoever accepts connections and then is silent would hold up calls: it gets none before it has said something.
        let alive = || {
            if !self.lock().is_connected() {
                self.update(|state| {
                    state.connection = Some(connection.clone());
                    state.problem = Some("its tools are not known yet".to_owned());
                });
            }
        };
        let service = async {
            // The name is known after the first reflection.
            let name = match first.wait_for(Option::is_some).await {
                Ok(offered) => offered
                    .as_ref()
                    .map(|reflection| reflection.health_name().to_owned()),
                Err(_) => return Gone::Lost,
            };
            let name = name.unwrap_or_default();
            let (says, said) = watch::channel(None);
            tokio::select! {
                gone = health::service(connection, &name, |serving| {
                    says.send_replace(Some(serving));
                }) => gone,
                gone = self.keep_serving(said) => gone,
            }
        };
        tokio::select! {
            () = connection.closed() => if connection.was_flooded() { Gone::Flooding } else { Gone::Lost },
            () = connection.drained() => Gone::Draining,
            gone = health::check(connection, alive) => gone,
            gone = health::process(connection) => gone,
            gone = service => gone,
            gone = self.keep_reflection(connection, &offers) => gone,
            gone = self.keep_resources(connection, offered) => gone,
        }
    }

    /// Puts in force what the service says of itself; never returns while it says anything.
    async fn keep_serving(&self, mut said: watch::Receiver<Option<bool>>) -> Gone {
        let mut steady = Duration::ZERO;
        while said.changed().await.is_ok() {
            while *said.borrow_and_update() == Some(true) && !steady.is_zero() {
                if !matches!(timeout(steady, said.changed()).await, Ok(Ok(()))) {
                    break;
                }
            }
            let Some(serving) = *said.borrow_and_update() else {
                continue;
            };
            if !serving {
                steady = STEADY;
            }
            self.update(|state| state.serving = serving);
        }
        Gone::Lost
    }

    /// Keeps what is known of the adapter's tools up to date; never returns while the connection is there.
    async fn keep_reflection(
        &self,
        connection: &Arc<Connection>,
        offers: &watch::Sender<Option<Arc<Reflection>>>,
    ) -> Gone {
        loop {
            let pause = match self.shared.versions.reflect(&connection.channel).await {
                Ok(reflection) => {
                    self.reflected(connection, reflection.clone()).await;
                    offers.send_replace(Some(reflection));
                    REFLECT_AGAIN
                }
                Err(error) => {
                    if let Some(line) = self.shared.quiet.line() {
                        tracing::warn!(%error, unwritten = line.unwritten, "an adapter's tools can't be read");
                    }
                    self.update(|state| {
                        state.tried = true;
                        state.problem = Some(error.to_string());
                    });
                    REFLECT_AFTER_FAILURE
                }
            };
            sleep(REFLECT_PAUSE).await;
            let _ = timeout(
                pause.mul_f64(rand::random_range(0.75..1.25)),
                self.reflect_again.notified(),
            )
            .await;
        }
    }

    /// Follows the adapter's list of resources while it has one; never returns while the connection is there.
    async fn keep_resources(
        &self,
        connection: &Arc<Connection>,
        mut offered: watch::Receiver<Option<Arc<Reflection>>>,
    ) -> Gone {
        let has = |offered: &Option<Arc<Reflection>>| {
            offered
                .as_ref()
                .is_some_and(|reflection| reflection.has_resources())
        };
        let mut pause = WATCH_AGAIN;
        while offered.wait_for(has).await.is_ok() {
            let list = self.shared.resources.watch(self.address);
            let heard = resources::watch(connection.channel.clone(), |digest| {
                if list.says(digest) {
                    self.shared.changed.notify_one();
                }
            });
            pause = if heard.await {
                WATCH_AGAIN
            } else {
                (pause * 2).min(LAST_WATCH_AGAIN)
            };
            drop(list);
            sleep(pause.mul_f64(rand::random_range(0.75..1.25))).await;
        }
        Gone::Lost
    }

    async fn reflected(&self, connection: &Arc<Connection>, reflection: Arc<Reflection>) {
        let digest = |known: &Arc<Reflection>| known.digest;
        if self.lock().reflection.as_ref().map(digest) == Some(reflection.digest) {
            self.update(|state| state.confirm(connection));
            return;
        }
        if let Some(line) = self.shared.quiet.line() {
            let tools = reflection.of_kind(Kind::Tool).count();
            tracing::info!(tools, unwritten = line.unwritten, "an adapter's tools were read");
        }
        let status = status::ask(connection.channel.clone()).await;
        self.update(|state: &mut State| {
            state.last_reflection = None;
            state.reflection = Some(reflection);
            state.status = status.map(|(status, _)| status).or(state.status.take());
            state.confirm(connection);
        });
    }
}

impl State {
    /// What is known is what this connection says.
    fn confirm(&mut self, connection: &Arc<Connection>) {
        self.connection = Some(connection.clone());
        self.lost = None;
        self.confirmed = true;
        self.tried = true;
        self.problem = None;
    }
}

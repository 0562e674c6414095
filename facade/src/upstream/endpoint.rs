//! One endpoint of an upstream: one address, what is known of it, and how good a choice it is. `keep` connects it.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::adapter::v1::GetStatusResponse;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::breaker::{Breaker, Standing};
use super::connection::Connection;
use super::reflect::{Reflection, Versions};
use super::resources::ResourceList;
use super::status;
use crate::metrics;
use crate::quiet::Quiet;
use crate::tool::offer::Offer;

mod keep;

/// What the endpoints of an upstream have in common.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) key: String,
    /// Told whenever anything is different that the catalogue depends on.
    pub(super) changed: Arc<Notify>,
    /// Told whenever an endpoint is connected.
    pub(super) connected: Arc<Notify>,
    /// What its endpoints offer.
    pub(super) versions: Arc<Versions>,
    /// What they say of its list of resources.
    pub(super) resources: Arc<ResourceList>,
    /// How many of them serve.
    pub(super) serving: Arc<Serving>,
    /// How much it may still write to the log.
    pub(super) quiet: Arc<Quiet>,
}

/// How many endpoints of an upstream serve: with the first of them it is up. And whether one was ever reached.
#[derive(Debug)]
pub(super) struct Serving {
    key: String,
    reached: AtomicBool,
    told: Mutex<Told>,
}

/// What metrics say of it.
#[derive(Debug, Default)]
struct Told {
    /// `None` while nobody is told of it.
    up: Option<metrics::Up>,
    endpoints: i64,
}

impl Serving {
    pub(super) fn none(key: &str) -> Arc<Self> {
        Arc::new(Self {
            key: key.to_owned(),
            reached: AtomicBool::new(false),
            told: Mutex::default(),
        })
    }

    /// Whether one of its endpoints has answered since it was started.
    pub(super) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// One of its endpoints has answered.
    fn reach(&self) {
        if !self.reached.swap(true, Ordering::Relaxed) {
            self.tell();
        }
    }

    /// From now on metrics say whether it is up.
    pub(super) fn tell(&self) {
        let mut told = self.lock();
        let up = told.endpoints > 0;
        told.up.get_or_insert_with(|| metrics::Up::new(&self.key)).set(up);
    }

    fn add(&self, difference: i64) {
        let mut told = self.lock();
        told.endpoints += difference;
        if let Some(up) = &told.up {
            up.set(told.endpoints > 0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The state of an endpoint that serves, as metrics name it.
const SERVING: &str = "serving";

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) address: SocketAddr,
    /// The address as it was configured: what the adapter is called in requests.
    pub(super) origin: Uri,
    pub(super) breaker: Breaker,
    state: Mutex<State>,
    in_flight: AtomicUsize,
    reflect_again: Notify,
    shared: Shared,
    lifecycle: Lifecycle,
}

/// What is known of an endpoint now.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The connection; `None` when there is none, or when it is about to be replaced.
    pub(super) connection: Option<Arc<Connection>>,
    /// When the last connection was lost, or ended in good order.
    lost: Option<Instant>,
    /// Whether the service says that it serves.
    pub(crate) serving: bool,
    /// What it offers, by the present connection, or by the last one while that is replaced.
    pub(crate) reflection: Option<Arc<Reflection>>,
    /// Whether that was read by the present connection. Another process may listen at the address by now.
    confirmed: bool,
    /// What it offered last, held while it is away: whoever comes back as it was need not be understood anew, which takes a while.
    last_reflection: Option<Arc<Reflection>>,
    /// What it last said of itself.
    pub(crate) status: Option<GetStatusResponse>,
    /// Whether one attempt to reach it has come to an end, this way or that.
    pub(crate) tried: bool,
    /// Why it is not connected or not understood, without its address.
    pub(crate) problem: Option<String>,
    /// What it was last counted as.
    counted: Option<&'static str>,
}

impl State {
    /// Whether there is a connection that something was heard on.
    pub(crate) fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Whether it is known what is offered behind the present connection.
    fn is_understood(&self) -> bool {
        let takes_calls = self.connection.as_ref().is_some_and(|open| open.takes_calls());
        takes_calls && self.confirmed && self.reflection.is_some()
    }

    /// The part that the catalogue depends on.
    fn consequence(&self) -> Consequence {
        Consequence {
            connected: (self.is_connected(), self.confirmed),
            serving: self.serving,
            digest: self.reflection.as_ref().map(|reflection| reflection.digest),
            tried: self.tried,
            about: self
                .status
                .as_ref()
                .map(|status| (status.kind.clone(), status.description.clone())),
        }
    }
}

/// What the catalogue is made of, to see whether it has to be made anew.
#[derive(PartialEq, Eq)]
struct Consequence {
    /// Whether there is a connection, and whether it is known what is behind it.
    connected: (bool, bool),
    serving: bool,
    digest: Option<[u8; 32]>,
    tried: bool,
    /// Kind and description.
    about: Option<(String, String)>,
}

impl Endpoint {
    /// Starts to keep a connection, in a task of a part of `lifecycle`.
    pub(super) fn start(
        address: SocketAddr,
        origin: Uri,
        shared: Shared,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        let span = tracing::info_span!("endpoint", upstream = shared.key, %address);
        let endpoint = Arc::new(Self {
            address,
            origin,
            breaker: Breaker::default(),
            state: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            reflect_again: Notify::new(),
            shared,
            lifecycle: lifecycle.child(),
        });
        endpoint.count();
        let task = endpoint.clone();
        endpoint
            .lifecycle
            .spawn_until_stopped(async move { task.keep().await }.instrument(span));
        endpoint
    }

    /// Lets the connection go. Calls in flight end by themselves.
    pub(super) fn stop(&self) {
        self.lifecycle.stop();
    }

    /// What is known now.
    pub(crate) fn state(&self) -> State {
        self.lock().clone()
    }

    /// Whether it is connected, and it is known what it offers.
    pub(super) fn is_understood(&self) -> bool {
        self.lock().is_understood()
    }

    /// Whether its calls fail although it is connected, so that it gets none for a moment.
    pub(crate) fn is_broken(&self) -> bool {
        matches!(self.breaker.standing(), Standing::Open { .. })
    }

    /// Whether its connection ended that little ago, or is about to, and there is no other yet.
    pub(super) fn lost_within(&self, time: Duration) -> bool {
        let state = self.lock();
        let ending = state.connection.as_ref().is_some_and(|open| !open.takes_calls());
        ending || state.lost.is_some_and(|lost| lost.elapsed() < time)
    }

    /// The connection for a call of the RPC with this name, its version of it if it has one, and how good a choice it is: the less, the
    /// better. None before the adapter's tools are known by this connection: what a request of ours meant to it nobody could tell.
    pub(super) fn candidate(&self, rpc: &str) -> Option<(u8, Arc<Connection>, Option<Arc<Offer>>)> {
        let state = self.lock();
        if !state.is_understood() {
            return None;
        }
        let connection = state.connection.clone()?;
        let offer = state.reflection.as_ref()?.offer(rpc).cloned();
        Some((u8::from(!state.serving), connection, offer))
    }

    /// Calls in flight.
    pub(super) fn load(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a call until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// A call was answered.
    pub(super) fn succeeded(&self) {
        if self.breaker.succeeded() {
            self.switched("closed");
        }
    }

    /// A call failed in a way that tells of the endpoint.
    pub(super) fn failed(&self) {
        if self.breaker.failed() {
            self.switched("open");
        }
    }

    fn switched(&self, to: &'static str) {
        let (key, address) = (&self.shared.key, self.address);
        if to == "open" {
            tracing::warn!(upstream = key, %address, "the calls of an endpoint fail: it gets no more for a moment");
        } else {
            tracing::info!(upstream = key, %address, "an endpoint answers again");
        }
        metrics::UPSTREAM_BREAKER.add(1, &[metrics::upstream(key), metrics::to(to)]);
        self.count();
    }

    /// Looks soon at what the adapter offers: it surprised us.
    pub(super) fn reflect_soon(&self) {
        self.reflect_again.notify_one();
    }

    /// Asks the adapter for its status; gives it with the time that this took.
    pub(crate) async fn ask_status(&self) -> Option<(GetStatusResponse, Duration)> {
        let channel = self.lock().connection.as_ref()?.channel.clone();
        let (status, latency) = status::ask(channel).await?;
        self.lock().status = Some(status.clone());
        Some((status, latency))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the registry if that is of consequence to the catalogue, and calls that wait for a connection.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let before = state.consequence();
        change(&mut state);
        let after = state.consequence();
        drop(state);
        if after.connected.0 {
            self.shared.serving.reach();
        }
        if after != before {
            self.shared.changed.notify_one();
        }
        if after.connected == (true, true) {
            self.shared.connected.notify_waiters();
        }
        self.count();
    }

    /// Keeps the count of endpoints by state.
    fn count(&self) {
        let broken = self.is_broken();
        let mut state = self.lock();
        let now = match &*state {
            _ if self.lifecycle.is_stopping() => None,
            state if !state.is_connected() => Some("unreachable"),
            _ if broken => Some("broken"),
            state if state.serving => Some(SERVING),
            _ => Some("not_serving"),
        };
        if now == state.counted {
            return;
        }
        for (label, difference) in [(state.counted, -1), (now, 1)] {
            if let Some(label) = label {
                let attributes = [metrics::upstream(&self.shared.key), metrics::state(label)];
                metrics::UPSTREAM_ENDPOINTS.add(difference, &attributes);
                if label == SERVING {
                    self.shared.serving.add(difference);
                }
            }
        }
        state.counted = now;
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.lifecycle.stop();
        self.count();
    }
}

/// A call in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

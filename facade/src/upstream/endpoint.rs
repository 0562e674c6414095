//! One endpoint of an upstream: one address, one connection at a time, and the task that keeps it.

use std::error::Error as _;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Uri;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::adapter::v1::adapter_service_client::AdapterServiceClient;
use mcp_hub_proto::adapter::v1::{GetStatusRequest, GetStatusResponse};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::Channel;
use tracing::Instrument as _;

use super::health::{self, Gone};
use super::reflect::{Reflection, reflect};
use crate::tool::offer::Offer;

/// How long a connection may take to be made.
const CONNECT: Duration = Duration::from_secs(1);

/// A peer that vanished without a word is missed after these two together.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEP_ALIVE_TIMEOUT: Duration = Duration::from_secs(1);

/// The pauses between attempts to connect: doubled from the first to the last, so that a restarted adapter is back soon.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_millis(1500);

/// How often what an adapter offers is looked at again without cause, and how soon after a failure.
const REFLECT_AGAIN: Duration = Duration::from_mins(1);
const REFLECT_AFTER_FAILURE: Duration = Duration::from_secs(5);

/// The least time between two reflections, whoever asks for one.
const REFLECT_PAUSE: Duration = Duration::from_secs(1);

/// How long an adapter may take to tell its status.
const STATUS: Duration = Duration::from_secs(1);

/// The last reflection of an upstream, so that its endpoints share what they have in common.
pub(super) type Latest = Mutex<Option<Arc<Reflection>>>;

/// One endpoint.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(super) address: SocketAddr,
    /// The address as it was configured: what the adapter is called in requests.
    pub(super) origin: Uri,
    state: Mutex<State>,
    in_flight: AtomicUsize,
    reflect_again: Notify,
    changed: Arc<Notify>,
    latest: Arc<Latest>,
    lifecycle: Lifecycle,
}

/// What is known of an endpoint now.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// The connection; `None` when there is none.
    pub(crate) channel: Option<Channel>,
    /// Whether the service says that it serves.
    pub(crate) serving: bool,
    /// What it offers, by the present connection.
    pub(crate) reflection: Option<Arc<Reflection>>,
    /// What it last said of itself.
    pub(crate) status: Option<GetStatusResponse>,
    /// Whether one attempt to reach it has come to an end, this way or that.
    pub(crate) tried: bool,
    /// Why it is not connected or not understood, without its address.
    pub(crate) problem: Option<String>,
}

impl State {
    /// The part that the catalogue depends on.
    fn consequence(&self) -> Consequence {
        Consequence {
            connected: self.channel.is_some(),
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
    connected: bool,
    serving: bool,
    digest: Option<[u8; 32]>,
    tried: bool,
    /// Kind and description.
    about: Option<(String, String)>,
}

impl Endpoint {
    /// Starts to keep a connection, in a task of a part of `lifecycle`.
    pub(super) fn start(
        key: &str,
        address: SocketAddr,
        origin: Uri,
        changed: Arc<Notify>,
        latest: Arc<Latest>,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        let endpoint = Arc::new(Self {
            address,
            origin,
            state: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            reflect_again: Notify::new(),
            changed,
            latest,
            lifecycle: lifecycle.child(),
        });
        let task = endpoint.clone();
        let span = tracing::info_span!("endpoint", upstream = key, %address);
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

    /// The connection for a call of the RPC with this name, its version of it, and how good a choice it is: the less, the better.
    /// None before the adapter's tools are known: what a request of ours meant to it nobody could tell.
    pub(super) fn candidate(&self, rpc: &str) -> Option<(u8, Channel, Arc<Offer>)> {
        let state = self.lock();
        let channel = state.channel.clone()?;
        let offer = state.reflection.as_ref()?.offer(rpc)?.clone();
        Some((u8::from(!state.serving), channel, offer))
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

    /// Looks soon at what the adapter offers: it surprised us.
    pub(super) fn reflect_soon(&self) {
        self.reflect_again.notify_one();
    }

    /// Asks the adapter for its status; gives it with the time that this took.
    pub(crate) async fn ask_status(&self) -> Option<(GetStatusResponse, Duration)> {
        let channel = self.lock().channel.clone()?;
        let (status, latency) = ask_status(channel).await?;
        self.lock().status = Some(status.clone());
        Some((status, latency))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes the registry if that is of consequence to the catalogue.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        let before = state.consequence();
        change(&mut state);
        if state.consequence() != before {
            self.changed.notify_one();
        }
    }

    /// Connects again and again.
    async fn keep(&self) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.connect().await {
                Ok(channel) => {
                    let since = Instant::now();
                    let gone = self.serve(channel).await;
                    tracing::info!(reason = %gone, "an endpoint is gone");
                    self.update(|state| {
                        state.channel = None;
                        state.reflection = None;
                        state.serving = false;
                        state.tried = true;
                        state.problem = Some(gone.to_string());
                    });
                    if since.elapsed() > LAST_PAUSE {
                        pause = FIRST_PAUSE;
                    }
                }
                Err(problem) => {
                    tracing::debug!(problem, "an endpoint can't be reached");
                    self.update(|state| {
                        state.tried = true;
                        state.problem = Some(problem);
                    });
                }
            }
            // Jitter, so that replicas do not come back to a restarted adapter in step.
            sleep(pause.mul_f64(rand::random_range(0.75..1.25))).await;
            pause = (pause * 2).min(LAST_PAUSE);
        }
    }

    async fn connect(&self) -> Result<Channel, String> {
        let target = tonic::transport::Endpoint::from_shared(format!("http://{}", self.address))
            .map_err(|_| "its address can't be used".to_owned())?
            .origin(self.origin.clone())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEP_ALIVE_INTERVAL)
            .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        match timeout(CONNECT * 2, target.connect()).await {
            Ok(connected) => connected.map_err(|error| why(&error)),
            Err(_) => Err("no answer".to_owned()),
        }
    }

    /// Uses a connection until it is gone.
    async fn serve(&self, channel: Channel) -> Gone {
        let (name, mut named) = watch::channel(None::<String>);
        // Whoever accepts connections and then is silent would hold up calls: it gets none before it has said something.
        let alive = || {
            if self.lock().channel.is_none() {
                self.update(|state| {
                    state.channel = Some(channel.clone());
                    state.problem = Some("its tools are not known yet".to_owned());
                });
            }
        };
        let service = async {
            // The name is known after the first reflection.
            let name = match named.wait_for(Option::is_some).await {
                Ok(name) => name.clone().unwrap_or_default(),
                Err(_) => return Gone::Lost,
            };
            health::service(&channel, &name, |serving| {
                self.update(|state| state.serving = serving);
            })
            .await
        };
        tokio::select! {
            gone = health::process(&channel, alive) => gone,
            gone = service => gone,
            gone = self.keep_reflection(&channel, &name) => gone,
        }
    }

    /// Keeps what is known of the adapter's tools up to date; never returns while the connection is there.
    async fn keep_reflection(&self, channel: &Channel, name: &watch::Sender<Option<String>>) -> Gone {
        loop {
            let known: Vec<_> = self
                .latest
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .cloned()
                .collect();
            let pause = match reflect(channel, &known).await {
                Ok(reflection) => {
                    self.reflected(channel, reflection, name).await;
                    REFLECT_AGAIN
                }
                Err(error) => {
                    tracing::warn!(%error, "an adapter's tools can't be read");
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

    async fn reflected(
        &self,
        channel: &Channel,
        reflection: Arc<Reflection>,
        name: &watch::Sender<Option<String>>,
    ) {
        let digest = |known: &Arc<Reflection>| known.digest;
        if self.lock().reflection.as_ref().map(digest) == Some(reflection.digest) {
            self.update(|state| state.problem = None);
            return;
        }
        tracing::info!(tools = reflection.offers.len(), "an adapter's tools were read");
        for reason in &reflection.left_out {
            tracing::warn!(reason, "an RPC is no tool");
        }
        *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = Some(reflection.clone());
        let service = reflection.health_name().to_owned();
        name.send_if_modified(|name| {
            let first = name.is_none();
            if first {
                *name = Some(service);
            }
            first
        });
        let status = ask_status(channel.clone()).await;
        self.update(|state| {
            state.channel = Some(channel.clone());
            state.reflection = Some(reflection);
            state.status = status.map(|(status, _)| status).or(state.status.take());
            state.tried = true;
            state.problem = None;
        });
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

async fn ask_status(channel: Channel) -> Option<(GetStatusResponse, Duration)> {
    let start = Instant::now();
    let mut client = AdapterServiceClient::new(channel).max_decoding_message_size(64 * 1024);
    let answer = timeout(STATUS, client.get_status(GetStatusRequest {})).await;
    let status = answer.ok()?.ok()?.into_inner();
    Some((status, start.elapsed()))
}

/// Why there is no connection, without the address that the error names.
fn why(error: &tonic::transport::Error) -> String {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return match error.kind() {
                std::io::ErrorKind::ConnectionRefused => "the connection is refused",
                std::io::ErrorKind::ConnectionReset => "the connection was reset",
                std::io::ErrorKind::TimedOut => "no answer",
                std::io::ErrorKind::HostUnreachable | std::io::ErrorKind::NetworkUnreachable => {
                    "there is no route to it"
                }
                _ => "it can't be connected",
            }
            .to_owned();
        }
        source = error.source();
    }
    "it can't be connected".to_owned()
}

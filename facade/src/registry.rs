//! The registry: the upstreams at work, and the catalogue of what they offer.
//!
//! Whatever changes (a connection, an adapter's health, what it offers, the upstreams file) wakes one task, which builds the
//! [`Catalog`] anew and swaps it in; readers never wait for it, nor for an upstream.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::join_all;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, Lifecycle};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::auth::Principal;
use crate::metrics;
use crate::quiet::Quiet;
use crate::tool::Tool;
use crate::upstream::Upstreams;
use crate::upstream::backend::Backend;
use crate::watched::Watched;
use catalog::Part;
use own::Own;
use reload::touched;

mod catalog;
mod changes;
mod listing;
pub(crate) mod own;
mod reload;
mod report;
mod source;

pub use catalog::Catalog;
pub(crate) use changes::Follower;
pub use changes::{Changes, List};
pub use report::{ServiceReport, State};
pub(crate) use source::{Reader, Source};

/// The least time between two builds of the catalogue, however often upstreams change. The first change after a quiet time is seen at once.
const REBUILD_PAUSE: Duration = Duration::from_millis(50);

/// How long the first pass over the upstreams may take.
const FIRST_PASS: Duration = Duration::from_secs(3);

/// How the registry treats its upstreams.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// How long the tools and prompts of a service that can't be reached stay listed, in seconds.
    #[arg(
        long,
        env = "MCP_HUB_TOOLS_KEPT",
        value_name = "SECONDS",
        default_value_t = 3600
    )]
    pub tools_kept: u64,
}

/// The upstreams and the catalogue of what they offer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    backends: ArcSwap<BTreeMap<String, Arc<Backend>>>,
    catalog: ArcSwap<Catalog>,
    /// The facade's own tools.
    own: Vec<Arc<Tool>>,
    changes: watch::Sender<Changes>,
    ready: watch::Sender<bool>,
    notices: Mutex<BTreeMap<&'static str, String>>,
    changed: Arc<Notify>,
    kept: Duration,
    quiet: Quiet,
}

impl Registry {
    /// Connects to the upstreams, in tasks of `lifecycle`, and keeps the catalogue. Must be called inside a runtime.
    pub fn start(config: &Config, upstreams: Upstreams, lifecycle: &Lifecycle) -> Self {
        let shared = Arc::new_cyclic(|registry| Shared {
            backends: ArcSwap::default(),
            catalog: ArcSwap::default(),
            own: Own::all(registry).map(|own| Arc::new(Tool::own(own))).into(),
            changes: watch::Sender::default(),
            ready: watch::Sender::new(false),
            notices: Mutex::default(),
            changed: Arc::default(),
            kept: Duration::from_secs(config.tools_kept),
            quiet: Quiet::default(),
        });
        shared.apply(&upstreams, lifecycle);
        // So that the facade's own tools are there from the first moment.
        shared.rebuild(&mut HashMap::new());
        let keeper = shared.clone();
        let part = lifecycle.clone();
        lifecycle.spawn_until_stopped(async move { keeper.keep(upstreams, &part).await });
        Self { shared }
    }

    /// The catalogue as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.load_full()
    }

    /// Why a tool or prompt that `catalog` does not have may exist all the same: its name begins with the key of an upstream of which
    /// nothing was known. A replica that starts while an upstream is away knows less than clients, who keep their lists.
    pub(crate) fn undiscovered(&self, catalog: &Catalog, name: &str, caller: &Principal) -> Option<Fault> {
        let is_of = |backend: &Backend| {
            let rpc = name.strip_prefix(backend.key.as_str());
            rpc.is_some_and(|rpc| rpc.starts_with('_'))
        };
        self.unknown(catalog, caller, is_of)
    }

    /// The same of what an upstream has beside them.
    pub(crate) fn undiscovered_key(&self, catalog: &Catalog, key: &str, caller: &Principal) -> Option<Fault> {
        self.unknown(catalog, caller, |backend| backend.key == key)
    }

    /// Whether nothing was known of an upstream that exists for a caller, so that a list lacks what it has.
    pub(crate) fn lacks_some(&self, catalog: &Catalog, caller: &Principal) -> bool {
        self.unknown(catalog, caller, |backend| !backend.is_hidden())
            .is_some()
    }

    fn unknown(
        &self,
        catalog: &Catalog,
        caller: &Principal,
        is_it: impl Fn(&Backend) -> bool,
    ) -> Option<Fault> {
        let backends = self.shared.backends.load();
        let backend = backends.values().find(|backend| {
            let key = &backend.key;
            is_it(backend) && caller.knows(key) && !catalog.knows(key)
        })?;
        let message = format!(
            "{} can't be reached now, and what it offers is not known: {}",
            backend.key,
            backend.problem()
        );
        Some(Fault::new(Reason::UpstreamUnavailable, message))
    }

    /// Tells how often each list, or an entry of it, has changed.
    pub fn changes(&self) -> watch::Receiver<Changes> {
        self.shared.changes.subscribe()
    }

    /// The same for one client, from now on.
    pub(crate) fn follow(&self) -> Follower {
        Follower::new(self.changes())
    }

    /// Whether the first pass over the upstreams is over: each was understood, or has failed. Never false again.
    pub fn ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Waits for the end of the first pass, which takes 3 s at most.
    pub async fn first_pass(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// What is known of each upstream, asked now where it can be asked. Takes a second at most.
    pub async fn services(&self) -> Vec<ServiceReport> {
        self.services_of(&Principal::anybody()).await
    }

    /// The same of those upstreams that exist for a caller.
    pub(crate) async fn services_of(&self, caller: &Principal) -> Vec<ServiceReport> {
        let (backends, catalog) = (self.shared.backends.load_full(), self.catalog());
        let is_known = |backend: &&Arc<Backend>| caller.knows(&backend.key) && !backend.is_hidden();
        let known = backends.values().filter(is_known);
        let reports = known.map(|backend| ServiceReport::of(backend, &catalog));
        let mut reports = join_all(reports).await;
        if !caller.knows_all() {
            // A tool may have been left out for that of an upstream that does not exist for the caller.
            for report in &mut reports {
                report.left_out.clear();
            }
        }
        reports
    }

    /// Says something about the whole server to whoever asks for its health: a risk, a mistake. `topic` tells which one it replaces.
    pub fn notice(&self, topic: &'static str, sentence: impl Into<String>) {
        self.shared.notice(topic, Some(sentence.into()));
    }

    /// Takes back what was said on a topic.
    pub fn retract(&self, topic: &'static str) {
        self.shared.notice(topic, None);
    }

    pub(crate) fn notices(&self) -> Vec<String> {
        let notices = self.shared.notices.lock().unwrap_or_else(PoisonError::into_inner);
        notices.values().cloned().collect()
    }
}

impl Shared {
    fn notice(&self, topic: &'static str, sentence: Option<String>) {
        let mut notices = self.notices.lock().unwrap_or_else(PoisonError::into_inner);
        match sentence {
            Some(sentence) => notices.insert(topic, sentence),
            None => notices.remove(topic),
        };
    }

    /// Starts, changes and stops upstreams until they are those of the settings.
    fn apply(&self, upstreams: &Upstreams, lifecycle: &Lifecycle) {
        let before = self.backends.load_full();
        let mut backends = BTreeMap::new();
        for (key, settings) in upstreams.entries() {
            let backend = if let Some(backend) = before.get(key) {
                backend.configure(settings.clone());
                backend.clone()
            } else {
                Backend::start(key, settings.clone(), self.changed.clone(), lifecycle)
            };
            backends.insert(key.clone(), backend);
        }
        for (key, backend) in before.iter() {
            if !backends.contains_key(key) {
                backend.stop();
            }
        }
        self.backends.store(Arc::new(backends));
    }

    /// Keeps the catalogue.
    async fn keep(&self, mut upstreams: Upstreams, lifecycle: &Lifecycle) {
        let started = Instant::now();
        let mut file = upstreams.file().map(Watched::new);
        // Since when nothing is known of an upstream that was known.
        let mut gone: HashMap<String, Instant> = HashMap::new();
        loop {
            // Asked first: what is understood only while the catalogue is made may not be in it yet.
            let settled = self.backends.load().values().all(|backend| backend.settled());
            let due = self.rebuild(&mut gone);
            let rebuilt = Instant::now();
            if settled || started.elapsed() >= FIRST_PASS {
                let first = self
                    .ready
                    .send_if_modified(|ready| !std::mem::replace(ready, true));
                if first {
                    self.tell_missing();
                }
            }
            let first_pass = (!*self.ready.borrow()).then_some(started + FIRST_PASS);
            let expiry = gone
                .values()
                .map(|since| *since + self.kept)
                .filter(|end| *end > Instant::now());
            let wake = expiry.chain(first_pass).chain(due).min();
            tokio::select! {
                () = self.changed.notified() => {}
                () = until(wake) => {}
                () = touched(&mut file) => self.reload(&mut upstreams, lifecycle).await,
            }
            sleep_until(rebuilt + REBUILD_PAUSE).await;
        }
    }

    /// Says of which upstreams nothing is known when lists are given to clients for the first time.
    fn tell_missing(&self) {
        let catalog = self.catalog.load();
        for backend in self.backends.load().values() {
            let (upstream, problem) = (&backend.key, backend.problem());
            if backend.is_hidden() {
                tracing::info!(
                    upstream,
                    problem,
                    "an optional upstream is not there: it is not shown until it is"
                );
            } else if !catalog.knows(upstream) {
                tracing::warn!(
                    upstream,
                    problem,
                    "all lists lack what an upstream has until it is there"
                );
            }
        }
    }

    /// Makes the catalogue anew. Gives the time when it has to be made again though nothing happens, if there is one.
    fn rebuild(&self, gone: &mut HashMap<String, Instant>) -> Option<Instant> {
        let backends = self.backends.load_full();
        gone.retain(|key, _| backends.contains_key(key));
        let mut due = None;
        let shown = backends.values().filter(|backend| !backend.is_hidden());
        let parts = shown.map(|backend| {
            let (deciding, all) = backend.reflections();
            let (resources, wait) = backend.resources().version(backend.is_serving());
            due = due
                .into_iter()
                .chain(wait.map(|wait| Instant::now() + wait))
                .min();
            let keep = if deciding.is_empty() {
                let since = *gone.entry(backend.key.clone()).or_insert_with(Instant::now);
                since.elapsed() < self.kept
            } else {
                gone.remove(&backend.key);
                true
            };
            Part {
                backend: backend.clone(),
                deciding,
                all,
                keep,
                resources,
            }
        });
        let parts: Vec<Part> = parts.collect();
        let before = self.catalog.load_full();
        let catalog = Catalog::build(&before, &parts, &self.own);
        let changed = catalog.changes(&before);
        if !changed.is_empty() {
            metrics::CATALOGUE_CHANGES.add(1, &[]);
            if let Some(line) = self.quiet.line() {
                let (tools, prompts) = (catalog.tools().len(), catalog.prompts().len());
                let unwritten = line.unwritten;
                tracing::info!(?changed, tools, prompts, unwritten, "what is offered changed");
            }
        }
        for backend in backends.values() {
            let reasons = catalog.left_out(&backend.key);
            if !reasons.is_empty()
                && reasons != before.left_out(&backend.key)
                && let Some(line) = backend.quiet().line()
            {
                let reasons = reasons.join("; ");
                tracing::warn!(
                    upstream = backend.key,
                    reasons,
                    unwritten = line.unwritten,
                    "RPCs are not offered"
                );
            }
        }
        self.catalog.store(Arc::new(catalog));
        if !changed.is_empty() {
            self.changes
                .send_modify(|changes| changed.iter().for_each(|list| changes.count(*list)));
        }
        due
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_catalogue_is_made_anew_only_so_often() {
        let config = Config { tools_kept: 3600 };
        let registry = Registry::start(&config, Upstreams::default(), &Lifecycle::new());
        registry.first_pass().await;
        let (mut last, mut made) = (registry.catalog(), 0);
        for _ in 0..1000 {
            registry.shared.changed.notify_one();
            tokio::time::sleep(Duration::from_millis(1)).await;
            let now = registry.catalog();
            made += usize::from(!Arc::ptr_eq(&now, &last));
            last = now;
        }
        assert!((15..=25).contains(&made), "{made} times in a second");
    }
}

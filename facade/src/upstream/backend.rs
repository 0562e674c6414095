//! One upstream at work: its endpoints, found again and again, and the limits of its calls.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_hub_chassis::Lifecycle;
use mcp_hub_proto::adapter::v1::GetStatusResponse;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::Upstream;
use super::call::admission::Admission;
use super::endpoint::{Endpoint, Serving, Shared, State};
use super::file::MAX_DESCRIPTION;
use super::reflect::Reflection;
use super::resources::ResourceList;
use crate::quiet::Quiet;
use names::{Answer, Resolver};

mod names;

/// How often names are resolved again: a new replica gets work, and one that was removed gets none, within this time and what the name
/// server takes to know.
const RESOLVE_AGAIN: Duration = Duration::from_secs(3);

/// How many answers in a row have to be without an address before it is given up: the name server of a cluster may be late.
const MISSES: u32 = 3;

/// How many endpoints one upstream may have.
const MAX_ENDPOINTS: usize = 64;

/// One upstream at work.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) key: String,
    pub(super) limits: ArcSwap<Limits>,
    pub(super) turn: AtomicUsize,
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    /// Why no endpoint is known, when none is.
    unresolved: Mutex<Option<String>>,
    /// What an adapter last said of itself, kept while none can be asked.
    status: Mutex<Option<GetStatusResponse>>,
    settings_changed: Notify,
    /// Told whenever an endpoint is connected.
    pub(super) connected: Arc<Notify>,
    shared: Shared,
    /// Whether it was told that there are more addresses than are used.
    too_many: AtomicBool,
    lifecycle: Lifecycle,
}

/// The settings of an upstream and what follows from them.
#[derive(Debug)]
pub(crate) struct Limits {
    pub(crate) settings: Upstream,
    pub(super) admission: Arc<Admission>,
}

impl Backend {
    /// Starts to look for endpoints, in a task of a part of `lifecycle`; `changed` is told whenever anything is different.
    pub(crate) fn start(
        key: &str,
        settings: Upstream,
        changed: Arc<Notify>,
        lifecycle: &Lifecycle,
    ) -> Arc<Self> {
        Self::start_with(key, settings, changed, lifecycle, names::system())
    }

    fn start_with(
        key: &str,
        settings: Upstream,
        changed: Arc<Notify>,
        lifecycle: &Lifecycle,
        resolver: Resolver,
    ) -> Arc<Self> {
        let admission = Admission::new(settings.concurrency);
        let connected = Arc::<Notify>::default();
        let backend = Arc::new(Self {
            key: key.to_owned(),
            limits: ArcSwap::from_pointee(Limits { settings, admission }),
            turn: AtomicUsize::new(0),
            endpoints: ArcSwap::default(),
            unresolved: Mutex::default(),
            status: Mutex::default(),
            settings_changed: Notify::new(),
            connected: connected.clone(),
            shared: Shared {
                key: key.to_owned(),
                changed,
                connected,
                versions: Arc::default(),
                resources: Arc::default(),
                serving: Serving::none(key),
                quiet: Arc::default(),
            },
            too_many: AtomicBool::new(false),
            lifecycle: lifecycle.child(),
        });
        backend.tell();
        let task = backend.clone();
        backend
            .lifecycle
            .spawn_until_stopped(async move { task.resolve(&resolver).await });
        backend
    }

    /// Ends all connections. Calls in flight end by themselves.
    pub(crate) fn stop(&self) {
        self.lifecycle.stop();
    }

    /// The settings in force.
    pub(crate) fn settings(&self) -> Upstream {
        self.limits.load().settings.clone()
    }

    /// What is in it: the operator's words at this end, or else those that the adapter was given, in one line and not without end.
    pub(crate) fn description(&self) -> String {
        let own = self.settings().description;
        if !own.is_empty() {
            return own;
        }
        let told = self.status().unwrap_or_default().description;
        let words: Vec<&str> = told.split_whitespace().collect();
        words.join(" ").chars().take(MAX_DESCRIPTION).collect()
    }

    /// Puts other settings in force, if they are others.
    pub(crate) fn configure(&self, settings: Upstream) {
        let before = self.limits.load();
        if before.settings != settings {
            // Calls under way stay counted where their number stays as it is.
            let admission = if before.settings.concurrency == settings.concurrency {
                before.admission.clone()
            } else {
                Admission::new(settings.concurrency)
            };
            self.limits.store(Arc::new(Limits { settings, admission }));
            self.settings_changed.notify_one();
            self.tell();
        }
    }

    /// Whether nobody is to hear of it: it may be that it does not exist, and none of its endpoints has answered yet.
    pub(crate) fn is_hidden(&self) -> bool {
        self.limits.load().settings.optional && !self.shared.serving.is_reached()
    }

    /// Has metrics say whether it is up, once that is a question.
    fn tell(&self) {
        if !self.is_hidden() {
            self.shared.serving.tell();
        }
    }

    /// How much may still be written to the log about it.
    pub(crate) fn quiet(&self) -> &Quiet {
        &self.shared.quiet
    }

    /// What is known of its list of resources.
    pub(crate) fn resources(&self) -> &ResourceList {
        &self.shared.resources
    }

    /// Whether an endpoint can be asked and says that it serves.
    pub(crate) fn is_serving(&self) -> bool {
        let endpoints = self.endpoints.load();
        endpoints
            .iter()
            .any(|endpoint| endpoint.is_understood() && endpoint.state().serving)
    }

    /// The endpoints, sorted by address.
    pub(crate) fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// What the endpoints offer that decide on the list of tools, and what all of them offer that can be called: where some serve,
    /// those alone decide.
    pub(crate) fn reflections(&self) -> (Vec<Arc<Reflection>>, Vec<Arc<Reflection>>) {
        let states: Vec<State> = self
            .endpoints
            .load()
            .iter()
            .map(|endpoint| endpoint.state())
            .collect();
        let known = |state: &State| state.reflection.clone();
        let serving: Vec<_> = states
            .iter()
            .filter(|state| state.serving)
            .filter_map(known)
            .collect();
        let all: Vec<_> = states.iter().filter_map(known).collect();
        (if serving.is_empty() { all.clone() } else { serving }, all)
    }

    /// Whether the first attempt to reach it is over: one endpoint is understood, or all have failed, or there is none.
    pub(crate) fn settled(&self) -> bool {
        let states: Vec<State> = self
            .endpoints
            .load()
            .iter()
            .map(|endpoint| endpoint.state())
            .collect();
        if states.is_empty() {
            return self.unresolved().is_some();
        }
        states.iter().any(|state| state.reflection.is_some()) || states.iter().all(|state| state.tried)
    }

    /// Why it can't be used, without an address.
    pub(crate) fn problem(&self) -> String {
        let endpoints = self.endpoints.load();
        let mut problems = endpoints.iter().filter_map(|endpoint| endpoint.state().problem);
        self.unresolved()
            .or_else(|| problems.next())
            .unwrap_or_else(|| "it is not connected yet".to_owned())
    }

    /// What an adapter last said of itself.
    pub(crate) fn status(&self) -> Option<GetStatusResponse> {
        let endpoints = self.endpoints.load();
        let latest = endpoints.iter().find_map(|endpoint| endpoint.state().status);
        let mut kept = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.is_some() {
            *kept = latest;
        }
        kept.clone()
    }

    fn unresolved(&self) -> Option<String> {
        self.unresolved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Finds the endpoints again and again.
    async fn resolve(&self, resolver: &Resolver) {
        let mut misses: HashMap<SocketAddr, u32> = HashMap::new();
        loop {
            let answer = Answer::of(&self.settings().addresses, resolver).await;
            self.apply(&answer, &mut misses);
            let _ = timeout(RESOLVE_AGAIN, self.settings_changed.notified()).await;
        }
    }

    fn apply(&self, answer: &Answer, misses: &mut HashMap<SocketAddr, u32>) {
        let before = self.endpoints.load_full();
        let mut endpoints: Vec<Arc<Endpoint>> = Vec::new();
        for endpoint in before.iter() {
            let address = endpoint.address;
            let keep = if answer.found.get(&address) == Some(&endpoint.origin) {
                misses.remove(&address);
                true
            } else if answer.failed.contains(&endpoint.origin) {
                // No answer is no reason to let a good connection go.
                true
            } else if answer.names.contains(&endpoint.origin) {
                let misses = misses.entry(address).or_default();
                *misses += 1;
                *misses < MISSES
            } else {
                false
            };
            if keep {
                endpoints.push(endpoint.clone());
            } else {
                misses.remove(&address);
                endpoint.stop();
            }
        }
        let mut unused = 0;
        for (address, origin) in &answer.found {
            let known = endpoints.iter().any(|endpoint| endpoint.address == *address);
            if known {
                continue;
            }
            if endpoints.len() < MAX_ENDPOINTS {
                let (origin, shared) = (origin.clone(), self.shared.clone());
                endpoints.push(Endpoint::start(*address, origin, shared, &self.lifecycle));
            } else {
                unused += 1;
            }
        }
        if self.too_many.swap(unused > 0, Ordering::Relaxed) != (unused > 0) && unused > 0 {
            let upstream = &self.key;
            tracing::warn!(
                upstream,
                unused,
                "an upstream has more than {MAX_ENDPOINTS} addresses: the others are not used"
            );
        }
        endpoints.sort_by_key(|endpoint| endpoint.address);
        let unresolved = endpoints
            .is_empty()
            .then(|| "its name can't be resolved".to_owned());
        *self.unresolved.lock().unwrap_or_else(PoisonError::into_inner) = unresolved;
        let addresses = |endpoints: &[Arc<Endpoint>]| endpoints.iter().map(|e| e.address).collect::<Vec<_>>();
        if endpoints.is_empty() || addresses(&endpoints) != addresses(&before) {
            self.endpoints.store(Arc::new(endpoints));
            self.shared.changed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;

    fn answer(found: &[&str], named: bool, failed: bool) -> Answer {
        let name: Uri = "http://adapter:50051".parse().expect("a URI");
        Answer {
            found: found
                .iter()
                .map(|address| (address.parse().expect("an address"), name.clone()))
                .collect(),
            names: named.then(|| name.clone()).into_iter().collect(),
            failed: failed.then_some(name).into_iter().collect(),
        }
    }

    #[tokio::test]
    async fn an_address_goes_when_the_name_server_says_so_again_and_again() {
        let lifecycle = Lifecycle::new();
        let upstream = Upstream::at("http://adapter.invalid:50051");
        let backend = Backend::start("shop", upstream, Arc::default(), &lifecycle);
        // From here on only this test applies answers.
        backend.stop();
        let misses = &mut HashMap::new();
        let mut apply = |answer: Answer| {
            backend.apply(&answer, misses);
            let endpoints = backend.endpoints();
            endpoints
                .iter()
                .map(|endpoint| endpoint.address.to_string())
                .collect::<Vec<_>>()
        };
        let (one, two) = ("127.0.0.1:1", "127.0.0.2:1");
        assert_eq!(apply(answer(&[two, one], true, false)), [one, two]);
        // No answer says nothing.
        for _ in 0..5 {
            assert_eq!(apply(answer(&[], false, true)), [one, two]);
        }
        // Missed twice, then seen again: it starts anew.
        for _ in 0..2 {
            assert_eq!(apply(answer(&[one], true, false)), [one, two]);
        }
        assert_eq!(apply(answer(&[one, two], true, false)), [one, two]);
        for _ in 0..2 {
            assert_eq!(apply(answer(&[one], true, false)), [one, two]);
        }
        assert_eq!(apply(answer(&[one], true, false)), [one]);
        // An address that is not configured any more goes at once.
        assert!(apply(Answer::default()).is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_is_asked_again_and_leads_to_more_and_to_fewer_addresses() {
        let answer = Arc::new(Mutex::new(vec![]));
        let answers = answer.clone();
        let resolver: Resolver = Arc::new(move |host, port| {
            assert_eq!((host.as_str(), port), ("adapter.test", 50051));
            let found = answers.lock().expect("unpoisoned").clone();
            Box::pin(async move { Ok(found) })
        });
        let lifecycle = Lifecycle::new();
        let upstream = Upstream::at("http://adapter.test:50051");
        let backend = Backend::start_with("shop", upstream, Arc::default(), &lifecycle, resolver);
        let leads_to = async |addresses: Vec<SocketAddr>, expected: usize, within: Duration| {
            answer.lock().expect("unpoisoned").clone_from(&addresses);
            mcp_hub_testing::eventually(within, async || {
                let endpoints = backend.endpoints();
                let all = endpoints.iter().all(|known| addresses.contains(&known.address));
                let count = endpoints.len();
                (all && count == expected)
                    .then_some(())
                    .ok_or(format!("{count} endpoints"))
            })
            .await;
        };
        let soon = RESOLVE_AGAIN + Duration::from_millis(100);
        let at = |text: &str| text.parse::<SocketAddr>().expect("an address");
        // The name does not exist before the adapter does.
        leads_to(vec![], 0, soon).await;
        leads_to(vec![at("127.0.0.1:1")], 1, soon).await;
        leads_to(vec![at("127.0.0.1:1"), at("127.0.0.2:1"), at("[::1]:1")], 3, soon).await;
        // More than are used: those that were there stay.
        let before = backend.endpoints();
        let mut many: Vec<SocketAddr> = (1..=80)
            .map(|index| SocketAddr::from(([127, 0, 1, index], 1)))
            .collect();
        many.extend(before.iter().map(|endpoint| endpoint.address));
        leads_to(many, MAX_ENDPOINTS, soon).await;
        let endpoints = backend.endpoints();
        let stayed = |old: &Arc<Endpoint>| endpoints.iter().any(|endpoint| Arc::ptr_eq(endpoint, old));
        assert!(before.iter().all(stayed));
        // Fewer: believed when it is said again and again.
        leads_to(vec![at("127.0.0.2:1")], 1, RESOLVE_AGAIN * (MISSES + 1)).await;
        lifecycle.stop();
    }
}

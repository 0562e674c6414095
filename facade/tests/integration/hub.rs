//! A registry under test, and short ways to use it.

use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::Lifecycle;
use mcp_hub_facade::outcome::Outcome;
use mcp_hub_facade::registry::{Config, Registry, ServiceReport};
use mcp_hub_facade::tool::{Call, Tool};
use mcp_hub_facade::upstream::{Upstream, Upstreams};
use mcp_hub_testing::eventually;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How soon the list follows.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A registry that ends with its test.
pub(crate) struct Hub {
    pub(crate) registry: Registry,
    pub(crate) lifecycle: Lifecycle,
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.lifecycle.stop();
    }
}

impl Hub {
    /// A registry of upstreams, after its first pass.
    pub(crate) async fn of(upstreams: &[(&str, String)]) -> Self {
        Self::with(upstreams, |_| {}).await
    }

    /// The same with other settings of the upstreams.
    pub(crate) async fn with(upstreams: &[(&str, String)], change: impl Fn(&mut Upstream)) -> Self {
        let mut all = Upstreams::default();
        for (key, address) in upstreams {
            let mut upstream = Upstream::at(address);
            change(&mut upstream);
            all.add(key, upstream).expect("a usable upstream");
        }
        Self::start(all, 3600).await
    }

    /// A registry of given upstreams, after its first pass.
    pub(crate) async fn start(upstreams: Upstreams, tools_kept: u64) -> Self {
        let lifecycle = Lifecycle::new();
        let registry = Registry::start(&Config { tools_kept }, upstreams, &lifecycle);
        tokio::time::timeout(SOON, registry.first_pass())
            .await
            .expect("the first pass ends");
        Self { registry, lifecycle }
    }

    /// The names of the listed tools, the facade's own left out.
    pub(crate) fn names(&self) -> Vec<String> {
        let catalog = self.registry.catalog();
        let tools = catalog.tools().iter().filter(|tool| tool.upstream.is_some());
        tools.map(|tool| tool.name.clone()).collect()
    }

    /// Waits until exactly these tools are listed.
    pub(crate) async fn lists(&self, names: &[&str]) {
        eventually(SOON, async || {
            let listed = self.names();
            if listed == names {
                Ok(())
            } else {
                Err(format!("listed are {listed:?}"))
            }
        })
        .await;
    }

    /// A tool that can be called.
    pub(crate) fn tool(&self, name: &str) -> Arc<Tool> {
        self.registry.catalog().tool(name).expect("a callable tool")
    }

    /// Calls a tool with arguments given as JSON.
    pub(crate) async fn call(&self, name: &str, arguments: serde_json::Value) -> Outcome {
        let serde_json::Value::Object(arguments) = arguments else {
            panic!("arguments are an object");
        };
        self.tool(name).call(arguments, call()).await
    }

    /// What is known of one upstream.
    pub(crate) async fn service(&self, key: &str) -> ServiceReport {
        let services = self.registry.services().await;
        services
            .into_iter()
            .find(|service| service.key == key)
            .expect("a known upstream")
    }

    /// Calls a tool again and again for a time, with no call failing: how long the middle and the longest call took.
    pub(crate) async fn latency(&self, tool: &str, time: Duration) -> (Duration, Duration) {
        let started = Instant::now();
        let mut times = vec![];
        while started.elapsed() < time {
            let start = Instant::now();
            let outcome = self.call(tool, json!({})).await;
            assert!(!outcome.is_error, "{}", outcome.text);
            times.push(start.elapsed());
            // A client that thinks.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        times.sort();
        (times[times.len() / 2], times[times.len() - 1])
    }
}

/// The circumstances of a call that nobody hurries.
pub(crate) fn call() -> Call {
    Call {
        deadline: Instant::now() + Duration::from_secs(30),
        cancelled: CancellationToken::new(),
        progress: None,
    }
}

/// The value of a metric of this process by its line, names and attributes as Prometheus reads them; 0 where it was never counted.
pub(crate) fn metric(line: &str) -> i64 {
    let text = mcp_hub_chassis::metrics::text();
    let found = text.lines().find_map(|found| found.strip_prefix(line));
    found.map_or(0, |value| value.trim().parse().expect("a whole number"))
}

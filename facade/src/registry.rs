//! The catalogue of tools, and what is known of the services behind it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_hub_chassis::Lifecycle;
use tokio::sync::watch;

use crate::tool::Tool;
use crate::upstream::Upstreams;

/// How the registry treats its upstreams.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// How long the tools of a service that can't be reached stay listed, in seconds.
    #[arg(
        long,
        env = "MCP_HUB_TOOLS_KEPT",
        value_name = "SECONDS",
        default_value_t = 3600
    )]
    pub tools_kept: u64,
}

/// The upstreams and the catalogue of their tools. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Registry {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    catalog: ArcSwap<Catalog>,
    changes: watch::Sender<u64>,
    ready: watch::Sender<bool>,
}

impl Registry {
    /// Connects to the upstreams, in tasks of `lifecycle`, and keeps the catalogue.
    pub fn start(config: &Config, upstreams: Upstreams, lifecycle: &Lifecycle) -> Self {
        let _ = (config, upstreams, lifecycle);
        Self {
            shared: Arc::new(Shared {
                catalog: ArcSwap::default(),
                changes: watch::Sender::new(0),
                ready: watch::Sender::new(true),
            }),
        }
    }

    /// The catalogue as it is now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.shared.catalog.load_full()
    }

    /// Tells when the list of tools, or one of them, changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Whether the first pass over the upstreams is over: each was reflected, or has failed. Never false again.
    pub fn ready(&self) -> bool {
        *self.shared.ready.borrow()
    }

    /// Waits for the end of the first pass.
    pub async fn first_pass(&self) {
        // The sender lives as long as `self`.
        let _ = self.shared.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// What is known of each upstream, asked now where it can be asked. Takes a second at most.
    pub async fn services(&self) -> Vec<ServiceReport> {
        vec![]
    }
}

/// The tools at one moment.
#[derive(Debug, Default)]
pub struct Catalog {
    listed: Vec<Arc<Tool>>,
    instructions: String,
}

impl Catalog {
    /// The listed tools, sorted by name. The facade's own are among them.
    pub fn tools(&self) -> &[Arc<Tool>] {
        &self.listed
    }

    /// A tool by its name. During a roll-out a tool that is not listed any more, or not yet, can still be called.
    pub fn tool(&self, name: &str) -> Option<Arc<Tool>> {
        self.listed.iter().find(|tool| tool.name == name).cloned()
    }

    /// What the server says of itself to a model: which databases there are.
    pub fn instructions(&self) -> &str {
        &self.instructions
    }
}

/// One upstream as `list_services` and the hub's start-up table show it.
#[derive(Clone, Debug, serde::Serialize, PartialEq)]
pub struct ServiceReport {
    /// Its key.
    pub key: String,
    /// The kind of database; empty until the adapter has been reached once.
    pub kind: String,
    /// The operator's description.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The product and its version; empty until the database has been reached once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub product: String,
    /// "serving", "unavailable" (the database), "unreachable" (the adapter) or "incompatible".
    pub state: String,
    /// Why it does not serve, without address or password; empty when it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// "read only" or "read write"; empty until the adapter has been reached once.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mode: String,
    /// What the login may do beyond what the mode needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub posture: Vec<String>,
    /// How many tools it has in the catalogue.
    pub tools: usize,
    /// Tools that were left out, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How long the adapter took to tell its status, in milliseconds; absent when it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<f64>,
}

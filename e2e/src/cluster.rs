//! Replicas of the facade in processes of their own, behind a proxy that knows no affinity.

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use mcp_hub_testing::{eventually, free_port};
use serde_json::json;
use tempfile::TempDir;

use crate::http;
use crate::process::Exit;
use crate::proxy::Proxy;
use crate::replica::Replica;
use crate::rpc::ask;

/// How long the catalogues may take to have what they shall have.
const DEADLINE: Duration = Duration::from_secs(30);

/// What a [`Cluster`] is made of.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    /// How many replicas of the facade.
    pub replicas: usize,
    /// The upstreams file, which all share.
    pub upstreams: String,
    /// The tokens file, which all share; without, nobody is asked.
    pub tokens: Option<String>,
    /// What the facades get beside that.
    pub environment: Vec<(&'static str, String)>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            replicas: 3,
            upstreams: String::new(),
            tokens: None,
            environment: Vec::new(),
        }
    }
}

/// A session key, as a line of the file of them.
#[derive(Clone, Debug)]
pub struct SessionKey(String);

impl SessionKey {
    /// Its name.
    pub fn name(&self) -> &str {
        self.0.split(':').next().unwrap_or_default()
    }

    /// A new key of this name.
    pub fn new(name: &str) -> Self {
        let random = RandomState::new();
        let bytes: Vec<u8> = (0..4_u8)
            .flat_map(|part| random.hash_one(part).to_be_bytes())
            .collect();
        Self(format!("{name}:{}", BASE64_STANDARD.encode(bytes)))
    }
}

/// Replicas of the facade behind a [`Proxy`]. All ends with this value.
#[derive(Debug)]
pub struct Cluster {
    key: SessionKey,
    replicas: Vec<Replica>,
    metrics: Vec<SocketAddr>,
    proxy: Proxy,
    folder: TempDir,
}

impl Cluster {
    /// Starts the facades and the proxy, and waits until each is ready. The adapters are the caller's. `None` when there is no proxy:
    /// [`required`](mcp_hub_testing::required) has been called.
    ///
    /// # Panics
    ///
    /// When something is there but does not start.
    pub async fn start(options: &ClusterOptions) -> Option<Self> {
        let addresses = |count: usize| -> Vec<SocketAddr> {
            (0..count)
                .map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())))
                .collect()
        };
        let doors = addresses(options.replicas);
        let (relays, metrics) = (addresses(options.replicas), addresses(options.replicas));
        let proxy = Proxy::start(&doors).await?;

        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name).display().to_string();
        replace(&folder.path().join(UPSTREAMS), &options.upstreams);
        let mut shared = vec![
            ("MCP_HUB_UPSTREAMS", file(UPSTREAMS)),
            ("MCP_HUB_SESSION_KEYS_FILE", file(KEYS)),
            ("MCP_HUB_TRUSTED_PROXIES", Ipv4Addr::LOCALHOST.to_string()),
            // Each is among its own peers, as with the name of a headless Service.
            (
                "MCP_HUB_PEERS",
                relays
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
            ),
        ];
        if let Some(tokens) = &options.tokens {
            replace(&folder.path().join(TOKENS), tokens);
            shared.push(("MCP_HUB_TOKENS_FILE", file(TOKENS)));
        }
        shared.extend(options.environment.iter().cloned());

        let replicas = doors
            .iter()
            .zip(&relays)
            .zip(&metrics)
            .map(|((door, relay), metrics)| {
                let own = [
                    ("MCP_HUB_LISTEN", door.to_string()),
                    ("MCP_HUB_RELAY_LISTEN", relay.to_string()),
                    ("MCP_HUB_METRICS_LISTEN", metrics.to_string()),
                ];
                let environment = own.into_iter().chain(shared.iter().cloned());
                Replica::facade(
                    *door,
                    environment
                        .map(|(name, value)| (name.to_owned(), value))
                        .collect(),
                )
            });
        let mut cluster = Self {
            key: SessionKey::new("first"),
            replicas: replicas.collect(),
            metrics,
            proxy,
            folder,
        };
        cluster.set_keys(&[&cluster.key]);
        for replica in &mut cluster.replicas {
            replica.launch();
        }
        for replica in &cluster.replicas {
            replica.up().await;
        }
        Some(cluster)
    }

    /// A URL of the proxy: `url("/sse")`.
    pub fn url(&self, path: &str) -> String {
        self.proxy.url(path)
    }

    /// A URL of one replica.
    ///
    /// # Panics
    ///
    /// When there is no such replica.
    pub fn replica_url(&self, index: usize, path: &str) -> String {
        format!("{}{path}", self.replicas[index].url())
    }

    /// Where one replica has its metrics.
    ///
    /// # Panics
    ///
    /// When there is no such replica.
    pub fn metrics_address(&self, index: usize) -> SocketAddr {
        self.metrics[index]
    }

    /// The proxy.
    pub fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    /// The replicas of the facade.
    pub fn replicas(&self) -> &[Replica] {
        &self.replicas
    }

    /// One replica, to be ended or started.
    ///
    /// # Panics
    ///
    /// When there is no such replica.
    pub fn replica(&mut self, index: usize) -> &mut Replica {
        &mut self.replicas[index]
    }

    /// Ends a replica without a word (SIGKILL).
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn kill(&mut self, index: usize) -> Exit {
        self.replicas[index].kill().await
    }

    /// Asks a replica to end (SIGTERM), and waits until it has.
    ///
    /// # Panics
    ///
    /// When it does not run, or does not end.
    pub async fn terminate(&mut self, index: usize) -> Exit {
        self.replicas[index].terminate().await
    }

    /// Starts a replica again on the same ports, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it runs, or is not ready in time.
    pub async fn restart(&mut self, index: usize) {
        self.replicas[index].restart().await;
    }

    /// The session key that the replicas began with.
    pub fn first_key(&self) -> &SessionKey {
        &self.key
    }

    /// Gives all replicas these session keys, the first to seal with. Each takes them by itself, some time later.
    ///
    /// # Panics
    ///
    /// When the file can't be written.
    pub fn set_keys(&self, keys: &[&SessionKey]) {
        let lines: Vec<&str> = keys.iter().map(|key| &*key.0).collect();
        replace(&self.folder.path().join(KEYS), &lines.join("\n"));
    }

    /// Gives all replicas this tokens file. Each takes it by itself, some time later.
    ///
    /// # Panics
    ///
    /// When the file can't be written.
    pub fn set_tokens(&self, text: &str) {
        replace(&self.folder.path().join(TOKENS), text);
    }

    /// Gives all replicas this upstreams file. Each takes it by itself, some time later.
    ///
    /// # Panics
    ///
    /// When the file can't be written.
    pub fn set_upstreams(&self, text: &str) {
        replace(&self.folder.path().join(UPSTREAMS), text);
    }

    /// Waits until every replica that runs lists this tool. `headers` are for those who ask who is calling.
    ///
    /// # Panics
    ///
    /// When one does not.
    pub async fn lists(&self, tool: &str, headers: &[(&str, &str)]) {
        for replica in self.replicas.iter().filter(|replica| replica.is_running()) {
            eventually(DEADLINE, async || {
                let names = tools(&format!("{}/mcp", replica.url()), headers).await?;
                ensure!(names.iter().any(|name| name == tool), "no {tool} in {names:?}");
                Ok(())
            })
            .await;
        }
    }

    /// The sum of a metric of one replica over all lines that have this label: `metric(0, "mcp_hub_calls_total", "result=\"ok\"")`, or over
    /// all where the label is empty; 0 when there is none.
    ///
    /// # Panics
    ///
    /// When the replica does not answer.
    pub async fn metric(&self, index: usize, name: &str, label: &str) -> f64 {
        let url = format!("http://{}/metrics", self.metrics[index]);
        let answer = http::request("GET", &url, &[], "").await.expect("metrics");
        assert_eq!(answer.status, 200, "{answer:?}");
        let values = answer.body.lines().filter_map(|line| {
            let (labels, value) = line.strip_prefix(name)?.rsplit_once(' ')?;
            let is_it = labels.is_empty() || labels.starts_with('{');
            (is_it && labels.contains(label)).then(|| value.parse::<f64>().expect("a number"))
        });
        values.sum()
    }
}

const UPSTREAMS: &str = "upstreams.toml";
const KEYS: &str = "session-keys";
const TOKENS: &str = "tokens.toml";

/// Whoever reads sees the old file or the new one, never a part.
fn replace(path: &Path, text: &str) {
    let new: PathBuf = path.with_added_extension("new");
    std::fs::write(&new, text).expect("a file");
    std::fs::rename(&new, path).expect("a file");
}

/// The names of the tools at `url`.
async fn tools(url: &str, headers: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
    let result = ask(url, headers, "tools/list", json!({})).await?;
    let tools = result["tools"].as_array().context("a list of tools")?;
    let names = tools.iter().filter_map(|tool| tool["name"].as_str());
    Ok(names.map(str::to_owned).collect())
}

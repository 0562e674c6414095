//! Shops behind facades: several processes of `mcp-hub-shop`, of either version, with one ledger.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::ensure;
use mcp_hub_e2e::load::{Failure, Report, Writes};
use mcp_hub_e2e::{Cluster, ClusterOptions, Replica, request};
use mcp_hub_shop::ledger;
use mcp_hub_testing::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, MutexGuard};

/// How long a facade may take to see what has changed. Other tests run at the same time on the same cores.
pub(crate) const SEES: Duration = Duration::from_secs(20);

/// Waits until no other test of this process puts on a load, and keeps others from it until the guard is dropped: on a few cores they would
/// starve each other's processes, and what is starved long enough can't be told from what is dead.
pub(crate) async fn alone() -> MutexGuard<'static, ()> {
    static LOAD: Mutex<()> = Mutex::const_new(());
    LOAD.lock().await
}

/// Processes of the shop.
pub(crate) struct Shops {
    pub(crate) replicas: Vec<Replica>,
    ledger: PathBuf,
    _folder: TempDir,
}

impl Shops {
    /// So many of this version.
    pub(crate) async fn start(count: usize, generation: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shops = Self {
            replicas: Vec::new(),
            ledger: folder.path().join("ledger"),
            _folder: folder,
        };
        for _ in 0..count {
            shops.add(generation).await;
        }
        shops
    }

    /// One more.
    pub(crate) async fn add(&mut self, generation: u32) {
        let ledger = self.ledger.display().to_string();
        let environment = [
            ("SHOP_LEDGER", &*ledger),
            ("SHOP_GENERATION", &generation.to_string()),
        ];
        let replica = Replica::adapter("mcp-hub-shop", &[], &environment).await;
        self.replicas.push(replica);
    }

    /// So many facades in front of all of them, through a proxy. `None` when there is no proxy.
    pub(crate) async fn behind(&self, facades: usize) -> Option<Cluster> {
        let urls: Vec<String> = self.replicas.iter().map(Replica::url).collect();
        self.reached_by(&urls, facades).await
    }

    /// So many facades, which reach the shops by these addresses.
    pub(crate) async fn reached_by(&self, urls: &[String], facades: usize) -> Option<Cluster> {
        let options = ClusterOptions {
            replicas: facades,
            upstreams: upstreams(urls),
            ..ClusterOptions::default()
        };
        let cluster = Cluster::start(&options).await?;
        for shop in &self.replicas {
            for facade in 0..facades {
                is_seen(&cluster, facade, shop.address().port(), None).await;
            }
        }
        Some(cluster)
    }

    /// How often each order was done.
    pub(crate) fn ledger(&self) -> HashMap<String, u32> {
        ledger::read(&self.ledger).expect("a ledger")
    }

    /// What became of the orders of a load, after a look that nothing is wrong with them.
    pub(crate) fn writes(&self, report: &Report) -> Writes {
        let writes = report.writes(&self.ledger());
        assert!(writes.are_right(), "{writes}\n{report}");
        writes
    }
}

/// An upstreams file with one upstream, `shop`, of these addresses.
pub(crate) fn upstreams(urls: &[String]) -> String {
    format!("[upstreams.shop]\naddress = {}\n", json!(urls))
}

/// The `host:port` of a cluster's proxy.
pub(crate) fn address(cluster: &Cluster) -> String {
    format!("127.0.0.1:{}", cluster.proxy().port())
}

/// Calls a tool at a URL, by a connection of its own.
pub(crate) async fn call(url: &str, tool: &str, arguments: Value) -> anyhow::Result<Value> {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}});
    let headers = [
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    let answer = request("POST", url, &headers, &message.to_string()).await?;
    ensure!(answer.status == 200, "{answer:?}");
    Ok(serde_json::from_str(&answer.body)?)
}

/// Waits until a facade has had an answer from the shop at this port, of this version where it matters.
pub(crate) async fn is_seen(cluster: &Cluster, facade: usize, port: u16, generation: Option<u32>) {
    let url = cluster.replica_url(facade, "/mcp");
    eventually(SEES, async || {
        let answer = call(&url, "shop_price", json!({"article": "tea"})).await?;
        let content = &answer["result"]["structuredContent"];
        let right = generation.is_none_or(|generation| content["generation"] == generation);
        ensure!(content["port"] == port && right, "{answer}");
        Ok(())
    })
    .await;
}

/// Asserts that no answer was wrong, and that each failure is one that `excused` accepts.
pub(crate) fn assert_excused(report: &Report, excused: impl Fn(&Failure) -> bool) {
    assert_eq!(report.wrong, 0, "wrong answers:\n{report}");
    let bad: Vec<&Failure> = report
        .failures
        .iter()
        .filter(|failure| !excused(failure))
        .collect();
    assert!(
        bad.is_empty(),
        "{} failures that nothing excuses, the first: {:#?}\n{report}",
        bad.len(),
        &bad[..bad.len().min(3)]
    );
    assert!(report.ok > 0, "{report}");
}

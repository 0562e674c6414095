//! A Prometheus with the configuration that Compose mounts, asking each second.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mcp_hub_e2e::{get, request};
use mcp_hub_testing::{Guard, eventually, free_port, required};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::DEADLINE;

/// The folder outlives this process when that is killed, but not the script.
const SUPERVISE: &str = r#"
    "$1" --config.file="$2/prometheus.yaml" --storage.tsdb.path="$2/data" --web.listen-address="127.0.0.1:$3" \
        --enable-feature=exemplar-storage >"$2/log" 2>&1 </dev/null &
    server=$!
    cat >/dev/null
    kill -s KILL "$server"
    wait "$server"
    rm -rf -- "$2"
"#;

/// It ends with this value, and with the test process.
#[derive(Debug)]
pub(super) struct Prometheus {
    port: u16,
    folder: PathBuf,
    _guard: Guard,
}

impl Prometheus {
    /// Starts it; it reads metrics at these addresses. `None` when the program is missing: [`required`] has been called.
    pub(super) async fn start(metrics: &[SocketAddr]) -> Option<Self> {
        let Some(program) = mcp_hub_programs::prometheus() else {
            required("no Prometheus (program prometheus)");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("mcp-hub-prometheus-").tempdir();
        let folder = TempDir::keep(folder.expect("a folder"));
        let targets = json!([{"targets": metrics, "labels": {"job": "mcp-hub"}}]);
        // JSON is YAML.
        std::fs::write(folder.join("targets.yaml"), targets.to_string()).expect("a file");
        std::fs::write(folder.join("prometheus.yaml"), configuration(&folder)).expect("a file");
        let port = free_port();
        let arguments = [program, folder.clone(), port.to_string().into()];
        let guard = Guard::supervise(SUPERVISE, arguments).expect("a shell");
        let prometheus = Self {
            port,
            folder,
            _guard: guard,
        };
        eventually(DEADLINE, async || {
            let ready = get(port, "/-/ready").await;
            let status = ready.with_context(|| prometheus.log())?;
            ensure!(status == 200, "status {status}");
            Ok(())
        })
        .await;
        Some(prometheus)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    /// Waits until it has read so many processes.
    pub(super) async fn reads(&self, count: usize) {
        eventually(DEADLINE, async || {
            let up = self.ask("up{job=\"mcp-hub\"} == 1").await?;
            ensure!(up.len() == count, "{up:?}");
            Ok(())
        })
        .await;
    }

    /// Waits until each rule was evaluated.
    ///
    /// # Panics
    ///
    /// When one can't be.
    pub(super) async fn evaluates_all_rules(&self) {
        let rules = eventually(DEADLINE, async || {
            let answer = self.get("/api/v1/rules").await?;
            let groups = answer["groups"].as_array().cloned().unwrap_or_default();
            let rules: Vec<Value> = groups
                .iter()
                .flat_map(|group| group["rules"].as_array().cloned().unwrap_or_default())
                .collect();
            ensure!(!rules.is_empty(), "no rules: {}", self.log());
            ensure!(rules.iter().all(|rule| rule["health"] != "unknown"), "{rules:?}");
            Ok(rules)
        })
        .await;
        for rule in rules {
            assert_eq!(rule["health"], "ok", "{rule}");
        }
    }

    /// The answer to a query of now.
    pub(super) async fn ask(&self, query: &str) -> anyhow::Result<Vec<Value>> {
        let answer = self
            .get(&format!("/api/v1/query?query={}", encoded(query)))
            .await?;
        Ok(answer["result"].as_array().cloned().unwrap_or_default())
    }

    /// The exemplars of a series.
    pub(super) async fn exemplars(&self, series: &str) -> anyhow::Result<Vec<Value>> {
        let query = format!(
            "/api/v1/query_exemplars?query={}&start=0&end=9999999999",
            encoded(series)
        );
        let answer = self.get(&query).await?;
        let series = answer.as_array().cloned().unwrap_or_default();
        let exemplars = series.iter().filter_map(|series| series["exemplars"].as_array());
        Ok(exemplars.flatten().cloned().collect())
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        let answer = request("GET", &url, &[], "").await?;
        let mut said: Value = serde_json::from_str(&answer.body).with_context(|| answer.body.clone())?;
        ensure!(said["status"] == "success", "{said}");
        Ok(said["data"].take())
    }
}

/// What Compose mounts, at its place in the repository, with targets of ours, and with seconds for the quarters of a minute.
fn configuration(folder: &Path) -> String {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring/prometheus");
    let text = std::fs::read_to_string(repository.join("compose.yaml")).expect("the configuration");
    let changed = text
        .replace(
            "/etc/prometheus/targets.yaml",
            &folder.join("targets.yaml").display().to_string(),
        )
        .replace("/etc/prometheus/", &format!("{}/", repository.display()))
        .replace("_interval: 15s", "_interval: 1s");
    assert!(
        !changed.contains("/etc/") && changed.matches(": 1s").count() == 2,
        "{changed}"
    );
    changed
}

/// For a query in a URL.
fn encoded(text: &str) -> String {
    text.bytes()
        .flat_map(|byte| format!("%{byte:02X}").into_bytes())
        .map(char::from)
        .collect()
}

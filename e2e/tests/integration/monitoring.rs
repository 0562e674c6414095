//! What monitoring/ asks for is what the programs export: names, labels and types of every query in the rules and in the dashboard, and
//! Prometheus itself with the configuration that Compose mounts.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use mcp_hub_e2e::{Cluster, ClusterOptions, EventStream, Replica, ask, program, request};
use mcp_hub_testing::{Postgres, eventually, free_port};
use serde_json::{Value, json};

use exported::Exported;
use names::Names;
use prometheus::Prometheus;

mod exported;
mod names;
mod prometheus;
mod queries;

/// How long what happens each second may take. Other tests run at the same time on the same cores.
const DEADLINE: Duration = Duration::from_secs(40);

/// Nobody takes spans there: they are recorded, so histograms have exemplars, and lost, which is counted.
const NO_COLLECTOR: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");

/// Two replicas of the facade, two adapters with databases, and an upstream that is not there.
struct World {
    cluster: Cluster,
    sqlite: Replica,
    /// Where each process has its metrics.
    metrics: Vec<SocketAddr>,
    _postgres: Replica,
    _server: Postgres,
    _folder: tempfile::TempDir,
}

impl World {
    /// Starts everything; `None` when something is missing, which has been said.
    async fn start() -> Option<Self> {
        let server = Postgres::start().await?;
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("shop.db");
        let database = rusqlite::Connection::open(&file).expect("a file");
        database
            .execute_batch("create table item (name text); insert into item values ('tea')")
            .expect("SQL");
        let metrics: Vec<SocketAddr> = (0..2)
            .map(|_| SocketAddr::from((Ipv4Addr::LOCALHOST, free_port())))
            .collect();
        let listen = |index: usize| metrics[index].to_string();
        let sqlite = Replica::adapter(
            "mcp-hub-sqlite",
            &["--path", &file.display().to_string()],
            &[("MCP_HUB_METRICS_LISTEN", &listen(0)), NO_COLLECTOR],
        )
        .await;
        let url = server.url().to_owned();
        let postgres = Replica::adapter(
            "mcp-hub-postgres",
            &[],
            &[
                ("MCP_HUB_METRICS_LISTEN", &listen(1)),
                ("POSTGRES_URL", &url),
                NO_COLLECTOR,
            ],
        )
        .await;
        let nowhere = free_port();
        let (collector, address) = NO_COLLECTOR;
        let cluster = Cluster::start(&ClusterOptions {
            replicas: 2,
            upstreams: format!(
                "[upstreams]\nshop = {:?}\nstock = {:?}\ngone = \"http://127.0.0.1:{nowhere}\"\n",
                sqlite.url(),
                postgres.url()
            ),
            environment: vec![(collector, address.to_owned())],
            ..ClusterOptions::default()
        })
        .await?;
        for tool in ["shop_query", "stock_query"] {
            cluster.lists(tool, &[]).await;
        }
        let facades = (0..2).map(|index| cluster.metrics_address(index));
        let metrics = facades.chain(metrics.iter().copied()).collect();
        Some(Self {
            cluster,
            sqlite,
            metrics,
            _postgres: postgres,
            _server: server,
            _folder: folder,
        })
    }

    /// Calls that succeed, fail, and find nobody, at each replica, and a message that crosses from one to the other.
    async fn traffic(&self) {
        for replica in 0..2 {
            let url = self.cluster.replica_url(replica, "/mcp");
            let call = async |tool: &str, sql: &str| {
                let parameters = json!({"name": tool, "arguments": {"sql": sql}});
                ask(&url, &[], "tools/call", parameters).await
            };
            for tool in ["shop_query", "stock_query"] {
                let answer = call(tool, "select 1").await.expect("an answer");
                assert_ne!(answer["isError"], true, "{answer}");
                let answer = call(tool, "select x from nowhere").await.expect("an answer");
                assert_eq!(answer["isError"], true, "{answer}");
            }
            let answer = call("gone_query", "select 1").await.expect("an answer");
            assert_eq!(answer["isError"], true, "{answer}");
            call("no_such_tool", "select 1").await.expect_err("no such tool");
        }

        let mut stream = EventStream::open(&self.cluster.replica_url(0, "/sse"), &[])
            .await
            .expect("a stream");
        let own = self.cluster.replica_url(0, "");
        let path = stream.endpoint.strip_prefix(&own).expect("a path").to_owned();
        let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}).to_string();
        let headers = [("Content-Type", "application/json")];
        let other = self.cluster.replica_url(1, &path);
        let answer = request("POST", &other, &headers, &ping).await.expect("an answer");
        assert_eq!(answer.status, 202, "{answer:?}");
        stream.next().await.expect("the answer on the stream");
    }

    /// What all processes export together.
    async fn exported(&self) -> Exported {
        let mut exported = Exported::default();
        for address in &self.metrics {
            let answer = request("GET", &format!("http://{address}/metrics"), &[], "").await;
            exported.add(&answer.expect("metrics").body);
        }
        exported.add(&doctor(&self.cluster).await);
        exported
    }
}

/// What doctor tells of the adapters, one of which is not there: it ends, so it writes a file.
async fn doctor(cluster: &Cluster) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("doctor.prom");
    let status = tokio::process::Command::new(program("mcp-hub"))
        .args([
            "doctor",
            "--json",
            "--url",
            &cluster.replica_url(0, "/"),
            "--metrics-file",
        ])
        .arg(&file)
        .current_dir(folder.path())
        .env_clear()
        .stdout(std::process::Stdio::null())
        .status();
    status.await.expect("it runs");
    std::fs::read_to_string(&file).expect("its metrics")
}

#[tokio::test]
async fn every_query_asks_for_what_the_programs_export() {
    let Some(world) = World::start().await else {
        return;
    };
    world.traffic().await;
    let (queries, recordings) = (queries::all(), queries::recordings());
    assert!(queries.len() > 60, "{} queries", queries.len());
    // The end of a stream, and of the first batch of spans, come some time after the traffic.
    eventually(DEADLINE, async || {
        let names = Names::new(world.exported().await, &recordings);
        let faults: Vec<String> = queries.iter().flat_map(|query| names.faults(query)).collect();
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn prometheus_takes_the_rules_and_answers_the_dashboard() {
    let Some(world) = World::start().await else {
        return;
    };
    let Some(prometheus) = Prometheus::start(&world.metrics).await else {
        return;
    };
    prometheus.reads(world.metrics.len()).await;

    // Between the first look at a counter and the last there must be calls.
    eventually(DEADLINE, async || {
        world.traffic().await;
        let calls = prometheus
            .ask("job_tool:mcp_server_calls:rate5m{gen_ai_tool_name=\"stock_query\"} > 0")
            .await?;
        ensure!(!calls.is_empty(), "no calls were recorded");
        Ok(())
    })
    .await;
    prometheus.evaluates_all_rules().await;
    for query in queries::all() {
        let answer = prometheus.ask(&query.expr).await;
        answer.unwrap_or_else(|error| panic!("{}: {error:#}", query.place));
    }

    eventually(DEADLINE, async || {
        let exemplars = prometheus
            .exemplars("mcp_server_operation_duration_seconds_bucket")
            .await?;
        let traces = exemplars.iter().filter_map(|exemplar| {
            let trace = exemplar["labels"]["trace_id"].as_str()?;
            Some(trace.len() == 32)
        });
        ensure!(
            traces.clone().count() > 0 && traces.clone().all(|is_id| is_id),
            "{exemplars:?}"
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_upstream_that_goes_is_an_alert() {
    let Some(mut world) = World::start().await else {
        return;
    };
    let Some(prometheus) = Prometheus::start(&world.metrics).await else {
        return;
    };
    prometheus.reads(world.metrics.len()).await;
    let alerts = async |alert: &str| -> anyhow::Result<Vec<String>> {
        let alerts = prometheus
            .ask(&format!("ALERTS{{alertname=\"{alert}\"}}"))
            .await?;
        let upstream = |alert: &Value| alert["metric"]["upstream"].as_str().map(str::to_owned);
        Ok(alerts.iter().filter_map(upstream).collect())
    };
    eventually(DEADLINE, async || {
        let down = alerts("McpHubUpstreamDown").await?;
        ensure!(down == ["gone"], "{down:?}");
        Ok(())
    })
    .await;

    world.sqlite.kill().await;
    eventually(DEADLINE, async || {
        let mut down = alerts("McpHubUpstreamDown").await?;
        down.sort();
        ensure!(down == ["gone", "shop"], "{down:?}");
        let silent = prometheus.ask("ALERTS{alertname=\"McpHubDown\"}").await?;
        ensure!(silent.len() == 1, "{silent:?}");
        Ok(())
    })
    .await;
}

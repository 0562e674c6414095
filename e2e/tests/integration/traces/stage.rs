//! What each of these tests plays on: a Jaeger, adapters in processes of their own, two facades behind a proxy.

use std::time::Duration;

use mcp_hub_e2e::{Cluster, ClusterOptions, Replica, request};
use mcp_hub_testing::jaeger::Trace;
use mcp_hub_testing::{Jaeger, eventually};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::client::Client;
use super::engine::Engine;

/// In each literal, parameter, row, argument, token and password of these tests. Nobody may find it in a trace or a log.
pub(super) const PLANTED: &str = "Pl4nted";

/// How long anything here may take. Other tests run at the same time on the same cores.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// The facade's `service.name`.
pub(super) const FACADE: &str = "mcp-hub-facade";

/// Those who may ask: the names of their tokens, and the tokens.
const TOKENS: [(&str, &str); 2] = [
    ("night", "mcphub_Pl4ntedNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNNE"),
    ("day", "mcphub_Pl4ntedDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDDE"),
];

/// A Jaeger, and a hub whose processes tell it what they do.
pub(super) struct Stage {
    pub(super) jaeger: Jaeger,
    pub(super) cluster: Cluster,
    /// In the order of the engines.
    pub(super) adapters: Vec<Replica>,
    /// What the adapters stand in front of.
    pub(super) engines: Vec<Engine>,
}

impl Stage {
    /// Two facades in front of adapters of these engines. `None` when there is no Jaeger or no proxy.
    pub(super) async fn new(engines: Vec<Engine>) -> Option<Self> {
        Self::with(Jaeger::start().await?, engines, &[]).await
    }

    /// The same, with more settings for all processes.
    pub(super) async fn with(
        jaeger: Jaeger,
        engines: Vec<Engine>,
        environment: &[(&'static str, &str)],
    ) -> Option<Self> {
        let mut adapters = Vec::new();
        let mut upstreams = Vec::new();
        for engine in &engines {
            let adapter = adapter(&jaeger, engine, environment).await;
            upstreams.push(format!("{} = \"{}\"\n", engine.key, adapter.url()));
            adapters.push(adapter);
        }
        let cluster = cluster(&jaeger, upstreams.concat(), environment).await?;
        let stage = Self {
            jaeger,
            cluster,
            adapters,
            engines,
        };
        for engine in &stage.engines {
            stage
                .cluster
                .lists(engine.tool, &[("Authorization", &bearer("night"))])
                .await;
            for (tool, arguments) in &engine.preparation {
                let reply = stage.night().post(tool, arguments.clone()).await;
                assert_ne!(reply["result"]["isError"], true, "{tool}: {reply}");
                assert!(reply["result"].is_object(), "{tool}: {reply}");
            }
        }
        Some(stage)
    }

    /// A client with the token `night`, at the proxy.
    pub(super) fn night(&self) -> Client {
        self.client("night")
    }

    /// A client with the token of this name, at the proxy.
    pub(super) fn client(&self, token: &'static str) -> Client {
        Client::new(self.cluster.url("/mcp"), token)
    }

    /// The trace with this id, once it has a span for each of these names: two, where a name is there twice. What happens inside of a span
    /// is sent before it or with it.
    #[track_caller]
    pub(super) fn trace(&self, id: &str, names: &[&str]) -> impl Future<Output = Trace> {
        whole(&self.jaeger, id, names)
    }

    /// All that Jaeger has of a service, as its page gets it.
    pub(super) async fn traces_of(&self, service: &str) -> Vec<Value> {
        let path = format!("/api/traces?service={service}&limit=10000");
        let mut answer = self.ask_jaeger(&path).await;
        match answer["data"].take() {
            Value::Array(traces) => traces,
            other => panic!("no list of traces: {other}"),
        }
    }

    async fn ask_jaeger(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.jaeger.ui());
        let answer = request("GET", &url, &[], "").await.expect("Jaeger answers");
        assert_eq!(answer.status, 200, "{url}: {}", answer.body);
        serde_json::from_str(&answer.body).expect("JSON")
    }

    /// What is planted, and these secrets, are in none of the traces, nor in what the processes have printed. Spans that are under way
    /// when this is called are not looked at.
    pub(super) async fn nothing_is_told_of(&self, secrets: &[&str]) {
        let services = self.ask_jaeger("/api/services").await;
        let services = services["data"].as_array().expect("a list of services");
        assert!(services.iter().any(|service| service == FACADE), "{services:?}");
        for service in services {
            for trace in self.traces_of(service.as_str().expect("a name")).await {
                is_silent("a trace", &trace.to_string(), secrets);
            }
        }
        let running = self.adapters.iter().chain(self.cluster.replicas());
        for replica in running.filter(|replica| replica.is_running()) {
            is_silent("a log", &replica.process().output(), secrets);
        }
    }
}

/// See [`Stage::trace`].
#[track_caller]
pub(super) fn whole(jaeger: &Jaeger, id: &str, names: &[&str]) -> impl Future<Output = Trace> {
    jaeger.trace_when(id, |trace| {
        let lacks = |name: &&&str| {
            let wanted = names.iter().filter(|other| other == name).count();
            trace.named(name).len() < wanted
        };
        match names.iter().find(lacks) {
            Some(missing) => Err(format!("a span {missing:?} is missing")),
            None => Ok(()),
        }
    })
}

#[track_caller]
fn is_silent(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets.iter().chain(&[PLANTED]) {
        if let Some(at) = text.find(secret) {
            let (from, to) = (at.saturating_sub(300), (at + 300).min(text.len()));
            let around = &text[text.floor_char_boundary(from)..text.ceil_char_boundary(to)];
            panic!("{what} tells {secret:?}: ..{around}..");
        }
    }
}

/// An adapter that tells this Jaeger what it does.
pub(super) async fn adapter(jaeger: &Jaeger, engine: &Engine, environment: &[(&str, &str)]) -> Replica {
    // By HTTP, as the specification has it unless something else is said; the facades send by gRPC.
    let telemetry = told_to(jaeger.otlp_http_endpoint());
    let own = engine
        .environment
        .iter()
        .map(|(name, value)| (*name, value.as_str()));
    let all = own.chain(telemetry.iter().map(|(name, value)| (*name, value.as_str())));
    let all: Vec<(&str, &str)> = all.chain(environment.iter().copied()).collect();
    Replica::adapter(engine.program, &[], &all).await
}

/// Two facades that tell this Jaeger what they do.
pub(super) async fn cluster(
    jaeger: &Jaeger,
    upstreams: String,
    environment: &[(&'static str, &str)],
) -> Option<Cluster> {
    let mut all = told_to(jaeger.otlp_endpoint());
    all.push(("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()));
    all.push(("MCP_HUB_TRACE_URL", jaeger.trace_url()));
    all.extend(
        environment
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    let options = ClusterOptions {
        replicas: 2,
        upstreams,
        tokens: Some(tokens()),
        environment: all,
    };
    Cluster::start(&options).await
}

/// Sends spans there at once, and lines of the log in JSON.
fn told_to(endpoint: &str) -> Vec<(&'static str, String)> {
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_METRICS_EXPORTER", "none"),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ("MCP_HUB_LOG_FORMAT", "json"),
    ]
    .map(|(name, value)| (name, value.to_owned()))
    .into()
}

/// The token of this name.
pub(super) fn token(name: &str) -> &'static str {
    let (_, token) = TOKENS.iter().find(|(known, _)| *known == name).expect("a token");
    token
}

/// The header of whoever has the token of this name.
pub(super) fn bearer(name: &str) -> String {
    format!("Bearer {}", token(name))
}

fn tokens() -> String {
    let token = |(name, token): (&str, &str)| {
        format!(
            "[tokens.{name}]\nsha256 = \"{}\"\nscopes = [\"db:read\", \"db:write\"]\n",
            hex(&Sha256::digest(token))
        )
    };
    TOKENS.map(token).concat()
}

/// Bytes in hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

/// The lines that a process has logged, and that say this, once there are any.
pub(super) async fn logged(replica: &Replica, text: &str) -> Vec<Value> {
    eventually(SOON, async || {
        let output = replica.process().output();
        let lines = output.lines().filter(|line| line.contains(text));
        let lines: Vec<Value> = lines.filter_map(|line| serde_json::from_str(line).ok()).collect();
        if lines.is_empty() {
            Err(format!("no {text:?} in {output}"))
        } else {
            Ok(lines)
        }
    })
    .await
}

/// A notification that a call is no longer wanted.
pub(super) fn cancelled(id: u64) -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}})
}

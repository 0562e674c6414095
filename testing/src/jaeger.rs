//! A throw-away Jaeger: traces go in by OTLP, and come out by the query API that its page uses too.

mod api;
mod otlp;
mod trace;

use std::ffi::OsString;
use std::panic::Location;
use std::path::Path;
use std::time::Duration;

use mcp_hub_programs::jaeger;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use url::Url;

pub use trace::{Attributes, Event, Kind, Link, Span, Status, Trace};

use crate::port::free_port;
use crate::process::Process;
use crate::skip::required;
use crate::user::User;
use crate::wait::{Condition, eventually};

/// How long an exporter may keep a span, and Jaeger take to answer: several times the five seconds after which exporters
/// send a batch that is not full.
const DEADLINE: Duration = Duration::from_secs(30);

/// How long one answer may take.
const LOOK: Duration = Duration::from_secs(10);

/// More than any test makes. Jaeger forgets the oldest.
const MAX_TRACES: u32 = 100_000;

/// A Jaeger for tests: OTLP and the page on free ports of 127.0.0.1, no traces.
///
/// A span can be read as soon as the export that brought it was answered. Ends when it is dropped, and when the test process
/// ends in whatever way.
#[derive(Debug)]
pub struct Jaeger {
    otlp: String,
    otlp_http: String,
    ui: Url,
    process: Process,
}

/// Where traces are kept.
#[derive(Clone, Copy, Debug)]
enum Storage {
    Memory,
    Disk,
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
struct Ports {
    otlp: u16,
    otlp_http: u16,
    ui: u16,
}

impl Jaeger {
    /// A server of the test's own, with its traces in memory: it has spans as they were exported, and forgets them when it stops.
    ///
    /// `None` when the program is missing: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When it is there but the server does not start.
    pub async fn start() -> Option<Self> {
        Self::launch(Storage::Memory).await
    }

    /// A server of the test's own, with its traces on disk: it has them when it starts again, and finds them by what the form of the
    /// page offers beside attributes, such as `error` and `span.kind`. What Jaeger's older model has no place for is lost: the
    /// attributes of links, and lists that are no text.
    ///
    /// `None` when the program is missing: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When it is there but the server does not start.
    pub async fn start_on_disk() -> Option<Self> {
        Self::launch(Storage::Disk).await
    }

    async fn launch(storage: Storage) -> Option<Self> {
        let Some(program) = jaeger() else {
            required(
                "no Jaeger (neither the one that `cargo xtask test repository` builds nor MCP_HUB_TEST_JAEGER_BIN)",
            );
            return None;
        };
        let ports = Ports {
            otlp: free_port(),
            otlp_http: free_port(),
            ui: free_port(),
        };
        let process =
            prepare(&program, ports, storage).unwrap_or_else(|error| panic!("Jaeger for tests: {error:#}"));
        let url = |port: u16| format!("http://127.0.0.1:{port}");
        let server = Self {
            otlp: url(ports.otlp),
            otlp_http: url(ports.otlp_http),
            ui: Url::parse(&url(ports.ui)).expect("a URL"),
            process,
        };
        server.start_again().await;
        Some(server)
    }

    /// Where OTLP by gRPC goes, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it: `http://127.0.0.1:PORT`.
    pub fn otlp_endpoint(&self) -> &str {
        &self.otlp
    }

    /// Where OTLP by HTTP goes, as `OTEL_EXPORTER_OTLP_ENDPOINT` has it: `http://127.0.0.1:PORT`, to which exporters add
    /// `/v1/traces`.
    pub fn otlp_http_endpoint(&self) -> &str {
        &self.otlp_http
    }

    /// Where the page is, and the query API: `http://127.0.0.1:PORT`.
    pub fn ui(&self) -> &str {
        self.ui.as_str().trim_end_matches('/')
    }

    /// Where the page shows a trace, with `{trace_id}` in the place of its id.
    pub fn trace_url(&self) -> String {
        format!("{}/trace/{{trace_id}}", self.ui())
    }

    /// The spans that have arrived of the trace with this id; none when there is no such trace (yet).
    ///
    /// # Errors
    ///
    /// The id is none, or the server does not answer as it should.
    pub async fn trace(&self, id: &str) -> anyhow::Result<Trace> {
        tokio::time::timeout(LOOK, api::trace(&self.ui, id)).await?
    }

    /// The ids of the traces, at most 100, of the last two days in which one span of this service has all these attributes, itself,
    /// in one of its events or in its resource. It is what the form of the page asks for, and every value is a text.
    ///
    /// # Errors
    ///
    /// The server does not answer as it should.
    pub async fn search(&self, service: &str, attributes: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        tokio::time::timeout(LOOK, api::search(&self.ui, service, attributes)).await?
    }

    /// The trace with this id, once the condition holds for it.
    ///
    /// # Panics
    ///
    /// When it does not hold within 30 seconds. The message names the caller's line and shows the trace.
    #[track_caller]
    pub fn trace_when<C, F>(&self, id: &str, condition: F) -> impl Future<Output = Trace>
    where
        C: Condition,
        F: Fn(&Trace) -> C,
    {
        let caller = Location::caller();
        async move {
            eventually(DEADLINE, async || {
                let trace = self.trace(id).await.map_err(|error| format!("{error:#}"))?;
                match condition(&trace).check() {
                    Ok(_) => Ok(trace),
                    Err(reason) => Err(format!("for {caller}: {reason}; trace {id} is\n{trace}")),
                }
            })
            .await
        }
    }

    /// Stops the server in an orderly way. Nothing listens on the ports afterwards.
    ///
    /// # Panics
    ///
    /// When it does not stop.
    pub async fn stop(&self) {
        self.process.end("TERM").await;
    }

    /// Kills the server, as a crash would: clients see their connections break.
    ///
    /// # Panics
    ///
    /// When it does not end.
    pub async fn kill(&self) {
        self.process.end("KILL").await;
    }

    /// Halts the server: its connections stay open, and nothing answers any more.
    pub fn pause(&self) {
        self.process.signal("STOP");
    }

    /// Lets a halted server go on.
    pub fn resume(&self) {
        self.process.signal("CONT");
    }

    /// Starts a stopped server on the same ports; returns when the API answers and OTLP is accepted.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&self) {
        self.process
            .start(async || tokio::time::timeout(LOOK, self.answers()).await?)
            .await;
    }

    async fn answers(&self) -> anyhow::Result<()> {
        for endpoint in [&self.otlp, &self.otlp_http] {
            let address = endpoint.trim_start_matches("http://");
            TcpStream::connect(address).await?;
        }
        api::ready(&self.ui).await
    }
}

/// Makes the server's folder.
fn prepare(program: &Path, ports: Ports, storage: Storage) -> anyhow::Result<Process> {
    let folder = tempfile::Builder::new()
        .prefix("mcp-hub-jaeger-")
        .tempdir()?
        .keep();
    let file = folder.join("jaeger.yaml");
    let mut option = OsString::from("--config=file:");
    option.push(&file);
    let configuration = configuration(ports, storage, &folder).to_string();
    let process = Process::new(User::Ourselves, folder, program, [option])?;
    // JSON is YAML.
    std::fs::write(file, configuration)?;
    Ok(process)
}

/// All that is needed and nothing beside it: no other receivers, no health check, no metrics and no sampling service, which
/// would listen on ports that another Jaeger may have.
fn configuration(ports: Ports, storage: Storage, folder: &Path) -> Value {
    let backend = match storage {
        Storage::Memory => json!({ "memory": { "max_traces": MAX_TRACES } }),
        Storage::Disk => json!({
            "badger": {
                "directories": { "keys": folder.join("keys"), "values": folder.join("values") },
                "ephemeral": false,
            },
        }),
    };
    let local = |port: u16| json!({ "endpoint": format!("127.0.0.1:{port}") });
    json!({
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            // No batch processor, and no queue before the storage: what is acknowledged is stored.
            "pipelines": {
                "traces": { "receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"] },
            },
            "telemetry": { "metrics": { "level": "none" } },
        },
        "extensions": {
            "jaeger_storage": { "backends": { "storage": backend } },
            "jaeger_query": {
                "storage": { "traces": "storage" },
                // It would send spans of its own to the usual port.
                "enable_tracing": false,
                "http": local(ports.ui),
                // Nobody asks there.
                "grpc": local(0),
            },
        },
        "receivers": {
            "otlp": { "protocols": { "grpc": local(ports.otlp), "http": local(ports.otlp_http) } },
        },
        "exporters": { "jaeger_storage_exporter": { "trace_storage": "storage" } },
    })
}

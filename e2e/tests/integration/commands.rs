//! What each program can be asked beside serving: where it would listen, and whether the one beside it serves.

use std::time::Duration;

use mcp_hub_e2e::{Process, get};
use mcp_hub_testing::{Collector, eventually, free_port};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

/// Variables of a process.
type Environment = &'static [(&'static str, &'static str)];

/// The adapters with their ports, and the settings that they do not start without. No database answers.
const ADAPTERS: [(&str, u16, Environment); 5] = [
    (
        "mcp-hub-postgres",
        50_051,
        &[("POSTGRES_HOST", "127.0.0.1"), ("POSTGRES_PORT", "9")],
    ),
    (
        "mcp-hub-mariadb",
        50_052,
        &[("MARIADB_HOST", "127.0.0.1"), ("MARIADB_PORT", "9")],
    ),
    ("mcp-hub-neo4j", 50_053, &[("NEO4J_URI", "bolt://127.0.0.1:9")]),
    (
        "mcp-hub-qdrant",
        50_054,
        &[("QDRANT_HOST", "127.0.0.1"), ("QDRANT_PORT", "9")],
    ),
    ("mcp-hub-sqlite", 50_055, &[("SQLITE_PATH", "none.db")]),
];

/// Runs a program to its end: its exit code, and what it printed on both streams.
async fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let exit = Process::start(program, arguments, environment).ended().await;
    (exit.status.code(), exit.output)
}

fn listener(name: &str, address: &str, port: u16) -> Value {
    json!({"name": name, "address": address, "port": port, "protocol": "TCP"})
}

/// Asks a program where it would listen. What it prints is JSON and nothing else.
async fn listens(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Value {
    let (code, output) = run(program, &[arguments, &["listens"]].concat(), environment).await;
    assert_eq!(code, Some(0), "{program}: {output}");
    serde_json::from_str(&output).unwrap_or_else(|error| panic!("{program}: {error}: {output}"))
}

#[tokio::test]
async fn every_program_tells_where_it_would_listen() {
    let metrics = ("MCP_HUB_METRICS_LISTEN", "[::]:9090");
    for (program, port, _) in ADAPTERS {
        let told = listens(program, &[], &[]).await;
        assert_eq!(told, json!([listener("grpc", "127.0.0.1", port)]), "{program}");
        let told = listens(program, &["--listen", "[::]:7"], &[metrics]).await;
        let expected = json!([listener("grpc", "::", 7), listener("metrics", "::", 9090)]);
        assert_eq!(told, expected, "{program}");
    }
    for program in ["mcp-hub-facade", "mcp-hub"] {
        let told = listens(program, &[], &[]).await;
        assert_eq!(told, json!([listener("http", "127.0.0.1", 8000)]), "{program}");
        let environment = [
            ("MCP_HUB_LISTEN", "0.0.0.0:8000"),
            ("MCP_HUB_PEERS", "mcp-hub-peers:8001"),
            ("MCP_HUB_RELAY_ADDRESS", "192.0.2.1"),
            metrics,
        ];
        let told = listens(program, &[], &environment).await;
        let expected = json!([
            listener("http", "0.0.0.0", 8000),
            listener("relay", "0.0.0.0", 8001),
            listener("metrics", "::", 9090),
        ]);
        assert_eq!(told, expected, "{program}");
        let (code, output) = run(program, &["listens"], &[("MCP_HUB_RELAY_ADDRESS", "192.0.2.1")]).await;
        assert!(
            code == Some(1) && output.contains("name them with --peers"),
            "{output}"
        );
    }
}

/// Starts a program, and asks it for its health with the very environment that it has: the port for metrics is taken by then, and a
/// collector is named.
async fn is_well(program: &str, environment: &[(&str, &str)], ready: impl AsyncFn(u16) -> bool) {
    for any in ["0.0.0.0", "[::]"] {
        let collector = Collector::start().await;
        let endpoint = collector.endpoint();
        let port = free_port();
        let (listen, metrics) = (format!("{any}:{port}"), format!("127.0.0.1:{}", free_port()));
        let environment = [
            environment,
            &[
                ("MCP_HUB_LISTEN", &*listen),
                ("MCP_HUB_METRICS_LISTEN", &*metrics),
                // The first of this process itself would come after an hour.
                ("OTEL_METRIC_EXPORT_INTERVAL", "3600000"),
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
            ],
        ]
        .concat();
        let (code, output) = run(program, &["healthcheck"], &environment).await;
        assert_eq!(code, Some(1), "{program}: {output}");
        let reason = format!("nothing listens on {listen}: ");
        assert!(
            output.contains(&reason) && output.lines().count() == 1,
            "{program}: {output}"
        );

        let process = Process::start(program, &[] as &[&str], &environment);
        eventually(Duration::from_secs(20), async || {
            if ready(port).await {
                Ok(())
            } else {
                Err(process.output())
            }
        })
        .await;
        let asked = run(program, &["healthcheck"], &environment).await;
        assert_eq!(asked, (Some(0), String::new()), "{program}");
        let told = listens(program, &[], &environment).await;
        assert_eq!(told[0]["port"], port, "{program}");
        assert_eq!(
            collector.batches().len(),
            0,
            "{program}: a question is nothing to tell a collector"
        );
        process.terminate().await;
    }
}

#[tokio::test]
async fn an_adapter_is_well_when_its_database_is_not_there() {
    for (program, _, environment) in ADAPTERS {
        is_well(program, environment, async |port| {
            TcpStream::connect(("127.0.0.1", port)).await.is_ok()
        })
        .await;
    }
}

#[tokio::test]
async fn a_facade_is_well_when_it_is_ready() {
    let folder = tempfile::tempdir().expect("a folder");
    let upstreams = folder.path().join("upstreams.toml");
    std::fs::write(&upstreams, "").expect("a file");
    let upstreams = upstreams.display().to_string();
    let environment = [
        ("MCP_HUB_UPSTREAMS", &*upstreams),
        ("MCP_HUB_ALLOW_UNAUTHENTICATED", "true"),
    ];
    for program in ["mcp-hub-facade", "mcp-hub"] {
        is_well(program, &environment, async |port| {
            get(port, "/readyz").await.is_ok_and(|status| status == 200)
        })
        .await;
    }
}

/// Who asks has nothing to finish for others: the first signal ends it, although nobody has answered.
#[tokio::test]
async fn one_signal_ends_a_program_that_only_asks() {
    let doctor = &["doctor", "--timeout", "600", "--deadline", "3600"][..];
    // Where the database, the adapter or the hub is, in what each program reads.
    for (program, arguments, host, at) in [
        ("mcp-hub-postgres", doctor, "POSTGRES_HOST", "POSTGRES_PORT"),
        ("mcp-hub-mariadb", doctor, "MARIADB_HOST", "MARIADB_PORT"),
        ("mcp-hub-qdrant", doctor, "QDRANT_HOST", "QDRANT_PORT"),
        ("mcp-hub-neo4j", doctor, "", "NEO4J_URI"),
        ("mcp-hub-facade", doctor, "", "MCP_HUB_UPSTREAMS"),
        ("mcp-hub", doctor, "", "MCP_HUB_URL"),
        ("mcp-hub", &["tools"], "", "MCP_HUB_URL"),
    ] {
        let silent = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = silent.local_addr().expect("an address").port();
        let url = format!("http://127.0.0.1:{port}");
        let folder = tempfile::tempdir().expect("a folder");
        let value = match at {
            "NEO4J_URI" => format!("bolt://127.0.0.1:{port}"),
            "MCP_HUB_UPSTREAMS" => {
                let upstreams = folder.path().join("upstreams.toml");
                std::fs::write(&upstreams, format!("shop = {url:?}\n")).expect("a file");
                upstreams.display().to_string()
            }
            "MCP_HUB_URL" => url,
            _ => port.to_string(),
        };
        let mut environment = vec![(at, &*value)];
        if !host.is_empty() {
            environment.push((host, "127.0.0.1"));
        }
        let process = Process::start(program, arguments, &environment);
        // Signals are heard before anybody is asked.
        let asked = tokio::time::timeout(Duration::from_secs(20), silent.accept()).await;
        assert!(asked.is_ok(), "{program} asks nobody: {}", process.output());
        let exit = process.terminate().await;
        assert_eq!(exit.status.code(), Some(130), "{program}: {}", exit.output);
        assert!(exit.output.ends_with(": interrupted\n"), "{}", exit.output);
    }
}

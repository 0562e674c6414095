//! A throw-away Qdrant server: a real one where there is its program, else the stand-in of testing/qdrant.

use std::ffi::{OsStr, OsString};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{Qdrant as Program, QdrantPorts, names, variable};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::address::Address;
use crate::port::free_port;
use crate::process::Process;
use crate::skip::required;
use crate::user::User;

/// The default port of gRPC.
const GRPC_PORT: u16 = 6334;
/// The default port of REST.
const REST_PORT: u16 = 6333;

/// How long a look at a server that starts may take.
const LOOK: Duration = Duration::from_secs(5);

/// Runs the rest of its arguments in the folder that is the first one: a server writes into the folder it runs in.
const IN_FOLDER: &str = r#"cd -- "$1" && shift && exec "$@""#;

/// What a server of a test's own has beyond the usual settings.
#[derive(Clone, Debug, Default)]
pub struct QdrantOptions {
    /// The key that each call must bring.
    pub api_key: Option<String>,
    /// Another key, which only reads; the stand-in takes none.
    pub read_only_api_key: Option<String>,
    /// A certificate and its key, both PEM: gRPC and REST then speak TLS only.
    pub tls: Option<(String, String)>,
}

/// A Qdrant server for tests: gRPC and REST on free ports of 127.0.0.1, no collections.
///
/// Ends when it is dropped, and when the test process ends in whatever way.
#[derive(Debug)]
pub struct Qdrant {
    grpc: Address,
    rest: Address,
    options: QdrantOptions,
    real: bool,
    /// Absent when the address was given.
    process: Option<Process>,
}

impl Qdrant {
    /// The one server of this test process, started at the first call; or the server that `MCP_HUB_TEST_QDRANT_URL`
    /// names. Tests share it, so each uses collections with names of its own.
    ///
    /// `None` when there is none to be had: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When the program is there but the server does not start.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Qdrant>> = OnceCell::const_new();
        let shared = SHARED
            .get_or_init(async || match Address::given(names::QDRANT_URL, GRPC_PORT) {
                Some(grpc) => Some(Self::given(grpc)),
                None => Self::launch(&QdrantOptions::default()).await,
            })
            .await
            .as_ref();
        if shared.is_none() {
            required(
                "no Qdrant: neither the stand-in nor MCP_HUB_TEST_QDRANT_BIN nor MCP_HUB_TEST_QDRANT_URL",
            );
        }
        shared
    }

    /// A server of the test's own, which it may stop and start again.
    ///
    /// `None` when the program is missing: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When it is there but the server does not start.
    pub async fn start() -> Option<Self> {
        Self::start_with(&QdrantOptions::default()).await
    }

    /// Like [`Qdrant::start`], with an API key or a certificate.
    ///
    /// # Panics
    ///
    /// When the program is there but the server does not start.
    pub async fn start_with(options: &QdrantOptions) -> Option<Self> {
        let server = Self::launch(options).await;
        if server.is_none() {
            required(
                "no Qdrant (the stand-in as `cargo xtask test qdrant` builds it, or a real server's program)",
            );
        }
        server
    }

    fn given(grpc: Address) -> Self {
        let rest =
            variable(names::QDRANT_REST_URL).unwrap_or_else(|| format!("http://{}:{REST_PORT}", grpc.host()));
        Self {
            rest: Address::new(&rest, REST_PORT)
                .unwrap_or_else(|error| panic!("{}: {error}", names::QDRANT_REST_URL)),
            grpc,
            options: QdrantOptions::default(),
            real: true,
            process: None,
        }
    }

    async fn launch(options: &QdrantOptions) -> Option<Self> {
        let program = Program::find()?;
        let grpc = free_port();
        let rest = std::iter::repeat_with(free_port).find(|port| *port != grpc)?;
        let process = prepare(&program, QdrantPorts { grpc, rest }, options)
            .unwrap_or_else(|error| panic!("Qdrant for tests: {error:#}"));
        let scheme = if options.tls.is_some() { "https" } else { "http" };
        let address = |port: u16| Address::new(&format!("{scheme}://127.0.0.1:{port}"), port).expect("a URL");
        let server = Self {
            grpc: address(grpc),
            rest: address(rest),
            options: options.clone(),
            real: program.real,
            process: Some(process),
        };
        server.start_again().await;
        Some(server)
    }

    /// Where gRPC is: `http://127.0.0.1:PORT`, or `https` with a certificate.
    pub fn url(&self) -> &str {
        self.grpc.url().trim_end_matches('/')
    }

    /// Where REST is: `http://127.0.0.1:PORT`, or `https` with a certificate.
    pub fn rest_url(&self) -> &str {
        self.rest.url().trim_end_matches('/')
    }

    /// The host: 127.0.0.1 unless the address was given.
    pub fn host(&self) -> &str {
        self.grpc.host()
    }

    /// The TCP port of gRPC.
    pub fn port(&self) -> u16 {
        self.grpc.port()
    }

    /// The TCP port of REST.
    pub fn rest_port(&self) -> u16 {
        self.rest.port()
    }

    /// Whether this is Qdrant's own server and not the stand-in, whose limits its README names.
    pub fn is_real(&self) -> bool {
        self.real
    }

    /// A channel for the generated clients, which connects at its first call and trusts the server's certificate. It
    /// brings no API key.
    ///
    /// # Panics
    ///
    /// When the certificate is none.
    pub fn channel(&self) -> Channel {
        let endpoint = Endpoint::from_shared(self.url().to_owned()).expect("a URL");
        let endpoint = match &self.options.tls {
            Some((certificate, _)) => {
                let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(certificate));
                endpoint.tls_config(tls).expect("a certificate")
            }
            None => endpoint,
        };
        endpoint.connect_lazy()
    }

    /// Stops the server in an orderly way. Nothing listens on the ports afterwards.
    ///
    /// # Panics
    ///
    /// When it does not stop, or the address was given.
    pub async fn stop(&self) {
        self.process().end("TERM").await;
    }

    /// Kills the server, as a crash would: clients see their connections break.
    ///
    /// # Panics
    ///
    /// When it does not end, or the address was given.
    pub async fn kill(&self) {
        self.process().end("KILL").await;
    }

    /// Halts the server: its connections stay open, and nothing answers any more.
    ///
    /// # Panics
    ///
    /// When the address was given.
    pub fn pause(&self) {
        self.process().signal("STOP");
    }

    /// Lets a halted server go on.
    ///
    /// # Panics
    ///
    /// When the address was given.
    pub fn resume(&self) {
        self.process().signal("CONT");
    }

    /// Starts a stopped server on the same ports, with its data; returns when gRPC and REST answer.
    ///
    /// # Panics
    ///
    /// When it does not start, or the address was given.
    pub async fn start_again(&self) {
        self.process()
            .start(async || tokio::time::timeout(LOOK, self.answers()).await?)
            .await;
    }

    async fn answers(&self) -> anyhow::Result<()> {
        // What speaks TLS is asked through gRPC only, which starts last.
        if self.options.tls.is_none() {
            ready(&self.rest).await.context("REST")?;
        }
        let request = HealthCheckRequest {
            service: String::new(),
        };
        HealthClient::new(self.channel())
            .check(request)
            .await
            .context("gRPC")?;
        Ok(())
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("a server that this process started")
    }
}

/// Makes the server's folder.
fn prepare(program: &Program, ports: QdrantPorts, options: &QdrantOptions) -> anyhow::Result<Process> {
    let folder = tempfile::Builder::new()
        .prefix("mcp-hub-qdrant-")
        .tempdir()?
        .keep();
    let [certificate, key] = ["certificate.pem", "key.pem"].map(|name| folder.join(name));
    let files = options.tls.as_ref().map(|_| (&*certificate, &*key));
    let keys = [&options.api_key, &options.read_only_api_key].map(Option::as_deref);
    let line = program.command(&folder, ports, keys[0], keys[1], files);
    let arguments: Vec<OsString> = ["-c", IN_FOLDER, "qdrant"]
        .into_iter()
        .map(OsStr::new)
        .chain([folder.as_os_str()])
        .map(OsStr::to_owned)
        .chain(line)
        .collect();
    let process = Process::new(User::Ourselves, folder.clone(), "sh".as_ref(), arguments)?;

    if let Some((pem, key_pem)) = &options.tls {
        std::fs::write(&certificate, pem)?;
        std::fs::write(&key, key_pem)?;
    }
    Ok(process)
}

/// Whether REST says that the server is ready.
async fn ready(rest: &Address) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect((rest.host(), rest.port())).await?;
    let request = format!(
        "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        rest.host()
    );
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let status = answer.lines().next().context("no answer")?;
    ensure!(status.starts_with("HTTP/1.1 2"), "{answer}");
    Ok(())
}

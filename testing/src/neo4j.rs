//! A throw-away Neo4j server, Community edition.

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{Neo4j as Programs, names, variable};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;

use crate::address::Address;
use crate::port::free_port;
use crate::process::Process;
use crate::settings::Settings;
use crate::skip::required;
use crate::user::User;

/// The default port of Bolt.
const BOLT_PORT: u16 = 7687;
/// The default port of HTTP.
const HTTP_PORT: u16 = 7474;

const USER: &str = "neo4j";
const PASSWORD: &str = "testpassword";
/// What `neo4j-admin dbms set-initial-password testpassword` writes; without it the first login must change `neo4j`.
/// The program would take a second of another Java.
const INITIAL_PASSWORD: &str = "neo4j:SHA-256,68f29a0465f1378fe59f24d8090c203e8325353e91e14d2671ed8c123eb687de,\
     10a706e0605a0dc77a9f1148477f2ca04976f1371d4a629b6a7aa7522506d418,1024:";
/// User and password for HTTP.
const BASIC: &str = "bmVvNGo6dGVzdHBhc3N3b3Jk";

/// A Neo4j server for tests: user `neo4j`, password `testpassword`, the one database `neo4j`, Bolt and HTTP on free
/// ports of 127.0.0.1.
///
/// Ends when it is dropped, and when the test process ends in whatever way.
#[derive(Debug)]
pub struct Neo4j {
    bolt: Address,
    http: Address,
    user: String,
    password: String,
    /// Absent when the address was given.
    process: Option<Process>,
}

impl Neo4j {
    /// The one server of this test process, started at the first call; or the server that `MCP_HUB_TEST_NEO4J_URL`
    /// names. Tests share it and its one database, so each uses labels of its own.
    ///
    /// `None` when there is none to be had: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When Java and the server's files are there but the server does not start.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<Neo4j>> = OnceCell::const_new();
        let shared = SHARED
            .get_or_init(async || match Address::given(names::NEO4J_URL, BOLT_PORT) {
                Some(address) => Some(Self::given(&address)),
                None => Self::launch(&Settings::new()).await,
            })
            .await
            .as_ref();
        if shared.is_none() {
            required("no Neo4j: neither Java with the server's files nor MCP_HUB_TEST_NEO4J_URL");
        }
        shared
    }

    /// A server of the test's own, which it may stop and start again. Takes some seconds.
    ///
    /// `None` when Java or the server's files are missing: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When they are there but the server does not start.
    pub async fn start() -> Option<Self> {
        Self::start_with(&Settings::new()).await
    }

    /// Like [`Neo4j::start`], with settings of neo4j.conf. Relative paths are below the server's home.
    ///
    /// # Panics
    ///
    /// When all is there but the server does not start.
    pub async fn start_with(settings: &Settings) -> Option<Self> {
        let server = Self::launch(settings).await;
        if server.is_none() {
            required("no Neo4j (Java, and the server's files as `cargo xtask test neo4j` gets them)");
        }
        server
    }

    fn given(address: &Address) -> Self {
        let http = variable(names::NEO4J_HTTP_URL)
            .unwrap_or_else(|| format!("http://{}:{HTTP_PORT}", address.host()));
        Self {
            http: Address::new(&http, HTTP_PORT)
                .unwrap_or_else(|error| panic!("{}: {error}", names::NEO4J_HTTP_URL)),
            user: address.user().to_owned(),
            password: address.password().to_owned(),
            bolt: address.without_user(),
            process: None,
        }
    }

    async fn launch(settings: &Settings) -> Option<Self> {
        let programs = Programs::find()?;
        let bolt = free_port();
        let http = std::iter::repeat_with(free_port).find(|port| *port != bolt)?;
        let process = prepare(&programs, bolt, http, settings)
            .unwrap_or_else(|error| panic!("Neo4j for tests: {error:#}"));
        let address = |url: String| Address::new(&url, 0).expect("a URL");
        let server = Self {
            bolt: address(format!("bolt://127.0.0.1:{bolt}")),
            http: address(format!("http://127.0.0.1:{http}")),
            user: USER.to_owned(),
            password: PASSWORD.to_owned(),
            process: Some(process),
        };
        server.start_again().await;
        Some(server)
    }

    /// `bolt://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        self.bolt.url()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> &str {
        self.http.url().trim_end_matches('/')
    }

    /// The host: 127.0.0.1 unless the address was given.
    pub fn host(&self) -> &str {
        self.bolt.host()
    }

    /// The TCP port of Bolt.
    pub fn port(&self) -> u16 {
        self.bolt.port()
    }

    /// The user, who may do everything: this edition has no roles.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The user's password.
    pub fn password(&self) -> &str {
        &self.password
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

    /// Starts a stopped server on the same ports, with its data; returns when its database answers.
    ///
    /// # Panics
    ///
    /// When it does not start, or the address was given.
    pub async fn start_again(&self) {
        self.process().start(async || answers(&self.http).await).await;
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("a server that this process started")
    }
}

/// Makes the server's home.
fn prepare(programs: &Programs, bolt: u16, http: u16, settings: &Settings) -> anyhow::Result<Process> {
    let home = tempfile::Builder::new()
        .prefix("mcp-hub-neo4j-")
        .tempdir()?
        .keep();
    let (program, arguments) = settings.command(&programs.java, programs.arguments(&home));
    let process = Process::new(User::Ourselves, home.clone(), &program, arguments)?;

    std::fs::write(home.join("neo4j.conf"), lines(bolt, http, settings))?;
    std::fs::create_dir_all(home.join("data/dbms"))?;
    std::fs::write(home.join("data/dbms/auth.ini"), INITIAL_PASSWORD)?;
    settings.write_files(&home)?;
    Ok(process)
}

/// Disk and memory are kept small; everything else stays as a user has it.
fn lines(bolt: u16, http: u16, settings: &Settings) -> String {
    let [bolt, http] = [bolt, http].map(|port| format!("127.0.0.1:{port}"));
    settings.lines(&[
        ("server.bolt.listen_address", &bolt),
        ("server.bolt.advertised_address", &bolt),
        ("server.http.listen_address", &http),
        ("server.http.advertised_address", &http),
        ("server.memory.pagecache.size", "64m"),
        ("dbms.usage_report.enabled", "false"),
        // Half a gigabyte for each server otherwise.
        ("db.tx_log.preallocate", "false"),
        // Netty waits this long for calls after the last one: ten seconds per stop otherwise.
        ("internal.dbms.bolt.netty_server_shutdown_quiet_period", "0"),
    ])
}

/// A query over HTTP: it starts last, and stays without TLS when a test gives Bolt certificates.
async fn answers(http: &Address) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect((http.host(), http.port())).await?;
    let body = r#"{"statement":"RETURN 1"}"#;
    let request = format!(
        "POST /db/neo4j/query/v2 HTTP/1.1\r\n\
         Host: {host}\r\n\
         Authorization: Basic {BASIC}\r\n\
         Content-Type: application/json\r\n\
         Content-Length: {length}\r\n\
         Connection: close\r\n\r\n\
         {body}",
        host = http.host(),
        length = body.len(),
    );
    connection.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let status = answer.lines().next().context("no answer")?;
    ensure!(status.starts_with("HTTP/1.1 2"), "{answer}");
    Ok(())
}

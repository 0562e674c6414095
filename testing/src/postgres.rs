//! A throw-away PostgreSQL server.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use mcp_hub_programs::{names, variable};
use tokio::task::spawn_blocking;
use url::Url;

use crate::guard::Guard;
use crate::port::free_port;
use crate::skip::required;
use crate::user::{User, run};

const STOP_AND_REMOVE: &str = r#"
    cat >/dev/null
    "$1" -D "$2" -m immediate -w -t 10 stop
    rm -rf -- "$3"
"#;

/// A PostgreSQL server for tests: superuser `postgres`, no password, 127.0.0.1, a free port.
///
/// Ends when it is dropped, and when the test process ends in whatever way.
#[derive(Debug)]
pub struct Postgres {
    url: Url,
    /// Absent when the address was given.
    server: Option<Arc<Server>>,
}

impl Postgres {
    /// The one server of this test process, started at the first call; or the server that
    /// `MCP_HUB_TEST_POSTGRES_URL` names. Tests share it, so each uses names of its own.
    ///
    /// `None` when there is none to be had: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When the programs are there but the server does not start.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
        let shared = spawn_blocking(|| {
            SHARED
                .get_or_init(|| match variable(names::POSTGRES_URL) {
                    Some(url) => {
                        let url = Url::parse(&url)
                            .unwrap_or_else(|error| panic!("{} is no URL: {error}", names::POSTGRES_URL));
                        Some(Self { url, server: None })
                    }
                    None => Self::launch(),
                })
                .as_ref()
        })
        .await
        .expect("PostgreSQL for tests starts");
        if shared.is_none() {
            required("no PostgreSQL: neither its programs nor MCP_HUB_TEST_POSTGRES_URL");
        }
        shared
    }

    /// A server of the test's own, which it may stop and start again.
    ///
    /// `None` when the programs are missing: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When the programs are there but the server does not start.
    pub async fn start() -> Option<Self> {
        let postgres = spawn_blocking(Self::launch)
            .await
            .expect("PostgreSQL for tests starts");
        if postgres.is_none() {
            required("no programs of PostgreSQL (initdb, postgres, pg_ctl)");
        }
        postgres
    }

    fn launch() -> Option<Self> {
        let server =
            Server::launch(&mcp_hub_programs::postgres()?).unwrap_or_else(|error| panic!("{error:#}"));
        let url = format!("postgres://postgres@127.0.0.1:{}/postgres", server.port);
        Some(Self {
            url: Url::parse(&url).expect("a URL"),
            server: Some(Arc::new(server)),
        })
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The address of another database of this server.
    pub fn url_of(&self, database: &str) -> String {
        let mut url = self.url.clone();
        url.set_path(database);
        url.into()
    }

    /// The host: 127.0.0.1 unless the address was given.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or("127.0.0.1")
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(5432)
    }

    /// Stops the server in an orderly way ("fast"): open transactions are rolled back, clients are told. Nothing
    /// listens on the port afterwards.
    ///
    /// # Panics
    ///
    /// When it does not stop, or the address was given.
    pub async fn stop(&self) {
        self.control(|server| server.stop("fast")).await;
    }

    /// Stops the server at once ("immediate"), as a crash would: clients see their connections break.
    ///
    /// # Panics
    ///
    /// When it does not stop, or the address was given.
    pub async fn kill(&self) {
        self.control(|server| server.stop("immediate")).await;
    }

    /// Starts a stopped server on the same port, with its data; returns when it accepts connections.
    ///
    /// # Panics
    ///
    /// When it does not start, or the address was given.
    pub async fn start_again(&self) {
        self.control(Server::start).await;
    }

    async fn control(&self, action: fn(&Server) -> anyhow::Result<()>) {
        let server = Arc::clone(self.server.as_ref().expect("a server that this process started"));
        spawn_blocking(move || action(&server).unwrap_or_else(|error| panic!("{error:#}")))
            .await
            .expect("no panic");
    }
}

#[derive(Debug)]
struct Server {
    pg_ctl: PathBuf,
    folder: PathBuf,
    user: User,
    port: u16,
    /// Stops the server and removes the folder when this is dropped.
    _guard: Guard,
}

impl Server {
    fn launch(programs: &Path) -> anyhow::Result<Self> {
        // The guard removes the folder: it must go as well when no destructor of ours runs.
        let folder = tempfile::Builder::new()
            .prefix("mcp-hub-postgres-")
            .tempdir()?
            .keep();
        let user = User::for_folder(&folder, "postgres")?;
        let pg_ctl = programs.join("pg_ctl");
        let data = folder.join("data");
        let guard = Guard::start(user, STOP_AND_REMOVE, [&pg_ctl, &data, &folder])?;
        let server = Self {
            pg_ctl,
            folder,
            user,
            port: free_port(),
            _guard: guard,
        };
        run(user
            .command(programs.join("initdb"))
            .args([
                "-A",
                "trust",
                "-U",
                "postgres",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--no-sync",
                "-D",
            ])
            .arg(&data))
        .context("initdb")?;
        std::fs::write(data.join("postgresql.auto.conf"), server.settings())?;
        server.start()?;
        Ok(server)
    }

    /// Durability costs seconds and protects nothing here. Everything else stays as a user has it.
    fn settings(&self) -> String {
        format!(
            "port = {}\n\
             listen_addresses = '127.0.0.1'\n\
             unix_socket_directories = '{}'\n\
             fsync = off\n\
             full_page_writes = off\n\
             max_connections = 200\n\
             timezone = 'UTC'\n",
            self.port,
            self.folder.display()
        )
    }

    fn start(&self) -> anyhow::Result<()> {
        let log = self.folder.join("log");
        run(self.control("start").arg("-l").arg(&log))
            .map(drop)
            .with_context(|| {
                let log = std::fs::read_to_string(&log).unwrap_or_default();
                format!("PostgreSQL does not start; its log:\n{log}")
            })
    }

    fn stop(&self, mode: &str) -> anyhow::Result<()> {
        run(self.control("stop").args(["-m", mode]))
            .map(drop)
            .context("PostgreSQL does not stop")
    }

    fn control(&self, action: &str) -> std::process::Command {
        let mut command = self.user.command(&self.pg_ctl);
        command
            .arg(action)
            .args(["-w", "-t", "60", "-D"])
            .arg(self.folder.join("data"));
        command
    }
}

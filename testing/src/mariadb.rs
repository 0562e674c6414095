//! A throw-away MariaDB server.

use std::path::Path;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{MariaDb as Programs, names};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::address::{Address, MYSQL_PORT};
use crate::port::free_port;
use crate::process::Process;
use crate::settings::Settings;
use crate::skip::required;
use crate::user::{User, run};

/// Run by the server before it accepts connections, also when it is started again.
const ACCOUNTS: &str = "\
    CREATE DATABASE IF NOT EXISTS app;\n\
    CREATE USER IF NOT EXISTS 'root'@'%' IDENTIFIED BY 'testpassword';\n\
    GRANT ALL ON *.* TO 'root'@'%' WITH GRANT OPTION;\n";

/// A MariaDB server for tests: user `root` with all rights, password `testpassword`, a database `app`, 127.0.0.1, a
/// free port.
///
/// Ends when it is dropped, and when the test process ends in whatever way.
#[derive(Debug)]
pub struct MariaDb {
    address: Address,
    /// Absent when the address was given.
    process: Option<Process>,
}

impl MariaDb {
    /// The one server of this test process, started at the first call; or the server that
    /// `MCP_HUB_TEST_MARIADB_URL` names. Tests share it, so each uses names of its own.
    ///
    /// `None` when there is none to be had: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When the programs are there but the server does not start.
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<MariaDb>> = OnceCell::const_new();
        let shared = SHARED
            .get_or_init(async || match Address::given(names::MARIADB_URL, MYSQL_PORT) {
                Some(address) => Some(Self {
                    address,
                    process: None,
                }),
                None => Self::launch(&Settings::new()).await,
            })
            .await
            .as_ref();
        if shared.is_none() {
            required("no MariaDB: neither its programs nor MCP_HUB_TEST_MARIADB_URL");
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
        Self::start_with(&Settings::new()).await
    }

    /// Like [`MariaDb::start`], with settings of the section `[mariadbd]`. Relative paths are below the data folder.
    ///
    /// # Panics
    ///
    /// When the programs are there but the server does not start.
    pub async fn start_with(settings: &Settings) -> Option<Self> {
        let server = Self::launch(settings).await;
        if server.is_none() {
            required("no programs of MariaDB (mariadb-install-db, mariadbd)");
        }
        server
    }

    async fn launch(settings: &Settings) -> Option<Self> {
        let programs = Programs::find()?;
        let port = free_port();
        let settings = settings.clone();
        let prepared = spawn_blocking(move || prepare(&programs, port, &settings)).await;
        let process = prepared
            .expect("no panic")
            .unwrap_or_else(|error| panic!("MariaDB for tests: {error:#}"));
        let url = format!("mysql://root:testpassword@127.0.0.1:{port}/app");
        let server = Self {
            address: Address::new(&url, MYSQL_PORT).expect("a URL"),
            process: Some(process),
        };
        server.start_again().await;
        Some(server)
    }

    /// Where it is, and the user `root` with its password.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// `mysql://root:testpassword@127.0.0.1:PORT/app`.
    pub fn url(&self) -> &str {
        self.address.url()
    }

    /// The address of another database of this server.
    pub fn url_of(&self, database: &str) -> String {
        self.address.url_of(database)
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops the server in an orderly way: open transactions are rolled back, clients are told. Nothing listens on the
    /// port afterwards.
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

    /// Starts a stopped server on the same port, with its data; returns when it accepts connections.
    ///
    /// # Panics
    ///
    /// When it does not start, or the address was given.
    pub async fn start_again(&self) {
        self.process().start(async || greeting(&self.address).await).await;
    }

    fn process(&self) -> &Process {
        self.process.as_ref().expect("a server that this process started")
    }
}

/// Makes the data folder and the configuration.
fn prepare(programs: &Programs, port: u16, settings: &Settings) -> anyhow::Result<Process> {
    let folder = tempfile::Builder::new()
        .prefix("mcp-hub-mariadb-")
        .tempdir()?
        .keep();
    let user = User::for_folder(&folder, "mysql")?;
    let configuration = folder.join("my.cnf");
    let defaults = format!("--defaults-file={}", configuration.display());
    let (program, arguments) = settings.command(&programs.server, [&defaults]);
    let process = Process::new(user, folder.clone(), &program, arguments)?;

    std::fs::write(&configuration, lines(&folder, port, settings))?;
    std::fs::write(folder.join("accounts.sql"), ACCOUNTS)?;
    // Otherwise there would be 'root'@'127.0.0.1' without a password as well.
    run(user.command(&programs.install).arg(&defaults).args([
        "--auth-root-authentication-method=socket",
        "--skip-test-db",
        "--skip-name-resolve",
    ]))?;
    settings.write_files(&folder.join("data"))?;
    Ok(process)
}

/// Durability costs seconds and protects nothing here, and memory is kept small. The character set is that of Debian's
/// package; everything else stays as a user has it.
fn lines(folder: &Path, port: u16, settings: &Settings) -> String {
    let path = |name: &str| folder.join(name).display().to_string();
    let usual = [
        ("bind-address", "127.0.0.1"),
        ("port", &port.to_string()),
        ("datadir", &path("data")),
        ("socket", &path("socket")),
        ("pid-file", &path("pid")),
        ("init-file", &path("accounts.sql")),
        // A server that starts removes the temporary tables that it finds here, another server's as well.
        ("tmpdir", &path("")),
        // Accounts are for addresses: where 127.0.0.1 has a name, 'root'@'localhost' would be another.
        ("skip-name-resolve", "1"),
        ("character-set-server", "utf8mb4"),
        ("default-time-zone", "+00:00"),
        ("max-connections", "200"),
        ("innodb-buffer-pool-size", "64M"),
        ("innodb-log-file-size", "16M"),
        ("innodb-flush-log-at-trx-commit", "0"),
        ("innodb-doublewrite", "0"),
        ("innodb-buffer-pool-dump-at-shutdown", "0"),
        ("innodb-buffer-pool-load-at-startup", "0"),
    ];
    format!("[mariadbd]\n{}", settings.lines(&usual))
}

/// The server speaks first, once it has run its init file and accepts connections.
async fn greeting(address: &Address) -> anyhow::Result<()> {
    let mut connection = TcpStream::connect((address.host(), address.port())).await?;
    let mut start = [0; 5];
    connection
        .read_exact(&mut start)
        .await
        .context("it closed the connection")?;
    let version = start[4];
    ensure!(
        version == 10,
        "a first message of kind {version} in place of a greeting"
    );
    Ok(())
}

//! PgBouncer in transaction mode: the pooler that people have in front of their PostgreSQL.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use mcp_hub_programs::pgbouncer;

use crate::guard::Guard;
use crate::port::free_port;
use crate::postgres::Postgres;
use crate::skip::required;
use crate::user::User;
use crate::wait::eventually;

const RUN_AND_REMOVE: &str = r#"
    "$1" "$2/pgbouncer.ini" >"$2/log" 2>&1 </dev/null &
    bouncer=$!
    cat >/dev/null
    kill -INT "$bouncer"
    wait "$bouncer"
    rm -rf -- "$2"
"#;

/// A pooler on 127.0.0.1 in front of a test server, in transaction mode: each transaction may get another server
/// connection. Any role of the server may log in, without a password.
#[derive(Debug)]
pub struct PgBouncer {
    port: u16,
    guard: Mutex<Guard>,
}

impl PgBouncer {
    /// Starts a pooler with at most two server connections per role and database: few, so that clients meet on one.
    ///
    /// `None` when the program is missing: [`required`] has been called, return from the test.
    ///
    /// # Panics
    ///
    /// When the program is there but does not start.
    pub async fn in_front_of(postgres: &Postgres) -> Option<Self> {
        let Some(program) = pgbouncer() else {
            required("no PgBouncer (program pgbouncer)");
            return None;
        };
        let pooler = Self::launch(&program, postgres).unwrap_or_else(|error| panic!("PgBouncer: {error:#}"));
        eventually(Duration::from_secs(10), async || pooler.accepts()).await;
        Some(pooler)
    }

    fn launch(program: &Path, postgres: &Postgres) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("mcp-hub-pgbouncer-").tempdir()?;
        let port = free_port();
        let settings = format!(
            "[databases]\n\
             * = host={host} port={server_port}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             pool_mode = transaction\n\
             default_pool_size = 2\n\
             auth_type = trust\n\
             auth_file = {folder}/users\n\
             auth_user = postgres\n",
            host = postgres.host(),
            server_port = postgres.port(),
            folder = folder.path().display(),
        );
        std::fs::write(folder.path().join("pgbouncer.ini"), settings)?;
        // All other roles are looked up on the server (auth_query), as this one.
        std::fs::write(folder.path().join("users"), "\"postgres\" \"\"\n")?;
        let user = User::for_folder(folder.path(), "postgres")?;
        let folder = folder.keep();
        let guard = Guard::start(user, RUN_AND_REMOVE, [program, &folder])?;
        Ok(Self {
            port,
            guard: Mutex::new(guard),
        })
    }

    fn accepts(&self) -> anyhow::Result<()> {
        ensure!(
            self.guard.lock().expect("no panic while locked").is_alive(),
            "it ended"
        );
        TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))
            .map(drop)
            .context("it does not accept connections")
    }

    /// `postgres://postgres@127.0.0.1:PORT/postgres`, through the pooler.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// The address of another database, through the pooler.
    pub fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The TCP port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

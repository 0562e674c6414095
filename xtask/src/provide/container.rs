//! A server in a container, for machines without its programs.

use std::ffi::OsString;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use mcp_hub_programs::{Neo4j, find, names};

use crate::process::read;

/// Includes the download of the image.
const DEADLINE: Duration = Duration::from_mins(5);

/// What to run.
struct Image {
    name: String,
    /// `NAME=VALUE`.
    environment: &'static [&'static str],
    /// For the program inside.
    arguments: &'static [&'static str],
    /// The variables for the tests, with the port inside, and an address in which `PORT` is the one outside.
    addresses: &'static [(&'static str, u16, &'static str)],
    /// Succeeds inside once the server accepts logins over TCP: while an image sets itself up, its server listens on a
    /// socket file only, or has no password yet.
    ready: &'static [&'static str],
}

/// A running container. It ends with this value, and with Ctrl-C, which docker's client passes on.
#[derive(Debug)]
pub(crate) struct Container {
    client: Child,
    name: String,
    variables: Vec<(&'static str, OsString)>,
}

impl Container {
    /// PostgreSQL: superuser `postgres`, no password.
    pub(crate) fn postgres() -> anyhow::Result<Self> {
        Self::start(&Image {
            name: "docker.io/library/postgres:17".to_owned(),
            environment: &["POSTGRES_HOST_AUTH_METHOD=trust"],
            arguments: &["-c", "fsync=off", "-c", "max_connections=200"],
            addresses: &[(
                names::POSTGRES_URL,
                5432,
                "postgres://postgres@127.0.0.1:PORT/postgres",
            )],
            ready: &["pg_isready", "--quiet", "--host", "127.0.0.1"],
        })
    }

    /// MariaDB: user `root`, password `testpassword`.
    pub(crate) fn mariadb() -> anyhow::Result<Self> {
        Self::start(&Image {
            name: "docker.io/library/mariadb:10.11".to_owned(),
            environment: &["MARIADB_ROOT_PASSWORD=testpassword", "MARIADB_DATABASE=app"],
            arguments: &["--skip-name-resolve", "--max-connections=200"],
            addresses: &[(
                names::MARIADB_URL,
                3306,
                "mysql://root:testpassword@127.0.0.1:PORT/app",
            )],
            ready: &[
                "mariadb",
                "--host=127.0.0.1",
                "--user=root",
                "--password=testpassword",
                "--execute=SELECT 1",
            ],
        })
    }

    /// Neo4j: user `neo4j`, password `testpassword`.
    pub(crate) fn neo4j() -> anyhow::Result<Self> {
        let (line, _) = Neo4j::version().rsplit_once('.').context("a version")?;
        Self::start(&Image {
            name: format!("docker.io/library/neo4j:{line}-community"),
            environment: &["NEO4J_AUTH=neo4j/testpassword"],
            arguments: &[],
            addresses: &[
                (names::NEO4J_URL, 7687, "bolt://neo4j:testpassword@127.0.0.1:PORT"),
                (names::NEO4J_HTTP_URL, 7474, "http://127.0.0.1:PORT"),
            ],
            ready: &[
                "cypher-shell",
                "--username=neo4j",
                "--password=testpassword",
                "RETURN 1",
            ],
        })
    }

    /// Qdrant: no API key.
    pub(crate) fn qdrant() -> anyhow::Result<Self> {
        Self::start(&Image {
            name: "docker.io/qdrant/qdrant:v1.18.2".to_owned(),
            environment: &["QDRANT__TELEMETRY_DISABLED=true"],
            arguments: &[],
            addresses: &[
                (names::QDRANT_URL, 6334, "http://127.0.0.1:PORT"),
                (names::QDRANT_REST_URL, 6333, "http://127.0.0.1:PORT"),
            ],
            // The image has a shell and little else. gRPC listens last.
            ready: &["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/6334"],
        })
    }

    fn start(image: &Image) -> anyhow::Result<Self> {
        ensure!(find("docker").is_some(), "no program docker");
        read(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))?;
        let kind = image.name.rsplit(['/', ':']).nth(1).unwrap_or_default();
        let name = format!("mcp-hub-test-{kind}-{}", std::process::id());
        let mut run = Command::new("docker");
        run.args(["run", "--rm", "--name", &name]);
        for (_, port, _) in image.addresses {
            run.arg("--publish").arg(format!("127.0.0.1::{port}"));
        }
        for variable in image.environment {
            run.args(["--env", variable]);
        }
        let client = run
            .arg(&image.name)
            .args(image.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker run")?;
        let mut container = Self {
            client,
            name,
            variables: Vec::new(),
        };
        container.wait(image)?;
        for (variable, port, url) in image.addresses {
            let port = container.port(*port)?.to_string();
            container
                .variables
                .push((variable, url.replace("PORT", &port).into()));
        }
        Ok(container)
    }

    fn wait(&mut self, image: &Image) -> anyhow::Result<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            let ready = Command::new("docker")
                .args(["exec", &self.name])
                .args(image.ready)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()?;
            if ready.success() {
                return Ok(());
            }
            ensure!(
                self.client.try_wait()?.is_none(),
                "docker run {} ended at once",
                image.name
            );
            ensure!(
                Instant::now() < end,
                "{} was not ready within {DEADLINE:?}",
                image.name
            );
            #[expect(
                clippy::disallowed_methods,
                reason = "polling another program, with a deadline; no runtime here"
            )]
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The loopback port for one inside.
    fn port(&self, inside: u16) -> anyhow::Result<u16> {
        let said = read(Command::new("docker").args(["port", &self.name, &format!("{inside}/tcp")]))?;
        said.lines()
            .next()
            .and_then(|line| line.rsplit(':').next()?.trim().parse().ok())
            .context("docker named no port")
    }

    /// The server's address, for the tests.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        self.variables.clone()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // Best effort: the container is of no use any more, and `--rm` removes it once it is stopped.
        let _ = Command::new("docker")
            .args(["stop", "--time", "2", &self.name])
            .stdout(Stdio::null())
            .status();
        let _ = self.client.wait();
    }
}

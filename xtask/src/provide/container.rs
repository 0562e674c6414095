//! A server in a container, for machines without its programs.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use crate::process::{find, read};

const IMAGE: &str = "docker.io/library/postgres:17";
/// Includes the download of the image.
const DEADLINE: Duration = Duration::from_mins(5);

/// A running container. It ends with this value, and with Ctrl-C, which docker's client passes on.
#[derive(Debug)]
pub(crate) struct Container {
    client: Child,
    name: String,
    port: u16,
}

impl Container {
    /// PostgreSQL on a free loopback port; superuser `postgres`, no password.
    pub(crate) fn postgres() -> anyhow::Result<Self> {
        ensure!(find("docker").is_some(), "no program docker");
        read(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"]))?;
        let name = format!("mcp-hub-test-{}", std::process::id());
        let client = Command::new("docker")
            .args(["run", "--rm", "--name", &name, "--publish", "127.0.0.1::5432"])
            .args([
                "--env",
                "POSTGRES_HOST_AUTH_METHOD=trust",
                IMAGE,
                "-c",
                "fsync=off",
                "-c",
                "max_connections=200",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("docker run")?;
        let mut container = Self {
            client,
            name,
            port: 0,
        };
        container.wait()?;
        let address = read(Command::new("docker").args(["port", &container.name, "5432/tcp"]))?;
        let port = address.lines().next().and_then(|line| line.rsplit(':').next());
        container.port = port
            .and_then(|port| port.trim().parse().ok())
            .context("docker named no port")?;
        Ok(container)
    }

    /// Waits until the server inside accepts TCP: while the image sets itself up, it listens on a socket file only.
    fn wait(&mut self) -> anyhow::Result<()> {
        let end = Instant::now() + DEADLINE;
        loop {
            let ready = Command::new("docker")
                .args(["exec", &self.name, "pg_isready", "--quiet", "--host", "127.0.0.1"])
                .stderr(Stdio::null())
                .status()?;
            if ready.success() {
                return Ok(());
            }
            ensure!(
                self.client.try_wait()?.is_none(),
                "docker run {IMAGE} ended at once"
            );
            ensure!(Instant::now() < end, "{IMAGE} was not ready within {DEADLINE:?}");
            #[expect(
                clippy::disallowed_methods,
                reason = "polling another program, with a deadline; no runtime here"
            )]
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// The server's address.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
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

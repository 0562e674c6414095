//! A program of this workspace that serves on fixed ports, so that it can be ended and started again.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::ensure;
use mcp_hub_testing::{eventually, free_port};
use tokio::net::TcpStream;

use crate::http;
use crate::process::{Exit, Process};

/// How long a start may take. Other tests run at the same time on the same cores.
const START: Duration = Duration::from_secs(30);

/// One replica of a facade or of an adapter: its place, whether it runs or not.
#[derive(Debug)]
pub struct Replica {
    program: &'static str,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    address: SocketAddr,
    ready: Ready,
    process: Option<Process>,
}

/// When a replica is up.
#[derive(Clone, Copy, Debug)]
enum Ready {
    /// It accepts connections.
    Accepts,
    /// `GET /readyz` is answered with 200.
    Readyz,
}

impl Replica {
    /// Starts an adapter on a free port of 127.0.0.1: `mcp-hub-sqlite` with `--path FILE`.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn adapter(program: &'static str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        arguments.extend(["--listen".to_owned(), address.to_string()]);
        let environment = environment
            .iter()
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut replica = Self::place(program, arguments, environment, address, Ready::Accepts);
        replica.restart().await;
        replica
    }

    /// The place of a facade, which does not run yet.
    pub(crate) fn facade(address: SocketAddr, environment: Vec<(String, String)>) -> Self {
        Self::place("mcp-hub-facade", Vec::new(), environment, address, Ready::Readyz)
    }

    fn place(
        program: &'static str,
        arguments: Vec<String>,
        environment: Vec<(String, String)>,
        address: SocketAddr,
        ready: Ready,
    ) -> Self {
        Self {
            program,
            arguments,
            environment,
            address,
            ready,
            process: None,
        }
    }

    /// Where it serves.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:PORT`, as an upstreams file has it.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether it runs, as far as this side knows.
    pub fn is_running(&self) -> bool {
        self.process.is_some()
    }

    /// The process.
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub fn process(&self) -> &Process {
        self.process
            .as_ref()
            .unwrap_or_else(|| panic!("{} at {} does not run", self.program, self.address))
    }

    /// Changes what it gets as environment from the next start on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(known, _)| known != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts it at its place, and waits until it is up.
    ///
    /// # Panics
    ///
    /// When it runs already, or is not up in time.
    pub async fn restart(&mut self) {
        self.launch();
        self.up().await;
    }

    /// Starts it at its place, and does not wait until it is [`up`](Self::up).
    ///
    /// # Panics
    ///
    /// When it runs already.
    pub fn launch(&mut self) {
        assert!(
            self.process.is_none(),
            "{} at {} runs",
            self.program,
            self.address
        );
        let environment: Vec<(&str, &str)> = self
            .environment
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        self.process = Some(Process::start(self.program, &self.arguments, &environment));
    }

    /// Waits until it is up: a facade is ready, an adapter accepts connections.
    ///
    /// # Panics
    ///
    /// When it is not in time.
    pub async fn up(&self) {
        let process = self.process();
        eventually(START, async || {
            let up = match self.ready {
                Ready::Accepts => TcpStream::connect(self.address)
                    .await
                    .map(drop)
                    .map_err(Into::into),
                Ready::Readyz => self.readyz().await,
            };
            up.map_err(|error: anyhow::Error| format!("{error:#}: {}", process.output()))
        })
        .await;
    }

    async fn readyz(&self) -> anyhow::Result<()> {
        let status = http::get(self.address.port(), "/readyz").await?;
        ensure!(status == 200, "/readyz: {status}");
        Ok(())
    }

    /// Ends it without a word (SIGKILL).
    ///
    /// # Panics
    ///
    /// When it does not run.
    pub async fn kill(&mut self) -> Exit {
        self.take().kill().await
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    ///
    /// # Panics
    ///
    /// When it does not run, or does not end.
    pub async fn terminate(&mut self) -> Exit {
        self.take().terminate().await
    }

    fn take(&mut self) -> Process {
        let process = self.process.take();
        process.unwrap_or_else(|| panic!("{} at {} does not run", self.program, self.address))
    }
}

//! The workspace's programs, started for a measurement and ended with it.

use std::collections::VecDeque;
use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::http::Client;
use crate::process::Watched;
use crate::wait::until;

/// How long a program may take to listen and to be ready.
const START: Duration = Duration::from_secs(30);

/// How much of a program's log is kept for an error message, in lines.
const KEPT: usize = 20;

/// The folder with the programs.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    folder: PathBuf,
    /// Settings that all of them get.
    settings: Vec<(&'static str, String)>,
}

impl Programs {
    /// The given folder, else that of this program.
    pub(crate) fn find(given: Option<&Path>) -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("the path of this program")?;
        let folder = given.or_else(|| this.parent());
        Ok(Self {
            folder: folder.context("the folder of this program")?.to_owned(),
            settings: vec![],
        })
    }

    /// The same programs with more settings in their environment.
    pub(crate) fn with(&self, settings: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        let mut programs = self.clone();
        programs.settings.extend(settings);
        programs
    }

    /// Starts the facade in front of `upstreams`, the text of an upstreams file, and waits until it is ready.
    pub(crate) async fn facade(&self, upstreams: &str, arguments: &[&str]) -> anyhow::Result<Program> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("upstreams.toml");
        std::fs::write(&file, upstreams)?;
        let mut all: Vec<&OsStr> = vec!["--upstreams".as_ref(), file.as_ref()];
        all.extend(arguments.iter().map(OsStr::new));
        let facade = self.start("mcp-hub-facade", folder, &all, &[]).await?;
        until(START, "a facade that is ready", async || {
            let status = Client::connect(facade.address, None)
                .await?
                .get("/readyz")
                .await?
                .status();
            ensure!(status.is_success(), "/readyz says {status}\n{}", facade.log());
            Ok(())
        })
        .await?;
        Ok(facade)
    }

    /// Starts the adapter of PostgreSQL and waits until it listens.
    pub(crate) async fn postgres(&self, url: &str, pool_size: usize) -> anyhow::Result<Program> {
        let pool_size = pool_size.to_string();
        // In the environment, because everybody on the machine can read a command line, and the URL may hold a password.
        let settings = [("POSTGRES_URL", url), ("POSTGRES_POOL_SIZE", &pool_size)];
        self.start("mcp-hub-postgres", tempfile::tempdir()?, &[], &settings)
            .await
    }

    async fn start(
        &self,
        name: &'static str,
        folder: TempDir,
        arguments: &[&OsStr],
        settings: &[(&str, &str)],
    ) -> anyhow::Result<Program> {
        let path = self.folder.join(name);
        ensure!(
            path.is_file(),
            "{} is not built: `cargo xtask bench` builds it and starts this program",
            path.display()
        );
        let mut child = Command::new(&path)
            .args(["--listen", "127.0.0.1:0", "--log-format", "json"])
            .args(arguments)
            .current_dir(folder.path())
            // The settings are those given here and no others.
            .env_clear()
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .envs(settings.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", path.display()))?;
        let lines = BufReader::new(child.stderr.take().context("a pipe")?).lines();
        let watched = Watched::new(child.id().context("a program that runs")?)?;
        let mut log = Log::new(lines);
        let address = timeout(START, log.listening())
            .await
            .with_context(|| format!("{name} does not listen within {START:?}"))?
            .with_context(|| format!("{name} does not start"))?;
        Ok(Program {
            address,
            watched,
            name,
            log: log.follow(),
            child,
            _folder: folder,
        })
    }
}

/// A program that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Program {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What it takes.
    pub(crate) watched: Watched,
    name: &'static str,
    log: Followed,
    child: Child,
    /// The folder that it runs in.
    _folder: TempDir,
}

impl Program {
    /// The end of its log, under its name.
    pub(crate) fn log(&self) -> String {
        format!("the log of {}:\n{}", self.name, self.log.text())
    }

    /// Ends it and waits until it has ended.
    pub(crate) async fn end(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("it had ended by itself, {status}:\n{}", self.log());
        }
        self.child.kill().await.context("ending a program")
    }
}

/// The log on stderr, JSON a line.
struct Log {
    lines: Lines<BufReader<ChildStderr>>,
    kept: VecDeque<String>,
}

impl Log {
    fn new(lines: Lines<BufReader<ChildStderr>>) -> Self {
        Self {
            lines,
            kept: VecDeque::new(),
        }
    }

    /// Reads until it says where it listens: the port is the system's choice.
    async fn listening(&mut self) -> anyhow::Result<SocketAddr> {
        while let Some(line) = self.lines.next_line().await? {
            let entry: Value = serde_json::from_str(&line).unwrap_or_default();
            keep(&mut self.kept, line);
            if entry["message"] == "listening"
                && let Some(address) = entry["address"].as_str()
            {
                return Ok(address.parse()?);
            }
        }
        bail!("it ended:\n{}", Vec::from(self.kept.clone()).join("\n"))
    }

    /// Goes on reading, so that the program never waits for a reader.
    fn follow(self) -> Followed {
        let kept = Arc::new(Mutex::new(self.kept));
        let mut reader = JoinSet::new();
        let (mut lines, shared) = (self.lines, kept.clone());
        reader.spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                keep(&mut shared.lock().unwrap_or_else(PoisonError::into_inner), line);
            }
        });
        Followed {
            kept,
            _reader: reader,
        }
    }
}

fn keep(kept: &mut VecDeque<String>, line: String) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    kept.push_back(line);
}

#[derive(Debug)]
struct Followed {
    kept: Arc<Mutex<VecDeque<String>>>,
    _reader: JoinSet<()>,
}

impl Followed {
    fn text(&self) -> String {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Vec::from(kept.clone()).join("\n")
    }
}

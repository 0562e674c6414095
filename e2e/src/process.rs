//! A program of this workspace, running.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_hub_testing::eventually;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long a start may take. Other tests run at the same time on the same cores.
const START: Duration = Duration::from_secs(20);

/// The path of one of this workspace's programs: in the folder that `MCP_HUB_TEST_BIN` names, else beside the test
/// programs.
///
/// # Panics
///
/// When it is not there: `cargo xtask test clients` builds it, `cargo test -p mcp-hub-e2e` alone does not.
pub fn program(name: &str) -> PathBuf {
    let folder = variable("MCP_HUB_TEST_BIN").map_or_else(
        || {
            let test = std::env::current_exe().expect("the path of this test program");
            let deps = test.parent().expect("target/debug/deps");
            deps.parent().expect("target/debug").to_owned()
        },
        PathBuf::from,
    );
    let path = folder.join(name);
    assert!(
        path.is_file(),
        "{} is not built: cargo build --workspace --all-targets",
        path.display()
    );
    path
}

#[expect(
    clippy::disallowed_methods,
    reason = "these variables steer the tests and are no settings of the product"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// A program that runs with an empty environment in a folder of its own, and is killed when this value is dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    output: Arc<Mutex<String>>,
    /// One for each stream; it ends when the stream does.
    readers: [JoinHandle<()>; 2],
    folder: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub struct Exit {
    /// Its status.
    pub status: ExitStatus,
    /// How long it took from being told to end.
    pub after: Duration,
    /// Everything that it printed on both streams.
    pub output: String,
}

impl Process {
    /// Starts a program. Only `environment` is set, and HOME is the folder of its own.
    ///
    /// # Panics
    ///
    /// When it can't be started.
    pub fn start<A: AsRef<OsStr>>(name: &str, arguments: &[A], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = Command::new(program(name))
            .args(arguments)
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let output = Arc::new(Mutex::new(String::new()));
        let readers = [
            collect(child.stdout.take().expect("a pipe"), Arc::clone(&output)),
            collect(child.stderr.take().expect("a pipe"), Arc::clone(&output)),
        ];
        Self {
            child,
            output,
            readers,
            folder,
        }
    }

    /// Its number in the system.
    ///
    /// # Panics
    ///
    /// When it has ended.
    pub fn id(&self) -> u32 {
        self.child
            .id()
            .unwrap_or_else(|| panic!("it has ended; it printed:\n{}", self.output()))
    }

    /// The folder that it runs in.
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// What it has printed so far, on both streams.
    pub fn output(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it has printed `text`, and returns all that it printed.
    ///
    /// # Panics
    ///
    /// When it ends or a deadline passes before.
    pub async fn printed(&self, text: &str) -> String {
        eventually(START, async || {
            let output = self.output();
            if output.contains(text) {
                Ok(output)
            } else {
                Err(format!("no {text:?} in:\n{output}"))
            }
        })
        .await
    }

    /// Asks it to end, as Ctrl-C does, and waits until it has.
    ///
    /// # Panics
    ///
    /// When it has ended before, or does not end.
    pub async fn interrupt(self) -> Exit {
        self.end("INT").await
    }

    /// Asks it to end, as a supervisor does (SIGTERM), and waits until it has.
    ///
    /// # Panics
    ///
    /// When it has ended before, or does not end.
    pub async fn terminate(self) -> Exit {
        self.end("TERM").await
    }

    /// Ends it without a word (SIGKILL), and waits until the system has closed all that it had open.
    ///
    /// # Panics
    ///
    /// When it has ended before.
    pub async fn kill(self) -> Exit {
        self.end("KILL").await
    }

    async fn end(mut self, signal: &str) -> Exit {
        let told = Instant::now();
        self.signal(signal).await;
        self.wait(told).await
    }

    /// Sends it a signal: `STOP` halts it with all its connections open, `CONT` lets it go on.
    ///
    /// # Panics
    ///
    /// When it has ended before.
    pub async fn signal(&self, signal: &str) {
        let id = self
            .child
            .id()
            .unwrap_or_else(|| panic!("it has ended; it printed:\n{}", self.output()));
        let status = Command::new("kill")
            .args(["-s", signal, &id.to_string()])
            .status()
            .await
            .expect("kill runs");
        assert!(status.success(), "it has ended; it printed:\n{}", self.output());
    }

    /// Waits until it has ended by itself.
    ///
    /// # Panics
    ///
    /// When a deadline passes before.
    pub async fn ended(mut self) -> Exit {
        self.wait(Instant::now()).await
    }

    async fn wait(&mut self, since: Instant) -> Exit {
        let status = tokio::time::timeout(START, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("it does not end; it printed:\n{}", self.output()))
            .expect("a status");
        let after = since.elapsed();
        for reader in &mut self.readers {
            reader.await.expect("no panic");
        }
        Exit {
            status,
            after,
            output: self.output(),
        }
    }
}

/// Reads a stream to its end, so that the program never waits for a reader.
#[expect(
    clippy::disallowed_methods,
    reason = "a test has no Lifecycle; the task ends with the stream"
)]
pub(crate) fn collect(
    stream: impl AsyncRead + Unpin + Send + 'static,
    output: Arc<Mutex<String>>,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut lines = BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.push_str(&line);
            output.push('\n');
        }
    })
}

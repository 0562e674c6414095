//! The program, running, with an environment and a folder of its own.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use mcp_hub_testing::eventually;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// How long anything may take. Other tests run at the same time on the same cores.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// A program that is killed when this value is dropped.
pub(crate) struct Program {
    child: Child,
    stderr: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
    _folder: TempDir,
}

/// How a program ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: ExitStatus,
    pub(crate) after: Duration,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

fn command(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-hub"));
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs a command to its end.
pub(crate) async fn run(arguments: &[&str], environment: &[(&str, &str)]) -> Exit {
    Program::start(arguments, environment).ended().await
}

impl Program {
    pub(crate) fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), arguments, environment)
    }

    pub(crate) fn start_in(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut child = command(folder.path(), arguments, environment)
            .spawn()
            .expect("the program starts");
        drop(child.stdin.take());
        let (stdout, stderr) = (Arc::default(), Arc::default());
        collect(child.stdout.take().expect("a pipe"), Arc::clone(&stdout));
        collect(child.stderr.take().expect("a pipe"), Arc::clone(&stderr));
        Self {
            child,
            stderr,
            stdout,
            _folder: folder,
        }
    }

    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends SIGINT, as Ctrl-C does.
    pub(crate) async fn interrupt(&self) {
        let id = self.child.id().expect("it runs").to_string();
        let status = Command::new("kill").args(["-INT", &id]).status().await;
        assert!(status.expect("kill runs").success());
    }

    pub(crate) async fn ended(mut self) -> Exit {
        let told = Instant::now();
        let status = tokio::time::timeout(DEADLINE, self.child.wait())
            .await
            .unwrap_or_else(|_| panic!("it does not end:\n{}", self.stderr()))
            .expect("its status");
        let after = told.elapsed();
        // The pipes end with the program; what was in them is read by then or a moment later.
        eventually(DEADLINE, async || {
            Arc::strong_count(&self.stdout) + Arc::strong_count(&self.stderr) == 2
        })
        .await;
        Exit {
            status,
            after,
            stdout: self.stdout(),
            stderr: self.stderr(),
        }
    }
}

fn collect(mut pipe: impl AsyncRead + Unpin + Send + 'static, text: Arc<Mutex<String>>) {
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the pipe, and the test does not wait for it"
    )]
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer).await {
            let read = String::from_utf8_lossy(&buffer[..count]).into_owned();
            text.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push_str(&read);
        }
    });
}

/// A hub that serves HTTP.
pub(crate) struct Hub {
    pub(crate) program: Program,
    pub(crate) port: u16,
}

impl Hub {
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), arguments, environment).await
    }

    pub(crate) async fn start_in(folder: TempDir, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments = [&["up", "--port", "0"], arguments].concat();
        let program = Program::start_in(folder, &arguments, environment);
        let banner = eventually(DEADLINE, async || {
            let banner = program.stdout();
            if banner.contains("Ctrl-C ends it") {
                Ok(banner)
            } else {
                Err(format!("no banner:\n{banner}\n{}", program.stderr()))
            }
        })
        .await;
        let port = banner
            .split("http://127.0.0.1:")
            .nth(1)
            .and_then(|rest| rest.split('/').next()?.parse().ok())
            .expect("the banner names the address");
        Self { program, port }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/mcp", self.port)
    }

    /// Posts a message as any HTTP client does. When this returns, the hub is at work on it.
    pub(crate) async fn begin(&self, message: &Value) -> TcpStream {
        let body = message.to_string();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAccept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n",
            self.port,
            body.len()
        );
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))
            .await
            .expect("it listens");
        stream.write_all(head.as_bytes()).await.expect("it reads");
        let expected = b"HTTP/1.1 100 Continue\r\n\r\n";
        let mut goes_on = [0; 25];
        stream.read_exact(&mut goes_on).await.expect("it answers");
        assert_eq!(goes_on, *expected);
        stream.write_all(body.as_bytes()).await.expect("it reads");
        stream
    }

    /// Posts a message; the JSON that comes back.
    pub(crate) async fn post(&self, message: &Value) -> Value {
        let mut stream = self.begin(message).await;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("it answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("head and body");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    pub(crate) async fn names_of_tools(&self) -> Vec<String> {
        let answer = self.post(&request(1, "tools/list", json!({}))).await;
        names(&answer)
    }
}

pub(crate) fn request(id: u32, method: &str, params: impl Into<Value>) -> Value {
    let params = params.into();
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The same message as a client of 2026-07-28 sends it.
pub(crate) fn modern(mut message: Value) -> Value {
    message["params"]["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    message
}

pub(crate) fn initialize(version: &str) -> Value {
    let client = json!({ "name": "test", "version": "1" });
    request(
        0,
        "initialize",
        json!({ "protocolVersion": version, "capabilities": {}, "clientInfo": client }),
    )
}

pub(crate) fn query(id: u32, tool: &str, sql: &str) -> Value {
    request(
        id,
        "tools/call",
        json!({ "name": tool, "arguments": { "sql": sql } }),
    )
}

pub(crate) fn names(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("no tools: {answer}"));
    tools
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name").to_owned())
        .collect()
}

/// A program that speaks MCP on stdin and stdout.
pub(crate) struct Speaker {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: Arc<Mutex<String>>,
    _folder: TempDir,
}

impl Speaker {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    pub(crate) fn start_with(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = [&["stdio"], arguments].concat();
        let mut child = command(folder.path(), &arguments, environment)
            .spawn()
            .expect("the program starts");
        let stderr = Arc::default();
        collect(child.stderr.take().expect("a pipe"), Arc::clone(&stderr));
        Self {
            stdin: child.stdin.take(),
            stdout: BufReader::new(child.stdout.take().expect("a pipe")).lines(),
            child,
            stderr,
            _folder: folder,
        }
    }

    pub(crate) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(crate) async fn say_text(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin
            .write_all(format!("{text}\n").as_bytes())
            .await
            .expect("it reads");
    }

    /// The next message. Everything on stdout must be one.
    pub(crate) async fn hear(&mut self) -> Value {
        let line = self.hear_text().await;
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    /// The next line.
    pub(crate) async fn hear_text(&mut self) -> String {
        tokio::time::timeout(DEADLINE, self.stdout.next_line())
            .await
            .unwrap_or_else(|_| panic!("no answer:\n{}", self.log()))
            .expect("stdout is text")
            .unwrap_or_else(|| panic!("stdout ended:\n{}", self.log()))
    }

    pub(crate) async fn ask(&mut self, message: &Value) -> Value {
        self.say(message).await;
        let answer = self.hear().await;
        assert_eq!(answer["id"], message["id"], "{answer}");
        answer
    }

    /// The answer to a request, and what was heard before it.
    pub(crate) async fn hear_until(&mut self, id: u32) -> (Vec<Value>, Value) {
        let mut told = Vec::new();
        loop {
            let message = self.hear().await;
            if message["id"] == id {
                return (told, message);
            }
            told.push(message);
        }
    }

    /// Closes its stdin and waits for its end; what it still said.
    pub(crate) async fn close(mut self) -> (ExitStatus, Vec<Value>) {
        drop(self.stdin.take());
        let mut rest = Vec::new();
        let ended = async {
            while let Some(line) = self.stdout.next_line().await.expect("text") {
                rest.push(serde_json::from_str(&line).expect("a message"));
            }
            self.child.wait().await.expect("its status")
        };
        let status = tokio::time::timeout(DEADLINE, ended)
            .await
            .expect("it ends with its input");
        (status, rest)
    }

    pub(crate) fn log(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

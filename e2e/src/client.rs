//! Sessions of real MCP clients, and a real gRPC client.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_hub_testing::required;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::process::{collect, variable};

/// How long any one step of a client may take.
const STEP: Duration = Duration::from_mins(1);

/// A way into the hub.
#[derive(Clone, Debug)]
pub enum Door {
    /// Legacy SSE: the URL of the stream.
    Sse(String),
    /// Streamable HTTP in the newest form that both know.
    Http(String),
    /// Streamable HTTP with `initialize`.
    HttpLegacy(String),
    /// Streamable HTTP with `initialize`, asking for this version.
    HttpVersion(String, &'static str),
    /// A program that speaks on stdin and stdout: its path and arguments.
    Stdio(PathBuf, Vec<String>),
    /// mcp-remote, the bridge that runs on Node, with these arguments.
    McpRemote(Vec<String>),
    /// Another one, with this header in every request.
    With(Box<Self>, &'static str, String),
}

impl Door {
    fn options(&self) -> Value {
        match self {
            Self::Sse(url) => json!({"door": "sse", "url": url}),
            Self::Http(url) => json!({"door": "http", "url": url}),
            Self::HttpLegacy(url) => json!({"door": "http-legacy", "url": url}),
            Self::HttpVersion(url, version) => json!({"door": "http-legacy", "url": url, "version": version}),
            Self::Stdio(program, arguments) => {
                // Nothing of the test's environment, or the hub would serve what that names.
                json!({"door": "stdio", "command": program, "args": arguments, "env": {}})
            }
            Self::McpRemote(arguments) => {
                let node = variable("MCP_HUB_TEST_NODE").unwrap_or_default();
                let script = modules().join("mcp-remote/dist/proxy.js").display().to_string();
                let arguments: Vec<&String> = std::iter::once(&script).chain(arguments).collect();
                json!({"door": "stdio", "command": node, "args": arguments, "env": {}})
            }
            Self::With(door, name, value) => {
                let mut options = door.options();
                options["headers"][name] = value.as_str().into();
                options
            }
        }
    }

    /// This one, for who has the token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self::With(Box::new(self), "Authorization", format!("Bearer {token}"))
    }
}

/// The answers to many calls.
#[derive(Debug)]
pub struct Answers {
    /// In the order of the calls: each what [`Session::call`] returns.
    pub answers: Vec<Value>,
    /// How long the slowest call took.
    pub slowest: Duration,
}

/// A live session of a real client.
#[derive(Debug)]
pub struct Session {
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    /// What the client, and a program that it started, wrote to stderr.
    errors: Arc<Mutex<String>>,
    /// What the client learned when it connected: `protocol_version`, `server`, `instructions`, `capabilities`.
    pub connection: Value,
}

impl Session {
    /// Connects with the Python SDK. `None` when it is not installed: [`required`] has been called.
    ///
    /// # Panics
    ///
    /// When it can't connect.
    pub async fn python(door: &Door) -> Option<Self> {
        let mut command = python("session.py")?;
        Some(Self::open(command.arg(door.options().to_string())).await)
    }

    /// Connects with the TypeScript SDK. `None` when it is not installed: [`required`] has been called.
    ///
    /// # Panics
    ///
    /// When it can't connect.
    pub async fn typescript(door: &Door) -> Option<Self> {
        let mut command = node()?;
        let script = scripts().join("node/session.cjs");
        Some(Self::open(command.arg(script).arg(door.options().to_string())).await)
    }

    async fn open(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the client's runtime starts");
        let commands = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let errors = Arc::new(Mutex::new(String::new()));
        collect(child.stderr.take().expect("a pipe"), Arc::clone(&errors));
        let mut session = Self {
            child,
            commands,
            answers,
            errors,
            connection: Value::Null,
        };
        session.connection = session.answer("connect").await;
        session
    }

    /// The version that client and server agreed on.
    pub fn protocol_version(&self) -> &str {
        self.connection["protocol_version"].as_str().unwrap_or_default()
    }

    /// The answer of `tools/list`, as the client understood it.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn list(&mut self) -> Value {
        self.send(&json!({"op": "list"})).await
    }

    /// The names of the tools, in the server's order.
    ///
    /// # Panics
    ///
    /// When the session breaks or the answer is no list of tools.
    pub async fn names(&mut self) -> Vec<String> {
        let list = self.list().await;
        let tools = list["tools"]
            .as_array()
            .unwrap_or_else(|| panic!("a list of tools: {list}"));
        tools
            .iter()
            .map(|tool| tool["name"].as_str().expect("a name").to_owned())
            .collect()
    }

    /// The result of `tools/call`, or `{"error": {"code": .., "message": ..}}` for a protocol error, or `{"failure": ..}` when the
    /// client got no answer.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.send(&json!({"op": "call", "name": name, "arguments": arguments}))
            .await
    }

    /// Calls a tool with each of these arguments, `concurrency` at a time.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn calls(&mut self, name: &str, arguments: &[Value], concurrency: usize) -> Answers {
        let calls: Vec<Value> = arguments
            .iter()
            .map(|arguments| json!({"name": name, "arguments": arguments}))
            .collect();
        let mut answer = self
            .send(&json!({"op": "calls", "calls": calls, "concurrency": concurrency}))
            .await;
        let seconds = answer["seconds"].as_array().expect("the time of each call");
        let slowest = seconds.iter().filter_map(Value::as_f64).fold(0.0, f64::max);
        Answers {
            slowest: Duration::from_secs_f64(slowest),
            answers: serde_json::from_value(answer["answers"].take()).expect("the answer to each call"),
        }
    }

    /// How many messages of a method the client has sent. Only the TypeScript SDK tells.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn sent(&mut self, method: &str) -> u64 {
        self.send(&json!({"op": "sent"})).await[method]
            .as_u64()
            .unwrap_or(0)
    }

    /// What the client, and a program that it started, wrote to stderr.
    pub fn errors(&self) -> String {
        text(&self.errors)
    }

    /// Sends `tools/call` and does not wait for its result; nothing else can be asked of this session afterwards.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn begin(&mut self, name: &str, arguments: Value) {
        let command = json!({"op": "call", "name": name, "arguments": arguments});
        self.write(&format!("{command}\n")).await;
    }

    /// Whether the server says within `seconds` that its list of tools changed, since the last time it was asked.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn list_changed(&mut self, seconds: u8) -> bool {
        self.send(&json!({"op": "list_changed", "seconds": seconds}))
            .await["changed"]
            == true
    }

    /// Ends the session as the client does it.
    ///
    /// # Panics
    ///
    /// When the client does not end, or fails while it does.
    pub async fn close(self) {
        let Self {
            mut child,
            commands,
            errors,
            ..
        } = self;
        // End of its input is what ends a client.
        drop(commands);
        let status = timeout(STEP, child.wait())
            .await
            .expect("the client ends")
            .expect("a status");
        assert!(
            status.success(),
            "the client ended with {status}: {}",
            text(&errors)
        );
    }

    async fn send(&mut self, command: &Value) -> Value {
        let line = format!("{command}\n");
        self.write(&line).await;
        self.answer(&line).await
    }

    async fn write(&mut self, line: &str) {
        self.commands
            .write_all(line.as_bytes())
            .await
            .expect("the client reads");
    }

    async fn answer(&mut self, to: &str) -> Value {
        let line = timeout(STEP, self.answers.next_line())
            .await
            .unwrap_or_else(|_| panic!("the client does not answer to {to}: {}", text(&self.errors)))
            .expect("a line")
            .unwrap_or_else(|| panic!("the client ended at {to}: {}", text(&self.errors)));
        serde_json::from_str(&line).expect("JSON")
    }
}

/// What a call of the Inspector's command line gave.
#[derive(Debug)]
pub struct Inspection {
    /// Its exit code: 0 done, 4 unreachable, 5 a tool's error, 6 a finding of `--strict`.
    pub code: i32,
    /// What it printed on stdout, parsed; null when it is no JSON.
    pub output: Value,
    /// What it printed on stderr.
    pub errors: String,
}

/// Runs the MCP Inspector's command line once. `None` when it is not installed: [`required`] has been called.
///
/// # Panics
///
/// When it does not end.
pub async fn inspect(arguments: &[&str]) -> Option<Inspection> {
    let mut command = node()?;
    let script = modules().join(".bin/mcp-inspector");
    let script = script
        .canonicalize()
        .expect("the Inspector is among the packages");
    command
        .arg(script)
        .arg("--cli")
        .args(arguments)
        .args(["--format", "json"])
        .stdin(Stdio::null());
    let output = timeout(STEP, command.output())
        .await
        .expect("the Inspector ends")
        .expect("it starts");
    Some(Inspection {
        code: output.status.code().unwrap_or(-1),
        output: serde_json::from_slice(&output.stdout).unwrap_or_default(),
        errors: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Asks an adapter by reflection what it offers, for its health, and calls methods: pairs of `service/Method` and a
/// request in JSON. `None` when Python is not installed: [`required`] has been called.
///
/// # Panics
///
/// When the client fails.
pub async fn ask_adapter(address: &str, calls: &[(&str, Value)]) -> Option<Value> {
    let mut command = python("adapter.py")?;
    command.arg(address).stdin(Stdio::null());
    for (method, request) in calls {
        command.arg(method).arg(request.to_string());
    }
    let output = timeout(STEP, command.output())
        .await
        .expect("the client ends")
        .expect("it starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(serde_json::from_slice(&output.stdout).expect("JSON"))
}

fn text(collected: &Mutex<String>) -> String {
    collected.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

fn python(script: &str) -> Option<Command> {
    let mut command = runtime("MCP_HUB_TEST_PYTHON", "no Python with the MCP SDK")?;
    command.arg(scripts().join("python").join(script));
    Some(command)
}

fn node() -> Option<Command> {
    let mut command = runtime("MCP_HUB_TEST_NODE", "no Node with the MCP SDK and the Inspector")?;
    command.env("NODE_PATH", modules());
    Some(command)
}

fn runtime(name: &str, missing: &str) -> Option<Command> {
    let Some(program) = variable(name) else {
        required(&format!("{missing}: run `cargo xtask test clients`"));
        return None;
    };
    let mut command = Command::new(program);
    command.kill_on_drop(true);
    Some(command)
}

fn modules() -> PathBuf {
    variable("MCP_HUB_TEST_NODE_MODULES").unwrap_or_default().into()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

//! A live session of a real client, driven by lines of JSON on its stdin and stdout.

use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::{Door, STEP, node, python, scripts};
use crate::process::collect;

/// The answers to many calls.
#[derive(Debug)]
pub struct Answers {
    /// In the order of the calls: each what [`Session::call`] returns.
    pub answers: Vec<Value>,
    /// How long the slowest call took.
    pub slowest: Duration,
}

/// How far a call has come, as a client was told.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// How much there is to do, where that is known.
    pub total: Option<f64>,
    /// What is done now.
    pub message: Option<String>,
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
    /// [`required`]: mcp_hub_testing::required
    ///
    /// # Panics
    ///
    /// When it can't connect.
    pub async fn python(door: &Door) -> Option<Self> {
        let mut command = python("session.py")?;
        let options = door.options();
        Some(Self::open(command.arg(options.to_string()), &options["env"]).await)
    }

    /// Connects with the TypeScript SDK of the v1 line, which knows the older era. `None` when it is not installed: [`required`] has been
    /// called.
    ///
    /// [`required`]: mcp_hub_testing::required
    ///
    /// # Panics
    ///
    /// When it can't connect.
    pub async fn typescript(door: &Door) -> Option<Self> {
        Self::node(door, "v1").await
    }

    /// Connects with the TypeScript SDK of the v2 line, which knows both eras. `None` when it is not installed: [`required`] has been
    /// called.
    ///
    /// [`required`]: mcp_hub_testing::required
    ///
    /// # Panics
    ///
    /// When it can't connect.
    pub async fn typescript_v2(door: &Door) -> Option<Self> {
        Self::node(door, "v2").await
    }

    async fn node(door: &Door, sdk: &str) -> Option<Self> {
        let mut command = node()?;
        let mut options = door.options();
        options["sdk"] = sdk.into();
        let script = scripts().join("node/session.cjs");
        Some(Self::open(command.arg(script).arg(options.to_string()), &options["env"]).await)
    }

    async fn open(command: &mut Command, environment: &Value) -> Self {
        let environment = environment.as_object().into_iter().flatten();
        let mut child = command
            .envs(environment.filter_map(|(name, value)| Some((name, value.as_str()?))))
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

    /// The answer to a request that only asks (the lists, `prompts/get`, `resources/read`, `completion/complete`), as the client understood
    /// it, or an error as from [`call`](Self::call).
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.send(&json!({"op": "ask", "method": method, "params": params}))
            .await
    }

    /// The answer of `tools/list`, as the client understood it.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn list(&mut self) -> Value {
        self.ask("tools/list", json!({})).await
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

    /// The result of `tools/call`, and the progress that the client was told of before.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn call_with_progress(&mut self, name: &str, arguments: Value) -> (Value, Vec<Progress>) {
        let mut answer = self
            .send(&json!({"op": "call", "name": name, "arguments": arguments, "progress": true}))
            .await;
        let steps = answer["progress"].as_array().expect("a list of steps").iter();
        let steps = steps.map(|step| Progress {
            done: step["progress"].as_f64().expect("a number"),
            total: step["total"].as_f64(),
            message: step["message"].as_str().map(str::to_owned),
        });
        let steps = steps.collect();
        (answer["result"].take(), steps)
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

    /// Whether the server says within `seconds` that its list of `tools`, `prompts` or `resources` changed, since the last time it was asked.
    ///
    /// # Panics
    ///
    /// When the session breaks.
    pub async fn list_changed(&mut self, kind: &str, seconds: u8) -> bool {
        self.send(&json!({"op": "list_changed", "kind": kind, "seconds": seconds}))
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

fn text(collected: &Mutex<String>) -> String {
    collected.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

//! Real clients: sessions of MCP's own SDKs, the Inspector, and a gRPC client with reflection.
//!
//! Each is a program of its own. This module knows the doors, and how to start what the set-up of the tests has provided.

mod adapter;
mod inspector;
mod session;

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_testing::required;
use serde_json::{Value, json};
use tokio::process::Command;

pub use adapter::ask_adapter;
pub use inspector::{Inspection, inspect};
pub use session::{Answers, Progress, Session};

use crate::process::variable;

/// How long any one step of a client may take. Other tests run at the same time on the same cores, and some clients start two programs.
const STEP: Duration = Duration::from_mins(2);

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
    /// Another one, whose client trusts the authority whose certificate is in this file. A program behind [`Door::Stdio`] gets it as an
    /// option of its own, where it has one.
    Trusting(Box<Self>, PathBuf),
    /// Another one, whose client sends spans of its own to the collector at this URL, as those of a service of this name. Only the
    /// Python SDK makes any.
    Traced(Box<Self>, String, &'static str),
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
            Self::Trusting(door, authority) => {
                let mut options = door.options();
                // What Python's and Node's TLS read.
                for name in ["SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"] {
                    options["env"][name] = authority.display().to_string().into();
                }
                options
            }
            Self::Traced(door, endpoint, service) => {
                let mut options = door.options();
                options["traced"] = json!({"endpoint": endpoint, "service": service});
                options
            }
        }
    }

    /// This one, with spans of its client; by gRPC to the collector at `endpoint`.
    #[must_use]
    pub fn traced(self, endpoint: &str, service: &'static str) -> Self {
        Self::Traced(Box::new(self), endpoint.to_owned(), service)
    }

    /// This one, for who trusts this authority.
    #[must_use]
    pub fn trusting(self, authority: &Path) -> Self {
        Self::Trusting(Box::new(self), authority.to_owned())
    }

    /// This one, for who has the token.
    #[must_use]
    pub fn with_token(self, token: &str) -> Self {
        Self::With(Box::new(self), "Authorization", format!("Bearer {token}"))
    }
}

fn python(script: &str) -> Option<Command> {
    let mut command = runtime("MCP_HUB_TEST_PYTHON", "no Python with the MCP SDK")?;
    command.arg(scripts().join("python").join(script));
    Some(command)
}

pub(crate) fn node() -> Option<Command> {
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

pub(crate) fn modules() -> PathBuf {
    variable("MCP_HUB_TEST_NODE_MODULES").unwrap_or_default().into()
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients")
}

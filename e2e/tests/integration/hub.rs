//! A running hub, and what its answers are made of.

use mcp_hub_e2e::{Door, Exit, Process, program};
use serde_json::Value;

/// `mcp-hub up` on a free port with a data folder of its own.
pub(crate) struct Hub {
    pub(crate) process: Process,
    pub(crate) port: u16,
    /// What it printed when it was up.
    pub(crate) banner: String,
}

impl Hub {
    /// With nothing configured: the sample database.
    pub(crate) async fn sample() -> Self {
        Self::start(&[], &[]).await
    }

    /// With more arguments and an environment.
    pub(crate) async fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let arguments = [&["--port", "0"], arguments].concat();
        let process = Process::start("mcp-hub", &arguments, environment);
        let banner = process.printed("Ctrl-C ends it").await;
        let port = banner
            .split("http://127.0.0.1:")
            .nth(1)
            .and_then(|rest| rest.split('/').next()?.parse().ok())
            .unwrap_or_else(|| panic!("the banner names the URL:\n{banner}"));
        Self {
            process,
            port,
            banner,
        }
    }

    /// `http://127.0.0.1:PORT` and a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) async fn interrupt(self) -> Exit {
        self.process.interrupt().await
    }
}

/// `mcp-hub stdio` with a data folder below `folder`.
pub(crate) fn stdio(folder: &tempfile::TempDir) -> Door {
    let data = folder.path().join("data").display().to_string();
    Door::Stdio(
        program("mcp-hub"),
        vec!["stdio".to_owned(), "--data-dir".to_owned(), data],
    )
}

/// The text of a tool's result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("a text: {result}"))
}

/// The rows of a query's result, after a look at what every successful result promises: the same object as text and as
/// structured content.
pub(crate) fn rows(result: &Value) -> Vec<Value> {
    assert_ne!(result["isError"], true, "{result}");
    let parsed: Value = serde_json::from_str(text(result)).expect("the text is JSON");
    assert_eq!(parsed, result["structuredContent"]);
    parsed["rows"]
        .as_array()
        .unwrap_or_else(|| panic!("rows: {parsed}"))
        .clone()
}

/// The one number of a count's only row.
pub(crate) fn count(rows: &[Value]) -> u64 {
    let number = rows.first().and_then(|row| row[0].as_u64());
    number.unwrap_or_else(|| panic!("a number: {rows:?}"))
}

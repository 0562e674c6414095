//! `mcp-hub doctor`: each fault is really there, on this machine, and the program has to find it.

use std::path::Path;

use serde_json::Value;

use crate::fake::Seen;
use crate::support::{self, Exit};

mod adapter;
mod door;
mod port;
mod secure;

/// What a run of doctor said.
struct Report {
    json: Value,
    exit: Exit,
}

impl Report {
    /// Runs it in this environment.
    async fn of(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let always = ["doctor", "--json", "--timeout", "2", "--deadline", "15"];
        // Whatever serves on the usual port of this machine is none of the test's.
        let environment = [&[("MCP_HUB_PORT", "1")], environment].concat();
        let exit = support::run(&[&always, arguments].concat(), &environment).await;
        let json = serde_json::from_str(&exit.stdout).unwrap_or_else(|error| panic!("{error}: {exit:?}"));
        Self { json, exit }
    }

    /// The finding of a hop with a verdict. Doctor fails if and only if it found a failure.
    #[track_caller]
    fn finds(&self, hop: &str, verdict: &str) -> &Value {
        let findings = self.json["findings"].as_array().expect("findings");
        let failed = findings.iter().any(|finding| finding["severity"] == "failure");
        assert_eq!(self.exit.status.code(), Some(i32::from(failed)), "{}", self.all());
        let found = findings
            .iter()
            .find(|finding| finding["hop"] == hop && finding["verdict"] == verdict);
        found.unwrap_or_else(|| panic!("no {verdict} of {hop}:\n{}", self.all()))
    }

    /// That nothing of a hop has this verdict.
    #[track_caller]
    fn finds_no(&self, hop: &str, verdict: &str) {
        let findings = self.json["findings"].as_array().expect("findings");
        let none = findings
            .iter()
            .all(|finding| finding["hop"] != hop || finding["verdict"] != verdict);
        assert!(none, "{}", self.all());
    }

    fn all(&self) -> String {
        let findings = self.json["findings"].as_array().expect("findings").iter();
        let lines = findings.map(|finding| {
            let told = |field: &str| finding[field].as_str().unwrap_or_default().to_owned();
            format!(
                "{} {} {} {}\n",
                told("hop"),
                told("verdict"),
                told("subject"),
                told("detail")
            )
        });
        lines.collect::<String>() + &self.exit.stderr
    }
}

/// What a request asks for: `get /sse`.
fn asked(seen: &Seen) -> &str {
    let line = seen.head.lines().next().unwrap_or_default();
    line.strip_suffix(" http/1.1").unwrap_or(line)
}

/// The address without the path of a door.
fn root(url: &str) -> &str {
    url.strip_suffix("/mcp").unwrap_or(url)
}

/// The host and port of an address.
fn authority(url: &str) -> &str {
    let (_, rest) = root(url).split_once("://").expect("a URL");
    rest
}

fn written(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).expect("a file");
    path.display().to_string()
}

#[tokio::test]
async fn with_nothing_to_look_at_it_says_what_it_could_look_at() {
    let exit = support::run(&["doctor", "--timeout", "2"], &[("MCP_HUB_PORT", "1")]).await;
    for told in [
        "set MCP_HUB_PUBLIC_URL where doctor runs",
        "set MCP_HUB_UPSTREAMS where doctor runs",
        "set --service where doctor runs",
        "POSTGRES_HOST",
        "set MCP_HUB_URL where doctor runs",
    ] {
        assert!(exit.stdout.contains(told), "{told}: {exit:?}");
    }
    // Nobody who reads a pipe wants colours.
    assert!(!exit.stdout.contains('\u{1b}'), "{exit:?}");
}

#[tokio::test]
async fn its_numbers_go_to_a_file_that_prometheus_reads() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = written(folder.path(), "doctor.prom", "old\n");
    let report = Report::of(&["--metrics-file", &file, "--service", "127.0.0.1:1"], &[]).await;
    report.finds("service", "refused");
    let text = std::fs::read_to_string(&file).expect("the file");
    let line = r#"mcp_hub_doctor_findings{hop="service",severity="failure",verdict="refused"} 1"#;
    assert!(text.lines().any(|found| found == line), "{text}");
    let failures = format!("\nmcp_hub_doctor_failures {}\n", report.json["failures"]);
    assert!(text.contains(&failures), "{text}");
    assert!(text.contains("\nmcp_hub_doctor_last_run_seconds 1"), "{text}");
    // What node_exporter measures of itself must not be there twice.
    assert!(!text.contains("process_"), "{text}");
}

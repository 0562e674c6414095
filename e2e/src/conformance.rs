//! The official conformance suite of MCP, as a program that is run against a hub.
//!
//! It says by its exit code whether what failed is what a baseline expects. What it writes down of each check is read here as well, so
//! that a run of nothing, and an entry of the baseline that nothing meets, can't pass for a good one.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::time::timeout;

use crate::client::{modules, node};

/// How long a run may take. It takes seconds; other tests run at the same time on the same cores.
const LIMIT: Duration = Duration::from_mins(3);

/// A run of the suite.
#[derive(Debug)]
pub struct Conformance {
    /// Its exit code: 0 when exactly what the baseline expects has failed.
    pub code: i32,
    /// What it printed.
    pub output: String,
    /// What it ran, by name.
    pub scenarios: Vec<Scenario>,
}

/// One scenario of the suite.
#[derive(Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// Whether the revision requires it. The suite runs the others for information: they never change its exit code.
    pub required: bool,
    /// What it looked at, in its order.
    pub checks: Vec<Check>,
}

/// One thing that a scenario looked at.
#[derive(Debug)]
pub struct Check {
    /// Its name; a scenario can have several of one.
    pub id: String,
    /// SUCCESS, FAILURE, WARNING (what should be but need not), SKIPPED or INFO.
    pub status: String,
    /// What is wrong.
    pub message: String,
}

/// An entry of a baseline: a check that fails, and why it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// `scenario:check-id`.
    pub check: String,
    /// The comment behind it.
    pub reason: String,
}

impl Conformance {
    /// Runs what this revision of the specification requires against the Streamable HTTP at `url`. The baseline is a YAML file as the suite
    /// takes it. `None` when the suite is not installed: [`required`](mcp_hub_testing::required) has been called.
    ///
    /// # Panics
    ///
    /// When it does not end, or leaves nothing to read.
    pub async fn run(url: &str, revision: &str, baseline: &Path) -> Option<Self> {
        let mut command = node()?;
        let package = modules().join("@modelcontextprotocol/conformance");
        let results = tempfile::tempdir().expect("a folder");
        command
            .arg(package.join("dist/index.js"))
            .args(["server", "--url", url, "--requirements", revision])
            .arg("--expected-failures")
            .arg(baseline)
            .arg("--output-dir")
            .arg(results.path())
            .stdin(Stdio::null());
        let output = timeout(LIMIT, command.output())
            .await
            .expect("the suite ends")
            .expect("it starts");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let requirements = package.join(format!("requirements/{revision}.yaml"));
        let scenarios = required(&requirements)
            .and_then(|required| scenarios(results.path(), &required))
            .unwrap_or_else(|error| panic!("{error:#}: {printed}"));
        Some(Self {
            code: output.status.code().unwrap_or(-1),
            output: printed,
            scenarios,
        })
    }

    /// The entries of the baseline that no required check met by failing. The suite itself lets one pass whose check did not run.
    pub fn unmet(&self, baseline: &[Expected]) -> Vec<Expected> {
        let failed: Vec<String> = self.failed().map(|(name, _)| name).collect();
        let unmet = baseline
            .iter()
            .filter(|expected| !failed.contains(&expected.check));
        unmet.cloned().collect()
    }

    /// The required checks that failed and are not in the baseline, each with what is wrong.
    pub fn unexpected(&self, baseline: &[Expected]) -> Vec<String> {
        let unexpected = self
            .failed()
            .filter(|(name, _)| baseline.iter().all(|expected| expected.check != *name));
        unexpected
            .map(|(name, check)| format!("{name}: {}", check.message))
            .collect()
    }

    /// The required checks that failed, as a baseline names them.
    fn failed(&self) -> impl Iterator<Item = (String, &Check)> {
        let required = self.scenarios.iter().filter(|scenario| scenario.required);
        required.flat_map(|scenario| {
            let failed = scenario.checks.iter().filter(|check| check.has_failed());
            failed.map(|check| (format!("{}:{}", scenario.name, check.id), check))
        })
    }
}

impl Check {
    /// Whether a baseline has to expect it.
    fn has_failed(&self) -> bool {
        ["FAILURE", "WARNING"].contains(&&*self.status)
    }
}

impl Expected {
    /// Reads a baseline: a line for each entry, with its reason as a comment.
    ///
    /// # Errors
    ///
    /// The file can't be read, or an entry has no reason.
    pub fn read(baseline: &Path) -> anyhow::Result<Vec<Self>> {
        let text = std::fs::read_to_string(baseline)?;
        let entries = text.lines().filter_map(|line| line.trim().strip_prefix("- "));
        entries
            .map(|entry| {
                let (check, reason) = entry
                    .split_once(" # ")
                    .with_context(|| format!("no reason for {entry}"))?;
                Ok(Self {
                    check: check.trim().to_owned(),
                    reason: reason.trim().to_owned(),
                })
            })
            .collect()
    }
}

/// What was run and what came of it: the sums, and for each scenario how much passed and what did not.
impl fmt::Display for Conformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, required) in [("required", true), ("not scored", false)] {
            let scenarios: Vec<&Scenario> = self
                .scenarios
                .iter()
                .filter(|scenario| scenario.required == required)
                .collect();
            let count = |status| {
                scenarios
                    .iter()
                    .map(|scenario| scenario.count(status))
                    .sum::<usize>()
            };
            writeln!(
                f,
                "{title}: {} scenarios, {} checks passed, {} failed, {} warned, {} skipped",
                scenarios.len(),
                count("SUCCESS"),
                count("FAILURE"),
                count("WARNING"),
                count("SKIPPED")
            )?;
            for scenario in scenarios {
                write!(f, "{scenario}")?;
            }
        }
        Ok(())
    }
}

impl Scenario {
    fn count(&self, status: &str) -> usize {
        self.checks.iter().filter(|check| check.status == status).count()
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}: {} passed", self.name, self.count("SUCCESS"))?;
        let others = self
            .checks
            .iter()
            .filter(|check| check.has_failed() || check.status == "SKIPPED");
        for check in others {
            writeln!(f, "    {} {}", check.status, check.id)?;
        }
        Ok(())
    }
}

/// The scenarios of servers that a revision requires, from the suite's own list of them.
fn required(requirements: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(requirements).with_context(|| requirements.display().to_string())?;
    let names = text.lines().skip_while(|line| *line != "server:").skip(1);
    let names: Vec<String> = names
        .map_while(|line| line.strip_prefix("  - "))
        .map(str::to_owned)
        .collect();
    ensure!(!names.is_empty(), "{} names no scenarios", requirements.display());
    Ok(names)
}

/// What a run wrote: a folder for each scenario, named after it and the time, with the checks as JSON.
fn scenarios(results: &Path, required: &[String]) -> anyhow::Result<Vec<Scenario>> {
    let folders = std::fs::read_dir(results)?.map(|folder| Ok(folder?.path()));
    let folders = folders.collect::<anyhow::Result<Vec<PathBuf>>>()?;
    let mut scenarios = folders
        .iter()
        .map(|folder| {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let name = scenario(&name).with_context(|| format!("{name} names no scenario"))?;
            let text = std::fs::read_to_string(folder.join("checks.json"))
                .with_context(|| format!("the checks of {name}"))?;
            let checks: Vec<Value> = serde_json::from_str(&text)?;
            Ok(Scenario {
                required: required.iter().any(|required| required == name),
                name: name.to_owned(),
                checks: checks.iter().map(check).collect(),
            })
        })
        .collect::<anyhow::Result<Vec<_>>>()?;
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    for name in required {
        ensure!(
            scenarios.iter().any(|scenario| scenario.name == *name),
            "{name} did not run"
        );
    }
    Ok(scenarios)
}

/// `tools-list` of `server-tools-list-2026-07-28T10-00-00-000Z`.
fn scenario(folder: &str) -> Option<&str> {
    let name = folder.strip_prefix("server-")?;
    let end = name.len().checked_sub("-2026-07-28T10-00-00-000Z".len())?;
    name.get(..end)
}

fn check(check: &Value) -> Check {
    let text = |name: &str| check[name].as_str().unwrap_or_default().to_owned();
    Check {
        id: text("id"),
        status: text("status"),
        message: text("errorMessage"),
    }
}

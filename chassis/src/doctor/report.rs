//! What is told of findings: a table for people, JSON for programs, numbers for Prometheus and collectors.
//!
//! The JSON is one object:
//!
//! ```json
//! {
//!   "version": "0.1.0",
//!   "time": 1767225600,
//!   "ok": false,
//!   "checks": 1, "failures": 1, "warnings": 0, "skipped": 0,
//!   "findings": [
//!     {
//!       "hop": "port", "subject": "orders: db.example.com:5432", "setting": "POSTGRES_PORT",
//!       "verdict": "timed-out", "severity": "failure", "detail": "",
//!       "meaning": "nothing answered in time: ..", "mend": "let the hub's network in: ..", "took_ms": 5000
//!     }
//!   ]
//! }
//! ```
//!
//! `time` is seconds since 1970. Hops, verdicts and severities are words of [`Hop`](super::Hop), [`Verdict`](super::Verdict) and [`Severity`]; more
//! may come.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::surroundings::{Network, Surroundings};
use super::{Finding, Scope, Severity};

mod metrics;
mod table;

pub use metrics::INSTRUMENTS;

/// How the findings are told, and what a look may cost.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Print JSON, for programs.
    #[arg(long)]
    pub json: bool,
    /// How long each step (a look-up, a connection, a login) may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub timeout: u64,
    /// How long all checks together may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub deadline: u64,
    /// Write the numbers of findings to this file too, for the textfile collector of Prometheus' node exporter. The file is replaced as a
    /// whole; its name has to end with .prom to be collected.
    #[arg(long, env = "MCP_HUB_DOCTOR_METRICS_FILE", value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,
    /// Networks of Docker that can't be seen from here, as from inside a pod: `kind=172.23.0.0/16`, with commas in between. Addresses in
    /// them are those of containers, and the first one is the gateway's.
    #[arg(
        long,
        env = "MCP_HUB_DOCKER_NETWORKS",
        value_name = "NETWORKS",
        value_delimiter = ','
    )]
    pub docker_networks: Vec<Network>,
}

impl Options {
    /// What a look may cost, and what is known of here.
    pub fn scope(&self) -> Scope {
        Scope {
            timeout: Duration::from_secs(self.timeout),
            deadline: Duration::from_secs(self.deadline),
            surroundings: Arc::new(Surroundings::here().with(self.docker_networks.iter().cloned())),
        }
    }
}

/// Why a look is no success.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something does not work; the table says what.
    #[error("{0} of {1} checks failed")]
    Failed(usize, usize),
    /// The findings can't be printed.
    #[error("can't write to stdout")]
    Stdout(#[source] std::io::Error),
    /// The file of metrics can't be written.
    #[error("can't write the metrics to {}", path.display())]
    Metrics {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// How many findings there are of each severity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    failures: usize,
    warnings: usize,
    skipped: usize,
}

impl Counts {
    fn of(findings: &[Finding]) -> Self {
        let count = |severity| {
            let severities = findings.iter().map(|finding| finding.verdict.severity());
            severities.filter(|other| *other == severity).count()
        };
        Self {
            failures: count(Severity::Failure),
            warnings: count(Severity::Warning),
            skipped: count(Severity::Skipped),
        }
    }
}

/// Prints the findings, and tells them to whoever collects metrics.
///
/// # Errors
/// Something does not work, or the findings can't be told.
pub fn tell(findings: &[Finding], options: &Options) -> Result<(), Error> {
    let now = SystemTime::now();
    metrics::record(findings, now);
    let text = if options.json {
        json(findings, now)
    } else {
        table::of(findings)
    };
    // Colours go where there is a terminal that wants them.
    anstream::stdout()
        .write_all(text.as_bytes())
        .map_err(Error::Stdout)?;
    if let Some(path) = &options.metrics_file {
        write_whole(path, &metrics::text()).map_err(|source| Error::Metrics {
            path: path.clone(),
            source,
        })?;
    }
    match Counts::of(findings).failures {
        0 => Ok(()),
        failures => Err(Error::Failed(failures, findings.len())),
    }
}

/// The findings as JSON, on one line.
fn json(findings: &[Finding], now: SystemTime) -> String {
    format!("{}\n", document(findings, now))
}

/// The findings as a document of JSON, which has the time `now`.
pub fn document(findings: &[Finding], now: SystemTime) -> serde_json::Value {
    let counts = Counts::of(findings);
    let told: Vec<_> = findings
        .iter()
        .map(|finding| {
            json!({
                "hop": finding.hop.name(),
                "subject": finding.subject,
                "setting": finding.setting,
                "verdict": finding.verdict.code(),
                "severity": finding.verdict.severity().name(),
                "detail": finding.detail,
                "meaning": finding.verdict.meaning(),
                "mend": finding.mend(),
                "took_ms": millis(finding.took),
            })
        })
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "time": now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        "ok": counts.failures == 0,
        "checks": findings.len(),
        "failures": counts.failures,
        "warnings": counts.warnings,
        "skipped": counts.skipped,
        "findings": told,
    })
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Replaces a file as a whole: nobody may read half of it.
fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".mcp-hub-doctor")
        .tempfile_in(folder)?;
    file.write_all(text.as_bytes())?;
    readable(file.as_file())?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// What collects is another user.
#[cfg(unix)]
fn readable(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn readable(_: &std::fs::File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;

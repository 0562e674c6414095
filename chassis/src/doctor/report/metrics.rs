//! What doctor finds, in numbers.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry::KeyValue;

use crate::doctor::{Finding, Hop, Severity, Verdict};
use crate::metrics;

/// What the series of doctor begin with in Prometheus.
const PREFIX: &str = "mcp_hub_doctor_";

const HOP: &str = "hop";
const VERDICT: &str = "verdict";
const SEVERITY: &str = "severity";

crate::instruments! {
    /// What doctor measures.
    pub static INSTRUMENTS;
    /// How many checks of a hop came to a verdict in the last run of doctor.
    static FINDINGS: Observed = ("mcp_hub.doctor.findings", "{finding}", [HOP, VERDICT, SEVERITY]);
    /// How many checks of the last run failed, 0 when all is well.
    static FAILURES: Observed = ("mcp_hub.doctor.failures", "{finding}", []);
    /// When doctor ran last, in seconds since 1970.
    static LAST_RUN: Observed = ("mcp_hub.doctor.last_run", "s", []);
}

/// The last run.
#[derive(Clone, Debug, Default)]
struct Run {
    counts: BTreeMap<(&'static str, &'static str), (Hop, Verdict, i64)>,
    failures: i64,
    at: i64,
}

static RUN: Mutex<Option<Run>> = Mutex::new(None);

fn run() -> Option<Run> {
    RUN.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// Remembers a run, for whoever asks for the metrics from now on: `/metrics`, the collector when the process ends, the file.
pub(super) fn record(findings: &[Finding], now: SystemTime) {
    let mut counts = BTreeMap::new();
    for Finding { hop, verdict, .. } in findings {
        let (_, _, count) = counts
            .entry((hop.name(), verdict.code()))
            .or_insert((*hop, *verdict, 0));
        *count += 1;
    }
    let failures = counts
        .values()
        .filter(|(_, verdict, _)| verdict.severity() == Severity::Failure);
    let failures = failures.map(|(_, _, count)| count).sum();
    let at = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let run_now = Run {
        counts,
        failures,
        at: i64::try_from(at).unwrap_or(i64::MAX),
    };
    *RUN.lock().unwrap_or_else(PoisonError::into_inner) = Some(run_now);
    FINDINGS.observe(|say| {
        for (hop, verdict, count) in run().iter().flat_map(|run| run.counts.values()) {
            let labels = [
                KeyValue::new(HOP, hop.name()),
                KeyValue::new(VERDICT, verdict.code()),
                KeyValue::new(SEVERITY, verdict.severity().name()),
            ];
            say(*count, &labels);
        }
    });
    FAILURES.observe(|say| run().iter().for_each(|run| say(run.failures, &[])));
    LAST_RUN.observe(|say| run().iter().for_each(|run| say(run.at, &[])));
}

/// The series of doctor alone, in Prometheus' text form: what else a process measures, the node exporter measures of itself.
pub(super) fn text() -> String {
    let all = metrics::text();
    let ours = all.lines().filter(|line| {
        let name = line
            .strip_prefix("# HELP ")
            .or_else(|| line.strip_prefix("# TYPE "));
        name.unwrap_or(line).starts_with(PREFIX)
    });
    ours.flat_map(|line| [line, "\n"]).collect()
}

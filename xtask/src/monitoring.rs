//! What monitoring/ must be: rules that Prometheus takes and that fire when they should, alerts that somebody can act on, a dashboard that is what
//! its description says. The manifests of it all are [`crate::kubernetes`]'s.
//!
//! Whether the programs export what is asked for here is a test of e2e, with the programs.

mod alerts;
pub(crate) mod dashboard;
mod prometheus;

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use crate::process::read;
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

/// Checks everything; one count for each check.
pub(crate) fn check(workspace: &Workspace, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    let root = &workspace.root;
    let mut counts = Counts::default();
    note("alerts", alerts::faults(root)?, &mut counts, report);
    note("dashboard", dashboard::faults(root)?, &mut counts, report);
    let scratch = scratch(&workspace.target)?;
    if let Some(promtool) = prometheus::provide(install)? {
        for (what, faults) in prometheus::check(root, &promtool, &scratch)? {
            note(&what, faults, &mut counts, report);
        }
    } else {
        skip("no promtool", &mut counts, report);
    }
    if let Some(jaeger) = mcp_hub_programs::jaeger() {
        note("jaeger.yaml", jaeger_faults(root, &jaeger), &mut counts, report);
    } else {
        report.skip(
            "monitoring: no Jaeger to read jaeger.yaml; cargo xtask test repository --install builds it"
                .to_owned(),
        );
        counts.skipped += 1;
    }
    Ok(counts)
}

/// What Jaeger itself has against its configuration.
fn jaeger_faults(root: &Path, program: &Path) -> Vec<String> {
    let mut option = OsString::from("--config=file:");
    option.push(root.join("monitoring/jaeger.yaml"));
    let said = read(Command::new(program).arg("validate").arg(option));
    said.err().map(|error| format!("{error:#}")).into_iter().collect()
}

fn note(what: &str, faults: Vec<String>, counts: &mut Counts, report: &mut Report) {
    *counts += Counts::one(faults.is_empty());
    for fault in faults {
        report.failure(format!("monitoring: {what}: {fault}"));
    }
}

fn skip(reason: &str, counts: &mut Counts, report: &mut Report) {
    report.skip(format!("monitoring: {reason}; repeat with --install"));
    counts.skipped += 1;
}

/// A folder for what is made on the way.
fn scratch(target: &Path) -> anyhow::Result<std::path::PathBuf> {
    let folder = target.join("test-env/monitoring");
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

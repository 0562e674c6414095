//! What stands around the hub on a server: Caddy's files and systemd's units, read by Caddy and systemd themselves.

use std::path::Path;

use crate::report::{Counts, Report};

mod caddy;
mod units;

/// What was looked at, and what is wrong with it.
type Looked = (String, Vec<String>);

/// Checks all of it. What can't be had is a skip.
pub(crate) fn check(root: &Path, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for (program, looked) in [
        ("caddy", caddy::check(root, install)?),
        ("systemd-analyze", units::check(root, install)?),
    ] {
        let Some(looked) = looked else {
            report.skip(format!("front: no {program}; repeat with --install"));
            counts += Counts {
                skipped: 1,
                ..Counts::default()
            };
            continue;
        };
        for (what, wrong) in looked {
            counts += Counts::one(wrong.is_empty());
            for line in wrong {
                report.failure(format!("front: {what}: {line}"));
            }
        }
    }
    Ok(counts)
}

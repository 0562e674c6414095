//! Prometheus' files, checked by promtool.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use mcp_hub_programs::promtool;

use crate::process::read;
use crate::provide::apt;

/// Where the files are, below the repository.
const FOLDER: &str = "monitoring/prometheus";
/// Where Prometheus has them.
const MOUNTED: &str = "/etc/prometheus/";
/// The configurations, which name the rules and the targets by the place where Prometheus has them.
const CONFIGURATIONS: [&str; 2] = ["compose.yaml", "kubernetes.yaml"];

/// promtool: the one that is there, else that of the package.
pub(super) fn provide(install: bool) -> anyhow::Result<Option<PathBuf>> {
    if promtool().is_none() && install {
        apt::install(&["prometheus"], install)?;
    }
    Ok(promtool())
}

/// What promtool finds wrong, by what was checked.
pub(super) fn check(
    root: &Path,
    promtool: &Path,
    scratch: &Path,
) -> anyhow::Result<Vec<(String, Vec<String>)>> {
    let folder = root.join(FOLDER);
    let mut checks = Vec::new();
    for name in CONFIGURATIONS {
        let text = std::fs::read_to_string(folder.join(name)).context(name)?;
        let here = format!("{}/", folder.display());
        let copy = scratch.join(name);
        std::fs::write(&copy, text.replace(MOUNTED, &here)).context(name)?;
        checks.push((name.to_owned(), run(promtool, &["check", "config"], &[copy])));
    }
    let rules = files(&folder.join("rules"))?;
    checks.push((
        "rules".to_owned(),
        run(
            promtool,
            &["check", "rules", "--lint=all", "--lint-fatal"],
            &rules,
        ),
    ));
    let cases = files(&folder.join("tests"))?;
    checks.push((
        "cases of alerts".to_owned(),
        run(promtool, &["test", "rules"], &cases),
    ));
    Ok(checks)
}

fn run(promtool: &Path, arguments: &[&str], files: &[PathBuf]) -> Vec<String> {
    let mut command = Command::new(promtool);
    let said = read(command.args(arguments).args(files));
    said.err().map(|error| format!("{error:#}")).into_iter().collect()
}

/// The files of a folder.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<anyhow::Result<Vec<_>>>()?;
    files.sort();
    Ok(files)
}

//! Scripts, looked at by shellcheck.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use mcp_hub_programs::find;

use crate::process::show;
use crate::provide::apt;
use crate::report::{Counts, Report};

/// The program, and the package of Debian and Ubuntu that has it.
const PROGRAM: &str = "shellcheck";
/// What is made, and not written here.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];
/// How scripts begin.
const SHELLS: [&str; 2] = ["sh", "bash"];

/// Checks every script of the repository.
pub(crate) fn check(root: &Path, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    if find(PROGRAM).is_none() {
        if !install {
            report.skip(format!("shell: no {PROGRAM}; repeat with --install"));
            return Ok(Counts {
                skipped: 1,
                ..Counts::default()
            });
        }
        apt::install(&[PROGRAM], install)?;
    }
    let mut counts = Counts::default();
    for script in scripts(root)? {
        let mut command = Command::new(PROGRAM);
        // What a script sources is looked at with it.
        command
            .current_dir(root)
            .args(["--external-sources", "--source-path=SCRIPTDIR"]);
        counts += Counts::one(show(command.arg(script.strip_prefix(root).unwrap_or(&script)))?);
    }
    Ok(counts)
}

/// The scripts below a folder, in order.
fn scripts(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut entries = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !LEFT_OUT.iter().any(|name| entry.file_name() == *name) {
                found.extend(scripts(&path)?);
            }
        } else if kind.is_file() && is_script(&path)? {
            found.push(path);
        }
    }
    Ok(found)
}

/// Whether a file begins as a script of a shell does, or is named like one.
fn is_script(path: &Path) -> anyhow::Result<bool> {
    if path.extension().is_some_and(|extension| extension == "sh") {
        return Ok(true);
    }
    let mut start = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut start))
        .with_context(|| path.display().to_string())?;
    let line = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let words = line.strip_prefix("#!").map(|line| line.split(['/', ' ']));
    Ok(words.is_some_and(|mut words| words.any(|word| SHELLS.contains(&word))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_are_known_by_name_or_by_how_they_begin() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        for (name, text) in [
            ("k8s/kind/up", "#!/usr/bin/env bash\nexit"),
            ("k8s/lib.sh", "x=1"),
            ("a", "#!/bin/sh -eu\n"),
            ("b", "#!/usr/bin/env python3\n"),
            ("c.md", "# bash is what scripts begin with"),
            ("empty", ""),
            ("target/x.sh", ""),
        ] {
            let path = root.join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        }
        let found = scripts(root).expect("read");
        let found: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(root).expect("below"))
            .collect();
        assert_eq!(
            found,
            [Path::new("a"), Path::new("k8s/kind/up"), Path::new("k8s/lib.sh")]
        );
    }
}

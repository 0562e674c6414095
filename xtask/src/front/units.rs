//! systemd's units: known to systemd, locked in as far as a bound says, and with settings that exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::find;

use super::Looked;
use crate::process::line;
use crate::provide::apt;

const PROGRAM: &str = "systemd-analyze";
/// Where the units are, below the repository.
const FOLDER: &str = "systemd";
/// Where the settings are described that units may name.
const SETTINGS: &str = "docs/configuration.md";
/// Those that are locked in alike, and the line after which they are.
const ALIKE: [&str; 4] = [
    "mcp-hub.service",
    "mcp-hub-facade.service",
    "mcp-hub-adapter@.service",
    "mcp-hub-doctor.service",
];
const SANDBOX: &str = "# It needs the network, its own state, and nothing else of the machine.";
/// The most that `systemd-analyze security` may say, in tenths: 0 is a service that can do nothing, 100 one that can do all.
const EXPOSURE: [(&str, u8); 5] = [
    ("mcp-hub.service", 13),
    ("mcp-hub-facade.service", 13),
    ("mcp-hub-adapter@.service", 13),
    ("mcp-hub-doctor.service", 16),
    // It changes the rules of the firewall, as root.
    ("mcp-hub-firewall.service", 25),
];

/// What systemd says of the units; `None` when it is not there.
pub(super) fn check(root: &Path, install: bool) -> anyhow::Result<Option<Vec<Looked>>> {
    if find(PROGRAM).is_none() && install {
        apt::install(&["systemd"], install)?;
    }
    let Some(program) = find(PROGRAM) else {
        return Ok(None);
    };
    let folder = root.join(FOLDER);
    let scratch = tempfile::tempdir()?;
    let units = units(&folder, scratch.path())?;
    let mut looked = vec![("systemd: settings".to_owned(), settings(root, &folder)?)];
    for unit in &units {
        // Nothing is all right but silence: what systemd does not know it only warns of.
        let said = said(Command::new(&program).args(["verify", "--man=no"]).arg(unit))?.1;
        looked.push((name(unit), said.lines().map(str::to_owned).collect()));
    }
    for (unit, most) in EXPOSURE {
        let mut command = Command::new(&program);
        command
            .args(["security", "--offline=true", &format!("--threshold={most}")])
            .arg(scratch.path().join(unit));
        let (good, said) = said(&mut command)?;
        let last = said.lines().last().unwrap_or_default().to_owned();
        let wrong = (!good).then(|| format!("{last}; more than {most} tenths: {}", line(&command)));
        looked.push((format!("{unit}'s sandbox"), wrong.into_iter().collect()));
    }
    let sandboxes: BTreeSet<String> = ALIKE
        .iter()
        .map(|unit| sandbox(&folder.join(unit)))
        .collect::<anyhow::Result<_>>()?;
    let wrong = (sandboxes.len() > 1).then(|| format!("{} are to end alike", ALIKE.join(", ")));
    looked.push(("systemd: sandboxes".to_owned(), wrong.into_iter().collect()));
    Ok(Some(looked))
}

/// The units, copied with programs that exist on this machine: the tests don't install any.
fn units(folder: &Path, scratch: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut units = Vec::new();
    for entry in fs::read_dir(folder).context(FOLDER)? {
        let path = entry?.path();
        let is_unit = path
            .extension()
            .is_some_and(|extension| extension == "service" || extension == "timer");
        if !is_unit {
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let lines = text.lines().map(|line| match line.split_once("=/usr/local/") {
            Some((key, rest)) if key.starts_with("Exec") => {
                let arguments = rest.split_once(' ').map_or("", |(_, arguments)| arguments);
                format!("{key}=/bin/true {arguments}\n")
            }
            _ => format!("{line}\n"),
        });
        let copy = scratch.join(name(&path));
        fs::write(&copy, lines.collect::<String>())?;
        units.push(copy);
    }
    units.sort();
    ensure!(!units.is_empty(), "{FOLDER} has no units");
    Ok(units)
}

fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// What a unit says of its sandbox: the rest of its section.
fn sandbox(path: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let (_, rest) = text
        .split_once(SANDBOX)
        .with_context(|| format!("{} has no line {SANDBOX:?}", path.display()))?;
    Ok(rest.split("\n[").next().unwrap_or(rest).trim().to_owned())
}

/// Variables that units and their drop-ins set and no program reads.
fn settings(root: &Path, folder: &Path) -> anyhow::Result<Vec<String>> {
    let known = fs::read_to_string(root.join(SETTINGS)).context(SETTINGS)?;
    // A database has the variables of its kind, in the place of which it may have the other name's.
    let is_known = |variable: &str| {
        let other = variable.replace("MYSQL_", "MARIADB_");
        known.contains(&format!("`{variable}`")) || known.contains(&format!("`{other}`"))
    };
    let mut wrong = Vec::new();
    for folder in [folder, &folder.join("secrets")] {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                continue;
            }
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let set = text.lines().filter_map(|line| line.strip_prefix("Environment="));
            let names = set
                .flat_map(str::split_whitespace)
                .filter_map(|pair| pair.split('=').next());
            wrong.extend(
                names
                    .filter(|variable| !is_known(variable))
                    .map(|variable| format!("{} sets {variable}, which nothing reads", name(&path))),
            );
        }
    }
    Ok(wrong)
}

/// Whether a command succeeded, and all that it said.
fn said(command: &mut Command) -> anyhow::Result<(bool, String)> {
    let output = command.output().with_context(|| line(command))?;
    let text = [output.stdout, output.stderr].concat();
    Ok((
        output.status.success(),
        String::from_utf8_lossy(&text).trim().to_owned(),
    ))
}

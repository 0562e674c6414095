//! Packages of Debian and Ubuntu: the only thing here that uses root rights, and only with `--install`.

use std::io::IsTerminal as _;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{bail, ensure};

use crate::process::{line, read};
use mcp_hub_programs::find;

/// Whether the lists of packages were read, which is done once per run.
static LISTS: OnceLock<()> = OnceLock::new();

/// Installs packages, or fails with the line to run.
pub(crate) fn install(packages: &[&str], allowed: bool) -> anyhow::Result<()> {
    if find("apt-get").is_none() {
        bail!(
            "no apt-get here; install {} in the way of this system",
            packages.join(", ")
        );
    }
    if !allowed {
        bail!(
            "run `sudo apt-get install -y --no-install-recommends {}`, or repeat with --install",
            packages.join(" ")
        );
    }
    let root = read(Command::new("id").arg("-u"))?.trim() == "0";
    ensure!(
        root || find("sudo").is_some(),
        "installing {} takes root or sudo",
        packages.join(", ")
    );
    LISTS.get_or_init(|| {
        // A stale list is no reason to stop: the package may be in it.
        if let Err(error) = run(root, &["update", "-qq"]) {
            println!("{error:#}");
        }
    });
    run(
        root,
        &[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat(),
    )
}

/// Runs `apt-get`, whose long output is shown only when it fails.
fn run(root: bool, arguments: &[&str]) -> anyhow::Result<()> {
    let mut command = Command::new(if root { "env" } else { "sudo" });
    if !root {
        // Without a terminal nobody could answer: fail instead.
        if !std::io::stdin().is_terminal() {
            command.arg("-n");
        }
        command.arg("env");
    }
    command
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get"])
        .args(arguments);
    println!("with root rights: {}", line(&command));
    read(&mut command).map(drop)
}

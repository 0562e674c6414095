//! Packages of Debian and Ubuntu: the only thing here that uses root rights, and only with `--install`.

use std::io::IsTerminal as _;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{bail, ensure};

use crate::process::{find, line, read, show};

/// Whether the lists of packages were read, which is done once per run.
static LISTS: OnceLock<bool> = OnceLock::new();

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
    // A stale list is no reason to stop: the package may be in it.
    LISTS.get_or_init(|| run(root, &["update", "-qq"]).unwrap_or(false));
    let arguments = [&["install", "-y", "-qq", "--no-install-recommends"], packages].concat();
    ensure!(
        run(root, &arguments)?,
        "apt-get could not install {}",
        packages.join(", ")
    );
    Ok(())
}

fn run(root: bool, arguments: &[&str]) -> anyhow::Result<bool> {
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
    show(&mut command)
}

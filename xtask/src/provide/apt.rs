//! Packages of Debian and Ubuntu: the only thing here that uses root rights, and only with `--install`.
//!
//! Only programs are wanted. The servers that packages would start (on ports that may be taken, which makes an installation fail)
//! are held back by the means that Debian has for this, a `policy-rc.d` that is there as long as the installation takes.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, bail, ensure};

use crate::process::{line, read};
use mcp_hub_programs::find;

/// Asked before a package's server is started; 101 forbids it.
const POLICY: &str = "/usr/sbin/policy-rc.d";
const FORBID: &str = "#!/bin/sh\nexit 101\n";

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
        if let Err(error) = apt_get(root, &["update", "-qq"]) {
            println!("{error:#}");
        }
    });
    let _policy = Policy::forbid(root)?;
    apt_get(
        root,
        &[&["install", "-y", "-qq", "--no-install-recommends"], packages].concat(),
    )
}

/// Installs a package whose service, of the same name, would begin to serve this machine with its next start: it is taken out of those
/// that do.
pub(crate) fn install_server(package: &str, allowed: bool) -> anyhow::Result<()> {
    install(&[package], allowed)?;
    // Where there is no systemd, nothing would start it.
    if find("systemctl").is_none() {
        return Ok(());
    }
    let root = read(Command::new("id").arg("-u"))?.trim() == "0";
    let unit = format!("{package}.service");
    let disable = ["systemctl", "--quiet", "disable", &unit];
    read(&mut with_root_rights(root, &disable)).map(drop)
}

/// Forbids packages to start servers, as long as it lives.
struct Policy {
    root: bool,
    /// Whether it is ours to remove. Containers often have one for good.
    ours: bool,
}

impl Policy {
    fn forbid(root: bool) -> anyhow::Result<Self> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            let mut install = with_root_rights(root, &["install", "--mode=755", "/dev/stdin", POLICY]);
            let mut child = install.stdin(Stdio::piped()).spawn().context(POLICY)?;
            child
                .stdin
                .take()
                .context("a pipe")?
                .write_all(FORBID.as_bytes())?;
            ensure!(child.wait()?.success(), "{POLICY} can't be written");
        }
        Ok(Self { root, ours })
    }
}

impl Drop for Policy {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = read(&mut with_root_rights(self.root, &["rm", "-f", POLICY]))
        {
            println!("{POLICY} is still there, and keeps packages from starting servers: {error:#}");
        }
    }
}

/// Runs `apt-get`, whose long output is shown only when it fails.
fn apt_get(root: bool, arguments: &[&str]) -> anyhow::Result<()> {
    let command = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    let mut command = with_root_rights(root, &[&command, arguments].concat());
    println!("with root rights: {}", line(&command));
    read(&mut command).map(drop)
}

fn with_root_rights(root: bool, line: &[&str]) -> Command {
    if root {
        let mut command = Command::new(line[0]);
        command.args(&line[1..]);
        return command;
    }
    let mut command = Command::new("sudo");
    // Without a terminal nobody could answer: fail instead.
    if !std::io::stdin().is_terminal() {
        command.arg("-n");
    }
    command.args(line);
    command
}

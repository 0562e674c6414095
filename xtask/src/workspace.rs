//! The workspace as cargo sees it, and the one build of it.
//!
//! Everything is built by one command with one profile and one set of features. `cargo test -p x` would choose other
//! features for the shared dependencies and build them again, so the test programs are started from here instead.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::process::{cargo, read};

/// The folders of the programs that are no adapters.
const PROGRAMS: [&str; 2] = ["facade", "hub"];

/// Where everything is.
#[derive(Debug)]
pub(crate) struct Workspace {
    /// The repository.
    pub(crate) root: PathBuf,
    /// Cargo's target directory.
    pub(crate) target: PathBuf,
    /// The packages, in the order of the workspace.
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
#[derive(Debug)]
pub(crate) struct Package {
    /// Cargo's identifier.
    id: String,
    /// Its name, and its program's.
    pub(crate) name: String,
    /// Its version.
    pub(crate) version: String,
    /// Whether people run its program: the facade, the command, and every adapter but those with `[package.metadata.mcp-hub] fixture`.
    pub(crate) is_product: bool,
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// The part of the tests that it belongs to: its folder's name unless `[package.metadata.mcp-hub] part` says else.
    pub(crate) part: String,
    /// The components that its tests need: `[package.metadata.mcp-hub] needs`.
    pub(crate) needs: Vec<String>,
}

/// A program with tests.
#[derive(Debug)]
pub(crate) struct TestProgram {
    /// The part it belongs to.
    pub(crate) part: String,
    /// What a report calls it: `services/postgres integration`.
    pub(crate) name: String,
    /// The folder to run it in, as cargo does.
    pub(crate) folder: PathBuf,
    /// The program.
    pub(crate) path: PathBuf,
}

/// What a build made.
#[derive(Debug)]
pub(crate) struct Built {
    /// The programs with tests.
    pub(crate) tests: Vec<TestProgram>,
    /// The folder of the workspace's own programs.
    pub(crate) programs: PathBuf,
}

impl Workspace {
    /// Asks cargo.
    pub(crate) fn read() -> anyhow::Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask lies in the repository")?;
        let text = read(cargo(here).args(["metadata", "--no-deps", "--format-version=1", "--locked"]))
            .context("is Cargo.lock up to date?")?;
        let metadata: Value = serde_json::from_str(&text)?;
        let path = |value: &Value| {
            value
                .as_str()
                .map(PathBuf::from)
                .context("cargo metadata names a path")
        };
        let root = path(&metadata["workspace_root"])?;
        let packages = metadata["packages"]
            .as_array()
            .context("cargo metadata lists packages")?;
        let packages = packages
            .iter()
            .map(|package| {
                let folder = path(&package["manifest_path"])?
                    .parent()
                    .context("a folder")?
                    .to_owned();
                let ours = &package["metadata"]["mcp-hub"];
                let named = folder
                    .file_name()
                    .context("a name")?
                    .to_string_lossy()
                    .into_owned();
                let place = folder.strip_prefix(&root).unwrap_or(&folder);
                Ok(Package {
                    id: package["id"].as_str().context("an id")?.to_owned(),
                    name: package["name"].as_str().context("a name")?.to_owned(),
                    version: package["version"].as_str().context("a version")?.to_owned(),
                    is_product: (place.starts_with("services") && ours["fixture"] != true)
                        || PROGRAMS.iter().any(|program| place == Path::new(program)),
                    part: ours["part"].as_str().map_or(named, str::to_owned),
                    needs: strings(&ours["needs"]),
                    folder,
                })
            })
            .collect::<anyhow::Result<Vec<_>>>()?;
        Ok(Self {
            target: path(&metadata["target_directory"])?,
            root,
            packages,
        })
    }

    /// Builds all programs and all tests, with every feature: what the images have. That the program builds without them, and
    /// without their needs, is another part of `.ci/run`.
    pub(crate) fn build(&self) -> anyhow::Result<Built> {
        let mut command = cargo(&self.root);
        command.args([
            "build",
            "--workspace",
            "--all-targets",
            "--all-features",
            "--locked",
        ]);
        command
            .arg("--message-format=json-render-diagnostics")
            .stdout(Stdio::piped());
        let mut child = command.spawn().context("starting cargo build")?;
        let output = child.stdout.take().context("a pipe")?;
        let mut tests = Vec::new();
        let mut programs = None;
        for line in BufReader::new(output).lines() {
            let message: Value = serde_json::from_str(&line?)?;
            let Some(path) = message["executable"].as_str().map(PathBuf::from) else {
                continue;
            };
            let Some(package) = self
                .packages
                .iter()
                .find(|package| message["package_id"] == package.id)
            else {
                continue;
            };
            if message["profile"]["test"] == true {
                tests.push(self.test_program(package, &message, path));
            } else {
                programs = path.parent().map(Path::to_owned);
            }
        }
        if !child.wait()?.success() {
            bail!("the build failed");
        }
        tests.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Built {
            tests,
            programs: programs.context("the build made programs")?,
        })
    }

    fn test_program(&self, package: &Package, message: &Value, path: PathBuf) -> TestProgram {
        let folder = package.folder.strip_prefix(&self.root).unwrap_or(&package.folder);
        let target = &message["target"];
        let kind = strings(&target["kind"]).concat();
        let name = target["name"].as_str().unwrap_or_default();
        let name = if kind == "test" {
            name.to_owned()
        } else {
            format!("unit tests ({kind})")
        };
        TestProgram {
            part: package.part.clone(),
            name: format!("{} {name}", folder.display()),
            folder: package.folder.clone(),
            path,
        }
    }
}

fn strings(value: &Value) -> Vec<String> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|item| item.as_str().map(str::to_owned))
        .collect()
}

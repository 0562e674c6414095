//! What is built: each overlay as it is, with each component that it can have, with another adapter of each kind, with one less;
//! and each part alone.
//!
//! All of it in a copy of the repository, because `mcp-hub add` writes into the checkout that it is run in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::find;
use serde::Deserialize;

use super::object::Objects;
use crate::process::{line, read};

/// The Go module that names kustomize as a tool.
const MODULE: &str = "testing/kustomize";
/// What a folder is built by.
const FILE: &str = "kustomization.yaml";
/// What the copy does without.
const LEFT_OUT: [&str; 2] = ["target", ".git"];
/// What is added to an overlay that does not have it, each alone and then all at once.
const ADDED: [&str; 2] = ["telemetry", "doctor"];
/// What is put into the databases that another component makes.
const DEMO: (&str, &str) = ("demo", "databases");
/// The instance that is added, and the part that is left out with it.
const INSTANCE: [&str; 2] = ["postgres", "orders"];
/// One more, with a port of its own and a name that YAML takes for a truth value.
const ODD: [&str; 4] = ["postgres", "on", "--port", "5433"];
const LEFT_OUT_PART: &str = "mariadb";

/// kustomize: by itself, in kubectl, or built from its Go module, which takes the network and so `install`.
pub(super) fn program(root: &Path, install: bool) -> Option<Kustomize> {
    let words = if let Some(program) = find("kustomize") {
        vec![program, "build".into()]
    } else if let Some(program) = find("kubectl") {
        vec![program, "kustomize".into()]
    } else {
        let go = find("go").filter(|_| install)?;
        let tool = ["tool", "kustomize", "build"].map(PathBuf::from);
        [vec![go, "-C".into(), root.join(MODULE)], tool.into()].concat()
    };
    Some(Kustomize { words })
}

/// The program.
#[derive(Debug)]
pub(super) struct Kustomize {
    words: Vec<PathBuf>,
}

impl Kustomize {
    /// As one would type it.
    pub(super) fn line(&self) -> String {
        line(&self.command())
    }

    fn command(&self) -> Command {
        let mut words = self.words.iter();
        let mut command = Command::new(words.next().map_or("kustomize".as_ref(), PathBuf::as_path));
        command.args(words);
        command
    }

    fn build(&self, folder: &Path) -> anyhow::Result<Objects> {
        let objects = Objects::read(&read(self.command().arg(folder))?)?;
        ensure!(
            objects.iter().next().is_some(),
            "{} comes to nothing",
            folder.display()
        );
        Ok(objects)
    }
}

/// What one build came to.
#[derive(Debug)]
pub(super) struct Rendering {
    /// What was built: `overlays/kind`, `overlays/kind and telemetry`.
    pub(super) name: String,
    /// Whether it is a whole hub: a part alone lacks what it talks to.
    pub(super) is_whole: bool,
    /// What it came to.
    pub(super) objects: Objects,
}

/// As much of a kustomization as is looked at here.
#[derive(Deserialize)]
struct Kustomization {
    #[serde(default)]
    components: Vec<PathBuf>,
}

impl Kustomization {
    fn read(folder: &Path) -> anyhow::Result<Self> {
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        serde_saphyr::from_str(&text).with_context(|| file.display().to_string())
    }

    fn has(&self, component: &str) -> bool {
        self.components
            .iter()
            .any(|path| path.components().any(|part| part.as_os_str() == component))
    }
}

/// A copy of the repository to build in.
#[derive(Debug)]
pub(super) struct Checkout {
    root: PathBuf,
}

impl Checkout {
    /// Copies what is in the work tree to `folder`, whatever that had.
    pub(super) fn copy(root: &Path, folder: PathBuf) -> anyhow::Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(root)? {
            let name = entry?.file_name();
            if !LEFT_OUT.iter().any(|left_out| name == *left_out) {
                copy(&root.join(&name), &folder.join(&name))?;
            }
        }
        Ok(Self { root: folder })
    }

    fn manifests(&self) -> PathBuf {
        self.root.join("k8s")
    }

    /// The names of the folders below `k8s/kind`-like folders that can be built.
    fn folders(&self, below: &str) -> anyhow::Result<Vec<String>> {
        let folder = self.manifests().join(below);
        let mut names = Vec::new();
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let entry = entry?;
            if entry.path().join(FILE).is_file() {
                names.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Builds everything; `hub` is the program that adds an instance.
    pub(super) fn build(&self, kustomize: &Kustomize, hub: &Path) -> anyhow::Result<Vec<Rendering>> {
        let mut renderings = Vec::new();
        let mut build = |name: String, is_whole: bool, folder: &Path| -> anyhow::Result<()> {
            let objects = kustomize.build(folder).with_context(|| format!("k8s/{name}"))?;
            renderings.push(Rendering {
                name,
                is_whole,
                objects,
            });
            Ok(())
        };
        for part in self.folders("base")? {
            build(
                format!("base/{part}"),
                false,
                &self.manifests().join("base").join(&part),
            )?;
        }
        let overlays = self.folders("overlays")?;
        let components = self.folders("components")?;
        for overlay in &overlays {
            let folder = self.manifests().join("overlays").join(overlay);
            build(format!("overlays/{overlay}"), true, &folder)?;
            let has = Kustomization::read(&folder)?;
            let mut added: Vec<&str> = ADDED
                .into_iter()
                .filter(|name| components.iter().any(|there| there == name))
                .collect();
            if components.iter().any(|there| there == DEMO.0) && has.has(DEMO.1) {
                added.push(DEMO.0);
            }
            added.retain(|name| !has.has(name));
            let each = added.iter().map(|name| vec![*name]);
            let all = (added.len() > 1).then(|| added.clone());
            for names in each.chain(all) {
                let folder = self.with(overlay, &names)?;
                build(
                    format!("overlays/{overlay} with {}", names.join(", ")),
                    true,
                    &folder,
                )?;
            }
        }
        self.add(hub, &INSTANCE)?;
        for overlay in &overlays {
            self.leave_out(overlay)?;
            let folder = self.with(overlay, &["telemetry"])?;
            build(
                format!("overlays/{overlay} with orders added, without mariadb"),
                true,
                &folder,
            )?;
        }
        for kind in self.folders("base")? {
            if self.manifests().join("base").join(&kind).join("adapter").is_dir() {
                self.add(hub, &[&kind, &format!("{kind}_two")])?;
            }
        }
        self.add(hub, &ODD)?;
        for overlay in &overlays {
            let folder = self.with(overlay, &["telemetry"])?;
            build(
                format!("overlays/{overlay} with one more of each kind"),
                true,
                &folder,
            )?;
        }
        Ok(renderings)
    }

    /// An overlay over an overlay, as a user writes it.
    fn with(&self, overlay: &str, components: &[&str]) -> anyhow::Result<PathBuf> {
        let folder = self
            .manifests()
            .join("checked")
            .join(format!("{overlay}-{}", components.join("-")));
        fs::create_dir_all(&folder)?;
        let components: Vec<String> = components
            .iter()
            .map(|name| format!("../../components/{name}"))
            .collect();
        let text = format!(
            "resources: [../../overlays/{overlay}]\ncomponents: [{}]\n",
            components.join(", ")
        );
        fs::write(folder.join(FILE), text)?;
        Ok(folder)
    }

    /// Has the real program add an instance to all overlays.
    fn add(&self, hub: &Path, words: &[&str]) -> anyhow::Result<()> {
        let mut add = Command::new(hub);
        read(add.arg("add").args(words).current_dir(&self.root).env_clear())?;
        Ok(())
    }

    /// Takes a part out of an overlay, as its user does: its line, and its table in the upstreams file unless that is optional.
    fn leave_out(&self, overlay: &str) -> anyhow::Result<()> {
        let folder = self.manifests().join("overlays").join(overlay);
        let file = folder.join(FILE);
        let text = fs::read_to_string(&file)?;
        let line = format!("- ../../base/{LEFT_OUT_PART}");
        let rest: Vec<&str> = text.lines().filter(|known| known.trim() != line).collect();
        ensure!(
            rest.len() + 1 == text.lines().count(),
            "{} has no line for {LEFT_OUT_PART}",
            file.display()
        );
        fs::write(&file, rest.join("\n") + "\n")?;
        let file = folder.join("upstreams.toml");
        let text = fs::read_to_string(&file)?;
        fs::write(&file, without_upstream(&text, LEFT_OUT_PART))?;
        Ok(())
    }
}

/// An upstreams file without the table of an upstream that has to be there. Tables are apart by an empty line.
fn without_upstream(text: &str, key: &str) -> String {
    let header = format!("[upstreams.{key}]\n");
    let stays = |table: &&str| !table.starts_with(&header) || table.contains("optional = true");
    let tables: Vec<&str> = text.split("\n\n").filter(stays).collect();
    tables.join("\n\n")
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    if !from.is_dir() {
        fs::copy(from, to).with_context(|| from.display().to_string())?;
        return Ok(());
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        copy(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_overlay_has_is_read_from_its_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let text =
            "resources: [a]\ncomponents: [../../components/databases]\n# - ../../components/telemetry\n";
        fs::write(folder.path().join(FILE), text).expect("written");
        let kustomization = Kustomization::read(folder.path()).expect("YAML");
        assert!(kustomization.has("databases") && !kustomization.has("telemetry"));
    }

    #[test]
    fn a_copy_has_all_but_what_is_built() {
        let from = tempfile::tempdir().expect("a folder");
        for folder in ["target/debug", ".git", "k8s/base"] {
            fs::create_dir_all(from.path().join(folder)).expect("made");
        }
        fs::write(from.path().join("k8s/base/x.yaml"), "x").expect("written");
        let to = tempfile::tempdir().expect("a folder");
        let copied = Checkout::copy(from.path(), to.path().join("copy")).expect("copied");
        assert!(copied.manifests().join("base/x.yaml").is_file());
        assert!(!copied.root.join("target").exists() && !copied.root.join(".git").exists());
    }

    #[test]
    fn only_an_upstream_that_has_to_be_there_is_taken_out() {
        let text =
            "# x\n\n[upstreams.a]\naddress = \"a\"\n\n[upstreams.b]\naddress = \"b\"\noptional = true\n";
        let without = without_upstream(text, "a");
        assert!(without.starts_with("# x\n\n[upstreams.b]"), "{without}");
        assert_eq!(without_upstream(text, "b"), text);
    }
}

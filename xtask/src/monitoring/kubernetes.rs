//! k8s/components/telemetry, built by kustomize over two Deployments of a hub, and checked against Kubernetes' schemas and rules of ours.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use mcp_hub_programs::find;
use serde_json::Value;

use crate::process::{line, read};
use crate::provide::Python;
use crate::workspace::Workspace;

mod pods;

/// The component.
const COMPONENT: &str = "k8s/components/telemetry";
/// What it takes its files from.
const FILES: &str = "monitoring";
/// The Go module that names kustomize as a tool.
const MODULE: &str = "testing/kustomize";
/// The images that Compose runs.
const COMPOSE: &str = "docker-compose.yml";

/// An overlay that uses the component, as one of the repository does.
const OVERLAY: &str =
    "namespace: mcp-hub\nresources: [hub.yaml]\ncomponents: [../k8s/components/telemetry]\n";
/// A hub: Deployments with and without variables of their own.
const HUB: &str = include_str!("kubernetes/hub.yaml");

/// kustomize: by itself, in kubectl, or built from its Go module, which takes the network and so `install`.
pub(super) fn kustomize(root: &Path, install: bool) -> Option<Command> {
    if let Some(program) = find("kustomize") {
        let mut command = Command::new(program);
        command.arg("build");
        return Some(command);
    }
    if let Some(program) = find("kubectl") {
        let mut command = Command::new(program);
        command.arg("kustomize");
        return Some(command);
    }
    let go = find("go").filter(|_| install)?;
    let mut command = Command::new(go);
    command
        .arg("-C")
        .arg(root.join(MODULE))
        .args(["tool", "kustomize", "build"]);
    Some(command)
}

/// The program that knows Kubernetes' schemas.
pub(super) fn schemas(workspace: &Workspace, install: bool) -> anyhow::Result<Option<PathBuf>> {
    let python = if install {
        Some(Python::provide(workspace, install)?)
    } else {
        Python::find(workspace)?
    };
    let program = python.map(|python| python.program().with_file_name("kubernetes-validate"));
    Ok(program.filter(|program| program.is_file()))
}

/// The manifests of the component in an overlay.
pub(super) struct Manifests {
    file: PathBuf,
    documents: Vec<Value>,
}

impl Manifests {
    /// Builds them; nothing outside `scratch` is written.
    pub(super) fn build(root: &Path, mut kustomize: Command, scratch: &Path) -> anyhow::Result<Self> {
        println!("kustomize: {}", line(&kustomize));
        let folder = scratch.join("kustomize");
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let overlay = folder.join("overlay");
        fs::create_dir_all(&overlay)?;
        for part in [COMPONENT, FILES] {
            copy(&root.join(part), &folder.join(part))?;
        }
        fs::write(overlay.join("kustomization.yaml"), OVERLAY)?;
        fs::write(overlay.join("hub.yaml"), HUB)?;
        let text = read(kustomize.arg(&overlay))?;
        let file = folder.join("manifests.yaml");
        fs::write(&file, &text)?;
        let documents: Vec<Value> = serde_saphyr::from_multiple(&text).context("what kustomize printed")?;
        ensure!(!documents.is_empty(), "kustomize printed nothing");
        Ok(Self { file, documents })
    }

    /// What Kubernetes' schemas have against them.
    pub(super) fn schema_faults(&self, program: &Path) -> Vec<String> {
        let mut command = Command::new(program);
        let said = read(command.args(["--strict", "--quiet"]).arg(&self.file));
        said.err().map(|error| format!("{error:#}")).into_iter().collect()
    }

    /// What our rules have against them.
    pub(super) fn faults(&self, root: &Path) -> anyhow::Result<Vec<String>> {
        let compose = fs::read_to_string(root.join(COMPOSE)).context(COMPOSE)?;
        Ok(pods::faults(&self.documents, &compose))
    }
}

fn copy(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

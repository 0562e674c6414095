//! What Kubernetes' own schemas say, of the oldest release that the manifests are for and of newer ones.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kustomize::Rendering;
use crate::process::read;
use crate::provide::Python;
use crate::workspace::Workspace;

/// The releases. The first is the first in which a container may sleep before it is stopped without a switch of the cluster's.
const RELEASES: [&str; 3] = ["1.30", "1.33", "1.37"];

/// The program that knows the schemas.
pub(super) fn program(workspace: &Workspace, install: bool) -> anyhow::Result<Option<PathBuf>> {
    let python = if install {
        Some(Python::provide(workspace, install)?)
    } else {
        Python::find(workspace)?
    };
    let program = python.map(|python| python.program().with_file_name("kubernetes-validate"));
    Ok(program.filter(|program| program.is_file()))
}

/// What is wrong with any object. Most are the same in most renderings, so each is looked at once.
pub(super) fn faults(
    renderings: &[Rendering],
    program: &Path,
    scratch: &Path,
) -> anyhow::Result<Vec<String>> {
    let objects = renderings.iter().flat_map(|rendering| rendering.objects.iter());
    let distinct: BTreeSet<String> = objects.map(ToString::to_string).collect();
    // JSON is YAML.
    let text = distinct.iter().fold(String::new(), |mut text, object| {
        // Infallible: writing to a String.
        let _ = writeln!(text, "---\n{object}");
        text
    });
    let file = scratch.join("objects.yaml");
    fs::write(&file, text)?;
    println!(
        "{} objects against Kubernetes {}",
        distinct.len(),
        RELEASES.join(", ")
    );
    let look = |release: &str| {
        let mut command = Command::new(program);
        command
            .args(["--strict", "--quiet", "--kubernetes-version", release])
            .arg(&file);
        read(&mut command).err().map(|error| format!("{error:#}"))
    };
    // At the same time: each is a program that works on one core.
    Ok(std::thread::scope(|scope| {
        let threads = RELEASES.map(|release| scope.spawn(move || look(release)));
        let faults = threads.into_iter().map(|thread| {
            thread
                .join()
                .unwrap_or_else(|_| Some("the check broke off".to_owned()))
        });
        faults.flatten().collect()
    }))
}

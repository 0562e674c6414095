//! What the Dockerfile and docker-bake.hcl must be: an image for each program of the workspace, all by one recipe.
//!
//! Nothing is built and no engine is asked. [`mod@dockerfile`] reads the one file, [`rules`] are about it, and [`bake`] has Buildx say what it would
//! build by the other; which images Compose runs is [`crate::compose`]'s.

pub(crate) mod bake;
pub(crate) mod dockerfile;
mod rules;

use std::fs;
use std::path::Path;

use anyhow::Context as _;

use self::dockerfile::Dockerfile;
use crate::docker::{Plugin, Program};
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

const DOCKERFILE: &str = "Dockerfile";
const TOOLCHAIN: &str = "rust-toolchain.toml";

/// What the images are made of and named by.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The programs, each with an image of the same name.
    pub(crate) programs: Vec<String>,
    /// The version of the workspace, which is the images' tag.
    pub(crate) version: String,
    /// The toolchain: `1.95`.
    pub(crate) toolchain: String,
}

impl Facts {
    /// Reads them where they are decided.
    pub(crate) fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let toolchain = fs::read_to_string(workspace.root.join(TOOLCHAIN)).context(TOOLCHAIN)?;
        let channel = toolchain
            .lines()
            .find_map(|line| line.strip_prefix("channel = "))
            .context("rust-toolchain.toml names no channel")?;
        let mut numbers = channel.trim_matches('"').splitn(3, '.');
        let (Some(major), Some(minor)) = (numbers.next(), numbers.next()) else {
            anyhow::bail!("the channel {channel} is no version");
        };
        let products = || workspace.packages.iter().filter(|package| package.is_product);
        Ok(Self {
            programs: products().map(|package| package.name.clone()).collect(),
            version: products()
                .map(|package| package.version.clone())
                .next()
                .context("the workspace has no program")?,
            toolchain: format!("{major}.{minor}"),
        })
    }
}

/// The stage of the Dockerfile, and the target of a build, that makes the image of a program.
pub(crate) fn target_of(program: &str) -> &str {
    program.strip_prefix("mcp-hub-").unwrap_or("hub")
}

/// The Dockerfile of the repository.
pub(crate) fn dockerfile(root: &Path) -> anyhow::Result<Dockerfile> {
    let text = fs::read_to_string(root.join(DOCKERFILE)).context(DOCKERFILE)?;
    Ok(Dockerfile::parse(&text))
}

/// Checks both files; one count for each.
pub(crate) fn check(workspace: &Workspace, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    let facts = Facts::read(workspace)?;
    let dockerfile = dockerfile(&workspace.root)?;
    let faults = rules::faults(&dockerfile, &facts);
    let mut counts = Counts::one(faults.is_empty());
    for fault in faults {
        report.failure(format!("images: {DOCKERFILE}: {fault}"));
    }
    let Some(buildx) = Program::provide(Plugin::Buildx, install)? else {
        report.skip("images: no docker buildx; repeat with --install".to_owned());
        counts.skipped += 1;
        return Ok(counts);
    };
    println!("{buildx}");
    let faults = bake::faults(&buildx, &workspace.root, &dockerfile, &facts)?;
    counts += Counts::one(faults.is_empty());
    for fault in faults {
        report.failure(format!("images: {}: {fault}", bake::FILE));
    }
    Ok(counts)
}

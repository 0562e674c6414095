//! The generated pages: docs/tools.md, docs/configuration.md and docs/metrics.md, printed by the program that they describe.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::read;
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

const PAGES: [&str; 3] = ["tools", "configuration", "metrics"];

/// `cargo xtask docs`: writes the pages.
pub(crate) fn write() -> anyhow::Result<bool> {
    let workspace = Workspace::read()?;
    let programs = workspace.build()?.programs;
    for page in PAGES {
        let path = path(&workspace.root, page);
        std::fs::write(&path, generate(&programs, page)?).with_context(|| path.display().to_string())?;
        println!("wrote docs/{page}.md");
    }
    Ok(true)
}

/// Checks that the pages are what the program prints now.
pub(crate) fn check(root: &Path, programs: &Path, report: &mut Report) -> anyhow::Result<Counts> {
    let mut counts = Counts::default();
    for page in PAGES {
        let written = std::fs::read_to_string(path(root, page)).unwrap_or_default();
        let fresh = written == generate(programs, page)?;
        if !fresh {
            report.failure(format!(
                "docs/{page}.md is stale: run `cargo xtask docs` and commit the result"
            ));
        }
        counts += Counts::one(fresh);
    }
    Ok(counts)
}

fn generate(programs: &Path, page: &str) -> anyhow::Result<String> {
    // No variable of the caller may show in a page.
    read(
        Command::new(programs.join("mcp-hub"))
            .args(["reference", page])
            .env_clear(),
    )
}

fn path(root: &Path, page: &str) -> PathBuf {
    root.join("docs").join(page).with_extension("md")
}

//! The generated pages: docs/tools.md, docs/configuration.md and docs/metrics.md, printed by the program that they describe, and the table of
//! docs/network.md, which stands between two marks of a page that people write.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;

use crate::process::read;
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

const PAGES: [&str; 3] = ["tools", "configuration", "metrics"];

/// The page that people write, what is printed for it, and between which marks that stands.
const PART: (&str, &str) = ("network", "verdicts");
const BEGIN: &str = "<!-- verdicts: written by `cargo xtask docs` -->\n";
const END: &str = "<!-- /verdicts -->";

/// `cargo xtask docs`: writes the pages.
pub(crate) fn write() -> anyhow::Result<bool> {
    let workspace = Workspace::read()?;
    let programs = workspace.build()?.programs;
    for page in PAGES {
        let path = path(&workspace.root, page);
        std::fs::write(&path, generate(&programs, page)?).with_context(|| path.display().to_string())?;
        println!("wrote docs/{page}.md");
    }
    let (page, part) = PART;
    let path = path(&workspace.root, page);
    let written = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let fresh = with_part(&written, &generate(&programs, part)?)
        .with_context(|| format!("docs/{page}.md has no marks {BEGIN}..{END}"))?;
    std::fs::write(&path, fresh).with_context(|| path.display().to_string())?;
    println!("wrote the {part} of docs/{page}.md");
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
    let (page, part) = PART;
    let written = std::fs::read_to_string(path(root, page)).unwrap_or_default();
    let fresh = with_part(&written, &generate(programs, part)?).is_some_and(|fresh| fresh == written);
    if !fresh {
        report.failure(format!(
            "the {part} of docs/{page}.md are stale, or their marks are gone: run `cargo xtask docs` and commit the result"
        ));
    }
    counts += Counts::one(fresh);
    Ok(counts)
}

/// A page with another text between its marks; `None` when it has none.
fn with_part(page: &str, text: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, behind) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{text}\n{END}{behind}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_written() {
        let page = format!("a\n{BEGIN}old\n{END}\nb\n");
        let fresh = with_part(&page, "new\n").expect("marks");
        assert_eq!(fresh, format!("a\n{BEGIN}new\n\n{END}\nb\n"));
        assert_eq!(with_part(&fresh, "new\n"), Some(fresh.clone()));
        assert_eq!(with_part("a\n", "new\n"), None);
    }
}

//! Whatever one adapter has, every adapter has: the list of docs/adding-a-database.md, read from the page and held against the repository.
//!
//! The page is the rule and this has none of its own, so they can't differ. Each table with the columns step, file and has is read: `<db>` is an adapter's
//! name, each file must be there and have each text. A row without `<db>` is for people.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};

use crate::report::{Counts, Report};
use crate::workspace::Workspace;

/// The page.
const PAGE: &str = "docs/adding-a-database.md";
/// What stands for an adapter's name.
const DB: &str = "<db>";
/// The columns of a table that is a rule.
const COLUMNS: [&str; 3] = ["step", "file", "has"];
/// What stands in a table's introduction, before the names of adapters that it is not for.
const BUT: &str = "(but not for ";
/// Where the adapters are, and how their packages are called.
const SERVICES: &str = "services";
const PACKAGE: &str = "mcp-hub-";

/// A row of the list.
#[derive(Debug, PartialEq, Eq)]
struct Step {
    name: String,
    files: Vec<String>,
    texts: Vec<String>,
    /// The adapters that it is not for.
    but: Vec<String>,
}

/// Checks every adapter by every step; one count for each adapter.
pub(crate) fn check(workspace: &Workspace, report: &mut Report) -> anyhow::Result<Counts> {
    let page = fs::read_to_string(workspace.root.join(PAGE)).context(PAGE)?;
    let steps = steps(&page);
    ensure!(!steps.is_empty(), "{PAGE} has no list");
    let folder = workspace.root.join(SERVICES);
    let packages = workspace
        .packages
        .iter()
        .filter(|package| package.is_product && package.folder.starts_with(&folder));
    let adapters: Vec<&str> = packages
        .filter_map(|package| package.name.strip_prefix(PACKAGE))
        .collect();
    ensure!(!adapters.is_empty(), "the workspace has no adapter");
    println!("{} steps for {}", steps.len(), adapters.join(", "));
    let mut counts = Counts::default();
    for adapter in adapters {
        let faults = faults(&workspace.root, &steps, adapter);
        counts += Counts::one(faults.is_empty());
        for fault in faults {
            report.failure(format!("parity: {adapter}: {fault}"));
        }
    }
    Ok(counts)
}

/// The steps that are not done for an adapter.
fn faults(root: &Path, steps: &[Step], adapter: &str) -> Vec<String> {
    let own = |pattern: &str| pattern.replace(DB, adapter);
    let steps = steps
        .iter()
        .filter(|step| !step.but.iter().any(|name| name == adapter));
    let missing = steps.flat_map(|step| {
        step.files.iter().filter_map(move |file| {
            let file = own(file);
            let path = root.join(&file);
            if path.is_dir() {
                return None;
            }
            let Ok(text) = fs::read_to_string(&path) else {
                return Some(format!("step {:?} of {PAGE}: no {file}", step.name));
            };
            let texts: Vec<String> = step
                .texts
                .iter()
                .map(|text| own(text))
                .filter(|own| !text.contains(own))
                .collect();
            (!texts.is_empty()).then(|| {
                format!(
                    "step {:?} of {PAGE}: {file} has no {}",
                    step.name,
                    texts.join(", no ")
                )
            })
        })
    });
    missing.collect()
}

/// The rows of the page's tables that are rules.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut is_list = false;
    let mut but = Vec::new();
    for line in page.lines() {
        let Some(row) = line.trim().strip_prefix('|').map(|row| row.trim_end_matches('|')) else {
            is_list = false;
            if let Some((_, names)) = line.split_once(BUT) {
                but = spans(names.split(')').next().unwrap_or_default());
            } else if line.starts_with('#') {
                but.clear();
            }
            continue;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        if cells.len() >= COLUMNS.len() && cells[..COLUMNS.len()] == COLUMNS {
            is_list = true;
        } else if let [name, files, texts, ..] = cells.as_slice()
            && is_list
            && (files.contains(DB) || texts.contains(DB))
        {
            steps.push(Step {
                name: (*name).to_owned(),
                files: spans(files),
                texts: spans(texts),
                but: but.clone(),
            });
        }
    }
    steps
}

/// What stands between backquotes.
fn spans(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "\
## The list

| step | file | has | what fails |
|---|---|---|---|
| the adapter | `services/<db>/src/lib.rs`, `services/<db>/` | | |
| its port | `ARCHITECTURE.md` | `<db> adapter`, `gRPC` | |
| for people | `CHANGELOG.md` | | |

For servers (but not for `sqlite`):

| step | file | has |
|---|---|---|
| systemd | `systemd/<db>.conf` | |

### Another table

| it writes | which is | has |
|---|---|---|
| `k8s/<db>` | `x` | `<db>` |
";

    #[test]
    fn tables_with_these_columns_are_the_list() {
        let steps = steps(LIST);
        let names: Vec<&str> = steps.iter().map(|step| &*step.name).collect();
        assert_eq!(names, ["the adapter", "its port", "systemd"]);
        assert_eq!(steps[1].texts, ["<db> adapter", "gRPC"]);
        assert_eq!(steps[2].but, ["sqlite"]);
    }

    #[test]
    fn each_step_can_be_forgotten() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        let write = |file: &str, text: &str| {
            let path = root.join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, text).expect("written");
        };
        let of = |adapter: &str| faults(root, &steps(LIST), adapter);
        write("services/neo4j/src/lib.rs", "");
        write("systemd/neo4j.conf", "");
        write("ARCHITECTURE.md", "| 50053 | neo4j adapter | gRPC |");
        assert_eq!(of("neo4j"), [""; 0]);
        write("ARCHITECTURE.md", "| 50055 | sqlite adapter | gRPC |");
        assert_eq!(
            of("neo4j"),
            [r#"step "its port" of docs/adding-a-database.md: ARCHITECTURE.md has no neo4j adapter"#]
        );
        assert_eq!(
            of("sqlite"),
            [
                r#"step "the adapter" of docs/adding-a-database.md: no services/sqlite/src/lib.rs"#,
                r#"step "the adapter" of docs/adding-a-database.md: no services/sqlite/"#,
            ]
        );
    }
}

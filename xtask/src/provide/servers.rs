//! PostgreSQL and PgBouncer.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::apt;
use super::container::Container;
use crate::process::{find, variable};

const URL: &str = "MCP_HUB_TEST_POSTGRES_URL";
const BIN: &str = "MCP_HUB_TEST_POSTGRES_BIN";

/// A PostgreSQL, or the programs to start one.
#[derive(Debug)]
pub(crate) struct Postgres {
    /// For people.
    pub(crate) how: String,
    /// For the tests.
    pub(crate) variable: Option<(&'static str, OsString)>,
    /// When it is one.
    pub(crate) container: Option<Container>,
}

impl Postgres {
    fn programs(folder: PathBuf) -> Self {
        Self {
            how: folder.display().to_string(),
            variable: Some((BIN, folder.into())),
            container: None,
        }
    }
}

/// By address, programs, package or container.
pub(crate) fn postgres(install: bool) -> anyhow::Result<Postgres> {
    if variable(URL).is_some() {
        return Ok(Postgres {
            how: format!("the server that {URL} names"),
            variable: None,
            container: None,
        });
    }
    if let Some(folder) = programs() {
        return Ok(Postgres::programs(folder));
    }
    let package = apt::install(&["postgresql"], install);
    if package.is_ok()
        && let Some(folder) = programs()
    {
        return Ok(Postgres::programs(folder));
    }
    Container::postgres()
        .map(|container| Postgres {
            how: "a container; tests that stop the server are left out".to_owned(),
            variable: Some((URL, container.url().into())),
            container: Some(container),
        })
        .with_context(|| {
            let package = package.err().map_or("the package brought no programs".to_owned(), |e| format!("{e:#}"));
            format!("no {URL}; no initdb, postgres and pg_ctl in {BIN}, on the PATH or in /usr/lib/postgresql; {package}; no container")
        })
}

/// The folder with the programs, as the tests look for them themselves.
fn programs() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    if let Some(folder) = variable(BIN) {
        return Some(PathBuf::from(folder)).filter(complete);
    }
    let on_path = find("initdb").and_then(|program| program.parent().map(Path::to_owned));
    let mut debian: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse().ok()?,
                entry.path().join("bin"),
            ))
        })
        .collect();
    debian.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
    on_path
        .into_iter()
        .chain(debian.into_iter().map(|(_, folder)| folder))
        .find(complete)
}

/// By program or package; a container could not reach the server that the tests start.
pub(crate) fn pgbouncer(install: bool) -> anyhow::Result<String> {
    if find("pgbouncer").is_none() {
        apt::install(&["pgbouncer"], install)?;
    }
    Ok(find("pgbouncer")
        .context("the package brought no program pgbouncer")?
        .display()
        .to_string())
}

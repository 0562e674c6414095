//! PostgreSQL and PgBouncer.

use std::cmp::Reverse;
use std::fs::read_dir;
use std::path::PathBuf;

use crate::environment::{find, folders, variable};
use crate::names::POSTGRES_BIN;

/// The folder with `initdb`, `postgres` and `pg_ctl`. Debian's package has one for each version; the newest wins.
pub fn postgres() -> Option<PathBuf> {
    let complete = |folder: &PathBuf| {
        ["initdb", "postgres", "pg_ctl"]
            .iter()
            .all(|program| folder.join(program).is_file())
    };
    if let Some(folder) = variable(POSTGRES_BIN) {
        return Some(PathBuf::from(folder)).filter(complete);
    }
    let mut debian: Vec<(u32, PathBuf)> = read_dir("/usr/lib/postgresql")
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
    debian.sort_by_key(|(version, _)| Reverse(*version));
    folders()
        .chain(debian.into_iter().map(|(_, folder)| folder))
        .find(complete)
}

/// PgBouncer's program.
pub fn pgbouncer() -> Option<PathBuf> {
    find("pgbouncer")
}

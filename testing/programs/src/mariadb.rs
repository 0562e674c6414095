//! MariaDB.

use std::path::PathBuf;

use crate::environment::{first, folders, variable};
use crate::names::MARIADB_BIN;

/// The programs that it takes to start a MariaDB.
#[derive(Debug)]
pub struct MariaDb {
    /// Makes a data folder: `mariadb-install-db`.
    pub install: PathBuf,
    /// The server: `mariadbd`.
    pub server: PathBuf,
}

impl MariaDb {
    /// Debian has them in two folders.
    pub fn find() -> Option<Self> {
        let given = variable(MARIADB_BIN).map(PathBuf::from);
        let find = |program| match &given {
            Some(folder) => first([folder.clone()], program),
            None => first(folders(), program),
        };
        Some(Self {
            install: find("mariadb-install-db")?,
            server: find("mariadbd")?,
        })
    }
}

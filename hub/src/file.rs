//! `mcp-hub.toml`: where it is, and the databases that it names.
//!
//! Its plain values are settings of the command and read by the chassis. A table `[database.<key>]` has `kind`, `description`, and
//! the settings of that kind of adapter by the long names of their options.

use std::path::{Path, PathBuf};

use clap::ArgMatches;
use mcp_hub_chassis::config;

use crate::adapters::Kind;
use crate::error::{Error, Result};

/// The file's name where none is given.
const NAME: &str = "mcp-hub.toml";

/// One table `[database.<key>]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The key, which begins the names of its tools.
    pub key: String,
    /// Which adapter.
    pub kind: Kind,
    /// What the database holds, for a model.
    pub description: String,
    /// The adapter's settings.
    pub settings: toml::Table,
}

/// Why a table can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The entry is no table.
    #[error("it must be a table")]
    NoTable,
    /// There is no kind, or an unknown one.
    #[error("it needs a kind, one of: {}", Kind::names())]
    Kind,
    /// The description is no text.
    #[error("the description must be a text")]
    Description,
    /// A setting is wrong.
    #[error("{0}")]
    Settings(String),
    /// No setting names the database.
    #[error("it does not say where the database is")]
    Nowhere,
}

/// Finds the file when the command line names none: in the working folder, else in the data folder.
pub fn find(matches: &ArgMatches) -> Option<PathBuf> {
    let matches = match matches.subcommand() {
        None => matches,
        Some(("up" | "stdio" | "doctor" | "support-bundle", matches)) => matches,
        // The clients of a running hub have nothing to do with what this machine would start.
        Some(_) => return None,
    };
    let named = matches.try_get_one::<PathBuf>("data_dir").ok().flatten();
    let data_dir = named.cloned().or_else(|| data_dir().ok());
    [Some(PathBuf::from(".")), data_dir]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(NAME))
        .find(|path| path.is_file())
}

/// The folder for data when the settings name none.
pub fn data_dir() -> Result<PathBuf> {
    use etcetera::BaseStrategy as _;
    let strategy = etcetera::choose_base_strategy().map_err(|_| Error::NoHome)?;
    Ok(strategy.data_dir().join("mcp-hub"))
}

/// Reads the databases that a file names, in the order of their keys.
pub fn databases(path: &Path) -> Result<Vec<Table>> {
    parse(path, config::read_file(path)?)
}

fn parse(path: &Path, file: toml::Table) -> Result<Vec<Table>> {
    let mut databases = Vec::new();
    for (name, value) in file {
        match value {
            toml::Value::Table(tables) if name == "database" => {
                for (key, value) in tables {
                    let table = table(&key, value).map_err(|source| Error::Database {
                        path: path.to_owned(),
                        key,
                        source,
                    })?;
                    databases.push(table);
                }
            }
            toml::Value::Table(_) => {
                return Err(Error::UnknownTable {
                    path: path.to_owned(),
                    table: name,
                });
            }
            // A setting of the command, which has read it already.
            _ => {}
        }
    }
    Ok(databases)
}

fn table(key: &str, value: toml::Value) -> Result<Table, TableError> {
    let toml::Value::Table(mut settings) = value else {
        return Err(TableError::NoTable);
    };
    let kind = settings
        .remove("kind")
        .and_then(|kind| Kind::named(kind.as_str()?))
        .ok_or(TableError::Kind)?;
    let description = match settings.remove("description") {
        None => String::new(),
        Some(toml::Value::String(description)) => description,
        Some(_) => return Err(TableError::Description),
    };
    Ok(Table {
        key: key.to_owned(),
        kind,
        description,
        settings,
    })
}

#[cfg(test)]
mod tests {
    use mcp_hub_chassis::fault::chain;

    use super::*;

    fn read(text: &str) -> Result<Vec<Table>, String> {
        parse(Path::new("mcp-hub.toml"), text.parse().expect("TOML")).map_err(|error| chain(&error))
    }

    #[test]
    fn databases_are_tables_beside_plain_settings() {
        let tables = read(
            "port = 9000\n[database.orders]\nkind = 'postgres'\ndescription = 'web shop'\nhost = 'db'\n\
             [database.notes]\nkind = 'sqlite'\n",
        );
        let orders = Table {
            key: "orders".to_owned(),
            kind: Kind::Postgres,
            description: "web shop".to_owned(),
            settings: "host = 'db'".parse().expect("TOML"),
        };
        let tables = tables.expect("valid");
        assert!(tables.contains(&orders));
        assert_eq!(tables.len(), 2);
    }

    #[test]
    fn a_mistake_is_told_with_its_place() {
        for (text, expected) in [
            (
                "[databse.x]\nkind = 'sqlite'",
                "mcp-hub.toml has an unknown table [databse]; known are [database.<key>]",
            ),
            (
                "[database]\nx = 1",
                "mcp-hub.toml says of [database.x]: it must be a table",
            ),
            (
                "[database.x]\nhost = 'a'",
                "mcp-hub.toml says of [database.x]: it needs a kind, one of: mariadb, mysql, neo4j, postgres, qdrant, sqlite",
            ),
            (
                "[database.x]\nkind = 'oracle'",
                "mcp-hub.toml says of [database.x]: it needs a kind, one of: mariadb, mysql, neo4j, postgres, qdrant, sqlite",
            ),
        ] {
            assert_eq!(read(text).expect_err("refused"), expected);
        }
    }
}

//! The catalogue: which databases, tables and other objects there are, and what a table is made of.
//!
//! It is read from `information_schema`, which shows each account what it may see, with the columns that a server's make and version have
//! (MariaDB from 10.3, MySQL from 5.7). Names are always parameters, never part of the SQL, so any identifier works. What the configuration
//! denies is as if it were not there.
//!
//! To MariaDB these are no tables: a condition on `table_schema` and `table_name` is tried before a table's definition is read, and
//! columns that need statistics open the table itself. So pages are made of names first, and the rest is asked for those alone.

mod allowed;
mod databases;
mod describe;
mod names;
mod overview;
mod search;
mod tables;

pub(crate) use allowed::{check_read, check_writes};
pub(crate) use databases::list_databases;
pub(crate) use describe::{describe_exactly, describe_table, similar};
pub(crate) use names::{databases_beginning, tables_beginning};
pub(crate) use overview::{Overview, overview};
pub(crate) use search::search_objects;
pub(crate) use tables::{Name, list_tables, tables_behind};

use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::{Fault, arguments};

use crate::database::{Database, Flavor, Transaction};
use crate::error::Error;

/// The limit of a statement on the catalogue. Thousands of tables take a second; a lock on one may take longer.
const TIMEOUT: Duration = Duration::from_secs(arguments::TIMEOUT_MS.default as u64 / 1000);

/// The servers' own databases.
const OF_THE_SYSTEM: [&str; 4] = ["information_schema", "mysql", "performance_schema", "sys"];

/// A transaction on the catalogue. The connected database does not matter: a session of any will do.
async fn transaction(database: &Database) -> Result<Transaction, Error> {
    database.read(None, TIMEOUT).await
}

/// The names of the databases that a call may ask and the login may see, in order.
async fn databases(database: &Database, transaction: &mut Transaction) -> Result<Vec<String>, Error> {
    let rows = transaction
        .rows(
            "SELECT information_schema.schemata",
            "select schema_name from information_schema.schemata",
            &[],
        )
        .await?;
    let names = rows.iter().filter_map(|row| row.text(0));
    let mut names: Vec<String> = names
        .filter(|name| database.config().may_ask(name))
        .map(str::to_owned)
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// The databases that a list is about: the one that was named, else the connected one, else all but the system's.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a database that is not there or may not be asked.
async fn listed(
    database: &Database,
    transaction: &mut Transaction,
    wanted: Option<&str>,
    connected: Option<&str>,
) -> Result<Vec<String>, Fault> {
    let names = databases(database, transaction).await?;
    if let Some(wanted) = wanted.or(connected) {
        return match same_database(wanted, &names) {
            Some(name) => Ok(vec![name.clone()]),
            None => Err(no_database(wanted, &names)),
        };
    }
    Ok(names.into_iter().filter(|name| !is_of_the_system(name)).collect())
}

/// The database of a name. The system's own are the same in any case, and so are all where files are.
fn same_database<'a>(wanted: &str, names: &'a [String]) -> Option<&'a String> {
    let alike = |name: &&String| name.eq_ignore_ascii_case(wanted);
    let same = names.iter().find(|name| *name == wanted);
    same.or_else(|| names.iter().find(alike))
}

fn is_of_the_system(name: &str) -> bool {
    OF_THE_SYSTEM
        .iter()
        .any(|system| name.eq_ignore_ascii_case(system))
}

fn no_database(wanted: &str, names: &[String]) -> Fault {
    let others = names
        .iter()
        .map(String::as_str)
        .filter(|name| !is_of_the_system(name));
    let others: Vec<&str> = others.collect();
    let similar = arguments::similar(wanted, others.iter().copied());
    let shown = if similar.is_empty() { others } else { similar };
    let shown: Vec<&str> = shown.into_iter().take(10).collect();
    let message = format!("there is no database \"{wanted}\" that can be asked");
    Fault::new(Reason::ObjectNotFound, message).with("did_you_mean", shown.join(","))
}

/// `?, ?, ?`
fn marks(count: usize) -> String {
    vec!["?"; count].join(", ")
}

/// Names as parameters.
fn texts(names: &[String]) -> Vec<Option<&str>> {
    names.iter().map(|name| Some(name.as_str())).collect()
}

/// A column of the catalogue that is compared and sorted by its bytes, whatever the server's collation of names.
fn exact(column: &str) -> String {
    format!("convert({column} using utf8mb4) collate utf8mb4_bin")
}

/// Whether a name or comment holds the parameter, any case, or is like it. It takes the parameter twice.
fn matches(column: &str) -> String {
    let text = format!("convert({column} using utf8mb4) collate utf8mb4_general_ci");
    format!(
        "(locate(convert(? using utf8mb4) collate utf8mb4_general_ci, {text}) > 0 or {text} like ? escape '')"
    )
}

/// What a table of a type is called.
fn table_type(table_type: &str) -> &'static str {
    match table_type {
        "VIEW" | "SYSTEM VIEW" => "view",
        "SYSTEM VERSIONED" => "system versioned table",
        "SEQUENCE" => "sequence",
        _ => "table",
    }
}

/// The comment of a table. A view has none: the servers put its kind there, or why it does not work.
fn table_comment(kind: &str, comment: String) -> String {
    if kind == "view" && comment.eq_ignore_ascii_case("view") {
        String::new()
    } else {
        comment
    }
}

/// Whether a server has what came with a version of MariaDB and of MySQL.
fn has(flavor: Flavor, mariadb: (u16, u16, u16), mysql: (u16, u16, u16)) -> bool {
    flavor.version >= if flavor.is_mariadb() { mariadb } else { mysql }
}

/// A version that never was.
const NEVER: (u16, u16, u16) = (u16::MAX, 0, 0);

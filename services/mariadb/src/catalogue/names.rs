//! Names that begin with what was typed.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::completion::starting_with;

use super::{databases, exact, is_of_the_system, marks, same_database, texts};
use crate::database::Database;
use crate::error::Error;

/// The databases that can be asked and begin with a text, any case; the connected one first.
///
/// # Errors
/// The server's.
pub(crate) async fn databases_beginning(
    database: &Database,
    beginning: &str,
    timeout: Duration,
) -> Result<Vec<String>, Fault> {
    let default = database.default_database()?;
    let mut transaction = database.read(None, timeout).await?;
    let mut names = databases(database, &mut transaction).await?;
    transaction.rollback().await?;
    names.retain(|name| !is_of_the_system(name));
    names.sort_by_key(|name| Some(name.as_str()) != default.as_deref());
    Ok(starting_with(names, beginning))
}

/// The tables, views and sequences of a database that begin with a text, any case: the connected database when none is named, all when
/// none is connected. None of a database that is not there or may not be asked.
///
/// # Errors
/// The server's.
pub(crate) async fn tables_beginning(
    database: &Database,
    schema: Option<&str>,
    beginning: &str,
    timeout: Duration,
) -> Result<Vec<String>, Fault> {
    let default = database.default_database()?;
    let mut transaction = database.read(None, timeout).await?;
    let names = databases(database, &mut transaction).await?;
    let searched: Vec<String> = match schema.or(default.as_deref()) {
        Some(schema) => same_database(schema, &names).cloned().into_iter().collect(),
        None => names.into_iter().filter(|name| !is_of_the_system(name)).collect(),
    };
    if searched.is_empty() {
        return Ok(vec![]);
    }
    // No column that would make the server open the tables.
    let sql = format!(
        "select distinct table_name from information_schema.tables where table_schema in ({}) order by {}",
        marks(searched.len()),
        exact("table_name")
    );
    let rows = transaction
        .rows("SELECT information_schema.tables", &sql, &texts(&searched))
        .await?;
    transaction.rollback().await?;
    let found: Result<Vec<String>, Error> = rows.iter().map(|row| row.get(0)).collect();
    Ok(starting_with(found?, beginning))
}

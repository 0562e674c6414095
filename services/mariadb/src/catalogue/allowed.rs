//! Which databases a statement may name.
//!
//! The lists of the configuration are a convenience for an operator, not a wall: a view or a function of an allowed database reads what
//! its definer may read. The wall is the account's rights.

use std::collections::BTreeSet;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;

use super::transaction;
use crate::database::Database;
use crate::guard::{Read, Write};

/// Refuses a read of a database that the configuration denies.
///
/// # Errors
/// `ACCESS_DENIED`, and when the server can't be asked.
pub(crate) async fn check_read(
    database: &Database,
    name: Option<&str>,
    read: &Read<'_>,
) -> Result<(), Fault> {
    check(
        database,
        name,
        read.qualifiers.iter().map(String::as_str).collect(),
    )
    .await
}

/// Refuses a write that names a database that the configuration denies.
///
/// # Errors
/// As [`check_read`].
pub(crate) async fn check_writes(
    database: &Database,
    name: Option<&str>,
    writes: &[Write<'_>],
) -> Result<(), Fault> {
    let names = writes.iter().flat_map(|write| &write.qualifiers);
    check(database, name, names.map(String::as_str).collect()).await
}

/// A text does not tell a database from a table or an alias in front of a dot, so none of these must be called like a database that may not
/// be asked. Names without a dot are looked up in the connected database.
async fn check(database: &Database, name: Option<&str>, named: BTreeSet<&str>) -> Result<(), Fault> {
    let config = database.config();
    let default = database.default_database()?;
    let connected = name.filter(|name| !name.is_empty()).or(default.as_deref());
    // Naming another one than the connected one is refused where its session is made, with advice.
    if let Some(connected) =
        connected.filter(|connected| Some(*connected) == default.as_deref() && !config.may_ask(connected))
    {
        return Err(denied(connected));
    }
    let denies = config.denied_databases();
    let refused = named.iter().find(|name| {
        denies.iter().any(|denied| crate::guard::may_be(name, denied))
            && !name.eq_ignore_ascii_case("information_schema")
    });
    if let Some(name) = refused {
        return Err(denied(name));
    }
    // With a list of allowed ones, any other database that there is; what is none is an alias.
    let unknown: Vec<&&str> = named.iter().filter(|name| !config.may_ask(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let mut transaction = transaction(database).await?;
    let rows = transaction
        .rows(
            "SELECT information_schema.schemata",
            "select schema_name from information_schema.schemata",
            &[],
        )
        .await?;
    transaction.rollback().await?;
    let mut others = rows
        .iter()
        .filter_map(|row| row.text(0))
        .filter(|name| !config.may_ask(name));
    match others.find(|other| unknown.iter().any(|name| crate::guard::may_be(name, other))) {
        Some(other) => Err(denied(other)),
        None => Ok(()),
    }
}

fn denied(name: &str) -> Fault {
    Fault::new(
        Reason::AccessDenied,
        format!("database \"{name}\" may not be asked here"),
    )
}

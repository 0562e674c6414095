//! Names for those who choose: the tables worth listing, and names that begin with what was typed.
//!
//! Each is one statement with a limit that reads names and rights only, because it runs for each key that somebody presses.

use std::time::Duration;

use mcp_hub_chassis::completion::MOST;
use mcp_hub_chassis::resource::LISTED;

use super::{ESTIMATED_ROWS, LISTS_SCHEMA, RELATIONS, SCHEMATA, Schemas, VERSION, is_listed, relation_type};
use crate::database::Database;
use crate::error::Error;
use crate::traced::Shown;

/// How long somebody waits for names who may as well type them.
const PATIENCE: Duration = Duration::from_secs(3);

/// A table, view, materialized view or foreign table in a list to choose from.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) schema: String,
    pub(crate) name: String,
    /// As [`relation_type`] says it.
    pub(crate) kind: &'static str,
    pub(crate) estimated_rows: Option<u64>,
    pub(crate) comment: String,
}

/// The first [`LISTED`] tables of the default database by schema and name.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn list_resources(database: &Database) -> Result<Vec<Listed>, Error> {
    let listed = is_listed();
    let sql = format!(
        "with c as materialized (
           select c.oid, n.nspname, c.relname, c.relkind, c.reltuples, c.relpages
             from pg_catalog.pg_class c
             join pg_catalog.pg_namespace n on n.oid = c.relnamespace
            where {listed}
            order by n.nspname, c.relname
            limit {LISTED})
         select c.nspname, c.relname, c.relkind, {ESTIMATED_ROWS},
                coalesce(pg_catalog.obj_description(c.oid, 'pg_class'), '')
           from c cross join {VERSION}
          order by c.nspname, c.relname"
    );
    let schemas = Schemas::of(database.config());
    let params = [Some(schemas.allowed.as_str()), Some(&schemas.denied), None];
    let rows = super::rows(database, None, RELATIONS, &sql, &params).await?;
    let listed = rows.iter().map(|row| {
        Ok(Listed {
            schema: row.get(0)?,
            name: row.get(1)?,
            kind: relation_type(row.text(2).unwrap_or_default()),
            estimated_rows: row.get(3)?,
            comment: row.get(4)?,
        })
    });
    listed.collect()
}

/// Schemas that begin with `typed`, any case, by name.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn schemas_beginning(
    database: &Database,
    name: Option<&str>,
    typed: &str,
) -> Result<Vec<String>, Error> {
    let begins = begins("n.nspname");
    let sql = format!(
        "select n.nspname from pg_catalog.pg_namespace n
          where {LISTS_SCHEMA} and {begins}
          order by n.nspname
          limit {}",
        MOST + 1
    );
    names(database, name, SCHEMATA, &sql, None, typed).await
}

/// Tables that begin with `typed`, any case, by name: of a schema, or of all that are listed.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn tables_beginning(
    database: &Database,
    name: Option<&str>,
    schema: Option<&str>,
    typed: &str,
) -> Result<Vec<String>, Error> {
    let (begins, listed) = (begins("c.relname"), is_listed());
    let sql = format!(
        "select distinct c.relname
           from pg_catalog.pg_class c
           join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          where {begins} and {listed}
          order by c.relname
          limit {}",
        MOST + 1
    );
    names(database, name, RELATIONS, &sql, schema, typed).await
}

async fn names(
    database: &Database,
    name: Option<&str>,
    shown: Shown<'_>,
    sql: &str,
    schema: Option<&str>,
    typed: &str,
) -> Result<Vec<String>, Error> {
    // No text of the server can hold it, so nothing begins with it.
    if [schema.unwrap_or_default(), typed]
        .iter()
        .any(|text| text.contains('\0'))
    {
        return Ok(vec![]);
    }
    let schemas = Schemas::of(database.config());
    let params = [
        Some(schemas.allowed.as_str()),
        Some(&schemas.denied),
        schema,
        Some(typed),
    ];
    let found = async {
        let mut transaction = database.read(name, PATIENCE).await?;
        transaction.rows(shown, sql, &params).await
    };
    // A login may take longer than the statement.
    let rows = tokio::time::timeout(PATIENCE, found).await;
    let rows = rows.unwrap_or(Err(Error::TimedOut(PATIENCE)))?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Whether a name begins with `$4`, any case. A name's own collation knows only ASCII.
fn begins(name: &str) -> String {
    format!(
        "pg_catalog.starts_with(pg_catalog.lower({name}::text collate \"default\"), pg_catalog.lower($4::text))"
    )
}

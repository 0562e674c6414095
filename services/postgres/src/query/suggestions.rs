//! Names that a caller may have meant, for a table or column that is not there.
//!
//! The server says where in the statement the name stands, in any language; the catalogue says which names there are.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::similar;

use crate::database::Database;
use crate::error::{Error, ServerError};
use crate::guard;
use crate::row::text_array;
use crate::traced::Shown;

/// How long the look-up may take: an error must not wait for its advice.
const PATIENCE: Duration = Duration::from_secs(2);

/// Visible tables and views first, then those of other schemas by their full names; never those of a schema that is denied.
const TABLES: &str = "
    select case when pg_catalog.pg_table_is_visible(c.oid) then c.relname::text
                else n.nspname || '.' || c.relname end
      from pg_catalog.pg_class c
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
     where c.relkind in ('r', 'p', 'v', 'm', 'f') and not c.relispartition
       and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
       and n.nspname <> all ($1::text[]) and (n.nspname = any ($2::text[]) or $2 = '{}')
     order by pg_catalog.pg_table_is_visible(c.oid) desc, 1
     limit 5000";

/// The columns of the relations that the statement names.
const COLUMNS: &str = "
    select distinct a.attname::text
      from pg_catalog.unnest($1::text[]) as r (name)
      join pg_catalog.pg_attribute a on a.attrelid = pg_catalog.to_regclass(r.name)
     where a.attnum > 0 and not a.attisdropped
     limit 5000";

/// The error as a fault, with `did_you_mean` where there is something to mean.
pub(super) async fn suggest(
    database: &Database,
    name: Option<&str>,
    read: &guard::Read<'_>,
    sql: &str,
    error: Error,
) -> Fault {
    let wanted = match &error {
        Error::Server(error) => wanted(error, sql),
        _ => None,
    };
    let fault = Fault::from(error);
    let Some(wanted) = wanted else { return fault };
    let found = tokio::time::timeout(PATIENCE, look_up(database, name, read, &wanted)).await;
    match found {
        Ok(Ok(names)) => fault.with("did_you_mean", names.join(",")),
        // The error itself matters more than advice on it.
        _ => fault,
    }
}

/// What was not found.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Table(String),
    Column(String),
}

fn wanted(error: &ServerError, sql: &str) -> Option<Wanted> {
    let kind = match error.sqlstate.as_str() {
        "42P01" => Wanted::Table,
        "42703" => Wanted::Column,
        _ => return None,
    };
    let names = names_at(sql, error.position?);
    // `t.colum`: the column is the last part. `shop.ordres`: so is the table.
    names.into_iter().next_back().map(kind)
}

/// The dotted names that begin at a character of the statement.
fn names_at(sql: &str, position: u32) -> Vec<String> {
    let mut rest = sql.chars().skip(position.saturating_sub(1) as usize).peekable();
    let mut names = Vec::new();
    loop {
        let mut name = String::new();
        if rest.next_if_eq(&'"').is_some() {
            while let Some(character) = rest.next() {
                if character == '"' && rest.next_if_eq(&'"').is_none() {
                    break;
                }
                name.push(character);
            }
        } else {
            while let Some(character) =
                rest.next_if(|character| character.is_alphanumeric() || matches!(character, '_' | '$'))
            {
                name.extend(character.to_lowercase());
            }
        }
        if name.is_empty() {
            return names;
        }
        names.push(name);
        if rest.next_if_eq(&'.').is_none() {
            return names;
        }
    }
}

async fn look_up(
    database: &Database,
    name: Option<&str>,
    read: &guard::Read<'_>,
    wanted: &Wanted,
) -> Result<Vec<String>, Error> {
    let mut transaction = database.read(name, PATIENCE).await?;
    let (rows, wanted) = match wanted {
        Wanted::Table(wanted) => {
            let shown = Shown::ours("SELECT pg_class");
            let config = database.config();
            let denied = text_array(config.denied_schemas().iter().map(String::as_str));
            let allowed = text_array(config.allow_schemas.iter().map(String::as_str));
            (
                transaction
                    .rows(shown, TABLES, &[Some(&denied), Some(&allowed)])
                    .await?,
                wanted,
            )
        }
        Wanted::Column(wanted) => {
            let relations: Vec<String> = read.relations.iter().map(quoted).collect();
            let relations = text_array(relations.iter().map(String::as_str));
            let shown = Shown::ours("SELECT pg_attribute");
            (
                transaction.rows(shown, COLUMNS, &[Some(&relations)]).await?,
                wanted,
            )
        }
    };
    transaction.rollback().await?;
    let names = rows.iter().filter_map(|row| row.text(0));
    Ok(similar(wanted, names).into_iter().map(str::to_owned).collect())
}

/// A name as `to_regclass` reads it.
fn quoted(name: &guard::Name) -> String {
    let parts = name.schema.iter().chain(std::iter::once(&name.name));
    let parts: Vec<String> = parts
        .map(|part| format!("\"{}\"", part.replace('"', "\"\"")))
        .collect();
    parts.join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_read_where_the_server_points() {
        let error = |sqlstate: &str, position| ServerError {
            sqlstate: sqlstate.to_owned(),
            position: Some(position),
            ..ServerError::default()
        };
        let table = |name: &str| Some(Wanted::Table(name.to_owned()));
        let column = |name: &str| Some(Wanted::Column(name.to_owned()));
        assert_eq!(
            wanted(&error("42P01", 17), "select 'ä' from Ordres o"),
            table("ordres")
        );
        assert_eq!(
            wanted(&error("42P01", 15), "select 1 from shop.\"My \"\"x\"\" Tabel\""),
            table("My \"x\" Tabel")
        );
        assert_eq!(
            wanted(&error("42703", 8), "select o.totl, 1 from o"),
            column("totl")
        );
        assert_eq!(wanted(&error("42703", 900), "select 1"), None);
        assert_eq!(wanted(&error("42601", 1), "selct 1"), None);
    }
}

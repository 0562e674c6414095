//! Names that a caller may have meant, for a table, column or function that is not there.
//!
//! The server says the name that it did not find, in English, because our sessions ask for that; the catalogue says which names there
//! are.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::similar;

use crate::database::{Database, Transaction};
use crate::error::{Error, ServerError};
use crate::guard;

/// How long the look-up may take: an error must not wait for its advice.
const PATIENCE: Duration = Duration::from_secs(2);

/// Tables and views of a database; and what the trace shows of it.
const TABLES: [&str; 2] = [
    "SELECT information_schema.tables",
    "
    select table_name from information_schema.tables where table_schema = ? order by 1 limit 5000",
];

/// The columns of a table.
const COLUMNS: [&str; 2] = ["SELECT information_schema.columns", "
    select column_name from information_schema.columns where table_schema = ? and table_name = ? order by 1 limit 5000"];

/// The stored functions of a database.
const FUNCTIONS: [&str; 2] = [
    "SELECT information_schema.routines",
    "
    select routine_name from information_schema.routines
     where routine_schema = ? and routine_type = 'FUNCTION' order by 1 limit 5000",
];

/// The error as a fault, with `did_you_mean` where there is something to mean.
pub(super) async fn suggest(
    database: &Database,
    name: Option<&str>,
    read: &guard::Read<'_>,
    error: Error,
) -> Fault {
    let wanted = match &error {
        Error::Server(error) => wanted(error),
        _ => None,
    };
    let fault = moved(Fault::from(error), read.offset);
    let Some(wanted) = wanted else { return fault };
    let found = tokio::time::timeout(PATIENCE, look_up(database, name, read, &wanted)).await;
    match found {
        Ok(Ok(names)) => fault.with("did_you_mean", names.join(",")),
        // The error itself matters more than advice on it.
        _ => fault,
    }
}

/// A position in the statement as the caller wrote it, with what the guard took off its beginning.
fn moved(mut fault: Fault, offset: usize) -> Fault {
    if let Some(position) = fault.metadata.get_mut("position")
        && let Ok(place) = position.parse::<usize>()
    {
        *position = (place + offset).to_string();
    }
    fault
}

/// What was not found.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Table { database: String, name: String },
    Column { name: String },
    Function { database: String, name: String },
}

fn wanted(error: &ServerError) -> Option<Wanted> {
    let message = &error.message;
    let quoted = |before: &str| {
        let (_, rest) = message.split_once(before)?;
        rest.split_once('\'').map(|(name, _)| name)
    };
    match error.number {
        // Table 'shop.ordres' doesn't exist
        1146 => {
            let (database, name) = quoted("Table '")?.split_once('.')?;
            Some(Wanted::Table {
                database: database.to_owned(),
                name: name.to_owned(),
            })
        }
        // Unknown column 'o.totl' in 'field list'
        1054 => {
            let name = quoted("Unknown column '")?;
            let name = name.rsplit('.').next().unwrap_or(name);
            Some(Wanted::Column {
                name: name.to_owned(),
            })
        }
        // FUNCTION shop.discuont does not exist
        1305 => {
            let (_, rest) = message.split_once("FUNCTION ")?;
            let (database, name) = rest.split_once(" does not")?.0.split_once('.')?;
            Some(Wanted::Function {
                database: database.trim_matches('`').to_owned(),
                name: name.trim_matches('`').to_owned(),
            })
        }
        _ => None,
    }
}

async fn look_up(
    database: &Database,
    name: Option<&str>,
    read: &guard::Read<'_>,
    wanted: &Wanted,
) -> Result<Vec<String>, Error> {
    let mut transaction = database.read(name, PATIENCE).await?;
    let (wanted, names) = match wanted {
        // What may not be asked is as if it were not there.
        Wanted::Table { database: schema, .. } | Wanted::Function { database: schema, .. }
            if !database.config().may_ask(schema) =>
        {
            return Ok(vec![]);
        }
        Wanted::Table { database, name } => (
            name,
            texts(&mut transaction, TABLES, &[Some(database.as_str())]).await?,
        ),
        Wanted::Function { database, name } => (
            name,
            texts(&mut transaction, FUNCTIONS, &[Some(database.as_str())]).await?,
        ),
        Wanted::Column { name: column } => {
            let default = match name {
                Some(name) => Some(name.to_owned()),
                None => database.default_database()?,
            };
            let mut names = Vec::new();
            for relation in &read.relations {
                let schema = relation.database.as_deref().or(default.as_deref());
                let params = [schema, Some(relation.name.as_str())];
                names.extend(texts(&mut transaction, COLUMNS, &params).await?);
            }
            (column, names)
        }
    };
    transaction.rollback().await?;
    let names = names.iter().map(String::as_str);
    Ok(similar(wanted, names).into_iter().map(str::to_owned).collect())
}

async fn texts(
    transaction: &mut Transaction,
    [summary, sql]: [&'static str; 2],
    params: &[Option<&str>],
) -> Result<Vec<String>, Error> {
    let rows = transaction.rows(summary, sql, params).await?;
    Ok(rows
        .iter()
        .filter_map(|row| row.text(0))
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_read_from_the_server_s_message() {
        let error = |number, message: &str| ServerError {
            number,
            message: message.to_owned(),
            ..ServerError::default()
        };
        assert_eq!(
            wanted(&error(1146, "Table 'shop.ordres' doesn't exist")),
            Some(Wanted::Table {
                database: "shop".to_owned(),
                name: "ordres".to_owned()
            })
        );
        assert_eq!(
            wanted(&error(1054, "Unknown column 'o.totl' in 'field list'")),
            Some(Wanted::Column {
                name: "totl".to_owned()
            })
        );
        assert_eq!(
            wanted(&error(1305, "FUNCTION shop.discuont does not exist")),
            Some(Wanted::Function {
                database: "shop".to_owned(),
                name: "discuont".to_owned()
            })
        );
        assert_eq!(wanted(&error(1064, "You have an error in your SQL syntax")), None);
    }
}

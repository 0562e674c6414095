//! `CreateDatabase`.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::TIMEOUT_MS;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::mariadb::v1 as pb;

use super::is_known;
use crate::database::Database;

/// The longest name of a database, in characters.
const MAX_NAME: usize = 64;

/// Creates a database.
///
/// # Errors
/// Wrong names; the server's error, also when there is such a database, or no such character set or collation.
pub(crate) async fn create_database(
    database: &Database,
    request: &pb::CreateDatabaseRequest,
    remaining: Option<Duration>,
) -> Result<pb::CreateDatabaseResponse, Fault> {
    let name = &request.database_name;
    let mut sql = format!("CREATE DATABASE {}", quoted(name)?);
    if !database.config().may_ask(name) {
        let message = format!("database \"{name}\" may not be asked here, so it is not created");
        return Err(Fault::new(Reason::AccessDenied, message));
    }
    for (field, word, value) in [
        ("character_set", "CHARACTER SET", &request.character_set),
        ("collation", "COLLATE", &request.collation),
    ] {
        if let Some(value) = value.as_deref().filter(|value| !value.is_empty()) {
            sql = format!("{sql} {word} {}", plain(field, value)?);
        }
    }
    let timeout = Duration::from_millis(TIMEOUT_MS.maximum.into());
    let timeout = remaining.map_or(timeout, |remaining| remaining.min(timeout));
    let created = database
        .run_outside_transaction(None, "CREATE DATABASE", &sql, timeout)
        .await;
    created.map_err(|error| {
        let known = is_known(&error);
        let fault = Fault::from(error);
        if known || fault.reason == Reason::DatabaseBusy {
            return fault;
        }
        fault.unclear("the database was created")
    })?;
    let mut transaction = database.write(None, timeout).await?;
    let sql = "select default_character_set_name, default_collation_name from information_schema.schemata
                where schema_name = ?";
    let rows = transaction
        .rows("SELECT information_schema.schemata", sql, &[Some(name)])
        .await?;
    transaction.rollback().await?;
    let text = |column| {
        rows.first()
            .and_then(|row| row.text(column))
            .unwrap_or_default()
            .to_owned()
    };
    Ok(pb::CreateDatabaseResponse {
        database_name: name.clone(),
        character_set: text(0),
        collation: text(1),
    })
}

/// A name as an identifier of SQL: any name, taken as it is.
fn quoted(name: &str) -> Result<String, Fault> {
    if name.is_empty() || name.chars().count() > MAX_NAME || name.contains('\0') {
        let message = format!("database_name must have 1 to {MAX_NAME} characters");
        return Err(Fault::argument("database_name", message));
    }
    Ok(format!("`{}`", name.replace('`', "``")))
}

/// The name of a character set or collation, which has letters, digits and `_` only.
fn plain<'a>(field: &str, name: &'a str) -> Result<&'a str, Fault> {
    if name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    {
        Ok(name)
    } else {
        Err(Fault::argument(
            field,
            format!("there is no {} \"{name}\"", field.replace('_', " ")),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_as_they_are() {
        assert_eq!(quoted("my-`DB` ä"), Ok("`my-``DB`` ä`".to_owned()));
        for name in ["", "a\0b", &"x".repeat(65)] {
            assert!(quoted(name).is_err(), "{name:?}");
        }
        assert!(plain("collation", "utf8mb4_bin").is_ok() && plain("collation", "a b").is_err());
    }
}

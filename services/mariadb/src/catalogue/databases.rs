//! The databases of the server.

use std::collections::HashMap;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::mariadb::v1 as pb;

use super::{NEVER, has, is_of_the_system, transaction};
use crate::database::Database;

/// Up to so many tables the size of a database is told: MariaDB opens each of them for it, which takes a second for 5,000.
const SIZED: u32 = 1_000;

/// Lists the databases that can be asked, without the system's own.
///
/// # Errors
/// When the server can't be asked.
pub(crate) async fn list_databases(database: &Database) -> Result<pb::ListDatabasesResponse, Fault> {
    let default = database.default_database()?;
    let mut transaction = transaction(database).await?;
    let comment = if has(transaction.flavor(), (10, 5, 0), NEVER) {
        "schema_comment"
    } else {
        "''"
    };
    let sql = format!(
        "select schema_name, default_character_set_name, default_collation_name, {comment} from information_schema.schemata"
    );
    let rows = transaction
        .rows("SELECT information_schema.schemata", &sql, &[])
        .await?;
    let counts = "select table_schema, count(*) from information_schema.tables group by table_schema";
    let mut tables: HashMap<String, u32> = HashMap::new();
    for row in transaction
        .rows("SELECT information_schema.tables", counts, &[])
        .await?
    {
        tables.insert(row.get(0)?, row.get(1)?);
    }
    let mut databases = Vec::new();
    for row in rows {
        let name: String = row.get(0)?;
        if is_of_the_system(&name) || !database.config().may_ask(&name) {
            continue;
        }
        databases.push(pb::Database {
            connected: default.as_deref() == Some(name.as_str()),
            queryable: true,
            tables: Some(tables.get(&name).copied().unwrap_or_default()),
            size_bytes: None,
            name,
            character_set: row.get(1)?,
            collation: row.get(2)?,
            comment: row.get::<Option<String>>(3)?.unwrap_or_default(),
        });
    }
    databases.sort_by(|left, right| left.name.cmp(&right.name));
    for database in &mut databases {
        if database.tables.is_some_and(|tables| tables <= SIZED) {
            let sql = "select sum(data_length + index_length) from information_schema.tables where table_schema = ?";
            let rows = transaction
                .rows("SELECT information_schema.tables", sql, &[Some(&database.name)])
                .await?;
            let size: Option<Option<u64>> = rows.first().map(|row| row.get(0)).transpose()?;
            database.size_bytes = Some(size.flatten().unwrap_or_default());
        }
    }
    transaction.rollback().await?;
    Ok(pb::ListDatabasesResponse { databases })
}

//! The list of tables, page by page.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::{Bounds, given};
use mcp_hub_chassis::cursor::Statement;
use mcp_hub_proto::mariadb::v1 as pb;

use super::{exact, listed, marks, matches, table_comment, table_type, texts, transaction};
use crate::database::{Database, Transaction};
use crate::error::Error;

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 100,
    maximum: 1000,
};

/// Lists tables, views and sequences.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a database that is not there, `ARGUMENT_INVALID` for a foreign cursor, and the server's.
pub(crate) async fn list_tables(
    database: &Database,
    request: &pb::ListTablesRequest,
) -> Result<pb::ListTablesResponse, Fault> {
    let mut notices = Vec::new();
    let limit = LIMIT.apply(request.limit, &mut notices)?;
    let (wanted_database, pattern) = (
        given(request.database.as_deref()),
        given(request.pattern.as_deref()),
    );
    let filter = Filter::of([wanted_database, pattern]);
    let after = given(request.cursor.as_deref())
        .map(|cursor| filter.read(cursor))
        .transpose()?;
    let default = database.default_database()?;
    let mut transaction = transaction(database).await?;
    let databases = listed(database, &mut transaction, wanted_database, default.as_deref()).await?;
    // One more than wanted tells whether there is a next page.
    let wanted = limit as usize + 1;
    let mut names = page(&mut transaction, &databases, pattern, after.as_ref(), wanted).await?;
    let more = names.len() == wanted;
    names.truncate(limit as usize);
    let tables = details(&mut transaction, &names, pattern).await?;
    transaction.rollback().await?;
    let next_cursor = names.last().filter(|_| more).map(|last| filter.cursor(last));
    Ok(pb::ListTablesResponse {
        tables,
        next_cursor,
        notices,
    })
}

/// A table's database and name.
pub(crate) type Name = (String, String);

/// Tables and views worth choosing from: those of the connected database first, all by database and name, `wanted` of them at most.
/// Says also behind which one to go on, when there are more.
///
/// # Errors
/// The server's.
pub(crate) async fn tables_behind(
    database: &Database,
    after: Option<&Name>,
    wanted: usize,
) -> Result<(Vec<pb::Table>, Option<Name>), Fault> {
    let default = database.default_database()?;
    let mut transaction = transaction(database).await?;
    let databases = listed(database, &mut transaction, None, None).await?;
    let is_connected = |name: &str| default.as_deref() == Some(name);
    let (connected, others): (Vec<_>, Vec<_>) = databases.into_iter().partition(|name| is_connected(name));
    let mut names = Vec::new();
    // Behind a table of the others, those of the connected one have all been listed.
    if after.is_none_or(|(schema, _)| is_connected(schema)) {
        names = page(&mut transaction, &connected, None, after, wanted + 1).await?;
    }
    if names.len() <= wanted {
        let after = after.filter(|(schema, _)| !is_connected(schema));
        let left = wanted + 1 - names.len();
        names.extend(page(&mut transaction, &others, None, after, left).await?);
    }
    let more = names.len() > wanted;
    names.truncate(wanted);
    let mut tables = details(&mut transaction, &names, None).await?;
    transaction.rollback().await?;
    tables.retain(|table| table.r#type != "sequence");
    Ok((tables, names.pop().filter(|_| more)))
}

/// The names behind `after`, in the order of their bytes.
async fn page(
    transaction: &mut Transaction,
    databases: &[String],
    pattern: Option<&str>,
    after: Option<&Name>,
    wanted: usize,
) -> Result<Vec<Name>, Error> {
    if databases.is_empty() {
        return Ok(vec![]);
    }
    let (schema, name) = (exact("table_schema"), exact("table_name"));
    let mut conditions = vec![format!("table_schema in ({})", marks(databases.len()))];
    let mut params = texts(databases);
    if let Some(pattern) = pattern {
        conditions.push(matches("table_name"));
        params.extend([Some(pattern); 2]);
    }
    if let Some((after_schema, after_name)) = after {
        conditions.push(format!("({schema} > ? or {schema} = ? and {name} > ?)"));
        params.extend([after_schema, after_schema, after_name].map(|text| Some(text.as_str())));
    }
    let sql = format!(
        "select table_schema, table_name from information_schema.tables where {}
          order by {schema}, {name} limit {wanted}",
        conditions.join(" and ")
    );
    let rows = transaction
        .rows("SELECT information_schema.tables", &sql, &params)
        .await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// What there is to say about tables, in their order. One that is gone meanwhile is left out.
async fn details(
    transaction: &mut Transaction,
    names: &[Name],
    pattern: Option<&str>,
) -> Result<Vec<pb::Table>, Error> {
    let mut found: HashMap<Name, pb::Table> = HashMap::new();
    // A range of names, not a list: MariaDB compares each table with each of a list.
    let name = exact("table_name");
    let matching = pattern.map_or_else(|| "1".to_owned(), |_| matches("table_name"));
    let sql = format!(
        "select table_schema, table_name, table_type, table_rows, table_comment from information_schema.tables
          where table_schema = ? and {name} >= ? and {name} <= ? and {matching}"
    );
    for names in names.chunk_by(|left, right| left.0 == right.0) {
        let (Some((schema, first)), Some((_, last))) = (names.first(), names.last()) else {
            continue;
        };
        let mut params = vec![Some(schema.as_str()), Some(first), Some(last)];
        params.extend(pattern.iter().flat_map(|pattern| [Some(*pattern); 2]));
        for row in transaction
            .rows("SELECT information_schema.tables", &sql, &params)
            .await?
        {
            let (schema, name): Name = (row.get(0)?, row.get(1)?);
            let r#type = table_type(row.text(2).unwrap_or_default());
            let comment = row.get::<Option<String>>(4)?.unwrap_or_default();
            let table = pb::Table {
                database: schema.clone(),
                name: name.clone(),
                r#type: r#type.to_owned(),
                estimated_rows: row.get::<Option<u64>>(3)?.filter(|_| r#type.ends_with("table")),
                comment: table_comment(r#type, comment),
            };
            found.insert((schema, name), table);
        }
    }
    Ok(names.iter().filter_map(|name| found.remove(name)).collect())
}

/// What the list is narrowed to: a cursor fits only the list that gave it.
struct Filter(String);

impl Filter {
    fn of(parts: [Option<&str>; 2]) -> Self {
        let parts = parts.map(|part| part.unwrap_or_default().as_bytes());
        Self(Statement::of(parts).cursor(0))
    }

    /// The cursor that goes on behind a table: the list's identity, the database, the name.
    fn cursor(&self, (schema, name): &Name) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\0{schema}\0{name}", self.0))
    }

    fn read(&self, cursor: &str) -> Result<Name, Fault> {
        let text = URL_SAFE_NO_PAD.decode(cursor).ok();
        let text = text
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .unwrap_or_default();
        let parts: Vec<&str> = text.splitn(3, '\0').collect();
        match parts.as_slice() {
            [list, schema, name] if *list == self.0 => Ok(((*schema).to_owned(), (*name).to_owned())),
            [_, _, _] => Err(Fault::argument(
                "cursor",
                "this cursor belongs to another list: repeat database and pattern exactly, or leave the cursor out",
            )),
            _ => Err(Fault::argument(
                "cursor",
                "this is not a cursor: pass next_cursor as it was given",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_fits_its_own_list_only() {
        let filter = Filter::of([Some("shop"), None]);
        let last = ("shop".to_owned(), "ä.b".to_owned());
        let cursor = filter.cursor(&last);
        assert_eq!(filter.read(&cursor), Ok(last));
        let other = Filter::of([None, Some("shop")]).read(&cursor);
        assert!(other.expect_err("foreign").message.contains("another list"));
        for damaged in ["", "x", "!!", &cursor[1..], &cursor[..12]] {
            assert!(filter.read(damaged).is_err(), "{damaged}");
        }
    }
}

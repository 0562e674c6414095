//! What a server holds, for somebody who has never seen it: its databases, their biggest tables, and how they hang together.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_proto::mariadb::v1 as pb;

use super::{Name, databases, is_of_the_system, listed, marks, table_comment, table_type, texts};
use crate::database::{Database, Flavor};
use crate::error::Error;

/// Up to so many tables are compared by size: MariaDB opens each of them for it, which takes a second for 5,000.
const SIZED: u32 = 5_000;

/// The most foreign keys that are read.
const MOST_REFERENCES: u32 = 500;

/// What a server holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Overview {
    /// What kind of server it is.
    pub(crate) flavor: Flavor,
    /// The databases, by name, with how many tables and views the login sees in them.
    pub(crate) databases: Vec<(String, u32)>,
    /// How many tables and views there are in those that it is about.
    pub(crate) count: u32,
    /// The first of them, the biggest first.
    pub(crate) tables: Vec<pb::Table>,
    /// Which table refers to which other by a foreign key.
    pub(crate) references: Vec<(Name, Name)>,
}

/// Looks at the database that is named, else at the connected one, else at all but the system's; at `most` tables.
///
/// # Errors
/// `OBJECT_NOT_FOUND` for a database that is not there or may not be asked, and the server's.
pub(crate) async fn overview(
    database: &Database,
    wanted: Option<&str>,
    most: usize,
    timeout: Duration,
) -> Result<Overview, Fault> {
    let default = database.default_database()?;
    let mut transaction = database.read(None, timeout).await?;
    let flavor = transaction.flavor();
    let admitted = databases(database, &mut transaction).await?;
    let scope = listed(database, &mut transaction, wanted, default.as_deref()).await?;
    let counts = transaction
        .rows(
            "SELECT information_schema.tables",
            "select table_schema, count(*) from information_schema.tables group by table_schema",
            &[],
        )
        .await?;
    let counts: Result<Vec<(String, u32)>, Error> =
        counts.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect();
    let counts = counts?;
    let count_of = |name: &String| {
        let found = counts.iter().find(|(counted, _)| counted == name);
        found.map_or(0, |(_, count)| *count)
    };
    let count = scope.iter().map(count_of).sum();
    let shown = admitted
        .iter()
        .filter(|name| !is_of_the_system(name) || scope.contains(name));
    let databases = shown.map(|name| (name.clone(), count_of(name))).collect();
    let (mut tables, mut references) = (Vec::new(), Vec::new());
    if !scope.is_empty() {
        let (rows, order) = if count <= SIZED {
            ("table_rows", "table_rows desc, table_schema, table_name")
        } else {
            ("null", "table_schema, table_name")
        };
        let within = marks(scope.len());
        let sql = format!(
            "select table_schema, table_name, table_type, {rows}, table_comment from information_schema.tables
              where table_schema in ({within}) order by {order} limit {most}"
        );
        for row in transaction
            .rows("SELECT information_schema.tables", &sql, &texts(&scope))
            .await?
        {
            let r#type = table_type(row.text(2).unwrap_or_default());
            tables.push(pb::Table {
                database: row.get(0)?,
                name: row.get(1)?,
                r#type: r#type.to_owned(),
                estimated_rows: row.get::<Option<u64>>(3)?.filter(|_| r#type.ends_with("table")),
                comment: table_comment(r#type, row.get::<Option<String>>(4)?.unwrap_or_default()),
            });
        }
        let sql = format!(
            "select distinct constraint_schema, table_name, unique_constraint_schema, referenced_table_name
               from information_schema.referential_constraints
              where constraint_schema in ({within}) order by 1, 2, 3, 4 limit {MOST_REFERENCES}"
        );
        for row in transaction
            .rows(
                "SELECT information_schema.referential_constraints",
                &sql,
                &texts(&scope),
            )
            .await?
        {
            let (from, to): (Name, Name) = ((row.get(0)?, row.get(1)?), (row.get(2)?, row.get(3)?));
            if admitted.contains(&to.0) {
                references.push((from, to));
            }
        }
    }
    transaction.rollback().await?;
    Ok(Overview {
        flavor,
        databases,
        count,
        tables,
        references,
    })
}

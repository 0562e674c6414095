//! What there is at a glance: the tables that most others hang on.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::{COUNT, Relation, SCHEMA, relations, rows};
use crate::database::Session;
use crate::error::Error;

/// How long the rows of all tables of an overview may be counted.
const COUNT_BUDGET: Duration = Duration::from_millis(300);

/// The most tables of an overview.
const TABLES: usize = 30;

/// What there is at a glance.
#[derive(Debug)]
pub(crate) struct Overview {
    /// The tables with the most foreign keys from and to others, then the largest.
    pub(crate) tables: Vec<Related>,
    /// How many tables and views there are.
    pub(crate) all: usize,
}

/// A table and what it refers to.
#[derive(Debug)]
pub(crate) struct Related {
    pub(crate) table: Relation,
    pub(crate) estimated_rows: Option<u64>,
    /// Its foreign keys: "customer -> customers".
    pub(crate) references: Vec<String>,
    /// How many foreign keys begin or end here.
    keys: usize,
}

/// Looks at the file.
pub(crate) fn overview(session: &Session<'_>) -> Result<Overview, Error> {
    let (found, mut keys) = session.ours(SCHEMA, |raw| Ok((relations(raw)?, keys(raw)?)))?;
    let all = found.len();
    let mut tables: Vec<Related> = found
        .into_iter()
        .map(|table| {
            let (references, keys) = keys.remove(&table.name.to_ascii_lowercase()).unwrap_or_default();
            Related {
                table,
                estimated_rows: None,
                references,
                keys,
            }
        })
        .collect();
    // A stable sort: the rest stays by name.
    tables.sort_by_key(|related| std::cmp::Reverse(related.keys));
    tables.truncate(TABLES);
    let until = Instant::now() + COUNT_BUDGET;
    session.spanning(COUNT, || {
        for related in &mut tables {
            let budget = until.saturating_duration_since(Instant::now());
            related.estimated_rows = rows(session, &related.table, budget)?;
        }
        Ok(())
    })?;
    tables.sort_by_key(|related| std::cmp::Reverse((related.keys, related.estimated_rows)));
    Ok(Overview { tables, all })
}

/// The foreign keys of each table, and how many begin or end there. SQLite does not tell `Orders` from `orders`.
type Keys = HashMap<String, (Vec<String>, usize)>;

fn keys(raw: &Connection) -> Result<Keys, Error> {
    // SQLite numbers keys from the last one.
    let mut statement = raw.prepare(
        "select t.name, f.id, f.\"table\", f.\"from\"
           from pragma_table_list t join pragma_foreign_key_list(t.name) f
          where t.schema = 'main' and t.type = 'table'
          order by t.name, f.id desc, f.seq",
    )?;
    let mut rows = statement.query([])?;
    // Table, number, columns, the other table.
    let mut all: Vec<(String, i64, Vec<String>, String)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (table, id, column): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(3)?);
        match all.last_mut() {
            Some(last) if (&last.0, last.1) == (&table, id) => last.2.push(column),
            _ => all.push((table, id, vec![column], row.get(2)?)),
        }
    }
    let mut keys = Keys::new();
    for (table, _, columns, other) in all {
        let of = keys.entry(table.to_ascii_lowercase()).or_default();
        of.0.push(format!("{} -> {other}", columns.join(", ")));
        of.1 += 1;
        keys.entry(other.to_ascii_lowercase()).or_default().1 += 1;
    }
    Ok(keys)
}

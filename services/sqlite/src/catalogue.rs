//! What is in the file: tables and views, one of them in full, and the search over all names.
//!
//! [`describe`] is one table, [`overview`] a glance at all, [`search`] the search; here is what they share, and the list.

use std::time::{Duration, Instant};

use mcp_hub_chassis::arguments::Bounds;
use mcp_hub_chassis::cursor;
use mcp_hub_proto::sqlite::v1::{ListTablesRequest, ListTablesResponse, Table};
use rusqlite::{Connection, OptionalExtension as _};

use crate::database::{Session, quote};
use crate::error::Error;

pub(crate) mod describe;
pub(crate) mod overview;
pub(crate) mod search;

/// How long a question about the schema may take.
pub(crate) const LIMIT_OF_TIME: Duration = Duration::from_secs(30);

/// What traces show of statements about the schema.
pub(crate) const SCHEMA: &str = "SELECT sqlite_schema";

/// What traces show of counting rows, of all tables that are counted together.
pub(crate) const COUNT: &str = "SELECT";

/// How long the list may count rows, all its tables together.
const LIST_COUNT_BUDGET: Duration = Duration::from_millis(300);

const LIMIT: Bounds = Bounds {
    field: "limit",
    default: 100,
    maximum: 1_000,
};

/// A table, view or virtual table; shadow tables and SQLite's own are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Relation {
    /// Its name.
    pub(crate) name: String,
    /// "table", "view" or "virtual table".
    pub(crate) kind: &'static str,
    /// Whether its primary key is its storage.
    pub(crate) without_rowid: bool,
}

/// All of them, by name.
pub(crate) fn relations(raw: &Connection) -> Result<Vec<Relation>, Error> {
    let mut statement = raw.prepare(
        "select name, type, wr from pragma_table_list
         where schema = 'main' and type in ('table', 'view', 'virtual') and name not like 'sqlite~_%' escape '~'
         order by name collate nocase, name",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(Relation {
            name: row.get(0)?,
            kind: kind(&row.get::<_, String>(1)?),
            without_rowid: row.get(2)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn kind(name: &str) -> &'static str {
    match name {
        "view" => "view",
        "virtual" => "virtual table",
        _ => "table",
    }
}

/// One page of the list.
pub(crate) fn list(session: &Session<'_>, request: &ListTablesRequest) -> Result<ListTablesResponse, Error> {
    let mut notices = Vec::new();
    let limit = LIMIT.apply(request.limit, &mut notices)? as usize;
    let pattern = request.pattern.as_deref().unwrap_or_default();
    let identity = cursor::Statement::of([b"list_tables".as_slice(), pattern.as_bytes()]);
    let skip = identity.delivered(request.cursor.as_deref())?;
    let pattern = Pattern::new(pattern);

    let mut found = session.ours(SCHEMA, relations)?;
    found.retain(|relation| pattern.matches(&relation.name));
    let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(found.len());
    let page = &found[skip..found.len().min(skip + limit)];
    let more = skip + page.len() < found.len();

    let until = Instant::now() + LIST_COUNT_BUDGET;
    let mut tables = Vec::with_capacity(page.len());
    session.spanning(COUNT, || {
        for relation in page {
            tables.push(Table {
                name: relation.name.clone(),
                r#type: relation.kind.to_owned(),
                estimated_rows: rows(session, relation, until.saturating_duration_since(Instant::now()))?,
            });
        }
        Ok(())
    })?;
    Ok(ListTablesResponse {
        tables,
        next_cursor: more.then(|| identity.cursor((skip + page.len()) as u64)),
        notices,
    })
}

/// The rows of a table: counted if that takes no longer than `budget`, else as the last ANALYZE saw them.
fn rows(session: &Session<'_>, relation: &Relation, budget: Duration) -> Result<Option<u64>, Error> {
    if relation.kind == "view" {
        return Ok(None);
    }
    if !budget.is_zero() {
        // The LIMIT makes a loop of it: a plain count is one step of SQLite's machine, which no budget can end.
        let sql = format!(
            "select count(*) from (select 1 from {} limit {})",
            quote(&relation.name),
            i64::MAX
        );
        match session.budgeted(budget, |raw| {
            Ok(raw.query_row(&sql, [], |row| row.get::<_, i64>(0))?)
        }) {
            Ok(Some(count)) => return Ok(u64::try_from(count).ok()),
            Ok(None) => {}
            // A virtual table whose module is missing, say: the list is worth having without its count.
            Err(Error::Statement(_)) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    session.internal(|raw| {
        let analyzed: bool = raw.query_row(
            "select count(*) from sqlite_schema where name = 'sqlite_stat1'",
            [],
            |row| row.get(0),
        )?;
        if !analyzed {
            return Ok(None);
        }
        let sql = "select stat from sqlite_stat1 where tbl = ?1 collate nocase limit 1";
        let stat: Option<String> = raw
            .query_row(sql, [&relation.name], |row| row.get(0))
            .optional()?
            .flatten();
        Ok(stat.and_then(|stat| stat.split(' ').next()?.parse().ok()))
    })
}

/// A part of a name, any case; % and _ work as in LIKE.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<char>);

impl Pattern {
    /// A pattern; the empty one matches everything.
    pub(crate) fn new(pattern: &str) -> Self {
        Self(format!("%{pattern}%").to_lowercase().chars().collect())
    }

    /// Whether a name contains it.
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.to_lowercase().chars().collect();
        // The last % and where it matched: on a mismatch that one takes a character more. Linear in practice, quadratic at worst.
        let (mut p, mut n, mut retry) = (0, 0, None);
        while n < name.len() {
            match self.0.get(p) {
                Some('%') => {
                    retry = Some((p + 1, n));
                    p += 1;
                }
                Some(c) if *c == '_' || *c == name[n] => {
                    p += 1;
                    n += 1;
                }
                _ => {
                    let Some((after, matched)) = retry else {
                        return false;
                    };
                    retry = Some((after, matched + 1));
                    p = after;
                    n = matched + 1;
                }
            }
        }
        self.0[p..].iter().all(|c| *c == '%')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_part_of_a_name() {
        let matches = |pattern: &str, name: &str| Pattern::new(pattern).matches(name);
        assert!(matches("", "orders"));
        assert!(matches("ORD", "orders"));
        assert!(matches("ärger", "Ärger_2026"));
        assert!(matches("o%r_", "big_orders"));
        assert!(matches("order_items", "order-items"));
        assert!(!matches("orderx", "orders"));
        assert!(matches("%a%b", "xaayyb"));
        assert!(!matches("a_c", "ac"));
    }
}

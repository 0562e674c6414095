//! One table or view in full.

use std::time::Duration;

use mcp_hub_chassis::Fault;
use mcp_hub_chassis::arguments::similar;
use mcp_hub_chassis::fault::Reason;
use mcp_hub_proto::sqlite::v1::{DescribeTableResponse, ForeignKey, Index, TableColumn};
use rusqlite::{Connection, OptionalExtension as _};

use super::Relation;
use crate::database::Session;
use crate::error::Error;

/// How long the rows of the one table may be counted.
const COUNT_BUDGET: Duration = Duration::from_secs(1);

/// Describes the table or view `name`, in any case of its letters; "main.name" works too.
pub(crate) fn describe(session: &Session<'_>, name: &str) -> Result<DescribeTableResponse, Error> {
    let (relation, mut response) = session.ours(super::SCHEMA, |raw| {
        // One snapshot for all the questions; it is given back whether they succeed or not.
        let snapshot = raw.unchecked_transaction()?;
        let relation = find(raw, name)?;
        let response = read(raw, &relation)?;
        snapshot.finish()?;
        Ok((relation, response))
    })?;
    response.estimated_rows =
        session.spanning(super::COUNT, || super::rows(session, &relation, COUNT_BUDGET))?;
    Ok(response)
}

fn find(raw: &Connection, name: &str) -> Result<Relation, Error> {
    let sql = "select name, type, wr from pragma_table_list
               where schema = 'main' and name = ?1 collate nocase order by name <> ?1 limit 1";
    let mut statement = raw.prepare(sql)?;
    let wanted = [Some(name), name.strip_prefix("main."), name.strip_prefix("MAIN.")];
    for name in wanted.into_iter().flatten() {
        let found = statement.query_row([name], |row| {
            Ok(Relation {
                name: row.get(0)?,
                kind: super::kind(&row.get::<_, String>(1)?),
                without_rowid: row.get(2)?,
            })
        });
        if let Some(relation) = found.optional()? {
            return Ok(relation);
        }
    }
    let all = super::relations(raw)?;
    let like = similar(name, all.iter().map(|relation| relation.name.as_str()));
    let message = if like.is_empty() {
        format!("there is no table or view {name:?}: list_tables shows what there is")
    } else {
        format!(
            "there is no table or view {name:?}: did you mean {}?",
            like.join(" or ")
        )
    };
    Err(Fault::new(Reason::ObjectNotFound, message)
        .with("did_you_mean", like.join(","))
        .into())
}

fn read(raw: &Connection, relation: &Relation) -> Result<DescribeTableResponse, Error> {
    let name = relation.name.as_str();
    let definition = raw
        .query_row(
            "select sql from sqlite_schema where name = ?1 and type in ('table', 'view')",
            [name],
            |row| row.get::<_, Option<String>>(0),
        )
        .optional()?
        .flatten();
    let primary_key = primary_key(raw, name)?;
    let (indexes, has_key_index) = indexes(raw, name)?;
    // The key of a rowid table that is one INTEGER column, and so needs no index, is the row's number: never NULL.
    let rowid = (primary_key.len() == 1 && !has_key_index && !relation.without_rowid)
        .then(|| primary_key[0].as_str());
    Ok(DescribeTableResponse {
        name: name.to_owned(),
        r#type: relation.kind.to_owned(),
        estimated_rows: None,
        columns: columns(raw, relation, rowid)?,
        foreign_keys: foreign_keys(raw, name)?,
        referenced_by: referenced_by(raw, name)?,
        primary_key,
        indexes,
        definition: definition.unwrap_or_default(),
    })
}

fn columns(raw: &Connection, relation: &Relation, rowid: Option<&str>) -> Result<Vec<TableColumn>, Error> {
    let is_table = relation.kind == "table";
    // Hidden columns of virtual tables (1) are arguments, not data.
    let mut statement = raw.prepare(
        "select name, type, \"notnull\", dflt_value, hidden from pragma_table_xinfo(?1) where hidden <> 1",
    )?;
    let rows = statement.query_map([&relation.name], |row| {
        let name: String = row.get(0)?;
        let not_null: bool = row.get(2)?;
        let nullable = is_table.then(|| !not_null && rowid != Some(name.as_str()));
        let generated = match row.get(4)? {
            2 => "virtual",
            3 => "stored",
            _ => "",
        };
        Ok(TableColumn {
            name,
            r#type: row.get::<_, Option<String>>(1)?.unwrap_or_default(),
            nullable,
            default: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
            generated: generated.to_owned(),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn primary_key(raw: &Connection, table: &str) -> Result<Vec<String>, Error> {
    let mut statement = raw.prepare("select name from pragma_table_xinfo(?1) where pk > 0 order by pk")?;
    let rows = statement.query_map([table], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The keys of `table` to others.
fn foreign_keys(raw: &Connection, table: &str) -> Result<Vec<ForeignKey>, Error> {
    // SQLite numbers them from the last one.
    let mut statement = raw.prepare(
        "select id, \"table\", \"from\", \"to\", on_delete from pragma_foreign_key_list(?1) order by id desc, seq",
    )?;
    let mut rows = statement.query([table])?;
    let mut keys: Vec<(i64, ForeignKey)> = Vec::new();
    while let Some(row) = rows.next()? {
        let id = row.get(0)?;
        if keys.last().is_none_or(|(last, _)| *last != id) {
            let on_delete: String = row.get(4)?;
            let key = ForeignKey {
                table: row.get(1)?,
                on_delete: if on_delete == "NO ACTION" {
                    String::new()
                } else {
                    on_delete.to_lowercase()
                },
                ..ForeignKey::default()
            };
            keys.push((id, key));
        }
        let Some((_, key)) = keys.last_mut() else { continue };
        key.columns.push(row.get(2)?);
        key.referenced_columns.extend(row.get::<_, Option<String>>(3)?);
    }
    let mut keys: Vec<ForeignKey> = keys.into_iter().map(|(_, key)| key).collect();
    for key in &mut keys {
        // No columns named: the other table's primary key.
        if key.referenced_columns.is_empty() {
            key.referenced_columns = primary_key(raw, &key.table)?;
        }
    }
    Ok(keys)
}

/// The keys of other tables, and of its own, to `table`.
fn referenced_by(raw: &Connection, table: &str) -> Result<Vec<ForeignKey>, Error> {
    let mut statement = raw.prepare(
        "select distinct t.name from pragma_table_list t join pragma_foreign_key_list(t.name) f
         where t.schema = 'main' and t.type = 'table' and f.\"table\" = ?1 collate nocase order by t.name",
    )?;
    let others: Vec<String> = statement
        .query_map([table], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut keys = Vec::new();
    for other in others {
        for key in foreign_keys(raw, &other)? {
            if key.table.eq_ignore_ascii_case(table) {
                keys.push(ForeignKey {
                    table: other.clone(),
                    ..key
                });
            }
        }
    }
    Ok(keys)
}

/// The indexes but the primary key's, and whether the primary key has one.
fn indexes(raw: &Connection, table: &str) -> Result<(Vec<Index>, bool), Error> {
    let mut statement = raw.prepare(
        "select l.name, l.\"unique\", l.origin, l.partial, s.sql from pragma_index_list(?1) l
         left join sqlite_schema s on s.type = 'index' and s.name = l.name order by l.seq desc",
    )?;
    let mut rows = statement.query([table])?;
    let mut indexes = Vec::new();
    let mut has_key_index = false;
    while let Some(row) = rows.next()? {
        if row.get_ref(2)?.as_str() == Ok("pk") {
            has_key_index = true;
            continue;
        }
        let name: String = row.get(0)?;
        let sql = row.get::<_, Option<String>>(4)?.unwrap_or_default();
        indexes.push(Index {
            columns: index_columns(raw, &name, &sql)?,
            unique: row.get(1)?,
            definition: if row.get(3)? { sql } else { String::new() },
            name,
        });
    }
    Ok((indexes, has_key_index))
}

fn index_columns(raw: &Connection, index: &str, sql: &str) -> Result<Vec<String>, Error> {
    let mut statement =
        raw.prepare("select name, \"desc\" from pragma_index_xinfo(?1) where key = 1 order by seqno")?;
    let rows = statement.query_map([index], |row| {
        Ok((row.get::<_, Option<String>>(0)?, row.get::<_, bool>(1)?))
    })?;
    let columns: Vec<(Option<String>, bool)> = rows.collect::<Result<_, _>>()?;
    let written = terms(sql);
    Ok(columns
        .into_iter()
        .enumerate()
        .map(|(at, (name, descending))| match name {
            Some(name) if descending => format!("{name} DESC"),
            Some(name) => name,
            // SQLite does not tell an expression; the statement that made the index does.
            None => written.get(at).copied().unwrap_or("(expression)").to_owned(),
        })
        .collect())
}

/// The terms between the parentheses after ON of a CREATE INDEX statement.
fn terms(sql: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut depth, mut start) = (0, 0);
    let mut characters = sql.char_indices();
    while let Some((at, c)) = characters.next() {
        let close = match c {
            '\'' | '"' | '`' => c,
            '[' => ']',
            '(' => {
                depth += 1;
                if depth == 1 {
                    start = at + 1;
                }
                continue;
            }
            ',' if depth == 1 => {
                terms.push(sql[start..at].trim());
                start = at + 1;
                continue;
            }
            ')' => {
                depth -= 1;
                if depth == 0 {
                    terms.push(sql[start..at].trim());
                    return terms;
                }
                continue;
            }
            _ => continue,
        };
        // A quote written twice ends one string and begins the next, which comes to the same.
        characters.by_ref().find(|(_, c)| *c == close);
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::terms;

    #[test]
    fn the_terms_of_an_index_are_read_from_its_sql() {
        assert_eq!(
            terms("CREATE INDEX i ON t (a, lower(b), c)"),
            ["a", "lower(b)", "c"]
        );
        let odd = r#"create unique index "a(b" on "t," (substr(x, 1, 2) collate nocase desc, ')' || "y")) where x > (1)"#;
        assert_eq!(
            terms(odd),
            ["substr(x, 1, 2) collate nocase desc", r#"')' || "y""#]
        );
        assert_eq!(terms(""), Vec::<&str>::new());
    }
}

//! The indexes, foreign keys and checks of a table.

use mcp_hub_proto::mariadb::v1 as pb;

use super::Place;
use super::columns::unescaped;
use crate::catalogue::{NEVER, exact, has, marks, texts};
use crate::database::Transaction;
use crate::error::Error;
use crate::row::Row;

/// The primary key and the other indexes.
#[derive(Debug, Default)]
pub(super) struct Indexes {
    pub(super) primary_key: Vec<String>,
    pub(super) others: Vec<pb::Index>,
}

pub(super) async fn indexes(transaction: &mut Transaction, place: &Place) -> Result<Indexes, Error> {
    let flavor = transaction.flavor();
    let ignored = if has(flavor, (10, 6, 0), NEVER) {
        "ignored = 'YES'"
    } else if has(flavor, NEVER, (8, 0, 0)) {
        "is_visible = 'NO'"
    } else {
        "0"
    };
    let expression = if has(flavor, NEVER, (8, 0, 13)) {
        "expression"
    } else {
        "null"
    };
    let sql = format!(
        "select index_name, non_unique, column_name, sub_part, collation, index_type, {ignored}, {expression}
           from information_schema.statistics where table_schema = ? and table_name = ?
          order by {}, seq_in_index",
        exact("index_name")
    );
    let mut indexes = Indexes::default();
    for row in transaction
        .rows("SELECT information_schema.statistics", &sql, &place.params())
        .await?
    {
        let text = |column: usize| row.text(column).unwrap_or_default();
        let name = text(0);
        if name == "PRIMARY" {
            indexes.primary_key.push(text(2).to_owned());
            continue;
        }
        let kind = text(5).to_lowercase();
        if indexes.others.last().is_none_or(|last| last.name != name) {
            indexes.others.push(pb::Index {
                name: name.to_owned(),
                columns: vec![],
                unique: !row.get::<bool>(1)?,
                ignored: row.get(6)?,
                r#type: match kind.as_str() {
                    "btree" => String::new(),
                    "rtree" => "spatial".to_owned(),
                    _ => kind.clone(),
                },
            });
        }
        if let Some(index) = indexes.others.last_mut() {
            index.columns.push(part(&row, &kind)?);
        }
    }
    Ok(indexes)
}

/// One part of an index: `title(20) desc`.
fn part(row: &Row, kind: &str) -> Result<String, Error> {
    let mut part = match (row.text(2), row.text(7)) {
        (Some(column), _) => column.to_owned(),
        (None, expression) => format!("({})", unescaped(expression.unwrap_or_default())),
    };
    // The 32 of a spatial index are bytes of its own.
    if let Some(length) = row
        .get::<Option<u32>>(3)?
        .filter(|_| matches!(kind, "btree" | "hash"))
    {
        part = format!("{part}({length})");
    }
    if row.text(4) == Some("D") {
        part.push_str(" desc");
    }
    Ok(part)
}

/// Foreign keys of this table.
pub(super) async fn foreign_keys(
    transaction: &mut Transaction,
    place: &Place,
) -> Result<Vec<pb::ForeignKey>, Error> {
    let sql = format!(
        "select k.constraint_name, k.column_name, k.referenced_table_schema, k.referenced_table_name,
                k.referenced_column_name, r.delete_rule
           from information_schema.key_column_usage k
           left join information_schema.referential_constraints r
             on r.constraint_schema = ? and r.table_name = ? and r.constraint_name = k.constraint_name
          where k.table_schema = ? and k.table_name = ? and k.referenced_table_name is not null
          order by {}, k.ordinal_position",
        exact("k.constraint_name")
    );
    let params = [place.params(), place.params()].concat();
    let rows = transaction
        .rows("SELECT information_schema.key_column_usage", &sql, &params)
        .await?;
    Ok(grouped(&rows))
}

/// Foreign keys of other tables to this one, as far as they are in databases that may be asked.
///
/// No server has an index for this. It is asked for by the constraints alone first, which MariaDB reads three times faster than their columns.
pub(super) async fn referenced_by(
    transaction: &mut Transaction,
    place: &Place,
    admitted: &[String],
) -> Result<Vec<pb::ForeignKey>, Error> {
    if admitted.is_empty() {
        return Ok(vec![]);
    }
    let sql = format!(
        "select constraint_schema, table_name, constraint_name, delete_rule
           from information_schema.referential_constraints
          where constraint_schema in ({}) and unique_constraint_schema = ? and referenced_table_name = ?
          order by {}, {}, {}",
        marks(admitted.len()),
        exact("constraint_schema"),
        exact("table_name"),
        exact("constraint_name")
    );
    let mut params = texts(admitted);
    params.extend(place.params());
    let mut keys = Vec::new();
    let columns = "select k.constraint_name, k.column_name, k.table_schema, k.table_name, k.referenced_column_name, ?
           from information_schema.key_column_usage k
          where k.table_schema = ? and k.table_name = ? and k.constraint_name = ? and k.referenced_table_name is not null
          order by k.ordinal_position";
    for row in transaction
        .rows("SELECT information_schema.referential_constraints", &sql, &params)
        .await?
    {
        let params = [row.text(3), row.text(0), row.text(1), row.text(2)];
        keys.extend(grouped(
            &transaction
                .rows("SELECT information_schema.key_column_usage", columns, &params)
                .await?,
        ));
    }
    Ok(keys)
}

/// Keys from rows of their columns: name, column, the other table's database and name, the column referred to, the rule.
fn grouped(rows: &[Row]) -> Vec<pb::ForeignKey> {
    let mut keys: Vec<pb::ForeignKey> = Vec::new();
    for row in rows {
        let text = |column: usize| row.text(column).unwrap_or_default();
        if keys.last().is_none_or(|last| last.name != text(0)) {
            let rule = text(5).to_lowercase();
            keys.push(pb::ForeignKey {
                name: text(0).to_owned(),
                columns: vec![],
                table: format!("{}.{}", text(2), text(3)),
                referenced_columns: vec![],
                // The two that keep the row, which InnoDB does not tell apart.
                on_delete: if matches!(rule.as_str(), "no action" | "restrict") {
                    String::new()
                } else {
                    rule
                },
            });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(text(1).to_owned());
            key.referenced_columns.push(text(4).to_owned());
        }
    }
    keys
}

/// Check constraints, as SQL.
pub(super) async fn checks(transaction: &mut Transaction, place: &Place) -> Result<Vec<String>, Error> {
    let flavor = transaction.flavor();
    let sql = if has(flavor, (10, 3, 10), NEVER) {
        "select check_clause from information_schema.check_constraints
          where constraint_schema = ? and table_name = ? order by constraint_name"
    } else if has(flavor, NEVER, (8, 0, 16)) {
        "select c.check_clause from information_schema.table_constraints t
           join information_schema.check_constraints c
             on c.constraint_schema = t.constraint_schema and c.constraint_name = t.constraint_name
          where t.table_schema = ? and t.table_name = ? and t.constraint_type = 'CHECK' order by c.constraint_name"
    } else {
        return Ok(vec![]);
    };
    let rows = transaction
        .rows(
            "SELECT information_schema.check_constraints",
            sql,
            &place.params(),
        )
        .await?;
    let clauses = rows.iter().filter_map(|row| row.text(0));
    Ok(clauses
        .map(|clause| {
            if flavor.is_mariadb() {
                clause.to_owned()
            } else {
                unescaped(clause)
            }
        })
        .collect())
}

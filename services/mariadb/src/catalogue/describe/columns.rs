//! The columns of a table, as SQL would define them.

use mcp_hub_proto::mariadb::v1 as pb;

use super::Place;
use crate::catalogue::{NEVER, has};
use crate::database::Transaction;
use crate::error::Error;

/// The columns in their order. A check that only makes a column JSON is taken out of `checks`: it is the column's type.
pub(super) async fn of(
    transaction: &mut Transaction,
    place: &Place,
    table_collation: &str,
    checks: &mut Vec<String>,
) -> Result<Vec<pb::TableColumn>, Error> {
    let is_mariadb = transaction.flavor().is_mariadb();
    // Before, it wrote them like MySQL.
    let writes_sql = has(transaction.flavor(), (10, 2, 7), NEVER);
    let sql = "select column_name, column_type, is_nullable, column_default, extra, generation_expression,
                      character_set_name, column_comment, data_type
                 from information_schema.columns where table_schema = ? and table_name = ?
                order by ordinal_position";
    let rows = transaction
        .rows("SELECT information_schema.columns", sql, &place.params())
        .await?;
    let columns = rows.iter().map(|row| {
        let text = |column: usize| row.text(column).unwrap_or_default();
        let name = text(0);
        let extra = text(4);
        let lower = extra.to_lowercase();
        let mut default = match row.text(3) {
            Some("NULL") | None if writes_sql => String::new(),
            Some(value) if writes_sql => value.to_owned(),
            Some(value) => literal(value, text(8), lower.contains("default_generated")),
            None => String::new(),
        };
        if let Some(at) = lower.find("on update") {
            let parts = [default.as_str(), &extra[at..]];
            default = parts.join(" ").trim_start().into();
        }
        let is_json = is_mariadb && take_json_check(name, checks);
        let character_set = text(6);
        pb::TableColumn {
            name: name.to_owned(),
            r#type: if is_json {
                "json".to_owned()
            } else {
                text(1).to_owned()
            },
            nullable: Some(text(2) == "YES"),
            default,
            generated: generated(&lower, text(5)),
            character_set: if is_json || is_of(table_collation, character_set) {
                String::new()
            } else {
                character_set.to_owned()
            },
            comment: text(7).to_owned(),
        }
    });
    Ok(columns.collect())
}

/// A default of MySQL, which shows values without their quotes, as SQL.
fn literal(value: &str, data_type: &str, is_expression: bool) -> String {
    const BARE: [&str; 13] = [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "float",
        "double",
        "bit",
        "year",
        "integer",
        "numeric",
        "real",
    ];
    let starts = |word: &str| {
        value
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    if is_expression {
        unescaped(value)
    } else if BARE.contains(&data_type)
        || starts("current_timestamp") && matches!(data_type, "timestamp" | "datetime")
    {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', "''"))
    }
}

/// MySQL keeps expressions with their quotes escaped.
pub(super) fn unescaped(expression: &str) -> String {
    expression.replace("\\'", "'")
}

/// How a column gets its value, if not from who writes it.
fn generated(extra: &str, expression: &str) -> String {
    let kind = if extra.contains("auto_increment") {
        return "auto_increment".to_owned();
    } else if extra.contains("virtual") {
        "virtual"
    } else if extra.contains("stored generated") || extra.contains("persistent") {
        "stored"
    } else {
        return String::new();
    };
    format!("{kind} ({})", unescaped(expression))
}

/// Whether a collation belongs to a character set.
fn is_of(collation: &str, character_set: &str) -> bool {
    collation == character_set || collation.split('_').next() == Some(character_set)
}

/// Takes out the check that makes a column of MariaDB JSON.
fn take_json_check(column: &str, checks: &mut Vec<String>) -> bool {
    let check = format!("json_valid(`{}`)", column.replace('`', "``"));
    let found = checks.iter().position(|found| *found == check);
    if let Some(at) = found {
        checks.remove(at);
    }
    found.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_of_mysql_become_sql() {
        for (value, data_type, is_expression, expected) in [
            ("0", "int", false, "0"),
            ("b'101'", "bit", false, "b'101'"),
            ("it's", "varchar", false, "'it''s'"),
            ("CURRENT_TIMESTAMP(3)", "datetime", true, "CURRENT_TIMESTAMP(3)"),
            ("CURRENT_TIMESTAMP", "varchar", false, "'CURRENT_TIMESTAMP'"),
            (
                "concat(_utf8mb4\\'a\\',1)",
                "varchar",
                true,
                "concat(_utf8mb4'a',1)",
            ),
            ("0000-00-00", "date", false, "'0000-00-00'"),
        ] {
            assert_eq!(literal(value, data_type, is_expression), expected);
        }
    }

    #[test]
    fn generated_columns_say_how() {
        assert_eq!(generated("auto_increment", ""), "auto_increment");
        assert_eq!(generated("stored generated", "`a` + 1"), "stored (`a` + 1)");
        assert_eq!(generated("virtual generated invisible", "1"), "virtual (1)");
        assert_eq!(generated("default_generated", ""), "");
    }
}

//! How a table is partitioned.

use super::Place;
use crate::database::Transaction;
use crate::error::Error;

/// The most partitions that are shown.
const SHOWN: usize = 20;

/// The partitioning as SQL: `range (year(day)) (p0 values less than (2024), ..)`.
pub(super) async fn of(transaction: &mut Transaction, place: &Place) -> Result<String, Error> {
    let sql = "select partition_name, partition_method, partition_expression, partition_description,
                      subpartition_method, subpartition_expression
                 from information_schema.partitions
                where table_schema = ? and table_name = ? and partition_name is not null
                  and coalesce(subpartition_ordinal_position, 1) = 1
                order by partition_ordinal_position";
    let rows = transaction
        .rows("SELECT information_schema.partitions", sql, &place.params())
        .await?;
    let Some(first) = rows.first() else {
        return Ok(String::new());
    };
    let text = |column: usize| first.text(column).unwrap_or_default();
    let below = first
        .text(4)
        .map(|method| format!(" subpartition by {} ({})", method.to_lowercase(), text(5)));
    let whole = format!(
        "{} ({}){}",
        text(1).to_lowercase(),
        text(2),
        below.unwrap_or_default()
    );
    let values = if text(1).starts_with("LIST") {
        "in"
    } else {
        "less than"
    };
    let mut parts: Vec<String> = rows
        .iter()
        .take(SHOWN)
        .map(|row| {
            let name = row.text(0).unwrap_or_default();
            match row.text(3) {
                Some(description)
                    if row
                        .text(1)
                        .is_some_and(|method| !method.starts_with("SYSTEM_TIME")) =>
                {
                    format!("{name} values {values} ({description})")
                }
                Some(description) => format!("{name} {description}"),
                None => name.to_owned(),
            }
        })
        .collect();
    if rows.len() > SHOWN {
        parts.push(format!(".. {} more", rows.len() - SHOWN));
    }
    Ok(format!("{whole} ({})", parts.join(", ")))
}

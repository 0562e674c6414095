//! How SQLite runs a statement: its query plan as a tree, and what stands out in it.

use std::collections::HashMap;

use mcp_hub_proto::data::v1::Value;
use mcp_hub_proto::sqlite::v1::ExplainQueryResponse;

use crate::database::{Returned, Session};
use crate::error::{Error, Refusal};
use crate::statement;

/// Explains one read-only statement without running it.
pub(crate) fn explain(
    session: &Session<'_>,
    sql: &str,
    params: &[Value],
) -> Result<ExplainQueryResponse, Error> {
    explain_with(session, sql, Some(params))
}

/// Explains one read-only statement whose parameters nobody knows.
pub(crate) fn explain_for_any_params(
    session: &Session<'_>,
    sql: &str,
) -> Result<ExplainQueryResponse, Error> {
    explain_with(session, sql, None)
}

fn explain_with(
    session: &Session<'_>,
    sql: &str,
    params: Option<&[Value]>,
) -> Result<ExplainQueryResponse, Error> {
    // First as it is: what is wrong with it is said at the right position.
    if statement::read(session, sql, params)?.is_explain() != 0 {
        return Err(Error::Statement(Box::new(Refusal {
            message: "the statement begins with EXPLAIN already".to_owned(),
            hint: "pass the statement itself".to_owned(),
            ..Refusal::default()
        })));
    }
    let explain = format!(
        "explain query plan {}",
        sql.trim_start_matches(|c: char| c.is_whitespace() || c == ';')
    );
    let mut explained = statement::plan(session, &explain, params)?;
    let steps = session.theirs(&explain, |_| {
        let mut rows = explained.raw_query();
        let mut depths = HashMap::new();
        let mut steps = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, parent): (i64, i64) = (row.get(0)?, row.get(1)?);
            let depth = depths.get(&parent).map_or(0, |depth| depth + 1);
            depths.insert(id, depth);
            steps.push((depth, row.get::<_, String>(3)?));
        }
        let returned = Returned {
            rows: steps.len() as u64,
            ..Returned::default()
        };
        Ok((steps, Some(returned)))
    })?;
    Ok(ExplainQueryResponse {
        plan: steps
            .iter()
            .map(|(depth, step)| format!("{}{step}", "  ".repeat(*depth)))
            .collect(),
        findings: findings(steps.iter().map(|(_, step)| step.as_str())),
    })
}

/// What stands out, most important first.
fn findings<'a>(steps: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut reads = 0;
    for step in steps {
        if let Some((table, rest)) = step
            .strip_prefix("SEARCH ")
            .and_then(|rest| rest.split_once(" USING AUTOMATIC "))
        {
            let columns = rest
                .split_once('(')
                .map_or("", |(_, columns)| columns.trim_end_matches(')'));
            found.push((
                0,
                format!("{table} has no index for {columns}: SQLite builds one for each run; a permanent one would save that"),
            ));
        } else if let Some(scanned) = step.strip_prefix("SCAN ") {
            if let Some(finding) = scan(scanned, reads > 0) {
                found.push(finding);
            }
        } else if let Some(purpose) = step.strip_prefix("USE TEMP B-TREE FOR ") {
            found.push((
                3,
                format!("the rows are collected and sorted for {purpose}: no index gives that order"),
            ));
        } else if step.starts_with("CORRELATED ") {
            found.push((
                2,
                "a subquery runs once for each row of the outer query".to_owned(),
            ));
        }
        reads += usize::from(
            (step.starts_with("SCAN ") && step != "SCAN CONSTANT ROW") || step.starts_with("SEARCH "),
        );
    }
    found.sort_by_key(|(weight, _)| *weight);
    found.dedup();
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// A scan worth mentioning: of a table, all its rows.
fn scan(scanned: &str, inner: bool) -> Option<(u8, String)> {
    // Constants, subqueries "(..)", and virtual tables, which search on their own terms.
    if scanned.starts_with("CONSTANT ROW")
        || scanned.starts_with(['(', '-'])
        || scanned.contains(" VIRTUAL TABLE ")
    {
        return None;
    }
    let (table, index) = scanned
        .split_once(" USING ")
        .map_or((scanned, None), |(table, index)| (table, Some(index)));
    let what = index.map_or_else(String::new, |index| format!(" through {index}"));
    if inner {
        Some((
            0,
            format!(
                "full scan of {table}{what}, possibly once for each row before it: an index on the join column would help"
            ),
        ))
    } else {
        Some((1, format!("full scan of {table}{what}: every row is read")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_come_by_weight() {
        let plan = [
            "SCAN CONSTANT ROW",
            "SCAN o",
            "SEARCH i USING AUTOMATIC COVERING INDEX (order_id=?)",
            "SCAN r USING COVERING INDEX by_rating",
            "SEARCH p USING INTEGER PRIMARY KEY (rowid=?)",
            "USE TEMP B-TREE FOR ORDER BY",
        ];
        assert_eq!(
            findings(plan.into_iter()),
            [
                "i has no index for order_id=?: SQLite builds one for each run; a permanent one would save that",
                "full scan of r through COVERING INDEX by_rating, possibly once for each row before it: an index on the join column would help",
                "full scan of o: every row is read",
                "the rows are collected and sorted for ORDER BY: no index gives that order",
            ]
        );
    }
}

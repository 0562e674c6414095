//! What stands out in a plan, most important first.

use super::plan::{Plan, Table};
use super::tree::{Node, Tree};

/// An estimate that is wrong by less is usual.
const MISESTIMATE: f64 = 10.0;

/// Fewer rows than this are no reason to look at an estimate.
const FEW_ROWS: f64 = 100.0;

/// Rows from which reading a whole table, or sorting, stands out.
const MANY_ROWS: f64 = 10_000.0;

/// Steps that run more often than this stand out when each run reads a table.
const MANY_RUNS: f64 = 100.0;

/// How many findings are told.
const MOST: usize = 10;

/// What stands out. The weight of a finding is the share of the time, or of the rows, that it is about.
pub(super) fn of(plan: &Plan) -> Vec<String> {
    let mut findings: Vec<(f64, String)> = Vec::new();
    let all_rows = plan.rows_examined().max(1.0);
    let all_ms = plan.execution_ms().unwrap_or_default().max(f64::MIN_POSITIVE);
    for table in plan.tables().filter(|table| table.is_stored()) {
        let share = match table.actual {
            Some(actual) => actual.ms / all_ms,
            None => table.rows * table.loops / all_rows,
        };
        let mut find = |weight: f64, sentence: Option<String>| {
            findings.extend(sentence.map(|sentence| (weight, sentence)));
        };
        // Time comes first: everything else matters only where time goes.
        find(1.0 + share, slow(table, all_ms));
        find(share, scan(table));
        find(share, unused(table));
        find(share, hidden(table));
        find(share, buffered(table));
        find(share, misestimate(table));
    }
    if let Some(tree) = &plan.actual {
        measured(tree, all_ms, &mut findings);
    }
    let sorted = plan
        .tables()
        .map(|table| table.rows * table.loops)
        .fold(0.0, f64::max);
    for operation in plan.operations() {
        if operation.passes.is_some_and(|passes| passes > 0.0) {
            let sentence = format!(
                "\"{}\" did not fit into memory: more sort_buffer_size would keep it there.",
                operation.title
            );
            findings.push((0.5, sentence));
        } else if operation.is_sort && operation.rows.unwrap_or(sorted) >= MANY_ROWS {
            let rows = count(operation.rows.unwrap_or(sorted));
            let sentence = format!(
                "\"{}\" sorts about {rows} rows: an index in that order would save it.",
                operation.title
            );
            findings.push((0.1, sentence));
        }
        if operation.is_temporary && sorted >= MANY_ROWS {
            let sentence = format!(
                "\"{}\" keeps rows on the side, up to {}.",
                operation.title,
                count(sorted)
            );
            findings.push((0.05, sentence));
        }
    }
    findings.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    let mut sentences: Vec<String> = findings.into_iter().map(|(_, sentence)| sentence).collect();
    sentences.dedup();
    sentences.truncate(MOST);
    sentences
}

fn slow(table: &Table, whole: f64) -> Option<String> {
    let ms = table.actual?.ms;
    let share = ms / whole;
    (share >= 0.2 && ms >= 1.0).then(|| {
        format!(
            "{} takes {:.0} % of the time: {ms:.1} of {whole:.1} ms.",
            table.name,
            share.min(1.0) * 100.0
        )
    })
}

/// The rows that a table is read for, all runs together.
fn examined(table: &Table) -> f64 {
    match table.actual {
        Some(actual) => actual.rows * actual.loops,
        None => table.rows * table.loops,
    }
}

fn scan(table: &Table) -> Option<String> {
    if !table.is_full_scan() || examined(table) < MANY_ROWS {
        return None;
    }
    let name = &table.name;
    let condition = table.condition.as_deref();
    let runs = table.actual.map_or(table.loops, |actual| actual.loops);
    if runs >= MANY_RUNS {
        return Some(format!(
            "{name} is read as a whole {} times, {} rows together: an index on what it is joined by may help.",
            count(runs),
            count(examined(table))
        ));
    }
    match (table.actual, condition) {
        (Some(actual), Some(condition)) => {
            let kept = actual.rows * actual.loops * actual.filtered / 100.0;
            (actual.filtered <= 10.0).then(|| {
                format!(
                    "{name} is read as a whole to keep {} of {} rows by {condition}: an index may help.",
                    count(kept),
                    count(examined(table))
                )
            })
        }
        (None, Some(condition)) => Some(format!(
            "{name} is read as a whole, about {} rows, to keep some by {condition}: an index may help.",
            count(examined(table))
        )),
        (_, None) => Some(format!(
            "{name} is read as a whole: {} rows.",
            count(examined(table))
        )),
    }
}

fn unused(table: &Table) -> Option<String> {
    let possible = table.possible_keys.join(", ");
    (table.is_full_scan() && !possible.is_empty() && examined(table) >= FEW_ROWS).then(|| {
        format!(
            "{} has indexes for this ({possible}), and the optimizer uses none: it expects to keep many rows, or its statistics are old (ANALYZE TABLE).",
            table.name
        )
    })
}

/// Why no index can be used, where the condition shows it.
fn hidden(table: &Table) -> Option<String> {
    const FUNCTIONS: [&str; 16] = [
        "date",
        "year",
        "month",
        "day",
        "lower",
        "upper",
        "lcase",
        "ucase",
        "cast",
        "convert",
        "substr",
        "left",
        "ifnull",
        "coalesce",
        "unix_timestamp",
        "date_format",
    ];
    if !table.is_full_scan() || examined(table) < FEW_ROWS {
        return None;
    }
    let condition = table.condition.as_deref()?;
    let lower = condition.to_lowercase();
    if lower.contains("like '%") {
        return Some(format!(
            "The LIKE on {} begins with a wildcard, which no index can look up; a FULLTEXT index may.",
            table.name
        ));
    }
    let applied = FUNCTIONS.iter().find(|name| {
        lower.match_indices(&format!("{name}(")).any(|(at, found)| {
            let before = lower[..at].chars().next_back();
            let argument = &lower[at + found.len()..];
            // On a column, not on a constant: columns are written with a dot.
            let argument = argument.split([')', ',', ' ']).next().unwrap_or_default();
            !before.is_some_and(|before| before.is_alphanumeric() || before == '_')
                && argument.contains('.')
                && !argument.starts_with(['\'', '"'])
                && !argument.starts_with(|first: char| first.is_ascii_digit())
        })
    })?;
    Some(format!(
        "The condition on {} applies {applied}() to a column, which keeps an index on it from being used: compare the column itself, or index the expression.",
        table.name
    ))
}

fn buffered(table: &Table) -> Option<String> {
    let kind = table.join_buffer.as_deref()?;
    let is_hash = kind.to_lowercase().contains("hash") || kind.to_uppercase().contains("BNLH");
    (!is_hash && examined(table) >= FEW_ROWS).then(|| {
        format!(
            "{} is joined without an index, by comparing all rows with all (join buffer, {kind}): an index on what it is joined by may help.",
            table.name
        )
    })
}

fn misestimate(table: &Table) -> Option<String> {
    let actual = table.actual.filter(|actual| actual.loops > 0.0)?;
    wrong(&table.name, table.rows, actual.rows, &table.name)
}

fn wrong(what: &str, estimated: f64, actual: f64, table: &str) -> Option<String> {
    let (estimated, actual) = (estimated.max(1.0), actual.max(1.0));
    let factor = (actual / estimated).max(estimated / actual);
    (factor >= MISESTIMATE && actual.max(estimated) >= FEW_ROWS).then(|| {
        format!(
            "{what} was estimated at {} rows a run and gave {}, {} times {}: ANALYZE TABLE {table} may help.",
            count(estimated),
            count(actual),
            count(factor),
            if actual > estimated { "more" } else { "fewer" }
        )
    })
}

/// What stands out in MySQL's measurements.
fn measured(tree: &Tree, whole: f64, findings: &mut Vec<(f64, String)>) {
    for (index, node) in tree.0.iter().enumerate() {
        let Some((rows, loops)) = node.actual.filter(|(_, loops)| *loops > 0.0) else {
            continue;
        };
        let below: f64 = tree.children(index).map(|child| child.ms).sum();
        let own = (node.ms - below).max(0.0);
        let share = own / whole;
        if share >= 0.2 && own >= 1.0 {
            let sentence = format!(
                "\"{}\" takes {:.0} % of the time by itself: {own:.1} of {whole:.1} ms.",
                node.title,
                share.min(1.0) * 100.0
            );
            findings.push((1.0 + share, sentence));
        }
        let scanned = tree
            .children(index)
            .find(|child| child.title.starts_with("Table scan on "));
        if let Some((read, (scanned_rows, runs))) = scanned
            .and_then(|child| Some((child, child.actual?)))
            .filter(|_| node.title.starts_with("Filter: "))
        {
            let all = scanned_rows * runs;
            if all >= MANY_ROWS && rows * loops <= all / 10.0 && !read.title.contains('<') {
                let sentence = format!(
                    "{} is read as a whole to keep {} of {} rows by {}: an index may help.",
                    table(read),
                    count(rows * loops),
                    count(all),
                    node.title.trim_start_matches("Filter: ")
                );
                findings.push((read.ms / whole, sentence));
            }
        }
        // A wrong estimate goes up through the joins: the deepest one is the cause. Below a LIMIT a step is stopped early.
        let is_wrong = |node: &Node| {
            let actual = node.actual.filter(|(_, loops)| *loops > 0.0);
            node.estimated.zip(actual).and_then(|(estimated, (rows, _))| {
                wrong(&format!("\"{}\"", node.title), estimated, rows, "of its tables")
            })
        };
        let is_cut = rows < node.estimated.unwrap_or_default()
            && tree.0[..index]
                .iter()
                .any(|above| above.title.starts_with("Limit"));
        if !is_cut && !tree.children(index).any(|child| is_wrong(child).is_some()) {
            findings.extend(is_wrong(node).map(|sentence| (node.ms / whole, sentence)));
        }
    }
}

/// The table of a scan.
fn table(node: &Node) -> &str {
    node.title.trim_start_matches("Table scan on ")
}

/// A number as people write it: `12,345`.
fn count(number: f64) -> String {
    let digits = format!("{:.0}", number.max(0.0));
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests;

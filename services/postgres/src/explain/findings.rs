//! What stands out in a plan, most important first.

use super::plan::{Node, Plan};

/// An estimate that is wrong by less is usual.
const MISESTIMATE: f64 = 10.0;

/// Fewer rows than this are no reason to look at an estimate or a scan.
const FEW_ROWS: f64 = 100.0;

/// Rows that a scan throws away before an index is worth a thought.
const MANY_ROWS: f64 = 10_000.0;

/// The cost of a scan from which it stands out without having been run: about 1,000 pages.
const HIGH_COST: f64 = 1_000.0;

/// A step that runs more often than this stands out.
const MANY_RUNS: f64 = 1_000.0;

/// A step with less than this share of the time does not stand out.
const SHARE: f64 = 0.1;

/// How many findings are told.
const MOST: usize = 10;

/// What stands out. The weight of a finding is the share of the time, or of the cost, that it is about.
pub(super) fn of(plan: &Plan) -> Vec<String> {
    let mut findings: Vec<(f64, String)> = Vec::new();
    let whole = plan.execution_ms.unwrap_or_default().max(f64::MIN_POSITIVE);
    for (node, above) in plan.steps() {
        let share = match node.actual {
            Some(actual) => actual.total_ms / whole,
            None => node.total_cost / plan.root.total_cost.max(f64::MIN_POSITIVE),
        };
        let mut find = |weight: f64, sentence: Option<String>| {
            findings.extend(sentence.map(|sentence| (weight, sentence)));
        };
        // Time comes first: everything else matters only where time goes.
        find(
            1.0 + node.actual.map_or(0.0, |actual| actual.self_ms / whole),
            slow(node, whole),
        );
        find(share, scan(node));
        find(share, spill(node));
        find(share, misestimate(node, &above));
        find(share, repeated(node, share));
        find(share, lossy(node));
    }
    findings.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    findings
        .into_iter()
        .map(|(_, sentence)| sentence)
        .take(MOST)
        .collect()
}

fn slow(node: &Node, whole: f64) -> Option<String> {
    let own = node.actual?.self_ms;
    let share = own / whole;
    (share >= 0.2 && own >= 1.0).then(|| {
        format!(
            "{} takes {:.0} % of the time by itself: {own:.1} of {whole:.1} ms.",
            node.title,
            share.min(1.0) * 100.0
        )
    })
}

fn scan(node: &Node) -> Option<String> {
    let filter = node.text("Filter");
    if node.kind != "Seq Scan" || filter.is_empty() {
        return None;
    }
    let relation = node.text("Relation Name");
    match node.actual {
        Some(actual) => {
            let removed = node.number("Rows Removed by Filter")? * actual.runs;
            let kept = actual.rows * actual.runs;
            (removed >= MANY_ROWS && removed > kept * 9.0).then(|| {
                format!(
                    "{relation} is read as a whole to keep {} of {} rows by {filter}: an index may help.",
                    count(kept),
                    count(kept + removed)
                )
            })
        }
        None => (node.total_cost >= HIGH_COST).then(|| {
            format!(
                "{relation} is read as a whole to keep about {} rows by {filter}: an index may help.",
                count(node.estimated_rows)
            )
        }),
    }
}

fn spill(node: &Node) -> Option<String> {
    if node.text("Sort Space Type") == "Disk" {
        let size = count(node.number("Sort Space Used").unwrap_or_default());
        return Some(format!(
            "{} went to disk with {size} kB: more work_mem would keep it in memory.",
            node.title
        ));
    }
    let batches = node.number("Hash Batches").or(node.number("HashAgg Batches"))?;
    (batches > 1.0).then(|| {
        format!(
            "{} went to disk in {} batches: more work_mem would keep it in memory.",
            node.title,
            count(batches)
        )
    })
}

fn misestimate(node: &Node, above: &[&Node]) -> Option<String> {
    let actual = node.actual.filter(|actual| actual.runs > 0.0)?;
    let (estimated, rows) = (node.estimated_rows.max(1.0), actual.rows.max(1.0));
    let factor = (rows / estimated).max(estimated / rows);
    if factor < MISESTIMATE || rows.max(estimated) < FEW_ROWS {
        return None;
    }
    // Below a LIMIT, and on the inner side of a semi-join, a step is stopped early: fewer rows are no mistake of the planner.
    let stopped = |node: &&Node| node.kind == "Limit" || ["Semi", "Anti"].contains(&node.text("Join Type"));
    if rows < estimated && above.iter().any(stopped) {
        return None;
    }
    // A wrong estimate goes up through the joins: the deepest one is the cause.
    let cause_is_below = node.children.iter().any(|child| {
        child.actual.is_some_and(|actual| {
            let (estimated, rows) = (child.estimated_rows.max(1.0), actual.rows.max(1.0));
            actual.runs > 0.0 && (rows / estimated).max(estimated / rows) >= MISESTIMATE
        })
    });
    (!cause_is_below).then(|| {
        format!(
            "{} was estimated at {} rows and gave {}, {} times {}: ANALYZE or extended statistics may help.",
            node.title,
            count(estimated),
            count(actual.rows),
            count(factor),
            if rows > estimated { "more" } else { "fewer" }
        )
    })
}

fn repeated(node: &Node, share: f64) -> Option<String> {
    let runs = node.actual?.runs;
    (runs > MANY_RUNS && share >= SHARE).then(|| format!("{} runs {} times.", node.title, count(runs)))
}

fn lossy(node: &Node) -> Option<String> {
    let blocks = node.number("Lossy Heap Blocks").filter(|blocks| *blocks > 0.0)?;
    Some(format!(
        "{} lost track of single rows in {} blocks: more work_mem would keep them.",
        node.title,
        count(blocks)
    ))
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
mod tests {
    use super::*;
    use crate::explain::plan;

    fn found(plan: &str) -> Vec<String> {
        let document = format!(r#"[{{"Plan": {plan}, "Planning Time": 1.0, "Execution Time": 1000.0}}]"#);
        of(&plan::read(&document).expect("a plan"))
    }

    #[test]
    fn numbers_are_readable() {
        assert_eq!(
            [0.0, 999.4, 1000.0, 1_234_567.0].map(count),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn time_is_that_of_the_step_itself_and_comes_first() {
        let findings = found(
            r#"{"Node Type": "Sort", "Plan Rows": 10, "Actual Rows": 10, "Actual Loops": 1, "Actual Total Time": 1000.0,
                "Sort Space Type": "Disk", "Sort Space Used": 12345, "Plans": [
                {"Node Type": "Seq Scan", "Relation Name": "orders", "Filter": "(a = 1)", "Plan Rows": 10, "Actual Rows": 10,
                 "Actual Loops": 1, "Actual Total Time": 900.0, "Rows Removed by Filter": 1000000}]}"#,
        );
        assert_eq!(
            findings,
            [
                "Seq Scan on orders takes 90 % of the time by itself: 900.0 of 1000.0 ms.",
                "Sort went to disk with 12,345 kB: more work_mem would keep it in memory.",
                "orders is read as a whole to keep 10 of 1,000,010 rows by (a = 1): an index may help.",
            ]
        );
    }

    #[test]
    fn a_wrong_estimate_is_told_where_it_begins_and_not_below_a_limit() {
        let join = |inner: &str| {
            format!(
                r#"{{"Node Type": "{inner}", "Plan Rows": 5, "Actual Rows": 50000, "Actual Loops": 1, "Actual Total Time": 10.0, "Plans": [
                    {{"Node Type": "Index Scan", "Index Name": "i", "Relation Name": "t", "Plan Rows": 5, "Actual Rows": 50000,
                      "Actual Loops": 1, "Actual Total Time": 5.0}}]}}"#
            )
        };
        assert_eq!(
            found(&join("Nested Loop")),
            [
                "Index Scan using i on t was estimated at 5 rows and gave 50,000, 10,000 times more: ANALYZE or extended statistics may help."
            ]
        );
        let fewer = |top: &str| {
            format!(
                r#"{{"Node Type": "{top}", "Plan Rows": 10, "Actual Rows": 10, "Actual Loops": 1, "Actual Total Time": 1.0, "Plans": [
                    {{"Node Type": "Seq Scan", "Relation Name": "t", "Plan Rows": 90000, "Actual Rows": 10, "Actual Loops": 1,
                      "Actual Total Time": 1.0}}]}}"#
            )
        };
        assert!(found(&fewer("Limit")).is_empty());
        assert_eq!(found(&fewer("Aggregate")).len(), 1);
    }

    #[test]
    fn parallel_workers_share_the_time() {
        let plan = r#"{"Node Type": "Gather", "Workers Launched": 3, "Plan Rows": 1, "Actual Rows": 1, "Actual Loops": 1,
            "Actual Total Time": 500.0, "Plans": [{"Node Type": "Seq Scan", "Parallel Aware": true, "Relation Name": "t",
            "Plan Rows": 1, "Actual Rows": 1, "Actual Loops": 4, "Actual Total Time": 480.0}]}"#;
        assert_eq!(
            found(plan),
            ["Parallel Seq Scan on t takes 48 % of the time by itself: 480.0 of 1000.0 ms."]
        );
    }

    #[test]
    fn a_plan_that_was_not_run_is_judged_by_its_costs() {
        let plan = |cost: u32| {
            format!(
                r#"{{"Node Type": "Seq Scan", "Relation Name": "t", "Filter": "(a = 1)", "Total Cost": {cost}, "Plan Rows": 12345}}"#
            )
        };
        assert_eq!(
            found(&plan(20_000)),
            ["t is read as a whole to keep about 12,345 rows by (a = 1): an index may help."]
        );
        assert!(found(&plan(10)).is_empty());
    }
}

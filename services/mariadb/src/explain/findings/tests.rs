//! What stands out in plans, one finding at a time.

use super::*;
use crate::explain::{document, tree};

fn found(tables: &str) -> Vec<String> {
    let document = format!(r#"{{"query_block": {{"r_total_time_ms": 1000.0, "nested_loop": [{tables}]}}}}"#);
    of(&document::read(&document).expect("a plan"))
}

fn table(rest: &str) -> String {
    format!(r#"{{"table": {{"table_name": "t", {rest}}}}}"#)
}

#[test]
fn time_comes_first_and_then_why() {
    let slow = table(
        r#""access_type": "ALL", "rows": 50, "r_loops": 1, "r_rows": 1000000, "r_table_time_ms": 800.0, "r_other_time_ms": 100.0, "filtered": 100,
           "r_filtered": 0.001, "attached_condition": "t.a = 1", "possible_keys": ["a"]"#,
    );
    let findings = found(&slow);
    assert_eq!(findings[0], "t takes 90 % of the time: 900.0 of 1000.0 ms.");
    assert!(
        findings.contains(
            &"t is read as a whole to keep 10 of 1,000,000 rows by t.a = 1: an index may help.".to_owned()
        ),
        "{findings:#?}"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding.contains("has indexes for this (a)")),
        "{findings:#?}"
    );
    assert!(
        findings
            .iter()
            .any(|finding| finding
                .contains("estimated at 50 rows a run and gave 1,000,000, 20,000 times more")),
        "{findings:#?}"
    );
}

#[test]
fn a_plan_that_was_not_run_is_judged_by_its_estimates() {
    let scan = |rows: u32, condition: &str| {
        table(&format!(
            r#""access_type": "ALL", "rows": {rows}, "filtered": 100, "attached_condition": "{condition}""#
        ))
    };
    assert_eq!(
        found(&scan(20_000, "t.a = 1")),
        ["t is read as a whole, about 20,000 rows, to keep some by t.a = 1: an index may help."]
    );
    assert!(found(&scan(10, "t.a = 1")).is_empty());
    for (condition, part) in [
        ("t.b like '%x%'", "begins with a wildcard"),
        ("cast(t.at as date) = '2024-01-01'", "applies cast() to a column"),
        ("(year(`shop`.`t`.`at`) = 2024)", "applies year() to a column"),
    ] {
        let findings = found(&scan(500, condition));
        assert!(
            findings.len() == 1 && findings[0].contains(part),
            "{condition}: {findings:?}"
        );
    }
    for condition in [
        "t.at = cast('2024.01' as date)",
        "my_date(t.at) = 1",
        "t.b like 'x%'",
    ] {
        assert!(found(&scan(500, condition)).is_empty(), "{condition}");
    }
}

#[test]
fn joins_without_an_index_stand_out() {
    let outer = table(r#""access_type": "index", "rows": 2000, "filtered": 100"#);
    let again = table(r#""access_type": "ALL", "rows": 500, "filtered": 100"#);
    assert_eq!(
        found(&format!("{outer}, {again}")),
        [
            "t is read as a whole 2,000 times, 1,000,000 rows together: an index on what it is joined by may help."
        ]
    );
    let buffered = r#"{"block-nl-join": {"table": {"table_name": "u", "access_type": "ALL", "rows": 500, "filtered": 100}, "join_type": "BNL"}}"#;
    let findings = found(buffered);
    assert!(
        findings[0].starts_with("u is joined without an index"),
        "{findings:?}"
    );
    assert!(found(&buffered.replace("BNL", "BNLH")).is_empty());
}

#[test]
fn sorts_of_many_rows_and_on_disk_stand_out() {
    let sort = |rest: &str| {
        let document = format!(
            r#"{{"query_block": {{"filesort": {{"sort_key": "t.a", {rest} "temporary_table": {{"table": {{"table_name": "t", "access_type": "index", "rows": 90000}}}}}}}}}}"#
        );
        of(&document::read(&document).expect("a plan"))
    };
    assert_eq!(
        sort(""),
        [
            "\"sort by t.a\" sorts about 90,000 rows: an index in that order would save it.",
            "\"temporary table\" keeps rows on the side, up to 90,000."
        ]
    );
    assert!(sort(r#""r_sort_passes": 2, "#)[0].contains("did not fit into memory"));
}

#[test]
fn measurements_of_mysql_are_read() {
    let plan = Plan {
        actual: Some(tree::read(
            "-> Nested loop inner join  (cost=1 rows=5) (actual time=0.1..100 rows=50000 loops=1)\n\
             \x20   -> Filter: (big.note = 'x')  (cost=2150 rows=20) (actual time=0.3..80 rows=20 loops=1)\n\
             \x20       -> Table scan on big  (cost=2150 rows=21258) (actual time=0.1..60 rows=21000 loops=1)\n\
             \x20   -> Index lookup on c using k (a=1)  (cost=1 rows=5) (actual time=0.1..0.9 rows=2500 loops=20)\n",
        )),
        ..Plan::default()
    };
    assert_eq!(
        of(&plan),
        [
            "\"Table scan on big\" takes 60 % of the time by itself: 60.0 of 100.0 ms.",
            "\"Filter: (big.note = 'x')\" takes 20 % of the time by itself: 20.0 of 100.0 ms.",
            "big is read as a whole to keep 20 of 21,000 rows by (big.note = 'x'): an index may help.",
            "\"Index lookup on c using k (a=1)\" was estimated at 5 rows a run and gave 2,500, 500 times more: ANALYZE TABLE of its tables may help.",
        ]
    );
}

#[test]
fn numbers_are_readable() {
    assert_eq!(
        [0.0, 999.4, 1000.0, 1_234_567.0].map(count),
        ["0", "999", "1,000", "1,234,567"]
    );
}

//! What stands out in a plan, most important first.

use super::plan::Node;
use crate::catalogue::quoted_if_needed;

/// An estimate that is wrong by less is usual.
const MISESTIMATE: f64 = 10.0;

/// Fewer rows than this are no reason to look at an estimate.
const FEW_ROWS: f64 = 100.0;

/// Rows from which a scan or a product is worth a thought.
const MANY_ROWS: f64 = 1_000.0;

/// An operator with less than this share of the look-ups does not stand out.
const SHARE: f64 = 0.2;

/// How many findings are told.
const MOST: usize = 10;

/// What stands out. The weight of a finding is how many rows or look-ups it is about.
pub(super) fn of(plan: &Node) -> Vec<String> {
    let mut findings: Vec<(f64, String)> = Vec::new();
    let whole = float(plan.total_hits());
    for (node, above) in plan.steps() {
        let weight = node
            .actual
            .map_or(node.estimated_rows, |actual| float(actual.hits.max(actual.rows)));
        let found = [
            unbounded(node),
            whole_graph(node),
            scan(node, &above),
            product(node),
            eager(node),
            misestimate(node, &above),
        ];
        // A path without end comes first: nothing else costs as much.
        let weights = [f64::MAX, weight, weight, rows(node), rows(node), weight];
        findings.extend(
            found
                .into_iter()
                .zip(weights)
                .filter_map(|(sentence, weight)| Some((weight, sentence?))),
        );
        findings.extend(expensive(node, whole).map(|sentence| (weight * 1.1, sentence)));
    }
    findings.sort_by(|(left, _), (right, _)| right.total_cmp(left));
    findings
        .into_iter()
        .map(|(_, sentence)| sentence)
        .take(MOST)
        .collect()
}

/// The rows that an operator gave, or is thought to give.
fn rows(node: &Node) -> f64 {
    node.actual
        .map_or(node.estimated_rows, |actual| float(actual.rows))
}

fn expensive(node: &Node, whole: f64) -> Option<String> {
    let hits = node.actual?.hits;
    let share = float(hits) / whole.max(1.0);
    (share >= SHARE && float(hits) >= MANY_ROWS).then(|| {
        format!(
            "{} makes {:.0} % of the database hits: {} of {}.",
            node.title(),
            share * 100.0,
            count(float(hits)),
            count(whole)
        )
    })
}

/// `-[*]->`, `-[:R*2..]->` or `-[:R]->+`: as long as paths get.
fn unbounded(node: &Node) -> Option<String> {
    let is_path = [
        "VarLengthExpand",
        "ShortestPath",
        "Repeat",
        "AllShortestPaths",
        "StatefulShortestPath",
    ]
    .iter()
    .any(|operator| node.operator.contains(operator));
    let ends_open = ["*]", "..]", "*}", "+("]
        .iter()
        .any(|end| node.details.contains(end))
        || node.details.contains("*..]");
    (is_path && ends_open).then(|| {
        format!(
            "{} follows paths of any length: give them a maximum, such as *..5.",
            node.title()
        )
    })
}

fn whole_graph(node: &Node) -> Option<String> {
    let (what, remedy) = match node.operator.as_str() {
        "AllNodesScan" => ("nodes", "give its pattern a label"),
        operator if operator.ends_with("AllRelationshipsScan") => {
            ("relationships", "give its pattern a relationship type or a label")
        }
        _ => return None,
    };
    let many = rows(node);
    (many >= MANY_ROWS).then(|| {
        format!(
            "{} reads all {} {what} of the graph: {remedy}.",
            node.title(),
            count(many)
        )
    })
}

/// A scan of a label or a type of which a filter then keeps a part.
fn scan(node: &Node, above: &[&Node]) -> Option<String> {
    let (pattern, on) = match node.operator.as_str() {
        "NodeByLabelScan" => ("({variable}:{on})", "nodes with label"),
        "DirectedRelationshipTypeScan" | "UndirectedRelationshipTypeScan" => {
            ("()-[{variable}:{on}]-()", "relationships of type")
        }
        _ => return None,
    };
    let scanned = node.details.split(['[', ']']).nth(1).unwrap_or(&node.details);
    let (variable, name) = scanned.split_once(':')?;
    let filter = above.last().filter(|filter| filter.operator == "Filter")?;
    let many = rows(node);
    let (property, comparison) = compared(&filter.details, variable)?;
    if many < MANY_ROWS || rows(filter) > many / 2.0 {
        return None;
    }
    let kind = if matches!(comparison, "CONTAINS" | "ENDS") {
        "TEXT "
    } else {
        ""
    };
    let pattern = pattern.replace("{variable}", variable).replace("{on}", name);
    Some(format!(
        "All {} {on} {name} are read to keep {} by {variable}.{property}. An index would find them: \
         CREATE {kind}INDEX FOR {pattern} ON ({variable}.{property}).",
        count(many),
        count(rows(filter)),
    ))
}

/// The first property of a variable that a filter compares, and how.
fn compared<'a>(filter: &'a str, variable: &str) -> Option<(String, &'a str)> {
    let start = format!("{variable}.");
    let mut rest = filter;
    let mut before = None;
    while let Some(at) = rest.find(&start) {
        let stands_alone = rest[..at]
            .chars()
            .next_back()
            .or(before)
            .is_none_or(|last| !last.is_alphanumeric() && !matches!(last, '_' | '`' | '.'));
        before = start.chars().next_back();
        rest = &rest[at + start.len()..];
        if !stands_alone {
            continue;
        }
        let (property, behind) = match rest.strip_prefix('`') {
            Some(quoted) => quoted.split_once('`')?,
            None => rest.split_at(
                rest.find(|character: char| !character.is_alphanumeric() && character != '_')
                    .unwrap_or(rest.len()),
            ),
        };
        let comparison = behind.trim_start_matches(']').trim_start();
        let word = comparison.split_whitespace().next().unwrap_or_default();
        if ["=", "<", ">", "<=", ">=", "IN", "STARTS", "CONTAINS", "ENDS"].contains(&word) {
            return Some((quoted_if_needed(property), word));
        }
    }
    None
}

fn product(node: &Node) -> Option<String> {
    let [left, right] = node.children.as_slice() else {
        return None;
    };
    let (left, right) = (rows(left), rows(right));
    let sides = left > 1.0 && right > 1.0;
    (node.operator == "CartesianProduct" && sides && rows(node) >= MANY_ROWS).then(|| {
        format!(
            "CartesianProduct pairs each of {} rows with each of {}: connect the patterns, or look for them one after the other.",
            count(left),
            count(right)
        )
    })
}

fn eager(node: &Node) -> Option<String> {
    (node.operator == "Eager" && rows(node) >= MANY_ROWS).then(|| {
        format!(
            "Eager holds {} rows in memory before the next step begins.",
            count(rows(node))
        )
    })
}

fn misestimate(node: &Node, above: &[&Node]) -> Option<String> {
    let wrong = |node: &Node| {
        let rows = float(node.actual?.rows).max(1.0);
        let estimated = node.estimated_rows.max(1.0);
        let factor = (rows / estimated).max(estimated / rows);
        (factor >= MISESTIMATE && rows.max(estimated) >= FEW_ROWS).then_some((rows, estimated, factor))
    };
    let (rows, estimated, factor) = wrong(node)?;
    // Below a LIMIT, and below what only asks whether there is one, an operator is stopped early.
    let stops = |node: &&Node| {
        ["Limit", "Top", "SemiApply", "LetSemiApply", "SelectOrSemiApply"]
            .iter()
            .any(|name| node.operator.ends_with(name))
    };
    if rows < estimated && above.iter().any(stops) {
        return None;
    }
    // A wrong estimate goes up: the deepest one is the cause.
    if node.children.iter().any(|child| wrong(child).is_some()) {
        return None;
    }
    Some(format!(
        "{} was estimated at {} rows and gave {}, {} times {}.",
        node.title(),
        count(estimated),
        count(node.actual.map_or(0.0, |actual| float(actual.rows))),
        count(factor),
        if rows > estimated { "more" } else { "fewer" }
    ))
}

#[expect(clippy::cast_precision_loss, reason = "for shares and sentences")]
fn float(number: u64) -> f64 {
    number as f64
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
    use super::super::plan::Actual;
    use super::*;

    fn node(operator: &str, details: &str, estimated: f64, children: Vec<Node>) -> Node {
        Node {
            operator: operator.to_owned(),
            details: details.to_owned(),
            estimated_rows: estimated,
            actual: None,
            children,
        }
    }

    fn ran(mut node: Node, rows: u64, hits: u64) -> Node {
        node.actual = Some(Actual { rows, hits });
        node
    }

    #[test]
    fn an_index_is_proposed_for_a_filtered_scan() {
        let plan = |filter: &str| {
            let scan = node("NodeByLabelScan", "n:Person", 20_000.0, vec![]);
            node(
                "ProduceResults",
                "n",
                10.0,
                vec![node("Filter", filter, 10.0, vec![scan])],
            )
        };
        let index = |filter: &str| {
            of(&plan(filter))
                .first()
                .map(|sentence| sentence.split("them: ").nth(1).unwrap_or_default().to_owned())
        };
        for (filter, expected) in [
            ("n.name = $x", "CREATE INDEX FOR (n:Person) ON (n.name)."),
            (
                "cache[n.name] STARTS WITH $x",
                "CREATE INDEX FOR (n:Person) ON (n.name).",
            ),
            (
                "n.`odd p` > 3 AND n.name = $x",
                "CREATE INDEX FOR (n:Person) ON (n.`odd p`).",
            ),
            (
                "n.name CONTAINS $x",
                "CREATE TEXT INDEX FOR (n:Person) ON (n.name).",
            ),
            (
                "m.n.x = 1 AND n.a IS NOT NULL AND n.b IN [1]",
                "CREATE INDEX FOR (n:Person) ON (n.b).",
            ),
        ] {
            assert_eq!(index(filter).as_deref(), Some(expected), "{filter}");
        }
        assert_eq!(index("size(labels(n)) > 1"), None);
        assert_eq!(
            of(&plan("n.name = $x")),
            [
                "All 20,000 nodes with label Person are read to keep 10 by n.name. An index would find them: \
              CREATE INDEX FOR (n:Person) ON (n.name)."
            ]
        );
    }

    #[test]
    fn relationships_have_indexes_too() {
        let scan = node(
            "DirectedRelationshipTypeScan",
            "(a)-[r:KNOWS]->(b)",
            20_000.0,
            vec![],
        );
        let found = of(&node("Filter", "r.since = $autoint_0", 10.0, vec![scan]));
        assert!(
            found[0].ends_with("CREATE INDEX FOR ()-[r:KNOWS]-() ON (r.since)."),
            "{found:?}"
        );
    }

    #[test]
    fn paths_without_end_come_first() {
        for details in [
            "(a)-[anon_0*]->(b)",
            "(a)-[r:HQ*2..]->(b)",
            "(a) ((x)-[r]->(y)){1, *} (b)",
        ] {
            let scan = node("AllNodesScan", "a", 90_000.0, vec![]);
            let expand = node("VarLengthExpand(All)", details, 5.0, vec![scan]);
            let found = of(&node("ProduceResults", "b", 5.0, vec![expand]));
            assert!(found[0].contains("paths of any length"), "{found:?}");
            assert_eq!(
                found[1],
                "AllNodesScan a reads all 90,000 nodes of the graph: give its pattern a label."
            );
        }
        let bounded = node("VarLengthExpand(All)", "(a)-[r:HQ*..5]->(b)", 5.0, vec![]);
        assert!(of(&bounded).is_empty());
    }

    #[test]
    fn products_matter_when_both_sides_have_rows() {
        let product = |left: f64, right: f64| {
            let sides = [left, right].map(|rows| node("NodeByLabelScan", "a:A", rows, vec![]));
            of(&node("CartesianProduct", "", left * right, sides.into()))
        };
        assert!(
            product(100.0, 200.0)[0].starts_with("CartesianProduct pairs each of 100 rows with each of 200")
        );
        assert!(product(1.0, 20_000.0).is_empty());
    }

    #[test]
    fn a_profile_tells_hits_and_wrong_estimates() {
        let scan = ran(
            node("NodeByLabelScan", "n:Person", 20_000.0, vec![]),
            20_000,
            20_001,
        );
        let filter = ran(node("Filter", "n.a = 1", 50.0, vec![scan]), 9_000, 20_000);
        let found = of(&ran(node("ProduceResults", "n", 50.0, vec![filter]), 9_000, 0)).join("\n");
        assert!(
            found.contains("NodeByLabelScan n:Person makes 50 % of the database hits: 20,001 of 40,001."),
            "{found}"
        );
        assert!(
            found.contains("Filter n.a = 1 was estimated at 50 rows and gave 9,000, 180 times more."),
            "{found}"
        );
        assert!(!found.contains("ProduceResults"), "{found}");
        let stopped = ran(node("NodeByLabelScan", "n:Person", 20_000.0, vec![]), 10, 11);
        let found = of(&ran(node("Limit", "10", 10.0, vec![stopped]), 10, 0));
        assert!(found.is_empty(), "{found:?}");
    }
}

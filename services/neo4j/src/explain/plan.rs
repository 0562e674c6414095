//! A plan as the server tells it, and as people read it.

use crate::wire::packstream::Packed;

/// How much of an operator's details a line shows.
const SHOWN: usize = 200;

/// An operator of a plan.
#[derive(Debug)]
pub(super) struct Node {
    /// `NodeByLabelScan`.
    pub(super) operator: String,
    /// What it works on: `p:Person`.
    pub(super) details: String,
    pub(super) estimated_rows: f64,
    /// Only when the statement was run.
    pub(super) actual: Option<Actual>,
    pub(super) children: Vec<Node>,
}

/// What an operator really did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actual {
    pub(super) rows: u64,
    /// Look-ups in the store, of this operator alone.
    pub(super) hits: u64,
}

impl Node {
    /// Reads an operator and those below it.
    pub(super) fn read(plan: &Packed) -> Self {
        let text = |value: Option<&Packed>| value.and_then(Packed::as_str).unwrap_or_default().to_owned();
        let number = |name: &str| {
            let number = plan.get(name).and_then(Packed::as_int);
            number.and_then(|number| u64::try_from(number).ok())
        };
        let argument = |name: &str| plan.get("args").and_then(|args| args.get(name));
        let operator = text(plan.get("operatorType"));
        let estimated = argument("EstimatedRows").and_then(Packed::as_float);
        Self {
            // In front of the @ stands the operator, behind it the database.
            operator: operator.split('@').next().unwrap_or_default().to_owned(),
            details: text(argument("Details")),
            estimated_rows: estimated.unwrap_or_default(),
            actual: number("rows").map(|rows| Actual {
                rows,
                hits: number("dbHits").unwrap_or_default(),
            }),
            children: plan
                .get("children")
                .map(Packed::items)
                .unwrap_or_default()
                .iter()
                .map(Self::read)
                .collect(),
        }
    }

    /// Operator and details.
    pub(super) fn title(&self) -> String {
        let mut details: String = self.details.chars().take(SHOWN).collect();
        if details.len() < self.details.len() {
            details.push_str(" ..");
        }
        format!("{} {details}", self.operator).trim_end().to_owned()
    }

    /// The plan, an operator a line, its sources indented below it.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.write(0, &mut lines);
        lines
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let arrow = if depth == 0 { "" } else { "->  " };
        let indent = " ".repeat(depth.saturating_sub(1) * 4 + usize::from(depth > 0) * 2);
        let estimated = rounded(self.estimated_rows);
        let actual = self.actual.map_or_else(String::new, |actual| {
            format!(" (rows={} db hits={})", actual.rows, actual.hits)
        });
        lines.push(format!(
            "{indent}{arrow}{}  (estimated rows={estimated}){actual}",
            self.title()
        ));
        for child in &self.children {
            child.write(depth + 1, lines);
        }
    }

    /// The look-ups of all operators.
    pub(super) fn total_hits(&self) -> u64 {
        let below: u64 = self.children.iter().map(Self::total_hits).sum();
        below + self.actual.map_or(0, |actual| actual.hits)
    }

    /// All operators, each with those above it, outermost first.
    pub(super) fn steps(&self) -> Vec<(&Node, Vec<&Node>)> {
        let mut steps = Vec::new();
        let mut open: Vec<(&Node, Vec<&Node>)> = vec![(self, vec![])];
        while let Some((node, above)) = open.pop() {
            let below: Vec<&Node> = above.iter().copied().chain([node]).collect();
            open.extend(node.children.iter().rev().map(|child| (child, below.clone())));
            steps.push((node, above));
        }
        steps
    }
}

/// Estimates are fractions: whole where they are big enough.
fn rounded(estimate: f64) -> String {
    if estimate >= 10.0 || estimate.fract() == 0.0 {
        format!("{estimate:.0}")
    } else {
        format!("{estimate:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str, details: &str, children: Vec<Packed>) -> Packed {
        let args = vec![
            ("Details".to_owned(), details.into()),
            ("EstimatedRows".to_owned(), Packed::Float(12.34)),
        ];
        Packed::Map(vec![
            ("operatorType".to_owned(), format!("{name}@neo4j").as_str().into()),
            ("args".to_owned(), Packed::Map(args)),
            ("rows".to_owned(), Packed::Int(3)),
            ("dbHits".to_owned(), Packed::Int(7)),
            ("children".to_owned(), Packed::List(children)),
        ])
    }

    #[test]
    fn a_plan_is_a_tree_of_lines() {
        let scan = || operator("NodeByLabelScan", "n:A", vec![]);
        let join = operator(
            "CartesianProduct",
            "",
            vec![scan(), operator("Filter", "m.a = 1", vec![scan()])],
        );
        let plan = Node::read(&operator("ProduceResults", "n", vec![join]));
        assert_eq!(
            plan.lines(),
            [
                "ProduceResults n  (estimated rows=12) (rows=3 db hits=7)",
                "  ->  CartesianProduct  (estimated rows=12) (rows=3 db hits=7)",
                "      ->  NodeByLabelScan n:A  (estimated rows=12) (rows=3 db hits=7)",
                "      ->  Filter m.a = 1  (estimated rows=12) (rows=3 db hits=7)",
                "          ->  NodeByLabelScan n:A  (estimated rows=12) (rows=3 db hits=7)",
            ]
        );
        assert_eq!(plan.total_hits(), 35);
    }
}

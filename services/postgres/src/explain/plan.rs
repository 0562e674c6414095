//! A plan as the server tells it in JSON, and as people read it.

use std::fmt::{self, Write as _};

use serde_json::{Map, Value};

/// A plan.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) root: Node,
    pub(super) planning_ms: Option<f64>,
    pub(super) execution_ms: Option<f64>,
}

/// A step of a plan.
#[derive(Debug)]
pub(super) struct Node {
    /// What it does, and on what: `Index Scan using orders_pkey on orders o`.
    pub(super) title: String,
    /// The kind of step alone: `Seq Scan`.
    pub(super) kind: String,
    pub(super) startup_cost: f64,
    pub(super) total_cost: f64,
    /// Rows of one run.
    pub(super) estimated_rows: f64,
    /// Only when the statement was run.
    pub(super) actual: Option<Actual>,
    /// Everything else that the server tells, by its names.
    pub(super) facts: Map<String, Value>,
    pub(super) children: Vec<Node>,
}

/// What a step really did.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actual {
    /// Rows of one run, on average.
    pub(super) rows: f64,
    /// How often it ran; 0 is never.
    pub(super) runs: f64,
    /// All runs together, in ms; parallel runs count once.
    pub(super) total_ms: f64,
    /// `total_ms` without that of the steps below.
    pub(super) self_ms: f64,
}

/// Reads the document of `EXPLAIN (FORMAT JSON)`.
pub(super) fn read(document: &str) -> Result<Plan, serde_json::Error> {
    use serde::de::Error as _;
    let document: Value = serde_json::from_str(document)?;
    let top = &document[0];
    let Some(root) = top["Plan"].as_object() else {
        return Err(serde_json::Error::missing_field("Plan"));
    };
    Ok(Plan {
        root: node(root, 1.0),
        planning_ms: top["Planning Time"].as_f64(),
        execution_ms: top["Execution Time"].as_f64(),
    })
}

/// `side_by_side` is how many processes run the step at the same time: each counts as a run.
fn node(facts: &Map<String, Value>, side_by_side: f64) -> Node {
    let number = |name: &str| facts.get(name).and_then(Value::as_f64);
    let kind = text(facts, "Node Type").to_owned();
    let below = match number("Workers Launched") {
        Some(workers) if kind.starts_with("Gather") => workers + 1.0,
        _ => side_by_side,
    };
    let children: Vec<Node> = facts
        .get("Plans")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object)
        .map(|child| node(child, below))
        .collect();
    let actual = number("Actual Loops").map(|runs| {
        let total_ms =
            number("Actual Total Time").unwrap_or_default() * runs / side_by_side.min(runs.max(1.0));
        let below: f64 = children
            .iter()
            .filter_map(|child| child.actual)
            .map(|actual| actual.total_ms)
            .sum();
        Actual {
            rows: number("Actual Rows").unwrap_or_default(),
            runs,
            total_ms,
            self_ms: (total_ms - below).max(0.0),
        }
    });
    Node {
        title: title(facts, &kind),
        kind,
        startup_cost: number("Startup Cost").unwrap_or_default(),
        total_cost: number("Total Cost").unwrap_or_default(),
        estimated_rows: number("Plan Rows").unwrap_or_default(),
        actual,
        facts: facts.clone(),
        children,
    }
}

fn text<'a>(facts: &'a Map<String, Value>, name: &str) -> &'a str {
    facts.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn title(facts: &Map<String, Value>, kind: &str) -> String {
    let fact = |name: &str| text(facts, name);
    let mut title = String::new();
    if !fact("Subplan Name").is_empty() {
        title = format!("{}: ", fact("Subplan Name"));
    }
    if facts.get("Parallel Aware").and_then(Value::as_bool) == Some(true) {
        title.push_str("Parallel ");
    }
    title.push_str(match (kind, fact("Strategy")) {
        ("Aggregate", "Hashed") => "HashAggregate",
        ("Aggregate", "Sorted") => "GroupAggregate",
        ("Aggregate", "Mixed") => "MixedAggregate",
        ("Nested Loop", _) if fact("Join Type") == "Inner" => "Nested Loop",
        _ => kind,
    });
    match fact("Join Type") {
        "" | "Inner" => {}
        join => add(&mut title, format_args!(" {join}")),
    }
    if !fact("Index Name").is_empty() {
        add(&mut title, format_args!(" using {}", fact("Index Name")));
    }
    let object = [
        "Relation Name",
        "CTE Name",
        "Function Name",
        "Table Function Name",
        "Tuplestore Name",
    ]
    .map(fact)
    .into_iter()
    .find(|name| !name.is_empty());
    if let Some(object) = object {
        add(&mut title, format_args!(" on {object}"));
        if !fact("Alias").is_empty() && fact("Alias") != object {
            add(&mut title, format_args!(" {}", fact("Alias")));
        }
    }
    title
}

/// The facts that a reader of plans looks for, in the order of PostgreSQL's own text form.
const SHOWN: [&str; 25] = [
    "Sort Key",
    "Presorted Key",
    "Group Key",
    "Sort Method",
    "Sort Space Used",
    "Index Cond",
    "Recheck Cond",
    "TID Cond",
    "Hash Cond",
    "Merge Cond",
    "Join Filter",
    "Rows Removed by Join Filter",
    "Filter",
    "Rows Removed by Filter",
    "Rows Removed by Index Recheck",
    "One-Time Filter",
    "Heap Fetches",
    "Lossy Heap Blocks",
    "Hash Batches",
    "HashAgg Batches",
    "Peak Memory Usage",
    "Disk Usage",
    "Workers Planned",
    "Workers Launched",
    "Subplans Removed",
];

impl Plan {
    /// The plan, one line per step and fact.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        self.root.write(0, &mut lines);
        let times = [
            ("Planning Time", self.planning_ms),
            ("Execution Time", self.execution_ms),
        ];
        for (name, ms) in times {
            lines.extend(ms.map(|ms| format!("{name}: {ms:.3} ms")));
        }
        lines
    }

    /// All steps, each with the steps above it, outermost first.
    pub(super) fn steps(&self) -> Vec<(&Node, Vec<&Node>)> {
        let mut steps = Vec::new();
        let mut open: Vec<(&Node, Vec<&Node>)> = vec![(&self.root, vec![])];
        while let Some((node, above)) = open.pop() {
            let below: Vec<&Node> = above.iter().copied().chain([node]).collect();
            open.extend(node.children.iter().rev().map(|child| (child, below.clone())));
            steps.push((node, above));
        }
        steps
    }
}

impl Node {
    /// A number that the server tells.
    pub(super) fn number(&self, fact: &str) -> Option<f64> {
        self.facts.get(fact).and_then(Value::as_f64)
    }

    /// A text that the server tells.
    pub(super) fn text(&self, fact: &str) -> &str {
        text(&self.facts, fact)
    }

    fn write(&self, depth: usize, lines: &mut Vec<String>) {
        let arrow = if depth == 0 { "" } else { "->  " };
        let indent = " ".repeat(depth.saturating_sub(1) * 6 + usize::from(depth > 0) * 2);
        let mut line = format!(
            "{indent}{arrow}{}  (cost={:.2}..{:.2} rows={})",
            self.title, self.startup_cost, self.total_cost, self.estimated_rows
        );
        match self.actual {
            Some(actual) if actual.runs == 0.0 => line.push_str(" (never executed)"),
            Some(actual) => add(
                &mut line,
                format_args!(
                    " (actual time={:.3} ms rows={} loops={})",
                    actual.total_ms, actual.rows, actual.runs
                ),
            ),
            None => {}
        }
        lines.push(line);
        let indent = " ".repeat(depth * 6 + 2);
        for name in SHOWN {
            let Some(value) = self.facts.get(name).filter(|value| **value != 0) else {
                continue;
            };
            let unit = match name {
                "Sort Space Used" => format!(" kB ({})", self.text("Sort Space Type")),
                "Peak Memory Usage" | "Disk Usage" => " kB".to_owned(),
                _ => String::new(),
            };
            lines.push(format!("{indent}{name}: {}{unit}", shown(value)));
        }
        lines.extend(
            self.buffers()
                .map(|buffers| format!("{indent}Buffers: {buffers}")),
        );
        for child in &self.children {
            child.write(depth + 1, lines);
        }
    }

    fn buffers(&self) -> Option<String> {
        let parts: Vec<String> = ["Shared Hit", "Shared Read", "Temp Read", "Temp Written"]
            .into_iter()
            .filter_map(|name| {
                let blocks = self
                    .number(&format!("{name} Blocks"))
                    .filter(|blocks| *blocks > 0.0)?;
                Some(format!("{} {blocks}", name.to_lowercase()))
            })
            .collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

fn add(text: &mut String, more: fmt::Arguments<'_>) {
    // Writing into a `String` can't fail.
    let _ = text.write_fmt(more);
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(shown).collect::<Vec<_>>().join(", "),
        value => value.to_string(),
    }
}

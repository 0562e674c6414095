//! A plan: its steps in the order in which they run, and as people read it.

use super::tree::Tree;

/// A plan.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// All lines, tables among them, with how deep each is.
    pub(super) steps: Vec<(usize, Step)>,
    /// The optimizer's cost.
    pub(super) total_cost: Option<f64>,
    /// The time of the whole, where the document tells it.
    pub(super) total_ms: Option<f64>,
    /// What MySQL measured, which is of another shape.
    pub(super) actual: Option<Tree>,
}

/// One step.
#[derive(Debug)]
pub(super) enum Step {
    /// What is done with the steps below.
    Operation(Operation),
    /// A table that is read.
    Table(Box<Table>),
}

/// What is done with rows.
#[derive(Debug, Default)]
pub(super) struct Operation {
    pub(super) title: String,
    pub(super) is_sort: bool,
    pub(super) is_temporary: bool,
    /// Rows that it gave, where it ran and told.
    pub(super) rows: Option<f64>,
    /// Times that a sort had to be merged on disk.
    pub(super) passes: Option<f64>,
}

/// How a table is read.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) name: String,
    /// The servers' word for how: `ALL`, `ref`.
    pub(super) access: String,
    pub(super) key: Option<String>,
    pub(super) key_parts: Vec<String>,
    pub(super) possible_keys: Vec<String>,
    /// Rows for each run, by the optimizer.
    pub(super) rows: f64,
    /// How often it runs, by the optimizer.
    pub(super) loops: f64,
    /// The share of them that is kept, in percent.
    pub(super) filtered: Option<f64>,
    pub(super) condition: Option<String>,
    pub(super) join_buffer: Option<String>,
    pub(super) covering: bool,
    pub(super) actual: Option<Actual>,
}

/// What really happened at a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Actual {
    /// Rows for each run.
    pub(super) rows: f64,
    pub(super) loops: f64,
    /// The share of them that was kept, in percent.
    pub(super) filtered: f64,
    /// The time of all runs.
    pub(super) ms: f64,
}

impl Plan {
    /// The tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Table> {
        self.steps.iter().filter_map(|(_, step)| match step {
            Step::Table(table) => Some(table.as_ref()),
            Step::Operation(_) => None,
        })
    }

    /// The operations.
    pub(super) fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.steps.iter().filter_map(|(_, step)| match step {
            Step::Operation(operation) => Some(operation),
            Step::Table(_) => None,
        })
    }

    /// The rows that the optimizer expects to read: those of each table, times its runs.
    pub(super) fn rows_examined(&self) -> f64 {
        self.tables().map(|table| table.rows * table.loops).sum()
    }

    /// How long it took, if it ran.
    pub(super) fn execution_ms(&self) -> Option<f64> {
        self.total_ms.or_else(|| self.actual.as_ref()?.total_ms())
    }

    /// The plan as people read it.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (depth, step) in &self.steps {
            let indent = "  ".repeat(*depth);
            match step {
                Step::Operation(operation) => lines.push(format!("{indent}{}", operation.title)),
                Step::Table(table) => table.write(&indent, &mut lines),
            }
        }
        lines
    }
}

impl Table {
    /// Whether all rows are read, without an index that finds or orders them.
    pub(super) fn is_full_scan(&self) -> bool {
        self.access == "ALL"
    }

    /// Whether it is one of the database's, and not made on the way.
    pub(super) fn is_stored(&self) -> bool {
        !self.name.starts_with('<')
    }

    fn write(&self, indent: &str, lines: &mut Vec<String>) {
        let mut parts = vec![format!("{indent}{}: {}", self.name, self.how())];
        if let Some(key) = &self.key {
            let columns = self.key_parts.join(", ");
            parts.push(if columns.is_empty() {
                format!(" by index {key}")
            } else {
                format!(" by index {key} ({columns})")
            });
        }
        if self.covering {
            parts.push(", from the index alone".to_owned());
        }
        let kept = self
            .filtered
            .map(|filtered| format!(" kept={} %", rounded(filtered)));
        parts.push(format!(
            "  (rows={}{})",
            rounded(self.rows),
            kept.unwrap_or_default()
        ));
        match self.actual {
            Some(actual) if actual.loops == 0.0 => parts.push(" (never ran)".to_owned()),
            Some(actual) => parts.push(format!(
                " (actual rows={} kept={} % runs={} time={:.3} ms)",
                rounded(actual.rows),
                rounded(actual.filtered),
                rounded(actual.loops),
                actual.ms
            )),
            None => {}
        }
        lines.push(parts.concat());
        for (name, text) in [("condition", &self.condition), ("join buffer", &self.join_buffer)] {
            lines.extend(text.iter().map(|text| format!("{indent}    {name}: {text}")));
        }
    }

    fn how(&self) -> &str {
        match self.access.as_str() {
            "ALL" => "full scan",
            "index" => "scan of a whole index",
            "range" => "range",
            "ref" | "ref_or_null" => "look-up of some rows",
            "eq_ref" | "unique_subquery" => "look-up of one row",
            "const" | "system" => "one row",
            "fulltext" => "full-text search",
            "index_merge" => "several indexes merged",
            "" => "read",
            other => other,
        }
    }
}

/// A number with at most two digits behind the point, and none of them zero at the end.
pub(super) fn rounded(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

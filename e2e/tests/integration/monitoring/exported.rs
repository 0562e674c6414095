//! What processes export, in Prometheus' text form: the names, types, labels and values of labels.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::parser::{self, Expr};

/// Series by name. One of a histogram is there three times: `_bucket`, `_count`, `_sum`.
#[derive(Debug, Default)]
pub(super) struct Exported(pub(super) BTreeMap<String, Series>);

/// All series of one name.
#[derive(Clone, Debug, Default)]
pub(super) struct Series {
    /// Whether it only grows, so that a rate of it means something.
    pub(super) grows: bool,
    /// The labels and their values.
    pub(super) labels: BTreeMap<String, BTreeSet<String>>,
}

impl Exported {
    /// Adds what one process exports.
    pub(super) fn add(&mut self, text: &str) {
        let types: BTreeMap<&str, &str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '))
            .collect();
        for line in text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            let (series, _) = line.rsplit_once(' ').expect("a value");
            // A series is written as it is selected.
            let Ok(Expr::VectorSelector(selector)) = parser::parse(series) else {
                panic!("no series: {line}");
            };
            let name = selector.name.expect("a name");
            let entry = self.0.entry(name.clone()).or_default();
            entry.grows = grows(&types, &name);
            for label in selector.matchers.matchers {
                entry.labels.entry(label.name).or_default().insert(label.value);
            }
        }
    }
}

fn grows(types: &BTreeMap<&str, &str>, name: &str) -> bool {
    let parts = ["_bucket", "_count", "_sum"];
    let family = || parts.iter().find_map(|part| name.strip_suffix(part));
    match types.get(name).or_else(|| types.get(family()?)) {
        Some(&kind) => matches!(kind, "counter" | "histogram"),
        None => panic!("{name} has no type"),
    }
}

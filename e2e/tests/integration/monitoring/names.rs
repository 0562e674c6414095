//! Whether a query asks for series, labels and values that are there, and for rates of what grows only.

use std::collections::{BTreeMap, BTreeSet};

use promql_parser::label::MatchOp;
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{self, AggregateExpr, BinaryExpr, Call, Expr, LabelModifier, VectorSelector};

use super::exported::{Exported, Series};
use super::queries::Query;

/// The labels that Prometheus gives to all that it reads.
const TARGET: [&str; 2] = ["job", "instance"];
/// What Prometheus knows of a target itself.
const OF_TARGETS: [&str; 2] = ["up", "scrape_duration_seconds"];
/// The functions for what grows.
const OF_COUNTERS: [&str; 4] = ["rate", "increase", "irate", "resets"];
/// Those that take a range and any series.
const OF_ALL: [&str; 2] = ["changes", "last_over_time"];
/// The reasons of the contract, which are outcomes.
const REASONS: &str = include_str!("../../../../proto/mcphub/error/v1/error_reason.proto");

type Labels = BTreeSet<String>;

/// The series that can be asked for.
#[derive(Debug)]
pub(super) struct Names {
    series: BTreeMap<String, Series>,
}

impl Names {
    /// What is exported, what Prometheus adds, and what the rules record.
    pub(super) fn new(exported: Exported, recordings: &BTreeMap<String, String>) -> Self {
        let mut series = exported.0;
        for name in OF_TARGETS {
            series.insert(name.to_owned(), Series::default());
        }
        for one in series.values_mut() {
            for label in TARGET {
                one.labels.entry(label.to_owned()).or_default();
            }
        }
        let mut names = Self { series };
        // In the order of their names one comes after those that it is made of; none is made of itself.
        let mut waiting: Vec<_> = recordings.iter().collect();
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(name, expr)| {
                let mut faults = Vec::new();
                let labels = names.labels(&parse(expr), &mut faults);
                if faults.is_empty() {
                    names.series.insert((*name).clone(), recorded(labels));
                }
                !faults.is_empty()
            });
            if waiting.len() == before {
                // What is wrong with them is said when they are looked at as queries.
                break;
            }
        }
        // An alert has the labels of its query, whatever that is.
        let all = names
            .series
            .values()
            .flat_map(|series| series.labels.keys().cloned());
        let own = ["alertname", "alertstate", "severity"].map(str::to_owned);
        let labels = all.chain(own).collect();
        names.series.insert("ALERTS".to_owned(), recorded(labels));
        names
    }

    /// What is wrong with a query.
    pub(super) fn faults(&self, query: &Query) -> Vec<String> {
        let mut faults = Vec::new();
        let labels = self.labels(&parse(&query.expr), &mut faults);
        let unknown = query.shown.iter().filter(|label| !labels.contains(*label));
        faults.extend(unknown.map(|label| format!("shows the label {label}, which its answer has not")));
        faults
            .into_iter()
            .map(|fault| format!("{}: {fault}: {}", query.place, query.expr))
            .collect()
    }

    /// The labels of what an expression gives.
    fn labels(&self, expr: &Expr, faults: &mut Vec<String>) -> Labels {
        match expr {
            Expr::VectorSelector(selector) => {
                let labels = self.select(selector, faults);
                if self.grows(selector) {
                    faults.push(format!("{} only grows: ask for a rate", name(selector)));
                }
                labels
            }
            Expr::MatrixSelector(selector) => self.select(&selector.vs, faults),
            Expr::Call(call) => self.call(call, faults),
            Expr::Aggregate(aggregate) => self.aggregate(aggregate, faults),
            Expr::Binary(binary) => self.binary(binary, faults),
            Expr::Paren(paren) => self.labels(&paren.expr, faults),
            Expr::Unary(unary) => self.labels(&unary.expr, faults),
            Expr::Subquery(subquery) => self.labels(&subquery.expr, faults),
            Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::Extension(_) => Labels::new(),
        }
    }

    fn select(&self, selector: &VectorSelector, faults: &mut Vec<String>) -> Labels {
        let name = name(selector);
        let Some(series) = self.series.get(name) else {
            faults.push(format!("nobody exports {name}"));
            return Labels::new();
        };
        for matcher in &selector.matchers.matchers {
            let Some(known) = series.labels.get(&matcher.name) else {
                faults.push(format!("{name} has no label {}", matcher.name));
                continue;
            };
            let unknown = values(&matcher.op, &matcher.value).into_iter().filter(|value| {
                !known.is_empty() && !known.contains(*value) && !is_reason(&matcher.name, value)
            });
            faults.extend(unknown.map(|value| format!("{name} has no {}={value:?}", matcher.name)));
        }
        series.labels.keys().cloned().collect()
    }

    fn grows(&self, selector: &VectorSelector) -> bool {
        self.series.get(name(selector)).is_some_and(|series| series.grows)
    }

    fn call(&self, call: &Call, faults: &mut Vec<String>) -> Labels {
        let function = call.func.name;
        let ranges = call.args.args.iter().filter_map(|argument| match &**argument {
            Expr::MatrixSelector(selector) => Some(&selector.vs),
            _ => None,
        });
        for selector in ranges {
            let known = self.series.contains_key(name(selector));
            let right = OF_ALL.contains(&function) || OF_COUNTERS.contains(&function) == self.grows(selector);
            if known && !right {
                faults.push(format!("{function} is not for the type of {}", name(selector)));
            }
        }
        let arguments = call.args.args.iter();
        let mut labels: Labels = arguments
            .flat_map(|argument| self.labels(argument, faults))
            .collect();
        if function == "histogram_quantile" && !labels.remove("le") {
            faults.push("a quantile of what has no buckets".to_owned());
        }
        labels
    }

    fn aggregate(&self, aggregate: &AggregateExpr, faults: &mut Vec<String>) -> Labels {
        let before = faults.len();
        let inner = self.labels(&aggregate.expr, faults);
        let whole = faults.len() == before;
        match &aggregate.modifier {
            None => Labels::new(),
            Some(LabelModifier::Include(by)) => {
                let by: Labels = by.labels.iter().cloned().collect();
                // What is wrong inside would be said again for each label.
                let missing = by.difference(&inner).filter(|_| whole);
                faults.extend(missing.map(|label| format!("there is no label {label} to sum by")));
                by
            }
            Some(LabelModifier::Exclude(without)) => inner
                .into_iter()
                .filter(|label| !without.labels.contains(label))
                .collect(),
        }
    }

    fn binary(&self, binary: &BinaryExpr, faults: &mut Vec<String>) -> Labels {
        let left = self.labels(&binary.lhs, faults);
        let right = self.labels(&binary.rhs, faults);
        let modifier = binary.modifier.as_ref();
        if let Some(LabelModifier::Include(on)) = modifier.and_then(|modifier| modifier.matching.as_ref()) {
            let missing = on
                .labels
                .iter()
                .filter(|label| !left.contains(*label) || !right.contains(*label));
            faults.extend(missing.map(|label| format!("not both sides have the label {label}")));
        } else if is_vector(&binary.lhs) && is_vector(&binary.rhs) && left != right {
            faults.push(format!("the sides have different labels: {left:?} and {right:?}"));
        }
        if is_vector(&binary.lhs) { left } else { right }
    }
}

fn parse(expr: &str) -> Expr {
    parser::parse(expr).unwrap_or_else(|error| panic!("{error}: {expr}"))
}

fn name(selector: &VectorSelector) -> &str {
    selector.name.as_deref().unwrap_or_default()
}

/// Series that a rule records: any labels, any values.
fn recorded(labels: Labels) -> Series {
    Series {
        grows: false,
        labels: labels.into_iter().map(|label| (label, BTreeSet::new())).collect(),
    }
}

/// Whether it has labels at all: a number and `time()` have none.
fn is_vector(expr: &Expr) -> bool {
    expr.value_type() == ValueType::Vector
}

/// The values that a matcher names; none when it is a pattern.
fn values<'a>(op: &MatchOp, value: &'a str) -> Vec<&'a str> {
    let is_plain = |value: &str| {
        let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-/ ".contains(letter);
        !value.is_empty() && value.chars().all(plain)
    };
    let values: Vec<&str> = match op {
        MatchOp::Equal | MatchOp::NotEqual => vec![value],
        MatchOp::Re(_) | MatchOp::NotRe(_) => value.split('|').collect(),
    };
    if values.iter().all(|value| is_plain(value)) {
        values
    } else {
        Vec::new()
    }
}

/// An outcome can be any reason of the contract, whether or not it came up.
fn is_reason(label: &str, value: &str) -> bool {
    label == "mcp_hub_outcome" && REASONS.contains(&format!(" ERROR_REASON_{value} = "))
}

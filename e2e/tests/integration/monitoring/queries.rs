//! The queries of the rules and of the dashboard, each with what is shown of its answer.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// A query.
#[derive(Debug)]
pub(super) struct Query {
    /// Where it stands, for people.
    pub(super) place: String,
    /// In `PromQL`, without Grafana's variables.
    pub(super) expr: String,
    /// The labels of its answer that are shown.
    pub(super) shown: Vec<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring")
}

fn read(file: &str) -> String {
    let path = folder().join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rules of all files.
fn rules() -> Vec<Value> {
    let list = |value: &Value| value.as_array().expect("a list").clone();
    ["alerts", "recordings"]
        .iter()
        .flat_map(|name| {
            let text = read(&format!("prometheus/rules/{name}.yaml"));
            let file: Value = serde_saphyr::from_str(&text).expect("YAML");
            list(&file["groups"])
        })
        .flat_map(|group| list(&group["rules"]))
        .collect()
}

/// The names that rules record, and what.
pub(super) fn recordings() -> BTreeMap<String, String> {
    let rules = rules();
    let recorded = rules
        .iter()
        .filter_map(|rule| Some((rule["record"].as_str()?, rule["expr"].as_str()?)));
    recorded
        .map(|(name, expr)| (name.to_owned(), expr.to_owned()))
        .collect()
}

/// All queries.
pub(super) fn all() -> Vec<Query> {
    let rules = rules().into_iter().map(|rule| {
        let name = rule["alert"].as_str().or(rule["record"].as_str());
        Query {
            place: name.expect("a name").to_owned(),
            expr: rule["expr"].as_str().expect("a query").to_owned(),
            shown: words(&rule["annotations"].to_string(), "$labels."),
        }
    });
    rules.chain(dashboard()).collect()
}

fn dashboard() -> Vec<Query> {
    let dashboard: Value = serde_json::from_str(&read("grafana/dashboards/mcp-hub.json")).expect("JSON");
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let mut queries = Vec::new();
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            queries.push(shown(&panel["title"], &target["expr"], &target["legendFormat"]));
        }
    }
    for mark in list(&dashboard["annotations"]["list"]) {
        queries.push(shown(
            &mark["name"],
            &mark["target"]["expr"],
            &mark["titleFormat"],
        ));
    }
    for variable in list(&dashboard["templating"]["list"]) {
        // `label_values(series, label)`; the one of the data source asks nothing.
        let Some(query) = variable["query"]["query"].as_str() else {
            continue;
        };
        let inner = query
            .strip_prefix("label_values(")
            .and_then(|rest| rest.strip_suffix(')'));
        let (series, label) = inner
            .and_then(|inner| inner.rsplit_once(','))
            .expect("label_values");
        queries.push(Query {
            place: format!("variable {}", variable["name"]),
            // A variable asks for series, not for their values.
            expr: format!("group by ({}) (last_over_time({series}[5m]))", label.trim()),
            shown: Vec::new(),
        });
    }
    queries
}

fn shown(title: &Value, expr: &Value, text: &Value) -> Query {
    Query {
        place: format!("dashboard, {title}"),
        expr: without_variables(expr.as_str().expect("a query")),
        shown: words(text.as_str().unwrap_or_default(), "{{"),
    }
}

/// As Grafana sends it when everything is chosen.
fn without_variables(expr: &str) -> String {
    let mut expr = expr.replace("$__rate_interval", "5m");
    for variable in ["$job", "$tool", "$upstream"] {
        expr = expr.replace(&format!("=~\"{variable}\""), "=~\".*\"");
    }
    assert!(!expr.contains('$'), "an unknown variable: {expr}");
    expr
}

/// The words that follow each `mark`.
fn words(text: &str, mark: &str) -> Vec<String> {
    let word = |rest: &str| {
        let end = rest.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
        rest[..end.unwrap_or(rest.len())].to_owned()
    };
    text.split(mark).skip(1).map(word).collect()
}

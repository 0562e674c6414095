//! What every alert must have: a severity, a time, words, a row in docs/operations.md, and a case in which it fires.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

/// The alert rules, below the repository.
const ALERTS: &str = "monitoring/prometheus/rules/alerts.yaml";
/// Their cases.
const CASES: &str = "monitoring/prometheus/tests/alerts.yaml";
/// Where their rows are.
const PAGE: &str = "docs/operations.md";
/// What a row begins with: `| <a id="mcphubdown"></a>McpHubDown |`.
const ROW: &str = "| <a id=\"";

#[derive(Debug, Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Debug, Deserialize)]
struct Group {
    rules: Vec<Alert>,
}

#[derive(Debug, Deserialize)]
struct Alert {
    #[serde(rename = "alert")]
    name: String,
    #[serde(rename = "for", default)]
    lasting: String,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    annotations: Annotations,
}

#[derive(Debug, Default, Deserialize)]
struct Labels {
    #[serde(default)]
    severity: String,
}

#[derive(Debug, Default, Deserialize)]
struct Annotations {
    #[serde(default)]
    summary: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    runbook: String,
}

/// What is wrong with the alerts, one sentence each.
pub(super) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let text = |name: &str| std::fs::read_to_string(root.join(name)).context(name.to_owned());
    faults_of(&text(ALERTS)?, &text(CASES)?, &text(PAGE)?)
}

fn faults_of(rules: &str, cases: &str, page: &str) -> anyhow::Result<Vec<String>> {
    let rules: Rules = serde_saphyr::from_str(rules).context(ALERTS)?;
    let alerts: Vec<Alert> = rules.groups.into_iter().flat_map(|group| group.rules).collect();
    ensure!(!alerts.is_empty(), "{ALERTS} has no alert");
    let mut faults = Vec::new();
    for alert in &alerts {
        let name = &alert.name;
        let mut rule = |kept: bool, sentence: &str| {
            if !kept {
                faults.push(format!("{name} {sentence}"));
            }
        };
        rule(!alert.lasting.is_empty(), "fires at once: it has no `for`");
        rule(
            ["critical", "warning"].contains(&&*alert.labels.severity),
            "has no severity, critical or warning",
        );
        rule(!alert.annotations.summary.is_empty(), "has no summary");
        rule(!alert.annotations.description.is_empty(), "has no description");
        rule(
            alert.annotations.runbook == format!("{PAGE}#{}", name.to_lowercase()),
            "does not name its row as its runbook",
        );
        rule(
            page.contains(&row(name)),
            &format!("has no row in {PAGE}: {}..", row(name)),
        );
        rule(
            cases.contains(&format!("ALERTS{{alertname=\"{name}\", alertstate=\"firing\"")),
            &format!("fires in no case of {CASES}"),
        );
    }
    let known: BTreeSet<String> = alerts.iter().map(|alert| row(&alert.name)).collect();
    let rows = page.lines().filter(|line| line.starts_with(ROW));
    faults.extend(
        rows.filter(|line| !known.iter().any(|row| line.starts_with(row)))
            .map(|line| format!("{PAGE} has a row of an alert that is not there: {line}")),
    );
    Ok(faults)
}

/// How the row of an alert begins.
fn row(alert: &str) -> String {
    format!("{ROW}{}\"></a>{alert} |", alert.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: &str = r#"
        groups:
          - rules:
              - alert: Down
                expr: up == 0
                for: 1m
                labels: { severity: critical }
                annotations: { summary: s, description: d, runbook: "docs/operations.md#down" }
    "#;
    const CASES: &str = r#"labels: 'ALERTS{alertname="Down", alertstate="firing"}'"#;
    const PAGE: &str = "| alert | what |\n| <a id=\"down\"></a>Down | it is down |\n";

    #[test]
    fn each_rule_can_be_broken() {
        assert_eq!(faults_of(RULES, CASES, PAGE).expect("rules"), [""; 0]);
        for (change, to, fault) in [
            ("for: 1m", "keep_firing_for: 1m", "fires at once"),
            ("critical", "bad", "has no severity"),
            ("summary: s, ", "", "has no summary"),
            ("description: d, ", "", "has no description"),
            ("#down", "#up", "does not name its row"),
        ] {
            let faults = faults_of(&RULES.replace(change, to), CASES, PAGE).expect("rules");
            assert!(faults.len() == 1 && faults[0].contains(fault), "{faults:?}");
        }
    }

    #[test]
    fn rows_and_alerts_are_the_same() {
        let faults = faults_of(RULES, CASES, "").expect("rules");
        assert!(faults[0].contains("has no row"), "{faults:?}");
        let page = format!("{PAGE}| <a id=\"up\"></a>Up | it is up |\n");
        let faults = faults_of(RULES, CASES, &page).expect("rules");
        assert!(faults[0].contains("not there"), "{faults:?}");
        let faults = faults_of(RULES, "", PAGE).expect("rules");
        assert!(faults[0].contains("fires in no case"), "{faults:?}");
    }
}

//! The dashboard: Grafana's JSON, which nobody can review, made of a description that people can.
//!
//! What every panel has alike is here: where it stands, its data source, how its legend looks. What differs is in the description.

use std::path::Path;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

/// The description, below the repository.
const DESCRIPTION: &str = "monitoring/grafana/mcp-hub.yaml";
/// What is made of it.
const DASHBOARD: &str = "monitoring/grafana/dashboards/mcp-hub.json";

/// The columns of Grafana's grid.
const COLUMNS: u32 = 24;
/// How high a panel is, in its rows.
const HEIGHT: u32 = 8;
/// The version of Grafana's schema that this writes. Grafana migrates older ones when it reads them.
const SCHEMA: u32 = 42;

/// A dashboard, as people describe it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dashboard {
    title: String,
    uid: String,
    description: String,
    variables: Vec<Variable>,
    annotations: Vec<Annotation>,
    rows: Vec<Row>,
}

/// What can be chosen at the top of the page: one, several or all of what a query finds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    label: String,
    query: String,
}

/// A mark in all graphs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Annotation {
    name: String,
    expr: String,
    text: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    title: String,
    panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    description: String,
    #[serde(default)]
    kind: Kind,
    /// In columns.
    width: u32,
    /// Grafana's name of it.
    unit: String,
    #[serde(default)]
    stack: bool,
    /// From which value on which colour is shown, the lowest first.
    #[serde(default)]
    colors: serde_json::Map<String, Value>,
    queries: Vec<Query>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Graph,
    Stat,
    Table,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    expr: String,
    #[serde(default)]
    legend: String,
    /// Whether the traces of single calls are shown among the values.
    #[serde(default)]
    exemplars: bool,
}

/// `cargo xtask dashboards`: writes the dashboard.
pub(crate) fn write(root: &Path) -> anyhow::Result<()> {
    std::fs::write(root.join(DASHBOARD), generate(root)?).context(DASHBOARD)?;
    println!("wrote {DASHBOARD}");
    Ok(())
}

/// What is wrong with the dashboard, one sentence each.
pub(super) fn faults(root: &Path) -> anyhow::Result<Vec<String>> {
    let written = std::fs::read_to_string(root.join(DASHBOARD)).unwrap_or_default();
    let fresh = written == generate(root)?;
    let stale = || format!("{DASHBOARD} is stale: run `cargo xtask dashboards` and commit the result");
    Ok((!fresh).then(stale).into_iter().collect())
}

fn generate(root: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(root.join(DESCRIPTION)).context(DESCRIPTION)?;
    let dashboard: Dashboard = serde_saphyr::from_str(&text).context(DESCRIPTION)?;
    let json = dashboard.json().context(DESCRIPTION)?;
    Ok(serde_json::to_string_pretty(&json)? + "\n")
}

/// The data source that is chosen at the top of the page: no dashboard knows the id of one.
fn source() -> Value {
    json!({ "type": "prometheus", "uid": "${datasource}" })
}

impl Dashboard {
    fn json(&self) -> anyhow::Result<Value> {
        let source_variable = json!({
            "name": "datasource",
            "label": "Data source",
            "type": "datasource",
            "query": "prometheus",
            "refresh": 1,
        });
        let variables = self.variables.iter().map(Variable::json);
        let variables: Vec<Value> = std::iter::once(source_variable).chain(variables).collect();
        Ok(json!({
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": ["mcp-hub"],
            "schemaVersion": SCHEMA,
            "editable": false,
            "graphTooltip": 1,
            "refresh": "30s",
            "time": { "from": "now-1h", "to": "now" },
            "timezone": "browser",
            "templating": { "list": variables },
            "annotations": { "list": self.annotations.iter().map(Annotation::json).collect::<Vec<_>>() },
            "panels": self.panels()?,
        }))
    }

    /// The panels of all rows, each in its place.
    fn panels(&self) -> anyhow::Result<Vec<Value>> {
        let mut panels = Vec::new();
        let mut top = 0;
        for row in &self.rows {
            panels.push(json!({
                "id": panels.len() + 1,
                "type": "row",
                "title": row.title,
                "collapsed": false,
                "gridPos": { "x": 0, "y": top, "w": COLUMNS, "h": 1 },
                "panels": [],
            }));
            top += 1;
            let mut left = 0;
            for panel in &row.panels {
                ensure!(
                    (1..=COLUMNS).contains(&panel.width),
                    "{}: {} columns",
                    panel.title,
                    panel.width
                );
                if left + panel.width > COLUMNS {
                    left = 0;
                    top += HEIGHT;
                }
                let mut json = panel.json().with_context(|| panel.title.clone())?;
                json["id"] = json!(panels.len() + 1);
                json["gridPos"] = json!({ "x": left, "y": top, "w": panel.width, "h": HEIGHT });
                panels.push(json);
                left += panel.width;
            }
            top += HEIGHT;
        }
        Ok(panels)
    }
}

impl Variable {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "label": self.label,
            "type": "query",
            "datasource": source(),
            "query": { "query": self.query, "refId": self.name },
            // Whenever the time changes: what is there then.
            "refresh": 2,
            "sort": 1,
            "multi": true,
            "includeAll": true,
            "allValue": ".*",
            "current": { "text": ["All"], "value": ["$__all"] },
        })
    }
}

impl Annotation {
    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "datasource": source(),
            "enable": true,
            "iconColor": "orange",
            "target": { "refId": "Anno", "expr": self.expr, "interval": "1m" },
            "titleFormat": self.text,
        })
    }
}

impl Panel {
    fn json(&self) -> anyhow::Result<Value> {
        for text in [&self.title, &self.description, &self.unit] {
            ensure!(!text.trim().is_empty(), "title, description or unit is missing");
        }
        ensure!(!self.queries.is_empty(), "no query");
        let targets = self.queries.iter().zip('A'..='Z');
        let targets: Vec<Value> = targets.map(|(query, id)| query.json(self.kind, id)).collect();
        let (kind, options, custom) = self.look();
        let mut defaults = json!({ "unit": self.unit, "min": 0, "noValue": "-", "custom": custom });
        if !self.colors.is_empty() {
            let steps = self.colors.iter().enumerate().map(|(at, (color, from))| {
                // The first has no lower bound.
                json!({ "color": color, "value": if at == 0 { &Value::Null } else { from } })
            });
            let steps: Vec<Value> = steps.collect();
            defaults["color"] = json!({ "mode": "thresholds" });
            defaults["thresholds"] = json!({ "mode": "absolute", "steps": steps });
        }
        Ok(json!({
            "id": Value::Null,
            "type": kind,
            "title": self.title,
            "description": self.description,
            "gridPos": Value::Null,
            "datasource": source(),
            "targets": targets,
            "fieldConfig": { "defaults": defaults, "overrides": [] },
            "options": options,
        }))
    }

    /// Grafana's name of the kind, its options, and how its fields are drawn.
    fn look(&self) -> (&'static str, Value, Value) {
        match self.kind {
            Kind::Graph => (
                "timeseries",
                json!({
                    "legend": { "showLegend": true, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"] },
                    "tooltip": { "mode": "multi", "sort": "desc" },
                }),
                json!({
                    "drawStyle": "line",
                    "lineWidth": 1,
                    "fillOpacity": if self.stack { 20 } else { 0 },
                    "showPoints": "never",
                    "stacking": { "mode": if self.stack { "normal" } else { "none" }, "group": "A" },
                }),
            ),
            Kind::Stat => (
                "stat",
                json!({
                    "reduceOptions": { "calcs": ["lastNotNull"], "fields": "", "values": false },
                    "textMode": "auto",
                    "colorMode": "value",
                    "graphMode": "none",
                }),
                json!({}),
            ),
            Kind::Table => (
                "table",
                json!({ "showHeader": true, "cellHeight": "sm" }),
                json!({}),
            ),
        }
    }
}

impl Query {
    fn json(&self, kind: Kind, id: char) -> Value {
        let now = !matches!(kind, Kind::Graph);
        json!({
            "refId": id,
            "datasource": source(),
            "editorMode": "code",
            "expr": self.expr,
            "legendFormat": self.legend,
            "format": if matches!(kind, Kind::Table) { "table" } else { "time_series" },
            "instant": now,
            "range": !now,
            "exemplar": self.exemplars,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn described(panels: &str) -> anyhow::Result<Value> {
        let text = format!(
            "{{ title: t, uid: u, description: d, variables: [], annotations: [], rows: [{{ title: r, panels: [{panels}] }}] }}"
        );
        serde_saphyr::from_str::<Dashboard>(&text)?.json()
    }

    #[test]
    fn panels_stand_side_by_side_until_the_row_is_full() {
        let panel = |width: u32| {
            format!("{{ title: p, description: d, unit: s, width: {width}, queries: [{{ expr: up }}] }}")
        };
        let json = described(&[panel(16), panel(8), panel(12), panel(24)].join(",")).expect("a dashboard");
        let places: Vec<(u64, u64)> = json["panels"]
            .as_array()
            .expect("panels")
            .iter()
            .map(|panel| {
                let place = |name: &str| panel["gridPos"][name].as_u64().expect("a place");
                (place("x"), place("y"))
            })
            .collect();
        assert_eq!(places, [(0, 0), (0, 1), (16, 1), (0, 9), (0, 17)]);
    }

    #[test]
    fn what_a_panel_lacks_is_said() {
        for panel in [
            "{ title: p, description: d, unit: s, width: 25, queries: [{ expr: up }] }",
            "{ title: p, description: d, unit: s, width: 0, queries: [{ expr: up }] }",
            "{ title: p, description: d, unit: s, width: 8, queries: [] }",
            "{ title: p, description: d, unit: '', width: 8, queries: [{ expr: up }] }",
            "{ title: p, description: '', unit: s, width: 8, queries: [{ expr: up }] }",
            "{ title: p, description: d, unit: s, width: 8, queries: [{ expr: up }], hight: 3 }",
        ] {
            described(panel).expect_err(panel);
        }
    }
}

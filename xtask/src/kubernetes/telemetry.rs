//! Where telemetry is, every process of the hub tells it of itself, and the images of others are those that Compose runs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::object::{Objects, Workload, list, text};

/// What there is where telemetry is.
const JAEGER: &str = "jaeger";

/// What each process of the hub is told by.
const VARIABLES: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "MCP_HUB_METRICS_LISTEN",
];

/// What is wrong, one sentence each. `images` are those that Compose runs.
pub(super) fn faults(objects: &Objects, images: &BTreeSet<String>) -> Vec<String> {
    let mut faults = Vec::new();
    let has_telemetry = objects.workloads().any(|workload| workload.name() == JAEGER);
    for workload in objects.workloads() {
        let sentences = if !workload.is_hub() {
            alien(workload, images)
        } else if has_telemetry && workload.is_for_good() {
            workload.containers().flat_map(told).collect()
        } else {
            workload.containers().flat_map(order).collect()
        };
        faults.extend(
            sentences
                .into_iter()
                .map(|sentence| format!("{workload} {sentence}")),
        );
    }
    faults
}

/// Images of others that are not those of Compose: two versions of a database would be two sets of faults.
fn alien(workload: Workload<'_>, known: &BTreeSet<String>) -> Vec<String> {
    let images = workload.containers().map(|container| text(&container["image"]));
    // Of this repository, under another name.
    let images = images.filter(|image| !image.starts_with("mcp-hub"));
    let other = images.filter(|image| !known.contains(*image));
    other
        .map(|image| format!("has an image that Compose has not: {image}"))
        .collect()
}

/// What a process of the hub is not told.
fn told(container: &Value) -> Vec<String> {
    let names: Vec<&str> = list(&container["env"])
        .map(|variable| text(&variable["name"]))
        .collect();
    let missing = VARIABLES.iter().filter(|name| !names.contains(name));
    missing
        .map(|name| format!("is not told {name}"))
        .chain(order(container))
        .collect()
}

/// References to variables that stand behind them, which stay as they are written.
fn order(container: &Value) -> Vec<String> {
    let names: Vec<&str> = list(&container["env"])
        .map(|variable| text(&variable["name"]))
        .collect();
    let variables = list(&container["env"]).enumerate();
    let early = variables.flat_map(|(at, variable)| {
        let references = text(&variable["value"]).split("$(").skip(1);
        let references = references.filter_map(|rest| rest.split(')').next());
        let names = &names[..at];
        references
            .filter(move |name| !names.contains(name))
            .collect::<Vec<_>>()
    });
    early
        .map(|name| format!("is told of $({name}) before it is there"))
        .collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::fixture;

    fn images() -> BTreeSet<String> {
        ["postgres:18.6", "prom/prometheus:v3.16.0", "jaeger:1"]
            .map(str::to_owned)
            .into()
    }

    #[test]
    fn images_of_others_are_those_of_compose() {
        assert_eq!(faults(&fixture::hub(), &images()), [""; 0]);
        let found = faults(&fixture::hub(), &["prom/prometheus:v3.16.0".to_owned()].into());
        assert_eq!(
            found,
            ["Deployment postgres has an image that Compose has not: postgres:18.6"]
        );
    }

    #[test]
    fn every_process_is_told_everything_and_in_order() {
        let mut hub = fixture::hub();
        let jaeger = json!({"containers": [{"name": "jaeger", "image": "jaeger:1"}]});
        hub.add(json!({"kind": "Deployment", "metadata": {"name": JAEGER}, "spec": {"template": {"spec": jaeger}}}));
        assert_eq!(
            faults(&hub, &images()).len(),
            9,
            "three processes are told nothing"
        );
        let [endpoint, attributes, metrics] = VARIABLES;
        let variable = |name: &str, value: &str| json!({"name": name, "value": value});
        let all = json!([
            variable("POD", "x"),
            variable(attributes, "pod=$(POD)"),
            variable(endpoint, ""),
            variable(metrics, "")
        ]);
        for name in ["mcp-hub", "mcp-hub-postgres", "mcp-hub-orders"] {
            fixture::set(
                &mut hub,
                "Deployment",
                name,
                "/spec/template/spec/containers/0/env",
                all.clone(),
            );
        }
        assert_eq!(faults(&hub, &images()), [""; 0]);
        fixture::set(
            &mut hub,
            "Deployment",
            "mcp-hub",
            "/spec/template/spec/containers/0/env/0",
            Value::Null,
        );
        assert_eq!(
            faults(&hub, &images()),
            ["Deployment mcp-hub is told of $(POD) before it is there"]
        );
        fixture::set(
            &mut hub,
            "Deployment",
            "mcp-hub",
            "/spec/template/spec/containers/0/env/2",
            Value::Null,
        );
        assert_eq!(faults(&hub, &images()).len(), 2);
    }
}

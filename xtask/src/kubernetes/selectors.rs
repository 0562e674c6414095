//! Selectors match what they should and nothing else, decided against the Pods of everything in the overlay.
//!
//! The fault that this is for: a label that a transformer puts onto everything, so that the door for clients leads to adapters as well.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::object::{COMPONENT, Objects, PART_OF, Workload, list, text, title};
use super::selector;

/// The Services in front of the facade.
const FACADE: [&str; 2] = ["mcp-hub-service", "mcp-hub-peers"];
/// The facade's workload.
const MCP_HUB: &str = "mcp-hub";
/// The end of the names of Services that are for reading metrics.
const METRICS: &str = "-metrics";
/// The label by which a slice says whose it is.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// What is wrong, one sentence each.
pub(super) fn faults(objects: &Objects) -> Vec<String> {
    let mut faults: Vec<String> = objects
        .of("Service")
        .flat_map(|object| service(objects, object))
        .collect();
    faults.extend(
        objects
            .workloads()
            .flat_map(|workload| of_workload(objects, workload)),
    );
    for budget in objects.of("PodDisruptionBudget") {
        faults.extend(only(
            objects,
            budget,
            "selects",
            &budget["spec"]["selector"],
            text(&budget["metadata"]["name"]),
        ));
    }
    for policy in objects.of("NetworkPolicy") {
        let (name, pods) = (text(&policy["metadata"]["name"]), &policy["spec"]["podSelector"]);
        if objects.workloads().any(|workload| workload.name() == name) {
            faults.extend(only(objects, policy, "is for", pods, name));
        } else if names(objects, |labels| selector::matches(pods, labels)).is_empty() {
            faults.push(format!("{} is for no Pod", title(policy)));
        }
    }
    for scaler in objects.of("HorizontalPodAutoscaler") {
        let target = &scaler["spec"]["scaleTargetRef"];
        let (kind, name) = (text(&target["kind"]), text(&target["name"]));
        if objects
            .find(kind, name)
            .is_none_or(|object| object["apiVersion"] != target["apiVersion"])
        {
            faults.push(format!(
                "{} scales {kind} {name}, which is not there",
                title(scaler)
            ));
        }
    }
    faults
}

/// The workloads whose Pods are taken.
fn names(objects: &Objects, takes: impl Fn(&BTreeMap<&str, &str>) -> bool) -> Vec<&str> {
    let workloads = objects.workloads().filter(|workload| takes(&workload.labels()));
    workloads.map(Workload::name).collect()
}

/// A fault unless a selector matches the Pods of one workload and no others.
fn only(objects: &Objects, object: &Value, does: &str, pods: &Value, expected: &str) -> Option<String> {
    let matched = names(objects, |labels| {
        pods.is_object() && selector::matches(pods, labels)
    });
    (matched != [expected]).then(|| {
        format!(
            "{} {does} {matched:?}, not {expected}'s Pods alone",
            title(object)
        )
    })
}

fn service(objects: &Objects, service: &Value) -> Vec<String> {
    let (name, pods) = (text(&service["metadata"]["name"]), &service["spec"]["selector"]);
    let what = title(service);
    if pods.is_null() {
        return without_selector(objects, service);
    }
    let matched = names(objects, |labels| selector::is_within(pods, labels));
    let mut faults = Vec::new();
    if name.ends_with(METRICS) {
        // Those of parts that are not there match nothing.
        let kind = text(&pods[COMPONENT]);
        let alien = objects
            .workloads()
            .filter(|workload| matched.contains(&workload.name()));
        let mut alien = alien.filter(|workload| !workload.is_hub() || workload.label(COMPONENT) != kind);
        if kind.is_empty() || text(&pods[PART_OF]).is_empty() || alien.next().is_some() {
            faults.push(format!("{what} selects {matched:?}, not one part of the hub"));
        }
    } else {
        let expected = if FACADE.contains(&name) { MCP_HUB } else { name };
        if matched != [expected] {
            faults.push(format!("{what} selects {matched:?}, not {expected}'s Pods alone"));
        }
        if FACADE.contains(&name) && *pods != json!({ "app": MCP_HUB }) {
            faults.push(format!("{what} selects by {pods}, not by app: {MCP_HUB}"));
        }
    }
    for workload in objects
        .workloads()
        .filter(|workload| matched.contains(&workload.name()))
    {
        for port in list(&service["spec"]["ports"]) {
            let target = if port["targetPort"].is_null() {
                &port["port"]
            } else {
                &port["targetPort"]
            };
            let ports = workload
                .containers()
                .flat_map(|container| list(&container["ports"]));
            let mut ports = ports.filter_map(|port| port["containerPort"].as_u64());
            let number = workload.port(target).map(u64::from);
            if !ports.any(|known| Some(known) == number) {
                faults.push(format!("{what} leads to {target}, which {workload} has not"));
            }
        }
    }
    faults
}

/// A Service for what is no Pod: somebody must say where it is.
fn without_selector(objects: &Objects, service: &Value) -> Vec<String> {
    let what = title(service);
    let name = &service["metadata"]["name"];
    let mut slices = objects
        .of("EndpointSlice")
        .filter(|slice| slice["metadata"]["labels"][SERVICE_NAME] == *name)
        .peekable();
    if slices.peek().is_none() {
        return vec![format!("{what} selects nothing, and no EndpointSlice is its own")];
    }
    // A slice's port belongs to the Service's port of the same name.
    let named = |ports: &Value| -> Vec<(String, u64)> {
        let ports =
            list(ports).map(|port| (text(&port["name"]).to_owned(), port["port"].as_u64().unwrap_or(0)));
        let mut ports: Vec<_> = ports.collect();
        ports.sort();
        ports
    };
    let own = named(&service["spec"]["ports"]);
    let others = slices.filter(|slice| named(&slice["ports"]) != own);
    others
        .map(|slice| format!("{} has other ports than {what}", title(slice)))
        .collect()
}

fn of_workload(objects: &Objects, workload: Workload<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    if workload.is_for_good() {
        let pods = &workload.object["spec"]["selector"];
        faults.extend(only(objects, workload.object, "owns", pods, workload.name()));
        // It can't be changed later, so nothing stands in it that may change.
        if workload.is_hub() && *pods != json!({ "matchLabels": { "app": workload.name() } }) {
            faults.push(format!(
                "{workload} owns its Pods by {pods}, not by app: {} alone",
                workload.name()
            ));
        }
    }
    for constraint in list(&workload.pod()["topologySpreadConstraints"]) {
        let pods = &constraint["labelSelector"];
        faults.extend(only(
            objects,
            workload.object,
            "is spread among",
            pods,
            workload.name(),
        ));
    }
    let budgets = objects
        .of("PodDisruptionBudget")
        .filter(|budget| selector::matches(&budget["spec"]["selector"], &workload.labels()));
    // The API refuses to evict a Pod of two budgets.
    let budgets = budgets.count();
    if budgets > 1 {
        faults.push(format!("{workload} has {budgets} PodDisruptionBudgets"));
    }
    let is_isolated = |direction: &str| {
        objects.of("NetworkPolicy").any(|policy| {
            list(&policy["spec"]["policyTypes"]).any(|kind| kind == direction)
                && selector::matches(&policy["spec"]["podSelector"], &workload.labels())
        })
    };
    for direction in ["Ingress", "Egress"] {
        if !is_isolated(direction) {
            faults.push(format!("{workload} has no NetworkPolicy for {direction}"));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::fixture;

    fn after(kind: &str, name: &str, path: &str, value: Value) -> Vec<String> {
        faults(&fixture::with(kind, name, path, value))
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "one case for each rule")]
    fn each_selector_can_be_wrong() {
        assert_eq!(faults(&fixture::hub()), [""; 0]);
        for (kind, name, path, value, expected) in [
            // What a common label does: the adapters are behind the door as well.
            (
                "Deployment",
                "mcp-hub-orders",
                "/spec/template/metadata/labels/app",
                json!("mcp-hub"),
                "Service mcp-hub-service selects [\"mcp-hub\", \"mcp-hub-orders\"], not mcp-hub's Pods alone",
            ),
            (
                "Service",
                "mcp-hub-service",
                "/spec/selector/zone",
                json!("x"),
                "Service mcp-hub-service selects [], not mcp-hub's Pods alone",
            ),
            (
                "Service",
                "mcp-hub-service",
                "/spec/selector",
                json!({"app.kubernetes.io/component": "facade"}),
                "Service mcp-hub-service selects by {\"app.kubernetes.io/component\":\"facade\"}, not by app: mcp-hub",
            ),
            (
                "Service",
                "mcp-hub-orders",
                "/spec/selector/app",
                json!("mcp-hub-postgres"),
                "Service mcp-hub-orders selects [\"mcp-hub-postgres\"], not mcp-hub-orders's Pods alone",
            ),
            (
                "Service",
                "mcp-hub-orders",
                "/spec/ports/0/targetPort",
                json!("rpc"),
                "Service mcp-hub-orders leads to \"rpc\", which Deployment mcp-hub-orders has not",
            ),
            (
                "Service",
                "mcp-hub-orders",
                "/spec/ports/0/targetPort",
                json!(50052),
                "Service mcp-hub-orders leads to 50052, which Deployment mcp-hub-orders has not",
            ),
            (
                "Service",
                "mcp-hub-postgres-metrics",
                "/spec/selector/app.kubernetes.io~1component",
                Value::Null,
                "Service mcp-hub-postgres-metrics selects [\"mcp-hub\", \"mcp-hub-postgres\", \"mcp-hub-orders\"], not one part of the hub",
            ),
            (
                "Service",
                "postgres",
                "/spec/selector",
                Value::Null,
                "Service postgres selects nothing, and no EndpointSlice is its own",
            ),
            (
                "Deployment",
                "mcp-hub-orders",
                "/spec/selector/matchLabels",
                json!({"app.kubernetes.io/component": "postgres"}),
                "Deployment mcp-hub-orders owns [\"mcp-hub-postgres\", \"mcp-hub-orders\"], not mcp-hub-orders's Pods alone",
            ),
            (
                "Deployment",
                "mcp-hub",
                "/spec/selector/matchLabels/app.kubernetes.io~1part-of",
                json!("mcp-hub"),
                "Deployment mcp-hub owns its Pods by {\"matchLabels\":{\"app\":\"mcp-hub\",\"app.kubernetes.io/part-of\":\"mcp-hub\"}}, not by app: mcp-hub alone",
            ),
            (
                "Deployment",
                "mcp-hub",
                "/spec/template/spec/topologySpreadConstraints/0/labelSelector",
                json!({}),
                "Deployment mcp-hub is spread among [\"mcp-hub\", \"mcp-hub-postgres\", \"mcp-hub-orders\", \"postgres\", \"prometheus\"], not mcp-hub's Pods alone",
            ),
            (
                "PodDisruptionBudget",
                "mcp-hub-orders",
                "/spec/selector/matchLabels/app",
                json!("mcp-hub-postgres"),
                "Deployment mcp-hub-postgres has 2 PodDisruptionBudgets",
            ),
            (
                "HorizontalPodAutoscaler",
                "mcp-hub",
                "/spec/scaleTargetRef/name",
                json!("facade"),
                "HorizontalPodAutoscaler mcp-hub scales Deployment facade, which is not there",
            ),
            (
                "NetworkPolicy",
                "mcp-hub-orders",
                "/spec/podSelector",
                json!({}),
                "NetworkPolicy mcp-hub-orders is for [\"mcp-hub\", \"mcp-hub-postgres\", \"mcp-hub-orders\", \"postgres\", \"prometheus\"], not mcp-hub-orders's Pods alone",
            ),
            (
                "NetworkPolicy",
                "mcp-hub-metrics",
                "/spec/podSelector/matchLabels/zone",
                json!("x"),
                "NetworkPolicy mcp-hub-metrics is for no Pod",
            ),
            (
                "NetworkPolicy",
                "postgres",
                "/spec/policyTypes",
                json!(["Ingress"]),
                "Deployment postgres has no NetworkPolicy for Egress",
            ),
        ] {
            let found = after(kind, name, path, value);
            assert!(
                found.iter().any(|fault| fault == expected),
                "{kind} {name} {path}: no {expected:?} in {found:#?}"
            );
        }
    }

    #[test]
    fn a_service_without_selector_has_slices_with_its_ports() {
        let mut hub = fixture::hub();
        fixture::set(&mut hub, "Service", "postgres", "/spec/selector", Value::Null);
        hub.add(json!({
            "kind": "EndpointSlice",
            "metadata": {"name": "postgres-host", "labels": {SERVICE_NAME: "postgres"}},
            "ports": [{"name": "postgres", "port": 5432}],
        }));
        assert_eq!(faults(&hub), [""; 0]);
        fixture::set(
            &mut hub,
            "EndpointSlice",
            "postgres-host",
            "/ports/0/name",
            json!("db"),
        );
        assert_eq!(
            faults(&hub),
            ["EndpointSlice postgres-host has other ports than Service postgres"]
        );
    }
}

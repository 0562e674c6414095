//! How many Pods there are, and that work goes on while they come and go.

use serde_json::Value;

use super::environment::{Environment, Secrets};
use super::object::{COMPONENT, FACADE, Objects, Workload, list, text};
use super::selector;

/// How long the last spans may take after the grace, in seconds.
const FLUSH: f64 = 2.0;
/// The facade runs on as many nodes at least.
const REPLICAS: u64 = 2;

/// What is wrong, one sentence each.
pub(super) fn faults(objects: &Objects) -> Vec<String> {
    let of = |process: Workload<'_>| {
        let mut faults = numbers(objects, process);
        faults.extend(ending(objects, process));
        faults.extend(probes(process));
        if process.label(COMPONENT) == FACADE {
            faults.extend(spread(process));
        }
        faults
            .into_iter()
            .map(|fault| format!("{process} {fault}"))
            .collect::<Vec<_>>()
    };
    objects.processes().flat_map(of).collect()
}

fn numbers(objects: &Objects, process: Workload<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fewest = process.object["spec"]["replicas"].as_u64().unwrap_or(1);
    let scaler = objects
        .of("HorizontalPodAutoscaler")
        .find(|scaler| scaler["spec"]["scaleTargetRef"]["name"] == process.name());
    if let Some(scaler) = scaler {
        let bound = |name: &str| scaler["spec"][name].as_u64().unwrap_or(1);
        let (least, most) = (bound("minReplicas"), bound("maxReplicas"));
        if least > most {
            faults.push(format!("is scaled from {least} to {most}"));
        }
        // Each `kubectl apply` writes the number again.
        if fewest != least {
            faults.push(format!("has {fewest} replicas and is scaled from {least}"));
        }
        fewest = fewest.min(least);
    }
    let is_facade = process.label(COMPONENT) == FACADE;
    if is_facade && fewest < REPLICAS {
        faults.push(format!("may have {fewest} replicas"));
    }
    let budget = objects
        .of("PodDisruptionBudget")
        .find(|budget| selector::matches(&budget["spec"]["selector"], &process.labels()));
    match budget.map(|budget| &budget["spec"]) {
        None => faults.push("has no PodDisruptionBudget".to_owned()),
        Some(spec) => {
            let number = |name: &str| spec[name].as_u64();
            let is_stuck = number("minAvailable").is_some_and(|least| least >= fewest)
                || number("maxUnavailable") == Some(0);
            if is_stuck {
                faults.push(format!(
                    "has {fewest} replicas and a PodDisruptionBudget that lets none go"
                ));
            }
            if number("minAvailable").is_none() && number("maxUnavailable").is_none() {
                faults.push("has a PodDisruptionBudget without a number".to_owned());
            }
        }
    }
    let strategy = &process.object["spec"]["strategy"];
    if strategy["type"] != "Recreate" && strategy["rollingUpdate"]["maxUnavailable"] != 0 {
        faults.push("is rolled with fewer Pods than it has".to_owned());
    }
    faults
}

/// Whether calls under way can finish.
fn ending(objects: &Objects, process: Workload<'_>) -> Option<String> {
    let container = process.process()?;
    let environment = Environment::of(objects, container, Secrets::Bare).ok()?;
    let Some(grace) = environment
        .get("MCP_HUB_SHUTDOWN_GRACE")
        .and_then(|grace| grace.parse::<f64>().ok())
    else {
        return Some("does not say how long calls may take to finish (MCP_HUB_SHUTDOWN_GRACE)".to_owned());
    };
    let pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        .as_f64()
        .unwrap_or(0.0);
    let given = process.pod()["terminationGracePeriodSeconds"]
        .as_f64()
        .unwrap_or(30.0);
    let taken = pause + grace + FLUSH;
    (given <= taken).then(|| format!("is killed after {given} s and may take {taken} s"))
}

/// Liveness must not hang on anything that a restart can't mend.
fn probes(process: Workload<'_>) -> Option<String> {
    let container = process.process()?;
    let live = &container["livenessProbe"];
    let depends = live["httpGet"]["path"] == "/readyz"
        || live["grpc"]["service"]
            .as_str()
            .is_some_and(|service| !service.is_empty());
    depends.then(|| "is started again when its database or a file is not there".to_owned())
}

fn spread(process: Workload<'_>) -> Option<String> {
    let constraints = list(&process.pod()["topologySpreadConstraints"]);
    let mut hard = constraints.filter(|constraint: &&Value| {
        text(&constraint["topologyKey"]) == "kubernetes.io/hostname"
            && constraint["maxSkew"] == 1
            && constraint["whenUnsatisfiable"] == "DoNotSchedule"
    });
    hard.next()
        .is_none()
        .then(|| "may have all replicas on one node of several".to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::fixture;

    #[test]
    #[expect(clippy::too_many_lines, reason = "one case for each rule")]
    fn each_rule_can_be_broken() {
        assert_eq!(faults(&fixture::hub()), [""; 0]);
        let pod = "/spec/template/spec";
        for (kind, name, path, value, expected) in [
            (
                "HorizontalPodAutoscaler",
                "mcp-hub",
                "/spec/maxReplicas".to_owned(),
                json!(1),
                "Deployment mcp-hub is scaled from 2 to 1",
            ),
            (
                "Deployment",
                "mcp-hub",
                "/spec/replicas".to_owned(),
                json!(3),
                "Deployment mcp-hub has 3 replicas and is scaled from 2",
            ),
            (
                "PodDisruptionBudget",
                "mcp-hub-orders",
                "/spec/minAvailable".to_owned(),
                json!(2),
                "Deployment mcp-hub-orders has 2 replicas and a PodDisruptionBudget that lets none go",
            ),
            (
                "PodDisruptionBudget",
                "mcp-hub",
                "/spec/maxUnavailable".to_owned(),
                json!(0),
                "Deployment mcp-hub has 2 replicas and a PodDisruptionBudget that lets none go",
            ),
            (
                "PodDisruptionBudget",
                "mcp-hub",
                "/spec/maxUnavailable".to_owned(),
                Value::Null,
                "Deployment mcp-hub has a PodDisruptionBudget without a number",
            ),
            (
                "PodDisruptionBudget",
                "mcp-hub",
                "/spec/selector/matchLabels/app".to_owned(),
                json!("x"),
                "Deployment mcp-hub has no PodDisruptionBudget",
            ),
            (
                "Deployment",
                "mcp-hub-orders",
                "/spec/strategy".to_owned(),
                Value::Null,
                "Deployment mcp-hub-orders is rolled with fewer Pods than it has",
            ),
            (
                "ConfigMap",
                "mcp-hub-postgres",
                "/data/MCP_HUB_SHUTDOWN_GRACE".to_owned(),
                json!("33"),
                "Deployment mcp-hub-postgres is killed after 35 s and may take 35 s",
            ),
            (
                "ConfigMap",
                "mcp-hub-postgres",
                "/data/MCP_HUB_SHUTDOWN_GRACE".to_owned(),
                Value::Null,
                "Deployment mcp-hub-postgres does not say how long calls may take to finish (MCP_HUB_SHUTDOWN_GRACE)",
            ),
            (
                "Deployment",
                "mcp-hub",
                format!("{pod}/containers/0/lifecycle/preStop/sleep/seconds"),
                json!(15),
                "Deployment mcp-hub is killed after 40 s and may take 42 s",
            ),
            (
                "Deployment",
                "mcp-hub",
                format!("{pod}/containers/0/livenessProbe/httpGet/path"),
                json!("/readyz"),
                "Deployment mcp-hub is started again when its database or a file is not there",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/containers/0/livenessProbe/grpc/service"),
                json!("x"),
                "Deployment mcp-hub-postgres is started again when its database or a file is not there",
            ),
            (
                "Deployment",
                "mcp-hub",
                format!("{pod}/topologySpreadConstraints/0/whenUnsatisfiable"),
                json!("ScheduleAnyway"),
                "Deployment mcp-hub may have all replicas on one node of several",
            ),
        ] {
            let mut hub = fixture::hub();
            fixture::set(&mut hub, kind, name, &path, value);
            assert_eq!(faults(&hub), [expected], "{path}");
        }
        let mut hub = fixture::hub();
        hub.remove("HorizontalPodAutoscaler", "mcp-hub");
        fixture::set(&mut hub, "Deployment", "mcp-hub", "/spec/replicas", json!(1));
        let found = faults(&hub);
        assert_eq!(found, ["Deployment mcp-hub may have 1 replicas"]);
    }
}

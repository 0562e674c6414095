//! Ports in manifests are those that the programs listen on: each program is asked, with the very environment and arguments that its container
//! gives it, by its command `listens`.
//!
//! [`programs`] asks, and compares what is no manifest: images, Compose, the page.

use anyhow::ensure;
use serde_json::Value;

use super::environment::{Environment, Secrets};
use super::object::{Objects, Workload, list, text, title};
use super::selector;

mod programs;

use programs::{Listener, closed};
pub(super) use programs::{PAGE, Programs};

/// What is wrong with the ports of a rendering, one sentence each.
pub(super) fn faults(objects: &Objects, programs: &Programs) -> Vec<String> {
    let mut faults = Vec::new();
    for workload in objects.workloads().filter(|workload| workload.is_hub()) {
        for container in workload.containers() {
            let of = of_container(objects, workload, container, programs);
            let of = of.unwrap_or_else(|error| vec![format!("{error:#}")]);
            faults.extend(of.into_iter().map(|fault| format!("{workload} {fault}")));
        }
    }
    faults
}

fn of_container(
    objects: &Objects,
    workload: Workload<'_>,
    container: &Value,
    programs: &Programs,
) -> anyhow::Result<Vec<String>> {
    let program = programs.of_image(text(&container["image"]))?;
    ensure!(
        container["command"].is_null(),
        "replaces the program of its image"
    );
    if !workload.is_for_good() {
        return Ok(vec![]);
    }
    let arguments: Vec<String> = list(&container["args"])
        .map(|word| text(word).to_owned())
        .collect();
    let ask = |secrets| {
        let environment = Environment::of(objects, container, secrets)?;
        let variables = environment
            .iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        programs.ask(program, variables.collect(), arguments.clone())
    };
    let listeners = ask(Secrets::Full)?;
    ensure!(
        ask(Secrets::Bare)? == listeners,
        "listens elsewhere when its Secret is empty"
    );
    Ok(compare(objects, workload, container, &listeners))
}

/// What is wrong with a container and what leads to it, by what its program says.
fn compare(
    objects: &Objects,
    workload: Workload<'_>,
    container: &Value,
    listeners: &[Listener],
) -> Vec<String> {
    let mut faults: Vec<String> = closed(listeners).collect();
    let listener = |name: &str| listeners.iter().find(|listener| listener.name == name);
    for port in list(&container["ports"]) {
        let (name, number) = (text(&port["name"]), &port["containerPort"]);
        let protocol = port["protocol"].as_str().unwrap_or("TCP");
        match listener(name) {
            Some(listener) if *number == listener.port && protocol == listener.protocol => {}
            Some(listener) => faults.push(format!(
                "has the port {name} {number}, and listens on {}",
                listener.port
            )),
            None => faults.push(format!("has the port {name} {number}, where nothing listens")),
        }
    }
    for Listener { name, port, .. } in listeners {
        if !list(&container["ports"]).any(|known| known["name"] == **name) {
            faults.push(format!("listens on {port}, and has no port {name}"));
        }
    }
    for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
        for (way, name) in [("grpc", "grpc"), ("httpGet", "http")] {
            let asked = &container[probe][way]["port"];
            if !asked.is_null() && workload.port(asked) != listener(name).map(|listener| listener.port) {
                faults.push(format!(
                    "is asked on {asked} by its {probe}, and listens elsewhere for {name}"
                ));
            }
        }
    }
    // Named by another rule where it selects what it should not.
    let services = objects.of("Service").filter(|service| {
        service["spec"]["selector"].is_object()
            && selector::is_within(&service["spec"]["selector"], &workload.labels())
    });
    for service in services {
        for port in list(&service["spec"]["ports"]) {
            let target = if port["targetPort"].is_null() {
                &port["port"]
            } else {
                &port["targetPort"]
            };
            let (name, number) = (text(&port["name"]), workload.port(target));
            let protocol = port["protocol"].as_str().unwrap_or("TCP");
            let is_right = listener(name)
                .is_some_and(|listener| Some(listener.port) == number && listener.protocol == protocol);
            if !is_right {
                faults.push(format!(
                    "gets what {} takes as {name} on {target}, and listens elsewhere for that",
                    title(service)
                ));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::programs::tests::{listeners, programs};
    use super::*;
    use crate::kubernetes::fixture;

    fn after(kind: &str, path: &str, value: Value, listeners: &[Listener]) -> Vec<String> {
        let hub = fixture::with(kind, "mcp-hub-orders", path, value);
        let workload = hub
            .workloads()
            .find(|workload| workload.name() == "mcp-hub-orders")
            .expect("it is there");
        compare(&hub, workload, workload.process().expect("a process"), listeners)
    }

    #[test]
    fn each_port_can_be_wrong() {
        let container = "/spec/template/spec/containers/0";
        assert_eq!(
            after("Deployment", "/spec/replicas", json!(2), &listeners()),
            [""; 0]
        );
        for (kind, path, value, expected) in [
            (
                "Deployment",
                format!("{container}/ports/1"),
                Value::Null,
                "listens on 9090, and has no port metrics",
            ),
            (
                "Deployment",
                format!("{container}/ports/2"),
                json!({"name": "rpc", "containerPort": 1}),
                "has the port rpc 1, where nothing listens",
            ),
            (
                "Deployment",
                format!("{container}/ports/1/containerPort"),
                json!(9091),
                "has the port metrics 9091, and listens on 9090",
            ),
            (
                "Deployment",
                format!("{container}/ports/0/protocol"),
                json!("UDP"),
                "has the port grpc 50051, and listens on 50051",
            ),
            (
                "Deployment",
                format!("{container}/livenessProbe/grpc/port"),
                json!(50_052),
                "is asked on 50052 by its livenessProbe, and listens elsewhere for grpc",
            ),
            (
                "Deployment",
                format!("{container}/startupProbe"),
                json!({"httpGet": {"port": 8000}}),
                "is asked on 8000 by its startupProbe, and listens elsewhere for http",
            ),
            (
                "Service",
                "/spec/ports/0/targetPort".to_owned(),
                json!("metrics"),
                "gets what Service mcp-hub-orders takes as grpc on \"metrics\", and listens elsewhere for that",
            ),
            ("Service", "/spec/ports/0/targetPort".to_owned(), Value::Null, ""),
            (
                "Service",
                "/spec/ports/0/name".to_owned(),
                json!("http"),
                "gets what Service mcp-hub-orders takes as http on \"grpc\", and listens elsewhere for that",
            ),
        ] {
            let found = after(kind, &path, value, &listeners());
            let expected: Vec<&str> = Some(expected)
                .into_iter()
                .filter(|expected| !expected.is_empty())
                .collect();
            if path.ends_with("ports/1/containerPort") {
                // The Service for metrics leads there too.
                assert_eq!(found.len(), 2, "{found:#?}");
                assert_eq!(found[0], expected[0]);
            } else if path.ends_with("ports/1") {
                assert!(found.contains(&expected[0].to_owned()), "{found:#?}");
            } else {
                assert_eq!(found, expected, "{path}");
            }
        }
        let mut alone = listeners();
        alone[0].address = "127.0.0.1".parse().expect("an address");
        let found = after("Deployment", "/spec/replicas", json!(2), &alone);
        assert_eq!(found, ["listens for grpc on 127.0.0.1 alone"]);
        let mut moved = listeners();
        moved[0].port = 7;
        // The port, three probes, the Service.
        assert_eq!(after("Deployment", "/spec/replicas", json!(2), &moved).len(), 5);
    }

    #[test]
    fn a_container_that_can_t_be_asked_is_a_fault() {
        let mut hub = fixture::hub();
        fixture::set(
            &mut hub,
            "Deployment",
            "mcp-hub-orders",
            "/spec/template/spec/containers/0/command",
            json!(["sh"]),
        );
        let found = faults(&hub, &programs());
        assert!(
            found.contains(&"Deployment mcp-hub-orders replaces the program of its image".to_owned()),
            "{found:#?}"
        );
        // There is no such program.
        assert!(
            found
                .iter()
                .any(|fault| fault.starts_with("Deployment mcp-hub-postgres running /nonexistent/")),
            "{found:#?}"
        );
    }
}

//! What every Pod of the component must keep, and what every Deployment of the hub must have got from it.

use serde_json::Value;

/// The label by which the hub's own parts are told from telemetry.
const PART_OF: &str = "app.kubernetes.io/part-of";
const HUB: &str = "mcp-hub";

/// What each process of the hub is told by.
const VARIABLES: [&str; 3] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_RESOURCE_ATTRIBUTES",
    "MCP_HUB_METRICS_LISTEN",
];

/// What is wrong, one sentence each. The images must be those of Compose, of which `compose` is the text.
pub(super) fn faults(documents: &[Value], compose: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for document in documents {
        let what = format!(
            "{} {}",
            text(&document["kind"]),
            text(&document["metadata"]["name"])
        );
        if document["kind"] == "Secret" {
            faults.push(format!("{what} is in the repository"));
        }
        let pod = &document["spec"]["template"]["spec"];
        for (kind, name) in mounted(pod) {
            let there = |document: &Value| document["kind"] == kind && document["metadata"]["name"] == name;
            if !documents.iter().any(there) {
                faults.push(format!("{what} mounts the {kind} {name}, which is not there"));
            }
        }
        let sentences = match document["metadata"]["labels"][PART_OF].as_str() {
            _ if pod.is_null() => Vec::new(),
            Some(HUB) => told(pod),
            _ => kept(pod, compose),
        };
        faults.extend(sentences.into_iter().map(|sentence| format!("{what} {sentence}")));
    }
    faults
}

/// What a process of the hub lacks.
fn told(pod: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for container in list(&pod["containers"]) {
        let names: Vec<&str> = list(&container["env"])
            .map(|variable| text(&variable["name"]))
            .collect();
        let missing = VARIABLES.iter().filter(|name| !names.contains(name));
        faults.extend(missing.map(|name| format!("is not told {name}")));
        // A reference to what stands behind it stays as it is written.
        for (at, variable) in list(&container["env"]).enumerate() {
            let references = text(&variable["value"]).split("$(").skip(1);
            let references = references.filter_map(|rest| rest.split(')').next());
            faults.extend(
                references
                    .filter(|name| !names[..at].contains(name))
                    .map(|name| format!("is told of $({name}) before it is there")),
            );
        }
        if !list(&container["ports"]).any(|port| port["containerPort"] == 9090) {
            faults.push("has no port for metrics".to_owned());
        }
    }
    faults
}

/// What a Pod of telemetry does not keep.
fn kept(pod: &Value, compose: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut rule = |kept: bool, sentence: &str| {
        if !kept {
            faults.push(sentence.to_owned());
        }
    };
    let security = &pod["securityContext"];
    rule(security["runAsNonRoot"] == true, "may run as root");
    rule(
        security["seccompProfile"]["type"] == "RuntimeDefault",
        "may call all of the kernel",
    );
    rule(
        pod["automountServiceAccountToken"] == false,
        "gets a token of the cluster",
    );
    rule(
        pod["enableServiceLinks"] == false,
        "gets variables of other Services",
    );
    for container in list(&pod["containers"]).chain(list(&pod["initContainers"])) {
        let image = text(&container["image"]);
        rule(
            compose
                .lines()
                .any(|line| line.trim() == format!("image: {image}")),
            "has another image than in Compose",
        );
        let security = &container["securityContext"];
        rule(
            security["allowPrivilegeEscalation"] == false,
            "may gain privileges",
        );
        rule(
            security["readOnlyRootFilesystem"] == true,
            "may write to its image",
        );
        rule(
            list(&security["capabilities"]["drop"]).any(|name| name == "ALL"),
            "keeps capabilities",
        );
        rule(
            container["resources"]["limits"]["memory"].is_string(),
            "has no limit of memory",
        );
        rule(
            container["resources"]["requests"]["cpu"].is_string(),
            "asks for no share of a core",
        );
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            rule(container[probe].is_object(), &format!("has no {probe}"));
        }
    }
    faults
}

/// The maps of configuration and the volumes that a Pod mounts. Its Secrets are not in the repository.
fn mounted(pod: &Value) -> Vec<(&'static str, &str)> {
    let volumes = list(&pod["volumes"]);
    let projected = volumes
        .clone()
        .flat_map(|volume| list(&volume["projected"]["sources"]));
    let maps = volumes.clone().chain(projected);
    let maps = maps.filter_map(|source| Some(("ConfigMap", source["configMap"]["name"].as_str()?)));
    let claims = volumes.filter_map(|volume| {
        let name = volume["persistentVolumeClaim"]["claimName"].as_str()?;
        Some(("PersistentVolumeClaim", name))
    });
    maps.chain(claims).collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> + Clone {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(part_of: &str, pod: &Value) -> Value {
        json!({
            "kind": "Deployment",
            "metadata": { "name": "x", "labels": { PART_OF: part_of } },
            "spec": { "template": { "spec": pod } },
        })
    }

    fn good() -> Value {
        let probe = json!({ "httpGet": {} });
        json!({
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
            "containers": [{
                "image": "x:1",
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": { "drop": ["ALL"] },
                },
                "resources": { "requests": { "cpu": "1" }, "limits": { "memory": "1Gi" } },
                "startupProbe": probe, "readinessProbe": probe, "livenessProbe": probe,
            }],
        })
    }

    #[test]
    fn each_rule_of_telemetry_can_be_broken() {
        let of = |pod: &Value| faults(&[document("mcp-hub-telemetry", pod)], "  image: x:1\n");
        assert_eq!(of(&good()), [""; 0]);
        for path in [
            "/automountServiceAccountToken",
            "/enableServiceLinks",
            "/securityContext/runAsNonRoot",
            "/securityContext/seccompProfile",
            "/containers/0/image",
            "/containers/0/securityContext/allowPrivilegeEscalation",
            "/containers/0/securityContext/readOnlyRootFilesystem",
            "/containers/0/securityContext/capabilities",
            "/containers/0/resources/limits",
            "/containers/0/resources/requests",
            "/containers/0/startupProbe",
            "/containers/0/readinessProbe",
            "/containers/0/livenessProbe",
        ] {
            let mut pod = good();
            *pod.pointer_mut(path).expect(path) = Value::Null;
            assert_eq!(of(&pod).len(), 1, "{path}");
        }
        assert_eq!(faults(&[json!({ "kind": "Secret" })], "").len(), 1);
    }

    #[test]
    fn what_is_mounted_is_there() {
        let mut pod = good();
        pod["volumes"] = json!([
            { "configMap": { "name": "a" } },
            { "projected": { "sources": [{ "configMap": { "name": "b" } }] } },
            { "persistentVolumeClaim": { "claimName": "c" } },
        ]);
        let of = |kind: &str, name: &str| json!({ "kind": kind, "metadata": { "name": name } });
        let mut documents = vec![
            document("mcp-hub-telemetry", &pod),
            of("ConfigMap", "a"),
            of("ConfigMap", "b"),
            of("PersistentVolumeClaim", "c"),
        ];
        let compose = "image: x:1";
        assert_eq!(faults(&documents, compose), [""; 0]);
        while documents.len() > 1 {
            documents.pop();
            assert_eq!(faults(&documents, compose).len(), 4 - documents.len());
        }
    }

    #[test]
    fn the_hub_is_told_everything_and_in_order() {
        let of = |variables: &[(&str, &str)]| {
            let variables: Vec<Value> = variables
                .iter()
                .map(|(name, value)| json!({ "name": name, "value": value }))
                .collect();
            let pod = json!({ "containers": [{ "env": variables, "ports": [{ "containerPort": 9090 }] }] });
            faults(&[document(HUB, &pod)], "")
        };
        let [endpoint, attributes, metrics] = VARIABLES;
        let all = [
            ("POD", ""),
            (attributes, "pod=$(POD)"),
            (endpoint, ""),
            (metrics, ""),
        ];
        assert_eq!(of(&all), [""; 0]);
        assert_eq!(of(&all[..3]), [format!("Deployment x is not told {metrics}")]);
        let [pod, attributes, endpoint, metrics] = all;
        assert_eq!(
            of(&[attributes, pod, endpoint, metrics]),
            ["Deployment x is told of $(POD) before it is there"]
        );
    }
}

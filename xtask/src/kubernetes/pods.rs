//! What every Pod must keep, whoever's it is: no rights that it does not need, limits, and a way to tell whether it works.

use serde_json::Value;

use super::object::{Objects, Workload, list, text};

/// What is wrong, one sentence each.
pub(super) fn faults(objects: &Objects) -> Vec<String> {
    let of = |workload: Workload<'_>| {
        let sentences = pod(workload.pod())
            .into_iter()
            .chain(list(&workload.pod()["volumes"]).flat_map(volume))
            .chain(workload.containers().flat_map(container))
            .chain(if workload.is_for_good() {
                probes(workload.pod())
            } else {
                vec![]
            });
        sentences
            .map(|sentence| format!("{workload} {sentence}"))
            .collect::<Vec<_>>()
    };
    objects.workloads().flat_map(of).collect()
}

/// Sentences on rules that are not kept.
#[derive(Default)]
struct Broken(Vec<String>);

impl Broken {
    fn unless(&mut self, kept: bool, sentence: &str) {
        if !kept {
            self.0.push(sentence.to_owned());
        }
    }
}

fn pod(pod: &Value) -> Vec<String> {
    let mut broken = Broken::default();
    let security = &pod["securityContext"];
    broken.unless(security["runAsNonRoot"] == true, "may run as root");
    // Without a number the kubelet has to believe the image, and refuses one whose user is a name.
    broken.unless(
        security["runAsUser"].as_u64().is_some_and(|user| user > 0),
        "has no user by number",
    );
    broken.unless(
        security["seccompProfile"]["type"] == "RuntimeDefault",
        "may call all of the kernel",
    );
    broken.unless(
        pod["automountServiceAccountToken"] == false,
        "gets a token of the cluster",
    );
    // A Service called `postgres` would make a variable POSTGRES_PORT=tcp://...
    broken.unless(
        pod["enableServiceLinks"] == false,
        "gets variables of other Services",
    );
    for shared in ["hostNetwork", "hostPID", "hostIPC"] {
        broken.unless(pod[shared] != true, &format!("has the node's own: {shared}"));
    }
    broken.0
}

fn volume(volume: &Value) -> Vec<String> {
    let mut broken = Broken::default();
    let name = text(&volume["name"]);
    broken.unless(
        volume["hostPath"].is_null(),
        &format!("mounts a folder of the node: {name}"),
    );
    broken.unless(
        volume["emptyDir"].is_null() || volume["emptyDir"]["sizeLimit"].is_string(),
        &format!("may fill the node by its volume {name}"),
    );
    broken.0
}

fn container(container: &Value) -> Vec<String> {
    let mut broken = Broken::default();
    let security = &container["securityContext"];
    broken.unless(
        security["allowPrivilegeEscalation"] == false,
        "may gain privileges",
    );
    broken.unless(security["privileged"] != true, "is privileged");
    // A container's own word is above the Pod's.
    broken.unless(
        security["runAsNonRoot"] != false && security["runAsUser"] != 0,
        "makes an exception and may run as root",
    );
    broken.unless(
        security["readOnlyRootFilesystem"] == true,
        "may write to its image",
    );
    let capabilities = &security["capabilities"];
    broken.unless(
        list(&capabilities["drop"]).any(|name| name == "ALL"),
        "keeps capabilities",
    );
    broken.unless(
        list(&capabilities["add"]).next().is_none(),
        "asks for capabilities",
    );
    let resources = &container["resources"];
    broken.unless(
        resources["limits"]["memory"].is_string(),
        "has no limit of memory",
    );
    broken.unless(resources["requests"]["memory"].is_string(), "asks for no memory");
    broken.unless(
        resources["requests"]["cpu"].is_string(),
        "asks for no share of a core",
    );
    let image = text(&container["image"]);
    broken.unless(is_pinned(image), &format!("has an image that changes: {image:?}"));
    let name = text(&container["name"]);
    broken
        .0
        .iter()
        .map(|sentence| format!("(container {name}) {sentence}"))
        .collect()
}

/// Whether an image has a tag that stays what it is, or a digest.
fn is_pinned(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or_default();
    image.contains("@sha256:")
        || name
            .split_once(':')
            .is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// What of the probes is missing. Where nobody is asked, nobody knows: `startupProbe` is for the time that a start may take, so that the others
/// can be strict.
fn probes(pod: &Value) -> Vec<String> {
    let mut broken = Broken::default();
    for container in list(&pod["containers"]) {
        let name = text(&container["name"]);
        for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
            let asks = ["grpc", "httpGet", "tcpSocket", "exec"];
            let asks = asks.iter().any(|way| container[probe][way].is_object());
            broken.unless(asks, &format!("(container {name}) has no {probe}"));
        }
    }
    broken.0
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
        let remove = Value::Null;
        for (path, value, expected) in [
            ("/securityContext/runAsNonRoot", remove.clone(), "may run as root"),
            ("/securityContext/runAsUser", json!(0), "has no user by number"),
            (
                "/securityContext/runAsUser",
                remove.clone(),
                "has no user by number",
            ),
            (
                "/securityContext/seccompProfile",
                remove.clone(),
                "may call all of the kernel",
            ),
            (
                "/automountServiceAccountToken",
                remove.clone(),
                "gets a token of the cluster",
            ),
            (
                "/enableServiceLinks",
                remove.clone(),
                "gets variables of other Services",
            ),
            ("/hostNetwork", json!(true), "has the node's own: hostNetwork"),
            (
                "/volumes/0",
                json!({"name": "v", "hostPath": {"path": "/"}}),
                "mounts a folder of the node: v",
            ),
            (
                "/volumes/0",
                json!({"name": "v", "emptyDir": {}}),
                "may fill the node by its volume v",
            ),
            (
                "/containers/0/securityContext/allowPrivilegeEscalation",
                remove.clone(),
                "(container mcp-hub) may gain privileges",
            ),
            (
                "/containers/0/securityContext/privileged",
                json!(true),
                "(container mcp-hub) is privileged",
            ),
            (
                "/containers/0/securityContext/runAsUser",
                json!(0),
                "(container mcp-hub) makes an exception and may run as root",
            ),
            (
                "/containers/0/securityContext/readOnlyRootFilesystem",
                json!(false),
                "(container mcp-hub) may write to its image",
            ),
            (
                "/containers/0/securityContext/capabilities/drop",
                json!(["NET_RAW"]),
                "(container mcp-hub) keeps capabilities",
            ),
            (
                "/containers/0/securityContext/capabilities/add",
                json!(["NET_RAW"]),
                "(container mcp-hub) asks for capabilities",
            ),
            (
                "/containers/0/resources/limits",
                remove.clone(),
                "(container mcp-hub) has no limit of memory",
            ),
            (
                "/containers/0/resources/requests/memory",
                remove.clone(),
                "(container mcp-hub) asks for no memory",
            ),
            (
                "/containers/0/resources/requests/cpu",
                remove.clone(),
                "(container mcp-hub) asks for no share of a core",
            ),
            (
                "/containers/0/image",
                json!("r:5000/x"),
                "(container mcp-hub) has an image that changes: \"r:5000/x\"",
            ),
            (
                "/containers/0/image",
                json!("x:latest"),
                "(container mcp-hub) has an image that changes: \"x:latest\"",
            ),
            (
                "/containers/0/startupProbe",
                remove.clone(),
                "(container mcp-hub) has no startupProbe",
            ),
            (
                "/containers/0/readinessProbe",
                json!({"periodSeconds": 1}),
                "(container mcp-hub) has no readinessProbe",
            ),
            (
                "/containers/0/livenessProbe",
                remove,
                "(container mcp-hub) has no livenessProbe",
            ),
        ] {
            let mut hub = fixture::hub();
            fixture::set(
                &mut hub,
                "Deployment",
                "mcp-hub-postgres",
                &format!("/spec/template/spec{path}"),
                value,
            );
            assert_eq!(
                faults(&hub),
                [format!("Deployment mcp-hub-postgres {expected}")],
                "{path}"
            );
        }
    }

    #[test]
    fn what_begins_a_pod_and_what_ends_are_looked_at_too() {
        let mut hub = fixture::hub();
        let deployment = hub.find_mut("Deployment", "mcp-hub-postgres");
        let mut first = deployment["spec"]["template"]["spec"]["containers"][0].clone();
        first["name"] = json!("first");
        first["image"] = json!("first");
        // It runs to its end, so nobody asks it how it is.
        first["livenessProbe"] = Value::Null;
        deployment["spec"]["template"]["spec"]["initContainers"] = json!([first]);
        let mut job = deployment["spec"]["template"].clone();
        job["spec"]["initContainers"] = Value::Null;
        job["spec"]["containers"][0]["readinessProbe"] = Value::Null;
        job["spec"]["automountServiceAccountToken"] = Value::Null;
        hub.add(json!({"kind": "CronJob", "metadata": {"name": "x"}, "spec": {"jobTemplate": {"spec": {"template": job}}}}));
        assert_eq!(
            faults(&hub),
            [
                "Deployment mcp-hub-postgres (container first) has an image that changes: \"first\"",
                "CronJob x gets a token of the cluster",
            ]
        );
    }
}

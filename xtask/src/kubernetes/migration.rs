//! `kubectl apply` of overlays/production over the deployment that the hub takes the place of: docs/migrating.md.
//!
//! [`apply`] does to the old objects what kubectl does. Then they must be as good as new ones, and before it nothing may be asked for that the
//! API refuses to change.

use anyhow::Context as _;
use serde_json::Value;

use super::object::{Objects, list, text, title};
use super::{availability, pods, secrets, selectors};

mod apply;

/// What is applied.
pub(super) const OVERLAY: &str = "overlays/production";
/// The page that tells how.
pub(super) const PAGE: &str = "docs/migrating.md";
/// What kubectl has to be told first of objects that it did not make by `apply`: without it nothing of the old is ever taken away.
const ADOPT: &str = "kubectl apply set-last-applied --create-annotation";

/// The old manifests, as they were applied.
const OLD: &str = include_str!("migration/old.yaml");
/// What the API has added to them since.
const ADDED: &str = include_str!("migration/added.yaml");

/// What is wrong, one sentence each. `parts` are all that the overlay can have: which of them it needs, who moves over decides by the databases that
/// there are. `page` is the text of [`PAGE`].
pub(super) fn faults(objects: &Objects, parts: &Objects, page: &str) -> anyhow::Result<Vec<String>> {
    let old = Objects::read(OLD).context("old.yaml")?;
    let added = Objects::read(ADDED).context("added.yaml")?;
    let mut faults = Vec::new();
    for object in old.iter() {
        if object["kind"] == "Secret" {
            faults.extend(unread(parts, object));
            continue;
        }
        let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
        let Some(new) = objects.find(kind, name) else {
            faults.push(format!("{} has no successor", title(object)));
            continue;
        };
        faults.extend(refused(object, new));
    }
    if !faults.is_empty() {
        return Ok(faults);
    }
    let applied = after(objects, &old, &added, true)?;
    faults.extend(worse(objects, &applied).map(|fault| format!("after kubectl apply: {fault}")));
    // Otherwise the page need not tell of it.
    let created = after(objects, &old, &added, false)?;
    if worse(objects, &created).next().is_some() && !page.contains(ADOPT) {
        faults.push(format!(
            "{PAGE} does not tell of `{ADOPT}`, for objects that were not made by apply"
        ));
    }
    Ok(faults)
}

/// The keys of the old Secret that nothing reads.
fn unread(parts: &Objects, secret: &Value) -> Vec<String> {
    let name = &secret["metadata"]["name"];
    let pods = || parts.workloads().filter(|workload| workload.is_hub());
    let variables = pods().flat_map(|workload| {
        let variables = workload
            .containers()
            .flat_map(|container| list(&container["env"]));
        variables
            .map(|variable| &variable["valueFrom"]["secretKeyRef"])
            .collect::<Vec<_>>()
    });
    let variables = variables
        .filter(|reference| reference["name"] == *name)
        .map(|reference| &reference["key"]);
    let files = pods().flat_map(|workload| list(&workload.pod()["volumes"]));
    let files = files.filter(|volume| volume["secret"]["secretName"] == *name);
    let files = files
        .flat_map(|volume| list(&volume["secret"]["items"]))
        .map(|item| &item["key"]);
    let read: Vec<&str> = variables.chain(files).map(text).collect();
    let keys = secret["stringData"].as_object().into_iter().flatten();
    let unread = keys.filter(|(key, _)| !read.contains(&key.as_str()));
    unread
        .map(|(key, _)| format!("nothing reads {key} of {}", title(secret)))
        .collect()
}

/// What the API refuses to change, and what would cut clients off.
fn refused(old: &Value, new: &Value) -> Vec<String> {
    let same: &[&str] = match text(&old["kind"]) {
        "Deployment" => &["/apiVersion", "/metadata/namespace", "/spec/selector"],
        _ => &[
            "/apiVersion",
            "/metadata/namespace",
            "/spec/selector",
            "/spec/type",
            "/spec/ports/0/port",
            "/spec/ports/0/nodePort",
        ],
    };
    // No namespace is that of kubectl's context, where the old objects are: the page says so.
    let is_same = |path: &&&str| {
        let (was, is) = (old.pointer(path), new.pointer(path));
        was == is || (**path == "/metadata/namespace" && is.is_none())
    };
    let mut faults: Vec<String> = same
        .iter()
        .filter(|path| !is_same(path))
        .map(|path| format!("{} has another {path} than it had", title(new)))
        .collect();
    if new["kind"] == "Service" {
        if new["spec"]["clusterIP"] == "None" {
            faults.push(format!(
                "{} gives up its address, which can't be changed",
                title(new)
            ));
        }
        if new["spec"]["sessionAffinity"] != "None" {
            faults.push(format!(
                "{} does not write out its sessionAffinity, so it stays ClientIP",
                title(new)
            ));
        }
    }
    faults
}

/// The objects of the cluster after `kubectl apply`.
fn after(objects: &Objects, old: &Objects, added: &Objects, was_applied: bool) -> anyhow::Result<Objects> {
    let documents = objects.iter().map(|new| {
        let (kind, name) = (text(&new["kind"]), text(&new["metadata"]["name"]));
        let Some(last) = old.find(kind, name) else {
            return Ok(new.clone());
        };
        let mut live = last.clone();
        let defaults = added
            .find(kind, name)
            .with_context(|| format!("added.yaml has no {kind} {name}"))?;
        apply::patch(&mut live, None, defaults);
        apply::patch(&mut live, was_applied.then_some(last), new);
        Ok(live)
    });
    Ok(Objects::from(documents.collect::<anyhow::Result<Vec<Value>>>()?))
}

/// What breaks a rule now, and more than one container in the facade.
fn worse(before: &Objects, after: &Objects) -> impl Iterator<Item = String> {
    let all = |objects: &Objects| {
        let rules = [
            pods::faults,
            secrets::faults,
            selectors::faults,
            availability::faults,
        ];
        let mut faults: Vec<String> = rules.iter().flat_map(|rule| rule(objects)).collect();
        for workload in objects.processes() {
            for container in workload.containers() {
                if container["name"] != super::object::CONTAINER {
                    faults.push(format!("{workload} still runs {}", container["name"]));
                }
                for word in ["command", "args"] {
                    if !container[word].is_null() {
                        faults.push(format!("{workload} is started by a {word}"));
                    }
                }
                for probe in ["startupProbe", "readinessProbe", "livenessProbe"] {
                    let ways = ["grpc", "httpGet", "tcpSocket", "exec"];
                    let ways: Vec<&str> = ways
                        .into_iter()
                        .filter(|way| container[probe][*way].is_object())
                        .collect();
                    if ways.len() > 1 {
                        faults.push(format!("{workload} has a {probe} by {}", ways.join(" and ")));
                    }
                }
            }
        }
        faults
    };
    let before = all(before);
    all(after)
        .into_iter()
        .filter(move |fault| !before.contains(fault))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::fixture;

    /// A hub that reads every key of the old Secret.
    fn hub() -> Objects {
        let mut hub = fixture::hub();
        let old = Objects::read(OLD).expect("YAML");
        let secret = old.find("Secret", "mcp-hub-secrets").expect("it is there");
        let keys: Vec<&String> = secret["stringData"].as_object().expect("keys").keys().collect();
        let items: Vec<Value> = keys.iter().map(|key| json!({"key": key, "path": key})).collect();
        let kinds = ["postgres", "qdrant", "neo4j", "mariadb", "mysql"];
        for kind in kinds {
            let own: Vec<&Value> = items
                .iter()
                .filter(|item| text(&item["key"]).starts_with(kind))
                .collect();
            let volume =
                json!({"secret": {"secretName": "mcp-hub-secrets", "defaultMode": 0o440, "items": own}});
            hub.add(json!({"kind": "Job", "metadata": {"name": kind}, "spec": {"template": {
                "metadata": {"labels": {"app.kubernetes.io/part-of": "mcp-hub", "app.kubernetes.io/component": kind}},
                "spec": {"volumes": [volume]},
            }}}));
        }
        hub
    }

    const TOLD: &str = "Before: kubectl apply set-last-applied --create-annotation -f before.yaml";

    fn after_change(kind: &str, name: &str, path: &str, value: Value) -> Vec<String> {
        let mut hub = hub();
        fixture::set(&mut hub, kind, name, path, value);
        faults(&hub, &hub, TOLD).expect("compared")
    }

    #[test]
    fn what_can_t_be_changed_and_what_nobody_reads_is_found() {
        assert_eq!(faults(&hub(), &hub(), TOLD).expect("compared"), [""; 0]);
        for (kind, name, path, value, expected) in [
            (
                "Service",
                "mcp-hub-service",
                "/spec/sessionAffinity",
                Value::Null,
                "Service mcp-hub-service does not write out its sessionAffinity, so it stays ClientIP",
            ),
            (
                "Service",
                "mcp-hub-service",
                "/spec/ports/0/nodePort",
                json!(30_801),
                "Service mcp-hub-service has another /spec/ports/0/nodePort than it had",
            ),
            (
                "Service",
                "mcp-hub-service",
                "/spec/type",
                json!("ClusterIP"),
                "Service mcp-hub-service has another /spec/type than it had",
            ),
            (
                "Service",
                "mcp-hub-service",
                "/spec/clusterIP",
                json!("None"),
                "Service mcp-hub-service gives up its address, which can't be changed",
            ),
            (
                "Service",
                "mcp-hub-service",
                "/metadata/name",
                json!("mcp-hub"),
                "Service mcp-hub-service has no successor",
            ),
            (
                "Deployment",
                "mcp-hub",
                "/spec/selector/matchLabels/tier",
                json!("x"),
                "Deployment mcp-hub has another /spec/selector than it had",
            ),
            (
                "Deployment",
                "mcp-hub",
                "/metadata/namespace",
                json!("hub"),
                "Deployment mcp-hub has another /metadata/namespace than it had",
            ),
            (
                "Job",
                "qdrant",
                "/spec/template/spec/volumes/0/secret/items/2/key",
                json!("x"),
                "nothing reads qdrant-api-key of Secret mcp-hub-secrets",
            ),
        ] {
            assert_eq!(after_change(kind, name, path, value), [expected], "{path}");
        }
    }

    #[test]
    fn what_the_old_objects_leave_behind_is_found() {
        // Under another name the old container would run on.
        let renamed = after_change(
            "Deployment",
            "mcp-hub",
            "/spec/template/spec/containers/0/name",
            json!("facade"),
        );
        assert_eq!(
            renamed, [""; 0],
            "kubectl takes away what it has made: {renamed:#?}"
        );
        let untold = faults(&hub(), &hub(), "").expect("compared");
        assert_eq!(untold.len(), 1, "{untold:#?}");
        assert!(untold[0].contains(ADOPT), "{untold:#?}");
    }
}

//! What a Pod names is there: maps, volumes, accounts, files. A Secret is not in the repository; it is optional, or the page says how to make it.

use serde_json::Value;

use super::environment::{Environment, Secrets};
use super::object::{Objects, Workload, list, text};

/// What is wrong, one sentence each. `page` is the text that tells which Secrets there must be.
pub(super) fn faults(objects: &Objects, page: &str) -> Vec<String> {
    let of = |workload: Workload<'_>| {
        let mut faults = account(objects, workload);
        let pod = workload.pod();
        let volumes = list(&pod["volumes"])
            .flat_map(|volume| std::iter::once(volume).chain(list(&volume["projected"]["sources"])));
        for volume in volumes {
            faults.extend(source(objects, volume, page));
        }
        for container in workload.containers() {
            faults.extend(variables(objects, container, page));
            for mount in list(&container["volumeMounts"]) {
                if !list(&pod["volumes"]).any(|volume| volume["name"] == mount["name"]) {
                    faults.push(format!("mounts {}, which is no volume of it", mount["name"]));
                }
            }
            match Environment::of(objects, container, Secrets::Full) {
                Ok(environment) => faults.extend(files(objects, pod, container, &environment)),
                Err(error) => faults.push(format!("{error:#}")),
            }
        }
        faults
            .into_iter()
            .map(|fault| format!("{workload} {fault}"))
            .collect::<Vec<_>>()
    };
    objects.workloads().flat_map(of).collect()
}

/// The account that the Pods run as, which a process of the hub has for itself.
fn account(objects: &Objects, workload: Workload<'_>) -> Vec<String> {
    let Some(name) = workload.pod()["serviceAccountName"].as_str() else {
        return workload
            .is_hub()
            .then(|| "runs as the account that everything runs as".to_owned())
            .into_iter()
            .collect();
    };
    let Some(account) = objects.find("ServiceAccount", name) else {
        return vec![format!("runs as the account {name}, which is not there")];
    };
    let is_open = account["automountServiceAccountToken"] != false;
    is_open
        .then(|| format!("runs as the account {name}, which hands out tokens of the cluster"))
        .into_iter()
        .collect()
}

/// What a volume, or a part of one, is made of.
fn source(objects: &Objects, volume: &Value, page: &str) -> Option<String> {
    let absent = |kind: &str, name: &Value| {
        let is_there = objects.find(kind, text(name)).is_some();
        (!is_there).then(|| format!("mounts the {kind} {}, which is not there", text(name)))
    };
    if let Some(name) = volume["configMap"]
        .get("name")
        .filter(|_| volume["configMap"]["optional"] != true)
    {
        return absent("ConfigMap", name);
    }
    if let Some(name) = volume["persistentVolumeClaim"].get("claimName") {
        return absent("PersistentVolumeClaim", name);
    }
    let secret = &volume["secret"];
    let name = secret.get("secretName").or(secret.get("name"))?;
    needs(
        text(name),
        list(&secret["items"]).map(|item| text(&item["key"])),
        secret,
        page,
    )
}

fn variables(objects: &Objects, container: &Value, page: &str) -> Vec<String> {
    let references = list(&container["env"]).map(|variable| &variable["valueFrom"]["secretKeyRef"]);
    let references = references.filter(|reference| reference.is_object());
    let of = |reference: &Value| {
        let (name, key) = (text(&reference["name"]), text(&reference["key"]));
        // One of the manifests' own would be another rule's matter.
        needs(name, std::iter::once(key), reference, page).filter(|_| objects.find("Secret", name).is_none())
    };
    references.filter_map(of).collect()
}

/// A fault when a Secret has to be there and the page does not tell of it.
fn needs<'a>(
    name: &'a str,
    keys: impl Iterator<Item = &'a str>,
    reference: &Value,
    page: &str,
) -> Option<String> {
    if reference["optional"] == true {
        return None;
    }
    let unknown: Vec<&str> = std::iter::once(name)
        .chain(keys)
        .filter(|word| !page.contains(word))
        .collect();
    (!unknown.is_empty()).then(|| {
        format!(
            "needs the Secret {name}, and the page does not tell of {}",
            unknown.join(", ")
        )
    })
}

/// The files that the variables name and that are not there: each is in a volume of this very container, and is one of its files.
fn files(objects: &Objects, pod: &Value, container: &Value, environment: &Environment) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, path) in environment
        .iter()
        .filter(|(_, value)| value.starts_with('/') && !value.contains(':'))
    {
        // The mount that is nearest to it.
        let mounts =
            list(&container["volumeMounts"]).filter(|mount| is_below(path, text(&mount["mountPath"])));
        let Some(mount) = mounts.max_by_key(|mount| text(&mount["mountPath"]).len()) else {
            // What names a file of its own has it in the image; ours have none.
            if container["name"] == super::object::CONTAINER {
                faults.push(format!("has {name}={path}, where nothing is mounted"));
            }
            continue;
        };
        let volume = list(&pod["volumes"]).find(|volume| volume["name"] == mount["name"]);
        let Some(names) = volume.and_then(|volume| names(objects, volume)) else {
            continue;
        };
        let inside = path
            .strip_prefix(text(&mount["mountPath"]))
            .unwrap_or_default()
            .trim_start_matches('/');
        let is_folder = inside.is_empty();
        if !is_folder
            && !names
                .iter()
                .any(|name| name == inside || name.starts_with(&format!("{inside}/")))
        {
            faults.push(format!(
                "has {name}={path}, and there is only {}",
                names.join(", ")
            ));
        }
    }
    faults
}

fn is_below(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder.trim_end_matches('/'));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The files of a volume, where they are known.
fn names(objects: &Objects, volume: &Value) -> Option<Vec<String>> {
    let items = |source: &Value| -> Option<Vec<String>> {
        let items: Vec<String> = list(&source["items"])
            .map(|item| text(&item["path"]).to_owned())
            .collect();
        (!items.is_empty()).then_some(items)
    };
    if volume["secret"].is_object() {
        return items(&volume["secret"]);
    }
    let map = &volume["configMap"];
    let whole = || {
        let map = objects.find("ConfigMap", text(&map["name"]))?;
        Some(map["data"].as_object()?.keys().cloned().collect())
    };
    items(map).or_else(|| map.is_object().then(whole)?)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::fixture;

    const PAGE: &str = "The Secret `grafana` has admin-password.";

    #[test]
    #[expect(clippy::too_many_lines, reason = "one case for each rule")]
    fn each_reference_can_lead_nowhere() {
        assert_eq!(faults(&fixture::hub(), PAGE), [""; 0]);
        let pod = "/spec/template/spec";
        for (kind, name, path, value, expected) in [
            (
                "ServiceAccount",
                "mcp-hub-postgres",
                "/automountServiceAccountToken".to_owned(),
                Value::Null,
                "runs as the account mcp-hub-postgres, which hands out tokens of the cluster",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/serviceAccountName"),
                json!("x"),
                "runs as the account x, which is not there",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/serviceAccountName"),
                Value::Null,
                "runs as the account that everything runs as",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/volumes/1"),
                json!({"name": "x", "configMap": {"name": "x"}}),
                "mounts the ConfigMap x, which is not there",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/volumes/1"),
                json!({"name": "x", "projected": {"sources": [{"configMap": {"name": "x"}}]}}),
                "mounts the ConfigMap x, which is not there",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/volumes/1"),
                json!({"name": "x", "persistentVolumeClaim": {"claimName": "x"}}),
                "mounts the PersistentVolumeClaim x, which is not there",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/volumes/0/secret/optional"),
                Value::Null,
                "needs the Secret mcp-hub-secrets, and the page does not tell of mcp-hub-secrets, postgres-password",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/containers/0/env/0/valueFrom/secretKeyRef/optional"),
                json!(false),
                "needs the Secret mcp-hub-secrets, and the page does not tell of mcp-hub-secrets, postgres-host",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/containers/0/envFrom/0/configMapRef/name"),
                json!("x"),
                "takes variables from the ConfigMap \"x\", which is not there",
            ),
            (
                "Deployment",
                "mcp-hub-postgres",
                format!("{pod}/containers/0/volumeMounts/1"),
                json!({"name": "x", "mountPath": "/x"}),
                "mounts \"x\", which is no volume of it",
            ),
            (
                "ConfigMap",
                "mcp-hub-postgres",
                "/data/POSTGRES_PASSWORD_FILE".to_owned(),
                json!("/run/secrets/password"),
                "has POSTGRES_PASSWORD_FILE=/run/secrets/password, where nothing is mounted",
            ),
            (
                "ConfigMap",
                "mcp-hub-postgres",
                "/data/POSTGRES_PASSWORD_FILE".to_owned(),
                json!("/run/secrets/mcp-hub/password"),
                "has POSTGRES_PASSWORD_FILE=/run/secrets/mcp-hub/password, and there is only postgres-password",
            ),
            (
                "ConfigMap",
                "mcp-hub-postgres",
                "/data/SQLITE_PATH".to_owned(),
                json!("/run/secrets/mcp-hub2/x"),
                "has SQLITE_PATH=/run/secrets/mcp-hub2/x, where nothing is mounted",
            ),
        ] {
            let mut hub = fixture::hub();
            fixture::set(&mut hub, kind, name, &path, value);
            assert_eq!(
                faults(&hub, PAGE),
                [format!("Deployment mcp-hub-postgres {expected}")],
                "{path}"
            );
        }
    }

    #[test]
    fn a_file_of_a_map_is_one_of_its_keys() {
        let mut hub = fixture::hub();
        fixture::set(
            &mut hub,
            "ConfigMap",
            "mcp-hub-facade",
            "/data/MCP_HUB_UPSTREAMS",
            json!("/etc/mcp-hub/upstreams"),
        );
        assert_eq!(
            faults(&hub, PAGE),
            [
                "Deployment mcp-hub has MCP_HUB_UPSTREAMS=/etc/mcp-hub/upstreams, and there is only upstreams.toml"
            ]
        );
    }

    #[test]
    fn a_secret_that_the_page_tells_of_may_be_needed() {
        let reference = json!({"name": "GF_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "grafana", "key": "admin-password"}}});
        let mut hub = fixture::hub();
        fixture::set(
            &mut hub,
            "Deployment",
            "prometheus",
            "/spec/template/spec/containers/0/env",
            json!([reference]),
        );
        assert_eq!(faults(&hub, PAGE), [""; 0]);
    }
}

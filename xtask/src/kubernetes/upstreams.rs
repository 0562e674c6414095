//! The facade's file of upstreams and the adapters' Services name each other.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::Value;

use super::environment::{Environment, Secrets, endpoint};
use super::object::{COMPONENT, Objects, Workload, list, text, title};

/// The map that the facade follows, and the file in it.
const MAP: &str = "mcp-hub-upstreams";
const FILE: &str = "upstreams.toml";
/// The facade's workload.
const MCP_HUB: &str = "mcp-hub";

/// As much of the file as is looked at here.
#[derive(Deserialize)]
struct Upstreams {
    #[serde(default)]
    upstreams: BTreeMap<String, Upstream>,
}

#[derive(Deserialize)]
struct Upstream {
    address: String,
    #[serde(default)]
    optional: bool,
}

/// What is wrong, one sentence each.
pub(super) fn faults(objects: &Objects) -> Vec<String> {
    let mut faults = followed(objects);
    match read(objects) {
        Ok(upstreams) => faults.extend(compare(objects, &upstreams)),
        Err(error) => faults.push(format!("{error:#}")),
    }
    faults
}

fn read(objects: &Objects) -> anyhow::Result<BTreeMap<String, Upstream>> {
    // A name with a digest behind it would be another map, and the facade would start anew for each line.
    let map = objects
        .find("ConfigMap", MAP)
        .with_context(|| format!("no ConfigMap {MAP}"))?;
    let file: Upstreams = toml::from_str(text(&map["data"][FILE])).with_context(|| title(map))?;
    Ok(file.upstreams)
}

/// Whether the facade sees that the file has changed. What is mounted by `subPath` stays as it was.
fn followed(objects: &Objects) -> Vec<String> {
    let Some(facade) = objects.workloads().find(|workload| workload.name() == MCP_HUB) else {
        return vec!["no facade".to_owned()];
    };
    let volumes = list(&facade.pod()["volumes"]).filter(|volume| volume["configMap"]["name"] == MAP);
    let names: Vec<&Value> = volumes.map(|volume| &volume["name"]).collect();
    let mounts = facade
        .containers()
        .flat_map(|container| list(&container["volumeMounts"]));
    let mounts: Vec<&Value> = mounts.filter(|mount| names.contains(&&mount["name"])).collect();
    if mounts.is_empty() {
        return vec![format!("{facade} does not mount {MAP}")];
    }
    let fixed = mounts.iter().any(|mount| !mount["subPath"].is_null());
    fixed
        .then(|| format!("{facade} mounts {MAP} by subPath, and does not see it change"))
        .into_iter()
        .collect()
}

fn compare(objects: &Objects, upstreams: &BTreeMap<String, Upstream>) -> Vec<String> {
    let mut faults = Vec::new();
    for (key, upstream) in upstreams {
        let Some((host, port)) = endpoint(&upstream.address) else {
            faults.push(format!("{key}: {} is no URL", upstream.address));
            continue;
        };
        let port = port.unwrap_or(80);
        let service = objects.find("Service", host);
        let has_port = |service: &Value| list(&service["spec"]["ports"]).any(|known| known["port"] == port);
        match service {
            None if upstream.optional => {}
            None => faults.push(format!("{key}: no Service {host}, and it is not optional")),
            Some(service) if !has_port(service) => {
                faults.push(format!("{key}: {} has no port {port}", title(service)));
            }
            Some(_) => match objects.adapters().find(|adapter| adapter.name() == host) {
                Some(adapter) if name(objects, adapter) == *key => {}
                Some(adapter) => faults.push(format!(
                    "{key}: {adapter} calls itself {}",
                    name(objects, adapter)
                )),
                None => faults.push(format!("{key}: {host} is no adapter")),
            },
        }
    }
    for adapter in objects.adapters() {
        let is_named = upstreams
            .values()
            .any(|upstream| endpoint(&upstream.address).is_some_and(|(host, _)| host == adapter.name()));
        if !is_named {
            faults.push(format!("{adapter} has no line in {FILE}"));
        }
    }
    faults
}

/// What an adapter calls itself, which is what its database sees.
fn name(objects: &Objects, adapter: Workload<'_>) -> String {
    let environment = adapter
        .process()
        .and_then(|container| Environment::of(objects, container, Secrets::Bare).ok());
    let own = environment
        .as_ref()
        .and_then(|environment| environment.get("MCP_HUB_NAME"));
    own.unwrap_or(adapter.label(COMPONENT)).to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::fixture;

    fn after(kind: &str, name: &str, path: &str, value: Value) -> Vec<String> {
        faults(&fixture::with(kind, name, path, value))
    }

    #[test]
    fn each_side_can_be_wrong() {
        assert_eq!(faults(&fixture::hub()), [""; 0]);
        let file = fixture::hub().find("ConfigMap", MAP).expect("it is there")["data"][FILE].clone();
        let changed = |from: &str, to: &str| json!(text(&file).replacen(from, to, 1));
        for (from, to, expected) in [
            (
                "mcp-hub-postgres:50051",
                "mcp-hub-postgres:50052",
                vec!["postgres: Service mcp-hub-postgres has no port 50052"],
            ),
            (
                "http://mcp-hub-postgres:50051",
                "mcp-hub-postgres",
                vec![
                    "postgres: mcp-hub-postgres is no URL",
                    "Deployment mcp-hub-postgres has no line in upstreams.toml",
                ],
            ),
            (
                "mcp-hub-postgres:50051",
                "postgres:5432",
                vec![
                    "postgres: postgres is no adapter",
                    "Deployment mcp-hub-postgres has no line in upstreams.toml",
                ],
            ),
            (
                "mcp-hub-postgres:50051",
                "gone:50051",
                vec![
                    "postgres: no Service gone, and it is not optional",
                    "Deployment mcp-hub-postgres has no line in upstreams.toml",
                ],
            ),
            (
                "[upstreams.orders]",
                "[upstreams.shop]",
                vec!["shop: Deployment mcp-hub-orders calls itself orders"],
            ),
            (
                "optional = true",
                "optional = false",
                vec!["neo4j: no Service mcp-hub-neo4j, and it is not optional"],
            ),
        ] {
            let found = after("ConfigMap", MAP, &format!("/data/{FILE}"), changed(from, to));
            assert_eq!(found, expected, "{to}");
        }
        let broken = after("ConfigMap", MAP, &format!("/data/{FILE}"), json!("["));
        assert!(
            broken[0].starts_with("ConfigMap mcp-hub-upstreams: TOML parse error"),
            "{broken:?}"
        );
        let unnamed = after(
            "ConfigMap",
            MAP,
            "/metadata/name",
            json!("mcp-hub-upstreams-4d5f"),
        );
        assert_eq!(unnamed, ["no ConfigMap mcp-hub-upstreams"]);
        let path = "/spec/template/spec/containers/0/volumeMounts/1";
        let fixed = after("Deployment", MCP_HUB, &format!("{path}/subPath"), json!(FILE));
        assert_eq!(
            fixed,
            ["Deployment mcp-hub mounts mcp-hub-upstreams by subPath, and does not see it change"]
        );
        let absent = after("Deployment", MCP_HUB, path, Value::Null);
        assert_eq!(absent, ["Deployment mcp-hub does not mount mcp-hub-upstreams"]);
    }
}

//! The port at which clients come in is one number, wherever it stands.

use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;

use super::object::{Objects, list};

/// The cluster that is made on one machine.
const CLUSTER: &str = "k8s/kind/cluster.yaml";
/// What stands in front by default.
const CADDY: [&str; 2] = ["Caddyfile", "caddy/mcp-hub.caddyfile"];
/// The door.
const SERVICE: &str = "mcp-hub-service";
/// Where the cluster is reached from its own machine.
const LOOPBACK: &str = "127.0.0.1";

#[derive(Deserialize)]
struct Cluster {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default, rename = "extraPortMappings")]
    mappings: Vec<Mapping>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mapping {
    container_port: u16,
    host_port: u16,
    #[serde(default)]
    listen_address: String,
}

/// What is wrong in the files beside the manifests, one sentence each.
pub(super) fn faults(root: &Path, objects: &Objects) -> anyhow::Result<Vec<String>> {
    let text = |name: &str| fs::read_to_string(root.join(name)).with_context(|| name.to_owned());
    let caddy = CADDY
        .iter()
        .map(|name| text(name))
        .collect::<anyhow::Result<String>>()?;
    compare(objects, &text(CLUSTER)?, &caddy)
}

fn compare(objects: &Objects, cluster: &str, caddy: &str) -> anyhow::Result<Vec<String>> {
    let service = objects
        .find("Service", SERVICE)
        .with_context(|| format!("no Service {SERVICE}"))?;
    let port = list(&service["spec"]["ports"]).find_map(|port| port["nodePort"].as_u64());
    let port = port.with_context(|| format!("{SERVICE} has no nodePort"))?;
    let cluster: Cluster = serde_saphyr::from_str(cluster).context(CLUSTER)?;
    let mappings: Vec<&Mapping> = cluster.nodes.iter().flat_map(|node| &node.mappings).collect();
    let mut faults = Vec::new();
    // What Docker publishes on every address passes by the firewall.
    let is_door = |mapping: &&Mapping| {
        u64::from(mapping.container_port) == port
            && u64::from(mapping.host_port) == port
            && mapping.listen_address == LOOPBACK
    };
    if !matches!(mappings.as_slice(), [mapping] if is_door(mapping)) {
        faults.push(format!(
            "{CLUSTER} does not map {port} alone, to {LOOPBACK}:{port}"
        ));
    }
    if !caddy.contains(&format!("{LOOPBACK}:{port}")) {
        faults.push(format!("{} don't name {LOOPBACK}:{port}", CADDY.join(" and ")));
    }
    Ok(faults)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::fixture;

    const KIND: &str = "nodes: [{role: control-plane, extraPortMappings: [{containerPort: 30800, hostPort: 30800, listenAddress: 127.0.0.1}]}]";

    #[test]
    fn each_place_can_have_another_number() {
        let caddy = "reverse_proxy {$HUB_UPSTREAMS:127.0.0.1:30800}";
        let of =
            |cluster: &str, caddy: &str| compare(&fixture::hub(), cluster, caddy).expect("compared").len();
        assert_eq!(of(KIND, caddy), 0);
        assert_eq!(
            of(
                &KIND.replace("containerPort: 30800", "containerPort: 30801"),
                caddy
            ),
            1
        );
        assert_eq!(of(&KIND.replace("hostPort: 30800", "hostPort: 80"), caddy), 1);
        assert_eq!(of(&KIND.replace("127.0.0.1", "0.0.0.0"), caddy), 1);
        assert_eq!(of(&KIND.replace(", listenAddress: 127.0.0.1", ""), caddy), 1);
        assert_eq!(of("nodes: [{role: control-plane}]", caddy), 1);
        assert_eq!(of(KIND, "reverse_proxy 127.0.0.1:8000"), 1);
    }
}

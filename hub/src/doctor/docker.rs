//! Docker on this machine, as far as its socket may be read: its networks, and the ports that its containers publish.
//!
//! The engine is only ever asked (`GET`); what may change something is not said here.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_chassis::doctor::surroundings::Network;
use mcp_hub_chassis::fault;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Where the engine listens when nobody says otherwise.
const USUAL: &str = "/var/run/docker.sock";

/// What KIND puts on the containers that are its nodes.
const KIND_CLUSTER: &str = "io.x-k8s.kind.cluster";

/// The beginning of the names of our images, behind the registry.
const OUR_IMAGES: &str = "mcp-hub";

/// Why Docker can't be seen.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// There is no socket.
    #[error("there is no Docker here")]
    Absent,
    /// The user may not read the socket.
    #[error("this user may not ask Docker: run it with sudo, or as a member of the group docker")]
    NotAllowed,
    /// The engine is reached in another way.
    #[error("DOCKER_HOST names no Unix socket")]
    NoSocket,
    /// The engine did not answer as it should.
    #[error("Docker does not answer")]
    Engine(#[source] reqwest::Error),
}

/// What Docker says of this machine.
#[derive(Debug, Default)]
pub(super) struct Docker {
    networks: Vec<NetworkOf>,
    containers: Vec<Container>,
}

/// A container that runs.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Container {
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    /// What it publishes.
    #[serde(default)]
    pub(super) ports: Vec<Published>,
    #[serde(default)]
    labels: Option<HashMap<String, String>>,
    #[serde(default)]
    network_settings: NetworkSettings,
}

/// A port of a container, and where it is published.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Published {
    /// The address of the host that it is published on; absent when it is not.
    #[serde(rename = "IP")]
    pub(super) address: Option<IpAddr>,
    /// The port inside.
    pub(super) private_port: u16,
    /// The port of the host.
    pub(super) public_port: Option<u16>,
    /// `tcp`
    #[serde(rename = "Type")]
    pub(super) protocol: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default)]
    networks: HashMap<String, serde_json::Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkOf {
    name: String,
    #[serde(rename = "IPAM")]
    addresses: Addresses,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Addresses {
    config: Option<Vec<Subnet>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Subnet {
    subnet: Option<String>,
    gateway: Option<String>,
}

impl Docker {
    /// Asks the engine that `host` (`DOCKER_HOST`) names, else the usual one.
    ///
    /// # Errors
    /// When there is none, it may not be asked, or it does not answer in time.
    pub(super) async fn look(host: Option<&str>, limit: Duration) -> Result<Self, Error> {
        let socket = socket(host)?;
        match std::os::unix::net::UnixStream::connect(&socket) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                return Err(Error::NotAllowed);
            }
            Err(error) => {
                tracing::debug!(error = fault::chain(&error), "no Docker");
                return Err(Error::Absent);
            }
        }
        let client = reqwest::Client::builder()
            .unix_socket(socket.as_path())
            .timeout(limit)
            .build()
            .map_err(Error::Engine)?;
        let (networks, containers) =
            tokio::try_join!(get(&client, "networks"), get(&client, "containers/json"))
                .map_err(Error::Engine)?;
        Ok(Self { networks, containers })
    }

    /// Its networks with the addresses that they have.
    pub(super) fn networks(&self) -> Vec<Network> {
        let networks = self.networks.iter().flat_map(|network| {
            let subnets = network.addresses.config.iter().flatten();
            subnets.filter_map(|subnet| {
                Some(Network {
                    name: network.name.clone(),
                    subnet: subnet.subnet.as_ref()?.parse().ok()?,
                    gateway: subnet.gateway.as_ref().and_then(|gateway| gateway.parse().ok()),
                })
            })
        });
        networks.collect()
    }

    /// The containers that run.
    pub(super) fn containers(&self) -> &[Container] {
        &self.containers
    }

    /// Whether a hub runs in a container, or may run on a node of KIND, that shares no network with this one.
    pub(super) fn is_apart_from_a_hub(&self, container: &Container) -> bool {
        let networks = container.networks();
        let hubs = self.containers.iter().filter(|other| other.is_of_the_hub());
        hubs.map(Container::networks)
            .any(|of_hub| of_hub.is_disjoint(&networks))
    }
}

impl Container {
    /// As people know it.
    pub(super) fn name(&self) -> &str {
        self.names.first().map_or("", |name| name.trim_start_matches('/'))
    }

    /// The name of its image, without registry and tag.
    pub(super) fn image(&self) -> &str {
        let name = self.image.rsplit('/').next().unwrap_or_default();
        name.split([':', '@']).next().unwrap_or_default()
    }

    fn networks(&self) -> BTreeSet<&str> {
        self.network_settings
            .networks
            .keys()
            .map(String::as_str)
            .collect()
    }

    fn is_of_the_hub(&self) -> bool {
        let labels = self.labels.as_ref();
        self.image().starts_with(OUR_IMAGES) || labels.is_some_and(|labels| labels.contains_key(KIND_CLUSTER))
    }
}

/// The path of the socket.
fn socket(host: Option<&str>) -> Result<PathBuf, Error> {
    match host.filter(|host| !host.is_empty()) {
        None => Ok(USUAL.into()),
        Some(host) => {
            let path = host.strip_prefix("unix://").ok_or(Error::NoSocket)?;
            Ok(Path::new(path).to_owned())
        }
    }
}

async fn get<T: DeserializeOwned>(client: &reqwest::Client, what: &str) -> Result<T, reqwest::Error> {
    // The host means nothing: the socket is the engine's.
    let answer = client.get(format!("http://docker/{what}")).send().await?;
    answer.error_for_status()?.json().await
}

#[cfg(test)]
mod tests;

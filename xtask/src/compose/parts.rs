//! What the services of the hub must be: an image of the Dockerfile each, confined, with its own secret and all settings of its adapter, and at
//! the address that the facade is told.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Value, json};

use super::facts::{list, services};
use crate::images::dockerfile::Dockerfile;
use crate::images::{Facts, target_of};

/// The adapters that the facade is told of.
const UPSTREAMS: &str = "docker/hub/upstreams.toml";
/// Every setting, by adapter.
const REFERENCE: &str = "docs/configuration.md";
/// The only one that others reach from outside.
const FACADE: &str = "mcp-hub-facade";
/// The network of what asks for no token.
const HUB: &str = "hub";

/// What the services are compared with.
pub(super) struct Parts {
    facts: Facts,
    dockerfile: Dockerfile,
    upstreams: Upstreams,
    reference: String,
}

#[derive(Deserialize)]
struct Upstreams {
    upstreams: std::collections::BTreeMap<String, Upstream>,
}

#[derive(Deserialize)]
struct Upstream {
    address: String,
    #[serde(default)]
    optional: bool,
}

impl Parts {
    pub(super) fn read(root: &Path, facts: Facts, dockerfile: Dockerfile) -> anyhow::Result<Self> {
        let text = |name: &str| fs::read_to_string(root.join(name)).with_context(|| name.to_owned());
        Ok(Self {
            facts,
            dockerfile,
            upstreams: toml::from_str(&text(UPSTREAMS)?).context(UPSTREAMS)?,
            reference: text(REFERENCE)?,
        })
    }

    /// What is wrong with all services of the hub, one sentence each.
    pub(super) fn faults(&self, config: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let built = || services(config).filter(|(_, service)| !service["build"].is_null());
        let used: BTreeSet<&str> = built().map(|(_, service)| program(service)).collect();
        let made: BTreeSet<&str> = self.facts.programs.iter().map(|name| &**name).collect();
        if used != made {
            faults.push(format!("runs {used:?}, and the images are {made:?}"));
        }
        for (name, service) in built() {
            faults.extend(self.service_faults(name, service));
            let adapter = self.adapter_of(service);
            let missing = adapter.into_iter().flat_map(|adapter| {
                let there = &service["environment"];
                self.settings(adapter, variables_of(name, adapter))
                    .into_iter()
                    .filter(move |setting| there.get(setting).is_none())
            });
            faults.extend(missing.map(|setting| format!("{name} takes no {setting} from .env")));
        }
        faults.extend(self.upstream_faults(config));
        faults
    }

    /// What is wrong with services that docker-compose.yml does not have.
    pub(super) fn instance_faults(&self, config: &Value) -> Vec<String> {
        let built = services(config).filter(|(_, service)| !service["build"].is_null());
        let mut found = built
            .map(|(name, service)| (name, self.service_faults(name, service)))
            .peekable();
        if found.peek().is_none() {
            return vec!["shows no adapter".to_owned()];
        }
        found.flat_map(|(_, faults)| faults).collect()
    }

    /// What is wrong with one service.
    fn service_faults(&self, name: &str, service: &Value) -> Vec<String> {
        let program = program(service);
        let secrets: Vec<&str> = list(&service["secrets"])
            .filter_map(|secret| secret["source"].as_str())
            .collect();
        let adapter = self.adapter_of(service);
        let own = name.trim_start_matches("mcp-hub-");
        let mut rules = vec![
            (
                service["image"] == format!("{program}:{}", self.facts.version),
                "runs no image of this version",
            ),
            (
                service["build"]["target"] == target_of(program),
                "is built from another stage than its image",
            ),
            (service["pull_policy"] == "never", "may fetch what is built here"),
            (service["read_only"] == true, "may write into its container"),
            (service["user"] == "65532:65532", "runs as another user"),
            (
                service["pids_limit"].is_number(),
                "may start any number of processes",
            ),
            (
                service["networks"].get(HUB).is_some(),
                "is not in the network of the hub",
            ),
            (
                name == FACADE || service["ports"].is_null(),
                "is published, and asks for no token",
            ),
            (
                secrets.iter().all(|secret| secret.starts_with(own)) && secrets.len() <= 1,
                "has another's secret",
            ),
        ];
        if service["restart"] != "no" {
            rules.push((
                service["healthcheck"]["test"] == json!(["CMD", program, "healthcheck"]),
                "is not asked for its health by itself",
            ));
            rules.push((
                service["environment"]["MCP_HUB_METRICS_LISTEN"] == "0.0.0.0:9090",
                "has no metrics",
            ));
        }
        if name == FACADE {
            rules.push((
                service["environment"]["MCP_HUB_AUTH"] == "tokens",
                "asks for no tokens",
            ));
            rules.push((
                service["networks"].get("databases").is_none(),
                "has a way to databases",
            ));
        }
        if adapter.is_some() && adapter != Some("sqlite") {
            rules.push((!secrets.is_empty(), "has no secret"));
        }
        rules
            .into_iter()
            .filter(|(kept, _)| !kept)
            .map(|(_, sentence)| format!("{name} {sentence}"))
            .collect()
    }

    /// What is wrong with the facade's list of adapters.
    fn upstream_faults(&self, config: &Value) -> Vec<String> {
        let adapters = services(config)
            .filter(|(_, service)| !service["build"].is_null() && self.adapter_of(service).is_some());
        let mut expected: BTreeSet<String> = adapters
            .filter_map(|(name, service)| {
                let port = self.dockerfile.port(target_of(program(service)))?;
                Some(format!("http://{name}:{port}"))
            })
            .collect();
        let mut faults = Vec::new();
        for (key, upstream) in &self.upstreams.upstreams {
            let address = &upstream.address;
            if !expected.remove(address) || !address.contains(&format!("-{key}:")) {
                faults.push(format!("{UPSTREAMS}: {key} is said to be at {address}"));
            }
            if !upstream.optional {
                faults.push(format!("{UPSTREAMS}: {key} is missed where its profile is off"));
            }
        }
        faults.extend(
            expected
                .into_iter()
                .map(|address| format!("{UPSTREAMS}: nothing names {address}")),
        );
        faults
    }

    /// The kind of adapter that a service runs.
    fn adapter_of<'a>(&self, service: &'a Value) -> Option<&'a str> {
        let kind = target_of(program(service));
        self.reference
            .contains(&format!("## The {kind} adapter\n"))
            .then_some(kind)
    }

    /// The variables of an adapter's settings that Compose can pass on: none of secrets, and none that Compose itself decides.
    fn settings(&self, adapter: &str, prefix: &str) -> Vec<String> {
        let heading = format!("## The {adapter} adapter\n");
        let section = self.reference.split(&heading).nth(1).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        let variables = section
            .lines()
            .filter_map(|row| row.split('|').nth(2)?.trim().strip_prefix('`')?.strip_suffix('`'));
        variables
            .filter(|name| !name.starts_with("MCP_HUB_"))
            .filter(|name| {
                !["_FILE", "_PASSWORD", "_API_KEY"]
                    .iter()
                    .any(|end| name.ends_with(end))
            })
            // A URL has the password in it, but Qdrant's.
            .filter(|name| !name.ends_with("_URL") || adapter == "qdrant")
            .map(|name| match name.split_once('_') {
                Some((_, rest)) => format!("{prefix}_{rest}"),
                None => name.to_owned(),
            })
            .collect()
    }
}

/// What the variables of a service begin with: `POSTGRES`, and `MYSQL` for the other name of MariaDB's adapter.
fn variables_of(name: &str, adapter: &str) -> &'static str {
    match (name, adapter) {
        ("mcp-hub-mysql", _) => "MYSQL",
        (_, "mariadb") => "MARIADB",
        (_, "neo4j") => "NEO4J",
        (_, "postgres") => "POSTGRES",
        (_, "qdrant") => "QDRANT",
        _ => "SQLITE",
    }
}

/// The program in a service's image: the image's name without registry and tag.
fn program(service: &Value) -> &str {
    let image = service["image"].as_str().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests;

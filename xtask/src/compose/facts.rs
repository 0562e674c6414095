//! The facts that every service must keep, told from the JSON of `docker compose config`.

use std::fmt;
use std::path::Path;

use serde_json::{Map, Value};

/// How variables end that hold secrets, and not the files of secrets.
const SECRET: [&str; 4] = ["PASSWORD", "API_KEY", "TOKEN", "SECRET"];

/// A published port.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Port<'a> {
    service: &'a str,
    /// The address on the host; empty when none is named, which is every one.
    pub(super) address: &'a str,
    /// The port on the host.
    pub(super) published: &'a str,
}

impl fmt::Display for Port<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            service,
            address,
            published,
        } = self;
        write!(f, "{service}: port {address}:{published}")
    }
}

/// The published ports.
pub(super) fn ports(config: &Value) -> Vec<Port<'_>> {
    services(config)
        .flat_map(|(service, settings)| {
            list(&settings["ports"]).map(move |port| Port {
                service,
                address: port["host_ip"].as_str().unwrap_or_default(),
                published: port["published"].as_str().unwrap_or_default(),
            })
        })
        .collect()
}

/// What is wrong, one sentence each.
pub(super) fn faults(config: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    for (name, service) in services(config) {
        let mut rule = |kept: bool, sentence: &str| {
            if !kept {
                faults.push(format!("{name} {sentence}"));
            }
        };
        rule(is_pinned(&service["image"]), "has an image without a version");
        rule(list(&service["profiles"]).next().is_some(), "has no profile");
        rule(
            service["mem_limit"].as_str().is_some_and(|limit| limit != "0"),
            "has no memory limit",
        );
        rule(
            service["logging"]["options"]["max-size"].is_string(),
            "may log without end",
        );
        rule(
            has(&service["security_opt"], "no-new-privileges:true"),
            "may gain privileges",
        );
        rule(has(&service["cap_drop"], "ALL"), "keeps capabilities");
        for (variable, _) in service["environment"].as_object().into_iter().flatten() {
            rule(
                !SECRET.iter().any(|end| variable.ends_with(end)),
                &format!("has {variable}, which `docker inspect` shows"),
            );
        }
        if is_awaited(config, name) {
            rule(
                service["restart"] == "no",
                "is waited for until it ends, and restarts",
            );
        } else if service["restart"] != "no" || service["healthcheck"]["disable"] != true {
            rule(
                service["restart"] == "unless-stopped",
                "does not come back after a failure",
            );
            rule(
                list(&service["healthcheck"]["test"]).next().is_some(),
                "has no health check",
            );
            rule(service["stop_grace_period"].is_string(), "has no time to stop in");
        }
        for volume in list(&service["volumes"]).filter(|volume| volume["type"] == "bind") {
            let source = volume["source"].as_str().unwrap_or_default();
            rule(
                Path::new(source).exists(),
                &format!("mounts {source}, which is not there"),
            );
            rule(volume["read_only"] == true, &format!("may write to {source}"));
        }
    }
    for (name, secret) in config["secrets"].as_object().into_iter().flatten() {
        if !secret["file"].is_string() {
            faults.push(format!(
                "the secret {name} is no file, and a read-only container takes no other"
            ));
        }
    }
    faults
}

/// Whether an image has a tag that stays what it is.
fn is_pinned(image: &Value) -> bool {
    let name = image.as_str().and_then(|image| image.rsplit('/').next());
    name.and_then(|name| name.split_once(':'))
        .is_some_and(|(_, tag)| !tag.is_empty() && tag != "latest")
}

/// Whether a service waits for the end of this one.
fn is_awaited(config: &Value, name: &str) -> bool {
    services(config)
        .any(|(_, service)| service["depends_on"][name]["condition"] == "service_completed_successfully")
}

pub(super) fn services(config: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let services = config["services"].as_object().into_iter().flat_map(Map::iter);
    services.map(|(name, service)| (&**name, service))
}

pub(super) fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn has(value: &Value, item: &str) -> bool {
    list(value).any(|value| value == item)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({"services": {
            "database": {
                "image": "registry.example.com:5000/database:1.2",
                "profiles": ["all"],
                "mem_limit": "1048576",
                "logging": {"options": {"max-size": "10m"}},
                "security_opt": ["no-new-privileges:true"],
                "cap_drop": ["ALL"],
                "restart": "unless-stopped",
                "healthcheck": {"test": ["CMD", "true"]},
                "stop_grace_period": "1m0s",
                "volumes": [{"type": "bind", "source": "/", "read_only": true}],
                "ports": [{"host_ip": "127.0.0.1", "published": "5432", "target": 5432}],
                "depends_on": {"loader": {"condition": "service_completed_successfully"}},
            },
            "loader": {
                "image": "loader:1",
                "profiles": ["all"],
                "mem_limit": "1048576",
                "logging": {"options": {"max-size": "10m"}},
                "security_opt": ["no-new-privileges:true"],
                "cap_drop": ["ALL"],
                "restart": "no",
            },
        }})
    }

    #[test]
    fn each_rule_can_be_broken() {
        assert_eq!(faults(&good()), [""; 0]);
        for (service, change, fault) in [
            (
                "database",
                json!({"image": "database"}),
                "has an image without a version",
            ),
            (
                "database",
                json!({"image": "registry:5000/database"}),
                "has an image without a version",
            ),
            (
                "database",
                json!({"image": "database:latest"}),
                "has an image without a version",
            ),
            ("database", json!({"profiles": null}), "has no profile"),
            ("database", json!({"mem_limit": null}), "has no memory limit"),
            (
                "loader",
                json!({"logging": {"driver": "json-file"}}),
                "may log without end",
            ),
            ("loader", json!({"security_opt": []}), "may gain privileges"),
            ("database", json!({"cap_drop": ["NET_RAW"]}), "keeps capabilities"),
            (
                "loader",
                json!({"restart": "always"}),
                "is waited for until it ends, and restarts",
            ),
            (
                "database",
                json!({"restart": "no"}),
                "does not come back after a failure",
            ),
            ("database", json!({"healthcheck": null}), "has no health check"),
            (
                "database",
                json!({"stop_grace_period": null}),
                "has no time to stop in",
            ),
            (
                "database",
                json!({"volumes": [{"type": "bind", "source": "/no/such", "read_only": true}]}),
                "mounts /no/such, which is not there",
            ),
            (
                "database",
                json!({"volumes": [{"type": "bind", "source": "/"}]}),
                "may write to /",
            ),
            (
                "database",
                json!({"environment": {"POSTGRES_PASSWORD": "x", "POSTGRES_PASSWORD_FILE": "/x"}}),
                "has POSTGRES_PASSWORD, which `docker inspect` shows",
            ),
        ] {
            let mut config = good();
            let settings = config["services"][service].as_object_mut().expect("a service");
            settings.extend(change.as_object().expect("an object").clone());
            assert_eq!(faults(&config), [format!("{service} {fault}")]);
        }
    }

    #[test]
    fn secrets_are_files() {
        let mut config = good();
        config["secrets"] = json!({"a": {"file": "/a"}, "b": {"environment": "B"}});
        assert_eq!(
            faults(&config),
            ["the secret b is no file, and a read-only container takes no other"]
        );
    }

    #[test]
    fn what_is_run_by_hand_needs_no_health_check() {
        let mut config = good();
        let command = json!({"restart": "no", "healthcheck": {"disable": true}, "stop_grace_period": null});
        let settings = config["services"]["database"].as_object_mut().expect("a service");
        settings.extend(command.as_object().expect("an object").clone());
        assert_eq!(faults(&config), [""; 0]);
    }

    #[test]
    fn ports_are_found_with_their_addresses() {
        let mut config = good();
        config["services"]["loader"]["ports"] = json!([{"published": "80", "target": 80}]);
        let shown: Vec<String> = ports(&config).iter().map(Port::to_string).collect();
        assert_eq!(shown, ["database: port 127.0.0.1:5432", "loader: port :80"]);
    }
}

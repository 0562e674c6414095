//! Nothing secret is in the repository, and of what is in the cluster's Secrets each Pod gets its own, as files.

use serde_json::Value;

use super::object::{COMPONENT, FACADE, Objects, Workload, list, text, title};

/// The Secret of the facade.
const TOKENS: &str = "mcp-hub-tokens";
/// The Secret that the usual adapters share, key by key.
const SHARED: &str = "mcp-hub-secrets";
/// What the names of secrets have in them.
const WORDS: [&str; 7] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "credential",
];
/// What the names of variables that only say where a secret is end with.
const PLACES: [&str; 3] = ["_file", "_path", "_dir"];

/// What is wrong, one sentence each.
pub(super) fn faults(objects: &Objects) -> Vec<String> {
    let mut faults = Vec::new();
    for secret in objects.of("Secret") {
        faults.push(format!("{} is in the repository", title(secret)));
    }
    for map in objects.of("ConfigMap") {
        for (name, value) in map["data"].as_object().into_iter().flatten() {
            faults.extend(plain(name, text(value)).map(|fault| format!("{}: {fault}", title(map))));
        }
    }
    for workload in objects.workloads() {
        for container in workload.containers() {
            let variables = list(&container["env"])
                .filter_map(|variable| Some((text(&variable["name"]), variable["value"].as_str()?)));
            faults.extend(
                variables.filter_map(|(name, value)| Some(format!("{workload}: {}", plain(name, value)?))),
            );
            let words = list(&container["args"])
                .chain(list(&container["command"]))
                .map(text);
            faults.extend(
                words
                    .filter(|word| has_login(word))
                    .map(|_| format!("{workload}: a login is on its command line")),
            );
        }
        if workload.is_hub() {
            faults.extend(
                own(workload)
                    .into_iter()
                    .map(|sentence| format!("{workload} {sentence}")),
            );
        }
    }
    faults
}

/// What is secret and stands there for all to read.
fn plain(name: &str, value: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let is_secret =
        WORDS.iter().any(|word| lower.contains(word)) && !PLACES.iter().any(|end| lower.ends_with(end));
    // A word of the command that makes it, a reference to another variable, or a switch is no secret.
    let is_value = !(value.is_empty()
        || value.starts_with("$(")
        || matches!(value, "true" | "false")
        || value.parse::<u64>().is_ok());
    if is_secret && is_value {
        return Some(format!("{name} has its value in plain text"));
    }
    value
        .lines()
        .any(has_login)
        .then(|| format!("{name} has a login in it"))
}

/// Whether a text has `scheme://user:password@host` in it.
fn has_login(text: &str) -> bool {
    text.split("://").skip(1).any(|rest| {
        let authority = rest.split(['/', '?', ' ', '"', '\'']).next().unwrap_or_default();
        authority
            .rsplit_once('@')
            .is_some_and(|(login, _)| login.contains(':'))
    })
}

/// What a Pod of the hub gets that is not its own, or gets in the wrong way.
fn own(workload: Workload<'_>) -> Vec<String> {
    let mut faults = Vec::new();
    let volumes = list(&workload.pod()["volumes"]);
    let sources = volumes.flat_map(|volume| {
        let projected = list(&volume["projected"]["sources"]).map(|source| &source["secret"]);
        std::iter::once(&volume["secret"]).chain(projected)
    });
    for secret in sources.filter(|secret| secret.is_object()) {
        let name = text(if secret["secretName"].is_null() {
            &secret["name"]
        } else {
            &secret["secretName"]
        });
        let keys: Vec<&str> = list(&secret["items"]).map(|item| text(&item["key"])).collect();
        if keys.is_empty() {
            faults.push(format!("gets all of the Secret {name}"));
        }
        faults.extend(
            keys.into_iter()
                .filter(|key| !is_own(workload, name, key))
                .map(|key| format!("gets {key} of the Secret {name}")),
        );
        // Others on the machine, and other users in the Pod, have no business there.
        let modes = list(&secret["items"])
            .map(|item| &item["mode"])
            .chain([&secret["defaultMode"]]);
        let mut modes = modes.filter_map(Value::as_u64).peekable();
        if modes.peek().is_none() || modes.any(|mode| mode & 0o337 != 0) {
            faults.push(format!(
                "has files of the Secret {name} that not only it can read"
            ));
        }
    }
    for container in workload.containers() {
        for variable in list(&container["env"]) {
            let reference = &variable["valueFrom"]["secretKeyRef"];
            let (name, key) = (text(&reference["name"]), text(&reference["key"]));
            if reference.is_null() {
                continue;
            }
            if !is_own(workload, name, key) {
                faults.push(format!("gets {key} of the Secret {name}"));
            }
            // Variables are in crash dumps, in /proc, and in every program that is started.
            if WORDS.iter().any(|word| key.contains(word)) {
                faults.push(format!("gets {key} as a variable"));
            }
        }
    }
    faults
}

/// Whether a key is a Pod's own: of the shared Secret by its kind, of another by its name.
fn is_own(workload: Workload<'_>, secret: &str, key: &str) -> bool {
    let kind = workload.label(COMPONENT);
    match secret {
        TOKENS => kind == FACADE,
        SHARED => kind != FACADE && key.starts_with(&format!("{kind}-")),
        name => name == workload.name(),
    }
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
    fn what_is_secret_is_not_there_to_read() {
        assert_eq!(faults(&fixture::hub()), [""; 0]);
        for (name, value, expected) in [
            (
                "POSTGRES_PASSWORD",
                "postgres",
                "ConfigMap mcp-hub-postgres: POSTGRES_PASSWORD has its value in plain text",
            ),
            (
                "QDRANT_API_KEY",
                "k",
                "ConfigMap mcp-hub-postgres: QDRANT_API_KEY has its value in plain text",
            ),
            (
                "MCP_HUB_TOKEN",
                "mh_1",
                "ConfigMap mcp-hub-postgres: MCP_HUB_TOKEN has its value in plain text",
            ),
            (
                "POSTGRES_URL",
                "postgres://u:p@db/x",
                "ConfigMap mcp-hub-postgres: POSTGRES_URL has a login in it",
            ),
        ] {
            assert_eq!(
                after(
                    "ConfigMap",
                    "mcp-hub-postgres",
                    &format!("/data/{name}"),
                    json!(value)
                ),
                [expected]
            );
        }
        for (name, value) in [
            ("X_PASSWORD_FILE", "/x"),
            ("X_TOKENS", "true"),
            ("X_URL", "bolt://u@h:1/a:b@c"),
            ("X_PASSWORD", ""),
        ] {
            assert_eq!(
                after(
                    "ConfigMap",
                    "mcp-hub-postgres",
                    &format!("/data/{name}"),
                    json!(value)
                ),
                [""; 0],
                "{name}"
            );
        }
        let container = "/spec/template/spec/containers/0";
        let variable = json!({"name": "POSTGRES_PASSWORD", "value": "x"});
        let found = after(
            "Deployment",
            "mcp-hub-postgres",
            &format!("{container}/env/0"),
            variable,
        );
        assert_eq!(
            found,
            ["Deployment mcp-hub-postgres: POSTGRES_PASSWORD has its value in plain text"]
        );
        let found = after(
            "Deployment",
            "mcp-hub-postgres",
            &format!("{container}/args"),
            json!(["--url=postgres://u:p@h"]),
        );
        assert_eq!(
            found,
            ["Deployment mcp-hub-postgres: a login is on its command line"]
        );
        let mut hub = fixture::hub();
        hub.add(json!({"kind": "Secret", "metadata": {"name": "mcp-hub-secrets"}, "stringData": {"postgres-password": ""}}));
        assert_eq!(faults(&hub), ["Secret mcp-hub-secrets is in the repository"]);
    }

    #[test]
    fn each_pod_gets_its_own_keys_as_files_that_it_alone_reads() {
        let secret = "/spec/template/spec/volumes/0/secret";
        for (name, path, value, expected) in [
            (
                "mcp-hub-postgres",
                format!("{secret}/items"),
                Value::Null,
                "gets all of the Secret mcp-hub-secrets",
            ),
            (
                "mcp-hub-postgres",
                format!("{secret}/items/0/key"),
                json!("neo4j-password"),
                "gets neo4j-password of the Secret mcp-hub-secrets",
            ),
            (
                "mcp-hub-orders",
                format!("{secret}/secretName"),
                json!("mcp-hub-billing"),
                "gets postgres-password of the Secret mcp-hub-billing",
            ),
            (
                "mcp-hub-postgres",
                format!("{secret}/secretName"),
                json!("mcp-hub-tokens"),
                "gets postgres-password of the Secret mcp-hub-tokens",
            ),
            (
                "mcp-hub-postgres",
                format!("{secret}/defaultMode"),
                json!(0o444),
                "has files of the Secret mcp-hub-secrets that not only it can read",
            ),
            (
                "mcp-hub-postgres",
                format!("{secret}/defaultMode"),
                Value::Null,
                "has files of the Secret mcp-hub-secrets that not only it can read",
            ),
            (
                "mcp-hub-postgres",
                "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef/key".to_owned(),
                json!("postgres-password"),
                "gets postgres-password as a variable",
            ),
            (
                "mcp-hub-postgres",
                "/spec/template/spec/containers/0/env/0/valueFrom/secretKeyRef/key".to_owned(),
                json!("neo4j-uri"),
                "gets neo4j-uri of the Secret mcp-hub-secrets",
            ),
        ] {
            assert_eq!(
                after("Deployment", name, &path, value),
                [format!("Deployment {name} {expected}")],
                "{path}"
            );
        }
        let shared = after(
            "Deployment",
            "mcp-hub",
            &format!("{secret}/secretName"),
            json!("mcp-hub-secrets"),
        );
        assert_eq!(shared.len(), 2, "{shared:#?}");
    }
}

//! The environment that a container gets, as the kubelet puts it together, so that programs can be asked with it.

use anyhow::{Context as _, bail};
use serde_json::Value;

use super::object::{Objects, list, text};

/// What is in the Secrets, which are not in the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Secrets {
    /// Every key that something reads.
    Full,
    /// No key that something can do without.
    Bare,
}

/// The address of a Pod, for those that are told theirs.
const POD: &str = "10.244.1.7";

/// A container's variables, in order; later ones win.
#[derive(Clone, Debug, Default)]
pub(super) struct Environment(Vec<(String, String)>);

impl Environment {
    /// Puts it together.
    ///
    /// # Errors
    /// Something that it is made of is not there.
    pub(super) fn of(objects: &Objects, container: &Value, secrets: Secrets) -> anyhow::Result<Self> {
        let mut environment = Self::default();
        for source in list(&container["envFrom"]) {
            if source["secretRef"].is_object() {
                bail!("takes all keys of a Secret as variables");
            }
            let (reference, prefix) = (&source["configMapRef"], text(&source["prefix"]));
            let Some(map) = objects.find("ConfigMap", text(&reference["name"])) else {
                if reference["optional"] == true {
                    continue;
                }
                bail!(
                    "takes variables from the ConfigMap {}, which is not there",
                    reference["name"]
                );
            };
            for (name, value) in map["data"].as_object().into_iter().flatten() {
                environment.set(&format!("{prefix}{name}"), text(value));
            }
        }
        for variable in list(&container["env"]) {
            let name = text(&variable["name"]);
            let value = match &variable["valueFrom"] {
                Value::Null => Some(environment.expand(text(&variable["value"]))),
                from => {
                    of_source(objects, name, from, secrets).with_context(|| format!("the variable {name}"))?
                }
            };
            if let Some(value) = value {
                environment.set(name, &value);
            }
        }
        Ok(environment)
    }

    /// The variables.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// One of them.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// Replaces `$(NAME)` by what is there so far. What is not there stays as it is written, and `$$(NAME)` is no reference.
    fn expand(&self, value: &str) -> String {
        let mut out = String::new();
        let mut rest = value;
        while let Some((before, behind)) = rest.split_once("$(") {
            let name = behind.split_once(')').map(|(name, _)| name);
            let known = name
                .and_then(|name| self.get(name))
                .filter(|_| !before.ends_with('$'));
            out.push_str(before);
            if let (Some(name), Some(value)) = (name, known) {
                out.push_str(value);
                rest = &behind[name.len() + 1..];
            } else {
                out.push_str("$(");
                rest = behind;
            }
        }
        out.push_str(rest);
        out
    }
}

/// The value that a variable gets from elsewhere, nothing when there is none and it need not be.
fn of_source(
    objects: &Objects,
    name: &str,
    from: &Value,
    secrets: Secrets,
) -> anyhow::Result<Option<String>> {
    if let Some(path) = from["fieldRef"]["fieldPath"].as_str() {
        return Ok(Some(match path {
            "status.podIP" | "status.hostIP" => POD.to_owned(),
            _ => "name".to_owned(),
        }));
    }
    let reference = &from["configMapKeyRef"];
    if reference.is_object() {
        let map = objects.find("ConfigMap", text(&reference["name"]));
        let value = map.and_then(|map| map["data"][text(&reference["key"])].as_str());
        if value.is_none() && reference["optional"] != true {
            bail!("its key is not in the ConfigMap {}", reference["name"]);
        }
        return Ok(value.map(str::to_owned));
    }
    let reference = &from["secretKeyRef"];
    if !reference.is_object() {
        bail!("it comes from {from}");
    }
    let is_there = secrets == Secrets::Full || reference["optional"] != true;
    Ok(is_there.then(|| likely(name)))
}

/// What a Secret may hold for a variable.
fn likely(name: &str) -> String {
    let value = match name.rsplit('_').next() {
        Some("PORT") => "4711",
        Some("HOST") => "192.0.2.10",
        Some("URI" | "URL") => "bolt://192.0.2.10:4711",
        _ => "likely",
    };
    value.to_owned()
}

/// The database's ports that an adapter's variables name: of `POSTGRES_PORT`, of `NEO4J_URI`.
pub(super) fn database_ports(environment: &Environment) -> Vec<u16> {
    let foreign = environment
        .iter()
        .filter(|(name, _)| !name.starts_with("MCP_HUB_") && !name.starts_with("OTEL_"));
    let ports = foreign.filter_map(|(name, value)| match name.rsplit('_').next()? {
        "PORT" => value.parse().ok(),
        "URI" | "URL" => endpoint(value)?.1,
        _ => None,
    });
    ports.collect()
}

/// Host and port of `scheme://host:port/..`.
pub(super) fn endpoint(url: &str) -> Option<(&str, Option<u16>)> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?']).next()?;
    let authority = authority.rsplit('@').next()?;
    match authority.rsplit_once(':') {
        Some((host, port)) => Some((host, Some(port.parse().ok()?))),
        None => Some((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn maps() -> Objects {
        Objects::read(
            "{kind: ConfigMap, metadata: {name: a}, data: {HOST: one, PORT: '1'}}\n---\n\
             {kind: ConfigMap, metadata: {name: b}, data: {PORT: '2'}}",
        )
        .expect("YAML")
    }

    #[test]
    fn later_sources_win_and_a_secret_without_the_key_leaves_what_is_there() {
        let container = json!({
            "envFrom": [{"configMapRef": {"name": "a"}}, {"configMapRef": {"name": "b"}}],
            "env": [
                {"name": "HOST", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": true}}},
                {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                {"name": "WHERE", "value": "$(HOST):$(PORT) $(LATER) $$(HOST)"},
                {"name": "LATER", "value": "x"},
            ],
        });
        let bare = Environment::of(&maps(), &container, Secrets::Bare).expect("whole");
        assert_eq!(bare.get("WHERE"), Some("one:2 $(LATER) $$(HOST)"));
        assert_eq!(bare.get("POD"), Some(POD));
        let full = Environment::of(&maps(), &container, Secrets::Full).expect("whole");
        assert_eq!(full.get("HOST"), Some("192.0.2.10"));
        assert_eq!(full.iter().filter(|(name, _)| *name == "HOST").count(), 1);
    }

    #[test]
    fn what_is_not_there_is_named() {
        let of = |container: &Value| {
            let error = Environment::of(&maps(), container, Secrets::Full).expect_err("not whole");
            format!("{error:#}")
        };
        let absent = of(&json!({"envFrom": [{"configMapRef": {"name": "c"}}]}));
        assert_eq!(
            absent,
            "takes variables from the ConfigMap \"c\", which is not there"
        );
        let absent =
            of(&json!({"env": [{"name": "X", "valueFrom": {"configMapKeyRef": {"name": "a", "key": "c"}}}]}));
        assert_eq!(absent, "the variable X: its key is not in the ConfigMap \"a\"");
        let all = of(&json!({"envFrom": [{"secretRef": {"name": "s"}}]}));
        assert_eq!(all, "takes all keys of a Secret as variables");
    }

    #[test]
    fn ports_of_databases_are_found_in_variables_and_addresses() {
        let container = json!({"env": [
            {"name": "POSTGRES_PORT", "value": "5432"},
            {"name": "NEO4J_URI", "value": "bolt://neo4j:7687/x"},
            {"name": "MCP_HUB_PORT", "value": "8000"},
            {"name": "QDRANT_URL", "value": "http://u:p@qdrant:6334"},
        ]});
        let environment = Environment::of(&maps(), &container, Secrets::Bare).expect("whole");
        assert_eq!(database_ports(&environment), [5432, 7687, 6334]);
        assert_eq!(endpoint("http://mcp-hub-x"), Some(("mcp-hub-x", None)));
        assert_eq!(endpoint("mcp-hub-x:1"), None);
    }
}

//! What docker-compose.yml must be: valid in every profile by Compose itself, and beyond its syntax what [`facts`] says of every service, and
//! [`parts`] of those of the hub.
//!
//! No container is started, so this takes Compose but neither a Docker engine nor rights.

mod facts;
mod parts;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;

use self::parts::Parts;
use crate::docker::{Plugin, Program};
use crate::images;
use crate::process::read;
use crate::report::{Counts, Report};
use crate::workspace::Workspace;

const FILE: &str = "docker-compose.yml";
const EXAMPLE: &str = ".env.example";
/// What the services of the hub extend, and those of other files.
const PARTS: &str = "docker/parts.yml";

/// Each profile and its services.
const PROFILES: [(&str, &[&str]); 17] = [
    ("postgres", &["postgres"]),
    ("mariadb", &["mariadb"]),
    ("neo4j", &["neo4j"]),
    ("qdrant", &["qdrant"]),
    ("jaeger", &["jaeger"]),
    ("monitoring", &["grafana", "jaeger", "prometheus"]),
    (
        "all",
        &[
            "grafana",
            "jaeger",
            "mariadb",
            "neo4j",
            "postgres",
            "prometheus",
            "qdrant",
        ],
    ),
    (
        "demo",
        &[
            "demo",
            "demo-mariadb",
            "demo-neo4j",
            "demo-postgres",
            "demo-qdrant",
            "mariadb",
            "neo4j",
            "postgres",
            "qdrant",
        ],
    ),
    ("facade", &["mcp-hub-facade"]),
    ("hub-postgres", &["mcp-hub-facade", "mcp-hub-postgres"]),
    ("hub-mariadb", &["mcp-hub-facade", "mcp-hub-mariadb"]),
    ("hub-mysql", &["mcp-hub-facade", "mcp-hub-mysql"]),
    ("hub-neo4j", &["mcp-hub-facade", "mcp-hub-neo4j"]),
    ("hub-qdrant", &["mcp-hub-facade", "mcp-hub-qdrant"]),
    ("hub-sqlite", &["mcp-hub-facade", "mcp-hub-sqlite"]),
    (
        "hub",
        &[
            "mcp-hub-facade",
            "mcp-hub-mariadb",
            "mcp-hub-neo4j",
            "mcp-hub-postgres",
            "mcp-hub-qdrant",
        ],
    ),
    ("command", &["mcp-hub"]),
];

/// Where ports are published when nothing is said.
const LOOPBACK: &str = "127.0.0.1";
/// An address for documentation, in place of one that a user gives.
const ELSEWHERE: &str = "192.0.2.1";
/// The first of the ports in place of those that a user gives; no service has its own so high.
const FIRST_PORT: u16 = 50_000;

/// Checks the file, profile by profile and then with other addresses and ports; one count for each.
pub(crate) fn check(workspace: &Workspace, install: bool, report: &mut Report) -> anyhow::Result<Counts> {
    let root = &*workspace.root;
    let Some(compose) = Program::provide(Plugin::Compose, install)? else {
        report.skip("compose: no docker compose; repeat with --install".to_owned());
        return Ok(Counts {
            skipped: 1,
            ..Counts::default()
        });
    };
    println!("{compose}");
    let file = Compose { root, compose };
    let mut counts = Counts::default();
    let mut note = |what: &str, faults: Vec<String>| {
        counts += Counts::one(faults.is_empty());
        for fault in faults {
            report.failure(format!("compose: {what}: {fault}"));
        }
    };
    note("profiles", file.profiles()?);
    for (profile, services) in PROFILES {
        note(profile, file.profile(profile, services)?);
    }
    note("other addresses and ports", file.moved()?);
    note(EXAMPLE, file.example()?);
    let parts = Parts::read(root, images::Facts::read(workspace)?, images::dockerfile(root)?)?;
    note("the parts of the hub", parts.faults(&file.config("*", &[])?));
    note("the registry", file.registry()?);
    note(PARTS, file.instance(&parts)?);
    Ok(counts)
}

/// Every service as Compose understands it, when there is a Compose.
pub(crate) fn config(root: &Path, install: bool) -> anyhow::Result<Option<Value>> {
    let compose = Program::provide(Plugin::Compose, install)?;
    compose
        .map(|compose| Compose { root, compose }.config("*", &[]))
        .transpose()
}

struct Compose<'a> {
    root: &'a Path,
    compose: Program,
}

impl Compose<'_> {
    /// Whether the profiles are those that this checks.
    fn profiles(&self) -> anyhow::Result<Vec<String>> {
        let said = self.run(&["config", "--profiles"], &[])?;
        let there: BTreeSet<&str> = said.lines().collect();
        let known: BTreeSet<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
        Ok(difference(&there, &known, "profile"))
    }

    /// What is wrong with a profile when nothing is set.
    fn profile(&self, profile: &str, services: &[&str]) -> anyhow::Result<Vec<String>> {
        let config = self.config(profile, &[])?;
        let there: BTreeSet<&str> = config["services"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| &**name)
            .collect();
        let mut faults = difference(&there, &services.iter().copied().collect(), "service");
        faults.extend(facts::faults(&config));
        for port in facts::ports(&config) {
            if port.address != LOOPBACK {
                faults.push(format!("{port} is not published on {LOOPBACK}"));
            }
        }
        Ok(faults)
    }

    /// Whether every port follows `HOST_BIND` and has a variable of its own.
    fn moved(&self) -> anyhow::Result<Vec<String>> {
        let text = self.text(FILE)?;
        let names = variables(&text)
            .into_iter()
            .filter(|name| name.ends_with("_PORT"));
        let mut environment = vec![("HOST_BIND", ELSEWHERE.to_owned())];
        environment.extend(names.zip((FIRST_PORT..).map(|port| port.to_string())));
        let config = self.config("*", &environment)?;
        Ok(facts::ports(&config)
            .into_iter()
            .filter(|port| {
                port.address != ELSEWHERE
                    || port
                        .published
                        .parse::<u16>()
                        .is_ok_and(|number| number < FIRST_PORT)
            })
            .map(|port| format!("{port} stayed when HOST_BIND and every *_PORT changed"))
            .collect())
    }

    /// Whether .env.example has every variable of the file.
    fn example(&self) -> anyhow::Result<Vec<String>> {
        let (text, example) = (self.text(FILE)? + &self.text(PARTS)?, self.text(EXAMPLE)?);
        let there: BTreeSet<&str> = example
            .lines()
            .filter_map(|line| Some(line.trim_start_matches('#').split_once('=')?.0))
            .collect();
        let config = self.config("*", &[])?;
        let secrets = config["secrets"].as_object().into_iter().flatten();
        let unnamed = secrets
            .filter(|(name, _)| !example.contains(&***name))
            .map(|(name, _)| format!("no line for secrets/{name}"));
        Ok(variables(&text)
            .into_iter()
            .filter(|name| !there.contains(name))
            .map(|name| format!("no line for {name}"))
            .chain(unnamed)
            .collect())
    }

    /// Whether the hub's images, and no others, follow the registry and the tag.
    fn registry(&self) -> anyhow::Result<Vec<String>> {
        let environment = [
            ("REGISTRY", "registry.example.com/team".to_owned()),
            ("TAG", "9.9.9".to_owned()),
        ];
        let config = self.config("*", &environment)?;
        Ok(facts::services(&config)
            .filter_map(|(name, service)| {
                let image = service["image"].as_str().unwrap_or_default();
                let moved =
                    image.starts_with("registry.example.com/team/mcp-hub") && image.ends_with(":9.9.9");
                (moved == service["build"].is_null()).then(|| format!("{name} runs {image}"))
            })
            .collect())
    }

    /// What is wrong with one more adapter in a file of its own: the one that the head of docker/parts.yml shows.
    fn instance(&self, parts: &Parts) -> anyhow::Result<Vec<String>> {
        let text = self.text(PARTS)?;
        let example: String = text
            .lines()
            .skip_while(|line| !line.starts_with("#   services:"))
            .map_while(|line| line.strip_prefix("#   "))
            .flat_map(|line| [line, "\n"])
            .collect();
        ensure!(!example.is_empty(), "{PARTS} shows no example");
        let place = self.root.join(PARTS);
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("compose.orders.yml");
        fs::write(&file, example.replace(PARTS, &place.display().to_string()))?;
        let mut command = self.command(&[]);
        command.arg("--file").arg(&file).args(["config", "--format=json"]);
        let config: Value = serde_json::from_str(&read(&mut command)?)?;
        let mut faults = facts::faults(&config);
        // It runs whatever the profile, because its file was named.
        faults.retain(|fault| !fault.ends_with("has no profile"));
        faults.extend(parts.instance_faults(&config));
        Ok(faults)
    }

    /// The file as Compose understands it.
    fn config(&self, profile: &str, environment: &[(&str, String)]) -> anyhow::Result<Value> {
        let said = self.run(&["--profile", profile, "config", "--format=json"], environment)?;
        serde_json::from_str(&said).context("docker compose config printed no JSON")
    }

    /// Runs Compose with nothing of the user's own settings.
    fn run(&self, arguments: &[&str], environment: &[(&str, String)]) -> anyhow::Result<String> {
        read(self.command(environment).args(arguments))
    }

    /// Compose with the file, with nothing of the user's own settings.
    fn command(&self, environment: &[(&str, String)]) -> Command {
        let mut command = self.compose.command();
        command
            .current_dir(self.root)
            .args(["--env-file=/dev/null", "--file", FILE])
            .envs(environment.iter().map(|(name, value)| (name, value)));
        command
    }

    fn text(&self, name: &str) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.root.join(name)).with_context(|| name.to_owned())?;
        ensure!(!text.is_empty(), "{name} is empty");
        Ok(text)
    }
}

/// What is in one of the sets only.
fn difference(there: &BTreeSet<&str>, expected: &BTreeSet<&str>, kind: &str) -> Vec<String> {
    let more = there
        .difference(expected)
        .map(|name| format!("has the {kind} {name}"));
    let less = expected
        .difference(there)
        .map(|name| format!("lacks the {kind} {name}"));
    more.chain(less).collect()
}

/// The names in `${NAME:-default}`; `$${NAME}` is for a shell inside a container.
fn variables(text: &str) -> BTreeSet<&str> {
    text.match_indices("${")
        .filter(|(at, _)| !text[..*at].ends_with('$'))
        .filter_map(|(at, mark)| text[at + mark.len()..].split([':', '-', '?', '}']).next())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_compose_are_told_from_those_of_a_shell() {
        let text =
            r#"ports: ["${HOST_BIND:-127.0.0.1}:${POSTGRES_PORT:-5432}:5432"] # $${key:?set it} $$key"#;
        assert_eq!(variables(text), BTreeSet::from(["HOST_BIND", "POSTGRES_PORT"]));
    }

    #[test]
    fn what_is_too_much_and_what_is_missing_is_named() {
        let faults = difference(
            &BTreeSet::from(["a", "b"]),
            &BTreeSet::from(["b", "c"]),
            "service",
        );
        assert_eq!(faults, ["has the service a", "lacks the service c"]);
    }
}

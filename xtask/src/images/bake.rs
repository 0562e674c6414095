//! What docker-bake.hcl must be, as Buildx understands it: each image by its stage, with its name and with the Dockerfile's own defaults.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use super::dockerfile::Dockerfile;
use super::{Facts, target_of};
use crate::docker::Program;
use crate::process::read;

/// The file.
pub(super) const FILE: &str = "docker-bake.hcl";

/// What is wrong, one sentence each.
pub(super) fn faults(
    buildx: &Program,
    root: &Path,
    dockerfile: &Dockerfile,
    facts: &Facts,
) -> anyhow::Result<Vec<String>> {
    let mut faults = plain(&print(buildx, root, &[])?, dockerfile, facts);
    let elsewhere = [
        ("REGISTRY", "registry.example.com/team/"),
        ("TAG", "9.9.9"),
        ("ATTEST", "true"),
    ];
    faults.extend(pushed(&print(buildx, root, &elsewhere)?, facts));
    Ok(faults)
}

/// What would be built.
fn print(buildx: &Program, root: &Path, variables: &[(&str, &str)]) -> anyhow::Result<Value> {
    let mut command = buildx.command();
    command
        .current_dir(root)
        .args(["bake", "--file", FILE, "--print"])
        .envs(variables.iter().copied());
    serde_json::from_str(&read(&mut command)?).context("docker buildx bake --print printed no JSON")
}

/// What is wrong when nothing is set.
fn plain(said: &Value, dockerfile: &Dockerfile, facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    let expected: BTreeSet<&str> = facts.programs.iter().map(|name| target_of(name)).collect();
    let group = said["group"]["default"]["targets"].as_array();
    let group: BTreeSet<&str> = group.into_iter().flatten().filter_map(Value::as_str).collect();
    if group != expected {
        faults.push(format!(
            "builds {group:?} when no target is named, and the programs are {expected:?}"
        ));
    }
    for program in &facts.programs {
        let target = &said["target"][target_of(program)];
        let mut rule = |kept: bool, sentence: String| {
            if !kept {
                faults.push(format!("{}: {sentence}", target_of(program)));
            }
        };
        rule(
            target["target"] == target_of(program),
            format!("builds the stage {}", target["target"]),
        );
        rule(
            target["tags"] == json!([format!("{program}:{}", facts.version)]),
            format!("is called {}", target["tags"]),
        );
        rule(
            target["args"]["VERSION"] == *facts.version,
            "has another version as its label".to_owned(),
        );
        for (name, default) in &dockerfile.arguments {
            rule(
                target["args"][name] == **default,
                format!("has another {name} than the Dockerfile"),
            );
        }
        // An engine can't load what has a record of how it was made.
        rule(
            target["attest"] == json!(["type=provenance,disabled=true"]),
            "adds what a local engine can't keep".to_owned(),
        );
    }
    faults
}

/// What is wrong when images are made for a registry.
fn pushed(said: &Value, facts: &Facts) -> Vec<String> {
    let mut faults = Vec::new();
    for program in &facts.programs {
        let target = &said["target"][target_of(program)];
        let tags = json!([format!("registry.example.com/team/{program}:9.9.9")]);
        if target["tags"] != tags {
            faults.push(format!(
                "{}: with a registry and a tag it is called {}",
                target_of(program),
                target["tags"]
            ));
        }
        if target["attest"] != json!(["type=sbom", "type=provenance,mode=max"]) {
            faults.push(format!(
                "{}: ATTEST adds {}",
                target_of(program),
                target["attest"]
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts() -> Facts {
        Facts {
            programs: vec!["mcp-hub-postgres".to_owned()],
            version: "0.1.0".to_owned(),
            toolchain: "1.95".to_owned(),
        }
    }

    fn good() -> Value {
        json!({
            "group": {"default": {"targets": ["postgres"]}},
            "target": {"postgres": {
                "target": "postgres",
                "tags": ["mcp-hub-postgres:0.1.0"],
                "args": {"VERSION": "0.1.0", "BASE": "debian:12"},
                "attest": ["type=provenance,disabled=true"],
            }},
        })
    }

    #[test]
    fn each_rule_can_be_broken() {
        let dockerfile = Dockerfile::parse("ARG BASE=debian:12\nFROM ${BASE} AS postgres\n");
        let faults = |said: &Value| plain(said, &dockerfile, &facts());
        assert_eq!(faults(&good()), [""; 0]);
        for (path, value) in [
            ("/group/default/targets", json!(["postgres", "testkit"])),
            ("/target/postgres/target", json!("sqlite")),
            ("/target/postgres/tags", json!(["postgres:0.1.0"])),
            ("/target/postgres/args/VERSION", json!("0.2.0")),
            ("/target/postgres/args/BASE", json!("debian:13")),
            ("/target/postgres/attest", json!(["type=sbom"])),
        ] {
            let mut said = good();
            *said.pointer_mut(path).expect("it is there") = value;
            assert_eq!(faults(&said).len(), 1, "{path}");
        }
    }

    #[test]
    fn a_registry_is_in_front_of_the_name() {
        let mut said = good();
        assert_eq!(pushed(&said, &facts()).len(), 2);
        said["target"]["postgres"]["tags"] = json!(["registry.example.com/team/mcp-hub-postgres:9.9.9"]);
        said["target"]["postgres"]["attest"] = json!(["type=sbom", "type=provenance,mode=max"]);
        assert_eq!(pushed(&said, &facts()), [""; 0]);
    }
}

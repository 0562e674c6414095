//! The programs of the workspace, asked what they listen on, and what is compared with it beside manifests.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::super::object::{list, text};
use crate::images::dockerfile::Dockerfile;
use crate::images::{Facts, target_of};
use crate::process::read;

/// What a program says that it would listen on.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(in super::super) struct Listener {
    /// The port's name: `grpc`, `http`, `relay`, `metrics`.
    pub(super) name: String,
    /// The address.
    pub(super) address: std::net::IpAddr,
    /// The port.
    pub(super) port: u16,
    /// `TCP`.
    pub(super) protocol: String,
}

/// Variables, in order; later ones win.
type Variables = Vec<(String, String)>;

/// A program, its variables and its arguments.
type Question = (String, Variables, Vec<String>);

/// The programs, and what they have said.
pub(in super::super) struct Programs {
    folder: PathBuf,
    facts: Facts,
    dockerfile: Dockerfile,
    said: RefCell<BTreeMap<Question, Vec<Listener>>>,
}

impl Programs {
    /// Those of a folder.
    pub(in super::super) fn new(folder: PathBuf, facts: Facts, dockerfile: Dockerfile) -> Self {
        Self {
            folder,
            facts,
            dockerfile,
            said: RefCell::default(),
        }
    }

    /// The program of an image of ours: `registry.example.com/x/mcp-hub-postgres:0.1.0` starts `mcp-hub-postgres`.
    ///
    /// # Errors
    /// It is no image of the workspace, or of another version.
    pub(in super::super) fn of_image(&self, image: &str) -> anyhow::Result<&str> {
        let name = image.rsplit('/').next().unwrap_or_default();
        let (name, tag) = name
            .split_once(':')
            .with_context(|| format!("the image {image} has no tag"))?;
        let program = self.facts.programs.iter().find(|program| *program == name);
        let program = program.with_context(|| format!("the image {image} is none that is built here"))?;
        ensure!(
            tag == self.facts.version,
            "the image {image} is not of version {}",
            self.facts.version
        );
        Ok(program)
    }

    /// Asks a program, in the environment of its image and these variables.
    ///
    /// # Errors
    /// It can't be started so.
    pub(in super::super) fn ask(
        &self,
        program: &str,
        variables: Variables,
        arguments: Vec<String>,
    ) -> anyhow::Result<Vec<Listener>> {
        let stage = self
            .dockerfile
            .stage(target_of(program))
            .with_context(|| format!("no stage for {program}"))?;
        let settings = stage.all("ENV").flat_map(str::split_whitespace);
        let image = settings.filter_map(|setting| setting.split_once('='));
        let mut environment: Variables = image
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        environment.extend(variables);
        let key = (program.to_owned(), environment, arguments);
        if let Some(said) = self.said.borrow().get(&key) {
            return Ok(said.clone());
        }
        let mut command = self.command(program);
        let (_, environment, arguments) = &key;
        command
            .args(arguments)
            .arg("listens")
            .envs(environment.iter().cloned());
        let said: Vec<Listener> =
            serde_json::from_str(&read(&mut command)?).context("what `listens` printed")?;
        self.said.borrow_mut().insert(key, said.clone());
        Ok(said)
    }

    /// What is wrong with the ports that images name.
    pub(in super::super) fn image_faults(&self) -> anyhow::Result<Vec<String>> {
        // Which ports there can be is decided by where the program runs; these are the settings that open all of them.
        let metrics = ("MCP_HUB_METRICS_LISTEN".to_owned(), "0.0.0.0:9090".to_owned());
        let peers = ("MCP_HUB_PEERS".to_owned(), "peers:8001".to_owned());
        let mut faults = Vec::new();
        for program in &self.facts.programs {
            let is_facade = program == FACADE;
            let variables = [Some(metrics.clone()), is_facade.then(|| peers.clone())];
            let listeners = self.ask(program, variables.into_iter().flatten().collect(), vec![])?;
            let mut ports: Vec<String> = listeners
                .iter()
                .map(|listener| listener.port.to_string())
                .collect();
            let stage = self.dockerfile.stage(target_of(program));
            let exposed = stage
                .into_iter()
                .flat_map(|stage| stage.all("EXPOSE"))
                .flat_map(str::split_whitespace);
            let mut exposed: Vec<String> = exposed.map(str::to_owned).collect();
            ports.sort();
            exposed.sort();
            if ports != exposed {
                faults.push(format!(
                    "Dockerfile: {program} listens on {ports:?}, and EXPOSE says {exposed:?}"
                ));
            }
            faults.extend(closed(&listeners).map(|fault| format!("Dockerfile: {program} {fault}")));
        }
        Ok(faults)
    }
}

/// Where the ports are listed for people.
pub(in super::super) const PAGE: &str = "ARCHITECTURE.md";

impl Programs {
    /// What is wrong with the ports of Compose's services, of which `config` is what Compose prints.
    pub(in super::super) fn compose_faults(&self, config: &Value) -> Vec<String> {
        let services = config["services"].as_object().into_iter().flatten();
        let ours = services.filter(|(_, service)| !service["build"].is_null() && service["restart"] != "no");
        let of = |(name, service): (&String, &Value)| {
            let faults = self
                .service_faults(service)
                .unwrap_or_else(|error| vec![format!("{error:#}")]);
            faults
                .into_iter()
                .map(move |fault| format!("{name} {fault}"))
                .collect::<Vec<_>>()
        };
        ours.flat_map(of).collect()
    }

    fn service_faults(&self, service: &Value) -> anyhow::Result<Vec<String>> {
        let program = self.of_image(text(&service["image"]))?;
        let variables = service["environment"].as_object().into_iter().flatten();
        // What is not set is not there.
        let variables = variables.filter(|(_, value)| !value.is_null());
        let variables = variables.map(|(name, value)| (name.clone(), text(value).to_owned()));
        let arguments = list(&service["command"]).map(|word| text(word).to_owned());
        let listeners = self.ask(program, variables.collect(), arguments.collect())?;
        let mut faults: Vec<String> = closed(&listeners).collect();
        for port in list(&service["ports"]) {
            if !listeners.iter().any(|listener| port["target"] == listener.port) {
                faults.push(format!("publishes {}, where nothing listens", port["target"]));
            }
        }
        Ok(faults)
    }

    /// What is wrong with the ports of adapters in [`PAGE`], of which `page` is the text: they are those that the programs choose by themselves.
    pub(in super::super) fn page_faults(&self, page: &str) -> anyhow::Result<Vec<String>> {
        let mut faults = Vec::new();
        for program in &self.facts.programs {
            let said: Vec<Listener> = serde_json::from_str(&read(self.command(program).arg("listens"))?)?;
            for Listener { port, name, .. } in said.iter().filter(|listener| listener.name == "grpc") {
                let row = format!("| {port} | {} adapter |", target_of(program));
                if !page.contains(&row) {
                    faults.push(format!(
                        "{PAGE}: no row {row:?}, where {program} listens for {name}"
                    ));
                }
            }
        }
        Ok(faults)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.folder.join(program));
        command.env_clear();
        command
    }
}

/// The program that has replicas.
const FACADE: &str = "mcp-hub-facade";

/// What listens where nobody else gets to it.
pub(super) fn closed(listeners: &[Listener]) -> impl Iterator<Item = String> {
    let closed = listeners
        .iter()
        .filter(|listener| !listener.address.is_unspecified());
    closed.map(|Listener { name, address, .. }| format!("listens for {name} on {address} alone"))
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// Programs that can't be started.
    pub(crate) fn programs() -> Programs {
        let facts = Facts {
            programs: vec!["mcp-hub-facade".to_owned(), "mcp-hub-postgres".to_owned()],
            version: "0.1.0".to_owned(),
            toolchain: "1.95".to_owned(),
        };
        Programs::new(
            "/nonexistent".into(),
            facts,
            Dockerfile::parse("FROM a AS postgres\n"),
        )
    }

    /// What an adapter says.
    pub(crate) fn listeners() -> Vec<Listener> {
        let listener = |name: &str, port| Listener {
            name: name.to_owned(),
            address: "0.0.0.0".parse().expect("an address"),
            port,
            protocol: "TCP".to_owned(),
        };
        vec![listener("grpc", 50_051), listener("metrics", 9090)]
    }

    #[test]
    fn images_are_those_that_are_built() {
        let programs = programs();
        let of = |image: &str| programs.of_image(image).map_err(|error| error.to_string());
        assert_eq!(
            of("registry.example.com:5000/team/mcp-hub-postgres:0.1.0"),
            Ok("mcp-hub-postgres")
        );
        assert_eq!(
            of("mcp-hub-postgres"),
            Err("the image mcp-hub-postgres has no tag".to_owned())
        );
        assert_eq!(
            of("mcp-hub-testkit:0.1.0"),
            Err("the image mcp-hub-testkit:0.1.0 is none that is built here".to_owned())
        );
        assert_eq!(
            of("mcp-hub-postgres:0.2.0"),
            Err("the image mcp-hub-postgres:0.2.0 is not of version 0.1.0".to_owned())
        );
    }

    #[test]
    fn services_of_compose_are_asked_too() {
        let programs = programs();
        let environment = json!({"MCP_HUB_LISTEN": "0.0.0.0:50051", "POSTGRES_HOST": null});
        let question = vec![("MCP_HUB_LISTEN".to_owned(), "0.0.0.0:50051".to_owned())];
        let key = ("mcp-hub-postgres".to_owned(), question, vec![]);
        programs.said.borrow_mut().insert(key, listeners());
        let service = |port: u16| json!({"build": {}, "image": "mcp-hub-postgres:0.1.0", "environment": environment, "ports": [{"target": port}]});
        let of = |service: Value| programs.compose_faults(&json!({"services": {"x": service}}));
        assert_eq!(of(service(50_051)), [""; 0]);
        assert_eq!(of(service(50_052)), ["x publishes 50052, where nothing listens"]);
        let mut other = service(50_051);
        other["image"] = json!("mcp-hub-postgres:latest");
        assert_eq!(
            of(other),
            ["x the image mcp-hub-postgres:latest is not of version 0.1.0"]
        );
    }
}

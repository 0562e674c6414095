//! `mcp-hub doctor`: each hop from a client to the databases, looked at from where it runs, in one table.
//!
//! What it looks at are the addresses of the settings that `mcp-hub up`, the facade and the clients read; where none says anything, it
//! says so. Doors and adapters are looked at by the facade's own [`doctor`](mcp_hub_facade::doctor), databases by their adapters'. [`docker`] and
//! [`local`] are this machine: its networks, and what it publishes.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mcp_hub_chassis::config::{Secret, Sources};
use mcp_hub_chassis::doctor::{self, Examination, Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::{Process, fault, server};
use mcp_hub_facade::config::PublicUrl;
use mcp_hub_facade::doctor::{Door, PUBLIC_URL, public_url, upstreams, url_of_listener};
use url::Url;

use crate::adapters::Databases;
use crate::client::Access;
use crate::error::{Error, Result};
use crate::up::Listen;

mod docker;
mod local;

use docker::Docker;

/// Where the node port is on the machine of a KIND cluster.
const USUAL_NODE_PORT: &str = "127.0.0.1:30800";

/// The setting of the hub's own address.
const URL: &str = "MCP_HUB_URL";

/// The settings of `mcp-hub doctor`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    #[command(flatten)]
    how: doctor::Options,
    /// How long to wait before the first look, in seconds: in a pod that has just started, network policies may not be in force, and nothing
    /// tells when they are.
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=300))]
    delay: u64,
    /// The URL that clients use.
    #[arg(long, env = "MCP_HUB_PUBLIC_URL", value_name = "URL")]
    public_url: Option<PublicUrl>,
    /// The address of the facade, when it is not the one that a hub with this environment listens on.
    #[arg(long, env = "MCP_HUB_URL", value_name = "URL")]
    url: Option<Url>,
    /// The port of a node that leads to the facade. Without, 127.0.0.1:30800 is looked at, and may be missing.
    #[arg(long, value_name = "HOST:PORT")]
    node_port: Option<Authority>,
    /// The Service of the cluster that leads to the facade: mcp-hub-service:8000.
    #[arg(long, value_name = "HOST:PORT")]
    service: Option<Authority>,
    /// The file that names the adapters.
    #[arg(long, env = "MCP_HUB_UPSTREAMS", value_name = "FILE")]
    upstreams: Option<PathBuf>,
    /// The folder where mcp-hub.toml is looked for when there is none in the working folder.
    #[arg(long, env = "MCP_HUB_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    /// A file with the token to show to the facade. Without one, events and versions are not looked at where tokens are due.
    #[arg(long, env = "MCP_HUB_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// A file with the certificates, in PEM, of authorities to trust beside those of the system.
    #[arg(long, env = "MCP_HUB_CA_FILE", value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The socket of Docker's engine, which is asked for networks and published ports: `unix:///var/run/docker.sock`.
    #[arg(long, env = "DOCKER_HOST", value_name = "ADDRESS")]
    docker_host: Option<String>,
    #[command(flatten)]
    listen: Listen,
}

impl Options {
    /// What the environment says, and where the hub is and how it lets us in, as somebody else was told.
    pub(crate) fn of_environment(url: Option<Url>, access: &Access) -> Result<Self> {
        let mut options: Self = Sources::environment()
            .load()
            .map_err(|error| Error::Environment {
                kind: "doctor",
                reason: error.to_string(),
            })?;
        options.url = url.or(options.url);
        options.token_file.clone_from(&access.token_file);
        options.ca_file.clone_from(&access.ca_file);
        Ok(options)
    }

    /// The file that names the adapters.
    pub(crate) fn upstreams(&self) -> Option<&Path> {
        self.upstreams.as_deref()
    }

    /// Where the facade is.
    pub(crate) fn url(&self) -> Option<Url> {
        self.url
            .clone()
            .or_else(|| url_of_listener(self.listen.address()))
    }

    /// Looks, and tells what was found as a document of JSON.
    pub(crate) async fn document(&self, process: &Process) -> serde_json::Value {
        doctor::report::document(&examine(self, process).await, SystemTime::now())
    }
}

/// A host and a port.
#[derive(Clone, Debug)]
struct Authority(Url);

impl FromStr for Authority {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "it must be like 127.0.0.1:30800";
        let url = Url::parse(&format!("http://{text}/")).map_err(|_| FORM)?;
        let named = url.port().is_some() && url.path() == "/" && url.username().is_empty();
        if named { Ok(Self(url)) } else { Err(FORM) }
    }
}

/// Looks, prints, and fails when something does not work.
pub async fn run(options: Options, process: Process) -> Result<()> {
    tokio::time::sleep(Duration::from_secs(options.delay)).await;
    let findings = examine(&options, &process).await;
    doctor::tell(&findings, &options.how).map_err(Error::Doctor)
}

/// Looks at everything that the settings name.
async fn examine(options: &Options, process: &Process) -> Vec<Finding> {
    let mut scope = options.how.scope();
    let docker = Docker::look(options.docker_host.as_deref(), scope.timeout).await;
    let networks = docker.as_ref().map_or_else(|_| vec![], Docker::networks);
    let surroundings = scope.surroundings.as_ref().clone().with(networks);
    scope.surroundings = Arc::new(surroundings);

    let mut examination = Examination::new();
    let token = options.token_file.as_deref().map(server::read_secret).transpose();
    if token.is_err() {
        let finding = Finding::new(Hop::Facade, "token", Verdict::SecretUnreadable);
        let finding = finding.of_setting("MCP_HUB_TOKEN_FILE");
        examination.add(Hop::Facade, "token", async move { vec![finding] });
    }
    let token = token.unwrap_or_default();
    doors(&mut examination, options, token.as_ref(), &scope);
    match &options.upstreams {
        Some(file) => upstreams(&mut examination, file, &scope),
        None => not_configured(
            &mut examination,
            Hop::Adapter,
            "adapters of their own",
            "MCP_HUB_UPSTREAMS",
        ),
    }
    match Databases::configured(process.config.as_deref()) {
        Ok(databases) if databases.is_empty() => {
            let settings = "POSTGRES_HOST, MARIADB_HOST, NEO4J_URI, QDRANT_HOST, SQLITE_PATH or mcp-hub.toml";
            not_configured(&mut examination, Hop::Host, "databases", settings);
        }
        Ok(databases) => databases.examine(&mut examination, &scope),
        Err(error) => {
            let finding = Finding::new(Hop::Host, "databases", Verdict::SettingWrong);
            let finding = finding.with_detail(fault::chain(&error));
            examination.add(Hop::Host, "databases", async move { vec![finding] });
        }
    }
    let machine = scope.clone();
    examination.add(Hop::Exposure, "this machine", async move {
        local::examine(&docker, &machine)
    });
    examination.run(&scope).await
}

/// Adds the doors, from the outermost in.
fn doors(examination: &mut Examination<'_>, options: &Options, token: Option<&Secret>, scope: &Scope) {
    let public = options.public_url.as_ref();
    let host = public.and_then(|url| url.url().host_str().map(str::to_owned));
    let door = |key: &str, url: &Url, hop, setting: &str| {
        let mut door = Door::new(key, url.clone(), hop, setting);
        door.token = token.cloned();
        door.authorities.clone_from(&options.ca_file);
        if hop != Hop::PublicUrl {
            door.host.clone_from(&host);
        }
        door
    };
    let outermost = public.map(|url| door("public URL", url.url(), Hop::PublicUrl, PUBLIC_URL));
    public_url(examination, outermost, scope);

    if let Some(Authority(url)) = &options.node_port {
        let door = door("NodePort", url, Hop::NodePort, "--node-port");
        examination.add(Hop::NodePort, "NodePort", door.examine(scope.clone()));
    } else if let Ok(Authority(url)) = USUAL_NODE_PORT.parse() {
        let mut door = door("NodePort", &url, Hop::NodePort, "--node-port");
        // Nobody has said who is there.
        door.token = None;
        may_be_missing(examination, door, "NodePort", "--node-port", Hop::NodePort, scope);
    }
    if let Some(Authority(url)) = &options.service {
        let door = door("Service", url, Hop::Service, "--service");
        examination.add(Hop::Service, "Service", door.examine(scope.clone()));
    } else {
        not_configured(examination, Hop::Service, "Service of the cluster", "--service");
    }
    match &options.url {
        Some(url) => {
            let door = door("facade", &root(url), Hop::Facade, URL);
            examination.add(Hop::Facade, "facade", door.examine(scope.clone()));
        }
        None => match url_of_listener(options.listen.address()) {
            Some(url) => {
                let door = door("facade", &url, Hop::Facade, URL);
                may_be_missing(
                    examination,
                    door,
                    "facade on this machine",
                    URL,
                    Hop::Facade,
                    scope,
                );
            }
            None => not_configured(examination, Hop::Facade, "facade on this machine", URL),
        },
    }
}

/// The address of a facade without the path of a door.
fn root(url: &Url) -> Url {
    let mut root = url.clone();
    root.set_path("/");
    root.set_query(None);
    root.set_fragment(None);
    root
}

/// Adds a look at a door that nobody has named: where it is closed, nothing is wrong.
fn may_be_missing(
    examination: &mut Examination<'_>,
    door: Door,
    subject: &'static str,
    setting: &'static str,
    hop: Hop,
    scope: &Scope,
) {
    let scope = scope.clone();
    examination.add(hop, subject, async move {
        let findings = Box::pin(door.examine(scope)).await;
        if findings.iter().any(|finding| finding.verdict == Verdict::Refused) {
            let missing = Finding::new(hop, subject, Verdict::NotConfigured).of_setting(setting);
            return vec![missing.with_detail("nothing listens at the usual address")];
        }
        findings
    });
}

/// Adds that nothing says where something is.
fn not_configured(examination: &mut Examination<'_>, hop: Hop, subject: &'static str, setting: &'static str) {
    examination.add(hop, subject, async move {
        vec![Finding::new(hop, subject, Verdict::NotConfigured).of_setting(setting)]
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_has_a_host_and_a_port_and_nothing_else() {
        for right in ["127.0.0.1:30800", "mcp-hub-service:8000", "[::1]:1"] {
            assert!(right.parse::<Authority>().is_ok(), "{right}");
        }
        for wrong in [
            "",
            "host",
            "host:",
            "host:x",
            "u@host:1",
            "host:1/path",
            "host:80/",
        ] {
            assert!(wrong.parse::<Authority>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_address_of_a_hub_has_many_paths_and_one_root() {
        let url = Url::parse("https://mcp.example.com/mcp?tools=a").expect("a URL");
        assert_eq!(root(&url).as_str(), "https://mcp.example.com/");
    }
}

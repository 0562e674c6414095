//! `mcp-hub up`: the facade and the adapters in one process, over real gRPC on loopback.

use std::io::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::BoolishValueParser;
use mcp_hub_chassis::telemetry::Format;
use mcp_hub_chassis::{Lifecycle, Process};
use mcp_hub_facade::registry::{Registry, ServiceReport, State};
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_facade::{Facade, Front};
use tokio::time::Instant;

use crate::adapters::{Adapters, Databases};
use crate::banner::Banner;
use crate::error::{Error, Result};
use crate::{claude, file};

mod port;

/// How long the start waits for the databases before it says how they are.
const FIRST_PASS: Duration = Duration::from_secs(3);
const FIRST_PASS_PAUSE: Duration = Duration::from_millis(50);

/// The settings of `mcp-hub up`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where it listens.
    #[command(flatten)]
    pub listen: Listen,
    /// What it is made of.
    #[command(flatten)]
    pub hub: Hub,
}

/// Where a hub listens.
#[derive(clap::Args, Clone, Debug)]
pub struct Listen {
    /// Where to listen.
    #[arg(
        long,
        env = "MCP_HUB_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8000"
    )]
    pub listen: SocketAddr,
    /// The port, when only that is to be another; 0 takes any free one.
    #[arg(long, env = "MCP_HUB_PORT", value_name = "PORT")]
    pub port: Option<u16>,
}

impl Listen {
    /// The address.
    pub fn address(&self) -> SocketAddr {
        let mut address = self.listen;
        if let Some(port) = self.port {
            address.set_port(port);
        }
        address
    }
}

/// What a hub is made of.
#[derive(clap::Args, Clone, Debug)]
pub struct Hub {
    /// Serve the sample database beside the databases that are configured. Without any it is served anyway.
    #[arg(long, env = "MCP_HUB_SAMPLE", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(),
          action = clap::ArgAction::Set)]
    pub sample: bool,
    /// The folder for what the hub keeps: the sample database, and mcp-hub.toml when there is none in the working folder. Usually
    /// ~/.local/share/mcp-hub.
    #[arg(long, env = "MCP_HUB_DATA_DIR", value_name = "FOLDER")]
    pub data_dir: Option<PathBuf>,
    /// A file that names adapters that run elsewhere: TOML, `key = "http://host:port"` or a table for each. It is watched.
    #[arg(long, env = "MCP_HUB_UPSTREAMS", value_name = "FILE")]
    pub upstreams: Option<PathBuf>,
    /// How the facade is reached and what it tolerates.
    #[command(flatten)]
    pub facade: mcp_hub_facade::Config,
}

/// A hub at work.
pub(crate) struct Running {
    pub(crate) facade: Facade,
    pub(crate) adapters: Adapters,
    /// Whether the sample database is among the services.
    with_sample: bool,
}

impl Hub {
    /// Starts adapters and facade. `config` is the settings file.
    pub(crate) async fn start(self, config: Option<PathBuf>, lifecycle: &Lifecycle) -> Result<Running> {
        if let Some(path) = &config {
            tracing::info!(path = %path.display(), "settings file");
        }
        let mut databases = Databases::configured(config.as_deref())?;
        let mut upstreams = match &self.upstreams {
            Some(path) => Upstreams::read(path).map_err(Error::Upstreams)?,
            None => Upstreams::default(),
        };
        let with_sample = self.sample || (databases.is_empty() && self.upstreams.is_none());
        if with_sample {
            let folder = self.data_dir.map_or_else(file::data_dir, Ok)?;
            databases.add_sample(&folder)?;
        }
        let adapters = databases.start(&mut upstreams, lifecycle).await?;
        Ok(Running {
            facade: Facade::start(self.facade, upstreams, lifecycle),
            adapters,
            with_sample,
        })
    }
}

/// Runs the hub until the process stops.
pub async fn run(options: Options, process: Process) -> Result<()> {
    // Taken before anything else starts, so that a port in use is the first and only thing that is said.
    let front = open(&options.hub.facade, options.listen.address()).await?;
    let url = match &options.hub.facade.public_url {
        Some(url) => url.to_string(),
        None => local_url(&front)?,
    };
    let asks_for_tokens = front.asks_for_tokens();
    process.serve_metrics().await.map_err(Error::Metrics)?;
    let lifecycle = process.lifecycle;
    let running = options.hub.start(process.config, &lifecycle).await?;
    let announcement = announce(
        running.facade.registry().clone(),
        url,
        asks_for_tokens,
        running.with_sample,
        process.log_format,
    );
    lifecycle.spawn_until_stopped(announcement);
    tokio::select! {
        served = running.facade.serve(front) => served.map_err(Error::Facade),
        failure = running.adapters.failure() => Err(failure),
    }
}

/// Listens as the facade's settings allow, and says who has the port if it is taken.
pub(crate) async fn open(config: &mcp_hub_facade::Config, address: SocketAddr) -> Result<Front> {
    use mcp_hub_facade::Error as Facade;
    Front::open(config, address).await.map_err(|error| match error {
        Facade::AddressInUse(address) => Error::PortInUse {
            address,
            by: port::owner(address).map_or_else(String::new, |owner| format!(" by {owner}")),
        },
        error => Error::Facade(error),
    })
}

/// How programs on this machine reach what listens.
fn local_url(front: &Front) -> Result<String> {
    let mut address = front.local_addr().map_err(Error::NoAddress)?;
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    Ok(format!("http://{address}"))
}

/// Says what came up, once it is known: as the banner, or as one line where a machine reads the log.
async fn announce(registry: Registry, url: String, asks_for_tokens: bool, with_sample: bool, log: Format) {
    let services = settled(&registry, FIRST_PASS).await;
    if log == Format::Json {
        let serving = services
            .iter()
            .filter(|service| service.state == State::Serving)
            .count();
        let tools = registry.catalog().tools().len();
        tracing::info!(url, services = services.len(), serving, tools, "mcp-hub is up");
        return;
    }
    let banner = Banner {
        url: &url,
        services: &services,
        asks_for_tokens,
        executable: &claude::executable(),
        questions: if with_sample {
            &mcp_hub_sqlite::sample::QUESTIONS
        } else {
            &[]
        },
    };
    // A hub serves on when nobody reads its banner.
    let _ = anstream::stdout().write_all(banner.render().as_bytes());
}

/// How the services are, once each knows it of its database, `within` a time.
async fn settled(registry: &Registry, within: Duration) -> Vec<ServiceReport> {
    let deadline = Instant::now() + within;
    first_pass(registry, deadline).await;
    loop {
        let services = registry.services().await;
        if services.iter().all(|service| service.settled) || Instant::now() >= deadline {
            return services;
        }
        tokio::time::sleep(FIRST_PASS_PAUSE).await;
    }
}

/// Waits until the tools are known, as far as they can be by then.
async fn first_pass(registry: &Registry, deadline: Instant) {
    if tokio::time::timeout_at(deadline, registry.first_pass())
        .await
        .is_err()
    {
        tracing::warn!("not every service could be asked for its tools yet");
    }
}

/// Waits until the tools are known, for as long as a start may wait.
pub(crate) async fn tools_known(registry: &Registry) {
    first_pass(registry, Instant::now() + FIRST_PASS).await;
}

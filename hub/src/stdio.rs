//! `mcp-hub stdio`: MCP on stdin and stdout, by the hub itself or by the bridge to a running one.
//!
//! stdout carries the protocol and nothing else; the log is on stderr.

use std::net::{Ipv4Addr, SocketAddr};

use mcp_hub_chassis::Process;
use url::Url;

use crate::bridge;
use crate::client::{Access, Client};
use crate::error::{Error, Result};
use crate::up::{self, Hub};

/// The settings of `mcp-hub stdio`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The address of a running hub to be a bridge to; without it this process is a hub itself.
    #[arg(long, env = "MCP_HUB_URL", value_name = "URL")]
    url: Option<Url>,
    /// How the running hub lets us in.
    #[command(flatten)]
    access: Access,
    /// Listen here too, for other clients; nowhere when absent.
    #[arg(long, env = "MCP_HUB_LISTEN", value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Listen on this port of 127.0.0.1 too, or on this port of --listen.
    #[arg(long, env = "MCP_HUB_PORT", value_name = "PORT")]
    port: Option<u16>,
    #[command(flatten)]
    hub: Hub,
}

impl Options {
    fn address(&self) -> Option<SocketAddr> {
        match (self.listen, self.port) {
            (None, None) => None,
            (None, Some(port)) => Some((Ipv4Addr::LOCALHOST, port).into()),
            (Some(address), None) => Some(address),
            (Some(address), Some(port)) => Some((address.ip(), port).into()),
        }
    }
}

/// Speaks MCP until stdin ends or the process stops.
pub async fn run(options: Options, process: Process) -> Result<()> {
    if let Some(url) = options.url {
        let client = Client::new(url, &options.access)?;
        let stdin = tokio::io::BufReader::new(tokio::io::stdin());
        return bridge::run(&client, stdin, tokio::io::stdout(), &process.lifecycle).await;
    }
    if !options.access.is_empty() {
        return Err(Error::Usage("--token-file, --header and --ca-file need --url"));
    }
    let address = options.address();
    let front = match address {
        Some(address) => Some(up::open(&options.hub.facade, address).await?),
        None => None,
    };
    process.serve_metrics().await.map_err(Error::Metrics)?;
    let running = options.hub.start(process.config, &process.lifecycle).await?;
    let serve = async {
        match front {
            Some(front) => running.facade.serve(front).await,
            None => std::future::pending().await,
        }
    };
    let speak = async {
        // Clients ask for the tools once, at once, and many never again.
        up::tools_known(running.facade.registry()).await;
        running
            .facade
            .serve_stdio(tokio::io::stdin(), tokio::io::stdout())
            .await
    };
    tokio::select! {
        spoken = speak => spoken.map_err(Error::Stdio),
        served = serve => served.map_err(Error::Facade),
        failure = running.adapters.failure() => Err(failure),
    }
}

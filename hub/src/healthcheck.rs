//! `mcp-hub healthcheck`: readiness as an exit code, for containers that have no curl.

use mcp_hub_chassis::healthcheck::{self, LIMIT};
use url::Url;

use crate::client::{Access, Client};
use crate::error::{Error, Result};
use crate::up::Listen;

/// The settings of `mcp-hub healthcheck`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The address of the hub, when it is not the one that a hub with this environment listens on.
    #[arg(long, env = "MCP_HUB_URL", value_name = "URL")]
    url: Option<Url>,
    #[command(flatten)]
    listen: Listen,
}

/// Succeeds when the hub can serve calls.
pub async fn run(options: Options) -> Result<()> {
    let Some(url) = options.url else {
        let answer = healthcheck::http(options.listen.address()).await;
        return answer.map_err(Error::Unwell);
    };
    let client = Client::new(url, &Access::default())?;
    match tokio::time::timeout(LIMIT, client.is_ready()).await {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(Error::NotReady(client.address())),
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::Silent {
            address: client.address(),
        }),
    }
}

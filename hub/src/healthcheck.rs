//! `mcp-hub healthcheck`: readiness as an exit code, for containers that have no curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

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
    let url = match options.url {
        Some(url) => url,
        None => reach(options.listen.address()),
    };
    let client = Client::new(url, &Access::default())?;
    if client.is_ready().await? {
        Ok(())
    } else {
        Err(Error::NotReady(client.address()))
    }
}

/// How to reach, from this machine, what listens on `address`.
fn reach(mut address: SocketAddr) -> Url {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Url::parse(&format!("http://{address}/")).expect("an address makes a URL")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hub_that_listens_everywhere_is_asked_on_loopback() {
        for (address, url) in [
            ("0.0.0.0:8000", "http://127.0.0.1:8000/"),
            ("[::]:80", "http://[::1]/"),
            ("192.0.2.7:81", "http://192.0.2.7:81/"),
        ] {
            assert_eq!(reach(address.parse().expect("an address")).as_str(), url);
        }
    }
}

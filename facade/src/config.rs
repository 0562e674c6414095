//! The settings of the facade, and the one source of the names that it is reached by.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use ipnet::IpNet;
use mcp_hub_chassis::listens::Port;
use url::Url;

use crate::error::Error;
use crate::transport::{relay, session};
use crate::{auth, registry};

/// How the facade is reached and what it tolerates.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// The URL that clients use, "<https://mcp.example.com>". Its origin is the only one, beside those of loopback, that web pages may
    /// call from; and while callers need no token, its host the only one that requests may be addressed to.
    #[arg(long, env = "MCP_HUB_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// Listen on an address that other machines reach although nothing asks callers who they are.
    #[arg(long, env = "MCP_HUB_ALLOW_UNAUTHENTICATED", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(),
          action = clap::ArgAction::Set)]
    pub allow_unauthenticated: bool,
    /// Wait for the files of tokens and session keys that are named and can't be used yet, instead of giving up: until they can, the
    /// process lives, is not ready, lets nobody in, and its log says how to make them. For clusters, where a Secret may come later.
    #[arg(long, env = "MCP_HUB_WAIT_FOR_SECRETS", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(),
          action = clap::ArgAction::Set)]
    pub wait_for_secrets: bool,
    /// The most connections at the same time; more wait.
    #[arg(long, env = "MCP_HUB_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,
    /// The most connections from one address at the same time; more are closed. Behind a reverse proxy all come from its address:
    /// those of --trusted-proxies count only in --max-connections.
    #[arg(long, env = "MCP_HUB_MAX_CONNECTIONS_PER_ADDRESS", value_name = "COUNT", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections_per_address: u32,
    /// Reverse proxies whose word on the client's address counts, as networks or addresses with commas in between: it is read from
    /// X-Forwarded-For. Without any, the client is the other end of the connection.
    #[arg(long, env = "MCP_HUB_TRUSTED_PROXIES", value_name = "NETWORK", value_delimiter = ',', value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Who may come in.
    #[command(flatten)]
    pub auth: auth::Config,
    /// What sessions are sealed with.
    #[command(flatten)]
    pub session: session::keys::Config,
    /// How replicas find each other.
    #[command(flatten)]
    pub relay: relay::Config,
    /// How the catalogue of tools is kept.
    #[command(flatten)]
    pub registry: registry::Config,
}

impl Config {
    /// Everything that a facade with these settings and its doors on `address` listens on.
    ///
    /// # Errors
    /// The settings of the relay contradict each other.
    pub fn listens(&self, address: SocketAddr) -> Result<Vec<(Port, SocketAddr)>, Error> {
        let relay = self.relay.listen()?.map(|address| (Port::Relay, address));
        Ok(std::iter::once((Port::Http, address)).chain(relay).collect())
    }
}

/// The settings of the program `mcp-hub-facade`.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Where to listen.
    #[arg(
        long,
        env = "MCP_HUB_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:8000"
    )]
    pub listen: SocketAddr,
    /// The file that names the upstreams: TOML, `key = "http://host:port"` or a table for each.
    #[arg(
        long,
        env = "MCP_HUB_UPSTREAMS",
        value_name = "FILE",
        default_value = "upstreams.toml"
    )]
    pub upstreams: std::path::PathBuf,
    /// Everything else.
    #[command(flatten)]
    pub config: Config,
}

/// Scheme, host and port of a URL that clients use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicUrl(Url);

impl PublicUrl {
    /// The host as requests name it: lower case, IPv6 in brackets.
    pub fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// As a URL.
    pub fn url(&self) -> &Url {
        &self.0
    }

    /// Whether a web page of `origin` is one of ours.
    pub(crate) fn is_origin_of(&self, origin: &Url) -> bool {
        self.0.origin() == origin.origin()
    }
}

impl std::fmt::Display for PublicUrl {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
        let problem = if !matches!(url.scheme(), "http" | "https") {
            "it must begin with https:// or http://"
        } else if !url.username().is_empty() || url.password().is_some() {
            "it must not contain a user or a password"
        } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            "it must end after the host and port: mcp-hub is served at the root of a host"
        } else {
            return Ok(Self(url));
        };
        Err(problem.to_owned())
    }
}

/// A network, or one address.
pub(crate) fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>()
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| "neither a network like 10.0.0.0/8 nor an address".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_scheme_host_and_port() {
        let url: PublicUrl = "https://MCP.Example.com/".parse().unwrap();
        assert_eq!(
            (url.to_string().as_str(), url.host()),
            ("https://mcp.example.com", "mcp.example.com")
        );
        assert_eq!("http://[::1]:8000".parse::<PublicUrl>().unwrap().host(), "[::1]");
        for wrong in [
            "mcp.example.com",
            "ftp://x",
            "https://u:p@x",
            "https://x/mcp",
            "https://x/?a=b",
            "https://",
        ] {
            assert!(wrong.parse::<PublicUrl>().is_err(), "{wrong}");
        }
    }
}

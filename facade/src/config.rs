//! The settings of the facade, and the one source of the names that it is reached by.

use std::net::SocketAddr;
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use tokio::net::TcpListener;
use url::Url;

use crate::error::Error;
use crate::registry;

/// How the facade is reached and what it tolerates.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Config {
    /// The URL that clients use, "<https://mcp.example.com>". Its host is the only one, beside the loopback names, that requests may
    /// be addressed to, and its origin the only one that web pages may call from.
    #[arg(long, env = "MCP_HUB_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<PublicUrl>,
    /// Listen on an address that other machines reach although nothing asks callers who they are.
    #[arg(long, env = "MCP_HUB_ALLOW_UNAUTHENTICATED", value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(),
          action = clap::ArgAction::Set)]
    pub allow_unauthenticated: bool,
    /// The most connections at the same time; more wait.
    #[arg(long, env = "MCP_HUB_MAX_CONNECTIONS", value_name = "COUNT", default_value_t = 4096,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections: u32,
    /// The most connections from one address at the same time; more are closed. Behind a reverse proxy all come from its address.
    #[arg(long, env = "MCP_HUB_MAX_CONNECTIONS_PER_ADDRESS", value_name = "COUNT", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub max_connections_per_address: u32,
    /// How the catalogue of tools is kept.
    #[command(flatten)]
    pub registry: registry::Config,
}

impl Config {
    /// Listens on `address`, if these settings allow it.
    ///
    /// # Errors
    /// The address can be reached from outside without authentication, is in use, or is none of this machine's.
    pub async fn listen(&self, address: SocketAddr) -> Result<TcpListener, Error> {
        if !address.ip().is_loopback() {
            if !self.allow_unauthenticated {
                return Err(Error::Unauthenticated(address));
            }
            tracing::warn!(%address, "{UNAUTHENTICATED}");
        }
        TcpListener::bind(address)
            .await
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::AddrInUse => Error::AddressInUse(address),
                _ => Error::Listen { address, source },
            })
    }
}

/// What is said, in the log and in `health_check`, when everybody may call.
pub(crate) const UNAUTHENTICATED: &str =
    "no authentication: everybody who reaches this address can use the databases";

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

    #[tokio::test]
    async fn an_address_that_others_reach_needs_the_switch() {
        let config = |arguments: &[&str]| {
            let arguments = arguments.iter().map(Into::into).collect();
            let sources = mcp_hub_chassis::config::Sources {
                arguments,
                ..Default::default()
            };
            sources.load::<Config>().unwrap()
        };
        let anywhere = "0.0.0.0:0".parse().unwrap();
        let refused = config(&["x"]).listen(anywhere).await;
        assert!(matches!(refused, Err(Error::Unauthenticated(_))));
        assert!(
            config(&["x", "--allow-unauthenticated"])
                .listen(anywhere)
                .await
                .is_ok()
        );
        assert!(
            config(&["x", "--allow-unauthenticated=no"])
                .listen(anywhere)
                .await
                .is_err()
        );

        let taken = config(&["x"])
            .listen("127.0.0.1:0".parse().unwrap())
            .await
            .unwrap();
        let again = config(&["x"]).listen(taken.local_addr().unwrap()).await;
        assert!(matches!(again, Err(Error::AddressInUse(_))));
    }
}

//! The settings of one facade where it runs: its files, and the way to the other replicas.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mcp_hub_chassis::doctor::probe::{self, Server};
use mcp_hub_chassis::doctor::{Finding, Hop, Scope, Verdict};
use mcp_hub_chassis::fault;
use url::Url;

use super::url_of;
use crate::auth::Mode;
use crate::config::Config;
use crate::transport::relay;
use crate::{auth, transport::session::keys};

const TOKENS: &str = "MCP_HUB_TOKENS_FILE";
const KEYS: &str = "MCP_HUB_SESSION_KEYS_FILE";
const PEERS: &str = "MCP_HUB_PEERS";

/// Looks at the files of tokens and session keys.
pub(super) fn files(config: &Config, listen: SocketAddr) -> Vec<Finding> {
    let tokens = tokens(&config.auth, listen);
    std::iter::once(tokens).chain(session_keys(config)).collect()
}

fn tokens(config: &auth::Config, listen: SocketAddr) -> Finding {
    let finding = |verdict| Finding::new(Hop::Facade, "tokens", verdict).of_setting(TOKENS);
    let path = match (config.auth, &config.tokens_file) {
        (Some(Mode::None), Some(_)) => return finding(Verdict::SettingWrong),
        (Some(Mode::Tokens), None) => return finding(Verdict::SettingMissing),
        (_, None) if listen.ip().is_loopback() => {
            return finding(Verdict::NotConfigured).with_detail("nobody is asked for a token");
        }
        (_, None) => return finding(Verdict::NoAuthentication),
        (_, Some(path)) => path,
    };
    let finding = |verdict| {
        Finding::new(Hop::Facade, format!("tokens: {}", path.display()), verdict).of_setting(TOKENS)
    };
    match auth::tokens_of(path) {
        Ok(entries) if entries.is_empty() => {
            finding(Verdict::TokensMissing).with_detail("the file has no token")
        }
        Ok(entries) => finding(Verdict::Ok).with_detail(counted(entries.len(), "token")),
        Err(auth::Error::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            finding(Verdict::TokensMissing)
        }
        Err(error) => finding(Verdict::FileWrong).with_detail(fault::chain(&error)),
    }
}

fn session_keys(config: &Config) -> Option<Finding> {
    let subject = |path: &std::path::Path| format!("session keys: {}", path.display());
    let Some(path) = &config.session.session_keys_file else {
        let several = !config.relay.peers.is_empty();
        let finding = Finding::new(Hop::Facade, "session keys", Verdict::SettingMissing).of_setting(KEYS);
        return several.then(|| finding.with_detail("replicas need the same session keys"));
    };
    let finding = |verdict| Finding::new(Hop::Facade, subject(path), verdict).of_setting(KEYS);
    Some(match keys::count(path) {
        Ok(count) => finding(Verdict::Ok).with_detail(counted(count, "key")),
        Err(keys::Error::Unreadable { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
            finding(Verdict::SecretUnreadable)
        }
        Err(error) => finding(Verdict::FileWrong).with_detail(fault::chain(&error)),
    })
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// Looks at the way to the other replicas.
pub(super) async fn peers(config: &relay::Config, scope: &Scope) -> Vec<Finding> {
    match config.listen() {
        Ok(None) => return vec![],
        Ok(Some(_)) => {}
        Err(error) => {
            let finding = Finding::new(Hop::Facade, "relay", Verdict::SettingWrong).of_setting(PEERS);
            return vec![finding.with_detail(fault::chain(&error))];
        }
    }
    let looks = config.peers.iter().map(async |peer| {
        let (host, port) = peer.parts();
        let server = Server::new("peers", host, port)
            .named_by(PEERS, PEERS)
            .as_hops(Hop::Facade, Hop::Facade);
        let found = probe::resolve(host, port, scope.timeout).await;
        match found {
            // Nobody is there yet, or the name is wrong.
            Err(Verdict::NameNotFound) => vec![server.of_host(Verdict::NoPeers)],
            _ => probe::reach(&server, scope).await.findings,
        }
    });
    futures_util::future::join_all(looks).await.concat()
}

/// How this machine reaches what listens at `address`; `None` where the system chooses the port.
pub fn url(address: SocketAddr) -> Option<Url> {
    let mut address = address;
    if address.port() == 0 {
        return None;
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    url_of("http", &address.to_string())
}

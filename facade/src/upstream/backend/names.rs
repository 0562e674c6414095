//! Where the configured addresses of an upstream lead now.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use http::Uri;
use tokio::time::timeout;

/// How long one name may take.
const RESOLVE: Duration = Duration::from_secs(2);

/// What finds the addresses of a name and a port.
pub(super) type Resolver =
    Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// The resolver of the operating system.
pub(super) fn system() -> Resolver {
    Arc::new(|host, port| Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }))
}

/// Where the configured addresses lead now.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) found: BTreeMap<SocketAddr, Uri>,
    /// Addresses that lead somewhere by a name.
    pub(super) names: HashSet<Uri>,
    /// Names that nobody could resolve just now.
    pub(super) failed: HashSet<Uri>,
}

impl Answer {
    /// Asks for all at the same time, so that one name that nobody knows does not hold up the others.
    pub(super) async fn of(addresses: &[String], resolver: &Resolver) -> Self {
        let mut answer = Self::default();
        let mut lookups = Vec::new();
        for address in addresses {
            // Checked when the settings were read.
            let Ok(uri) = address.parse::<Uri>() else { continue };
            let (Some(host), Some(port)) = (uri.host(), uri.port_u16()) else {
                continue;
            };
            let host = host.trim_matches(['[', ']']).to_owned();
            if let Ok(ip) = host.parse::<IpAddr>() {
                answer.found.entry(SocketAddr::new(ip, port)).or_insert(uri);
            } else {
                lookups.push(async move { (timeout(RESOLVE, resolver(host, port)).await, uri) });
            }
        }
        for (lookup, uri) in join_all(lookups).await {
            if let Ok(Ok(found)) = lookup {
                answer.names.insert(uri.clone());
                for address in found {
                    answer.found.entry(address).or_insert_with(|| uri.clone());
                }
            } else {
                tracing::debug!(name = uri.host(), "a name can't be resolved");
                answer.failed.insert(uri);
            }
        }
        answer
    }
}

//! The replicas behind Caddy, as `caddy/Caddyfile.local` runs it: over TLS, by the same lines as the Caddyfile of a real set-up.

use mcp_hub_e2e::{Caddy, Cluster, ClusterOptions, Replica};

use super::stage::Stage;

mod clients;
mod files;
mod hostile;
mod loss;
mod streams;
mod upstream;
mod vouching;

/// Two replicas behind Caddy, which nobody has to ask for a token. `None` when there is no Caddy.
async fn stage() -> Option<(Stage, Caddy)> {
    let stage = Stage::with(two(), &[]).await?;
    let caddy = in_front(&stage.cluster).await?;
    Some((stage, caddy))
}

/// Two replicas.
fn two() -> ClusterOptions {
    ClusterOptions {
        replicas: 2,
        ..Default::default()
    }
}

/// Caddy in front of a cluster's replicas, beside the proxy that it has.
async fn in_front(cluster: &Cluster) -> Option<Caddy> {
    let addresses: Vec<_> = cluster.replicas().iter().map(Replica::address).collect();
    Caddy::start(&addresses, &[]).await
}

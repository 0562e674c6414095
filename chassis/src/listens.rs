//! What a program listens on with its present settings, as JSON: for those who write manifests, and for the checks of ours.
//!
//! Each program tells it from the settings that it serves with, so a port in a manifest can be compared with what is opened behind it.

use std::net::SocketAddr;

use serde_json::json;

use crate::Process;

/// The command's name.
pub(crate) const COMMAND: &str = "listens";

/// What something listens for, by the name of the port in Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The services of an adapter.
    Grpc,
    /// MCP, and the probes.
    Http,
    /// Messages from other replicas of the facade.
    Relay,
    /// Metrics, for Prometheus.
    Metrics,
}

impl Port {
    /// As manifests name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Relay => "relay",
            Self::Metrics => "metrics",
        }
    }
}

/// Why it can't be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody takes it.
    #[error("can't write to stdout")]
    Stdout(#[source] std::io::Error),
}

/// Prints what the process would listen on: `own`, and what every process has. Nothing is opened.
///
/// # Errors
/// Nothing can be printed.
pub fn tell(own: &[(Port, SocketAddr)], process: &Process) -> Result<(), Error> {
    use std::io::Write as _;
    let metrics = process.metrics.metrics_listen;
    let metrics = metrics.map(|address| (Port::Metrics, address));
    let text = render(own.iter().copied().chain(metrics));
    std::io::stdout()
        .write_all(text.as_bytes())
        .map_err(Error::Stdout)
}

fn render(listeners: impl Iterator<Item = (Port, SocketAddr)>) -> String {
    let listeners: serde_json::Value = listeners
        .map(|(port, address)| {
            // The protocol is that of a container's or a Service's port, which is what this is held against.
            json!({"name": port.name(), "address": address.ip(), "port": address.port(), "protocol": "TCP"})
        })
        .collect();
    format!("{listeners:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_listener_is_an_object() {
        let listeners = [
            (Port::Http, "0.0.0.0:8000".parse().unwrap()),
            (Port::Relay, "[::]:8001".parse().unwrap()),
        ];
        let told: serde_json::Value = serde_json::from_str(&render(listeners.into_iter())).unwrap();
        assert_eq!(
            told,
            json!([
                {"name": "http", "address": "0.0.0.0", "port": 8000, "protocol": "TCP"},
                {"name": "relay", "address": "::", "port": 8001, "protocol": "TCP"},
            ])
        );
    }
}

//! Metrics: instruments of the OpenTelemetry API, and `/metrics` in Prometheus' text form on a port of its own.
//!
//! A crate names its instruments in one module, made with [`meter`]. They count from the first moment; whether anybody can read them
//! is a setting.

use std::net::SocketAddr;
use std::sync::LazyLock;

use axum::routing::get;
use http::header::CONTENT_TYPE;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;

use crate::lifecycle::Lifecycle;

pub mod instrument;
pub mod pool;

/// How metrics are told.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Options {
    /// Where `/metrics` is served, for Prometheus. Nothing asks who reads it: an address that only the cluster reaches. Off without.
    #[arg(long, env = "MCP_HUB_METRICS_LISTEN", global = true, help_heading = crate::HEADING, value_name = "ADDRESS:PORT")]
    pub metrics_listen: Option<SocketAddr>,
}

/// Where the instruments of this process come together.
struct Collected {
    registry: Registry,
    provider: SdkMeterProvider,
}

static COLLECTED: LazyLock<Collected> = LazyLock::new(|| {
    let registry = Registry::new();
    let mut provider = SdkMeterProvider::builder();
    // It fails only for a registry that has a collector of this name already.
    if let Ok(exporter) = opentelemetry_prometheus::exporter()
        .with_registry(registry.clone())
        .scope_info_enabled(false)
        .without_target_info()
        .build()
    {
        provider = provider.with_reader(exporter);
    }
    Collected {
        registry,
        provider: provider.build(),
    }
});

/// What a crate makes its instruments with; `name` is the crate's.
pub fn meter(name: &'static str) -> Meter {
    COLLECTED.provider.meter(name)
}

/// All metrics of this process as Prometheus reads them.
pub fn text() -> String {
    TextEncoder::new()
        .encode_to_string(&COLLECTED.registry.gather())
        .unwrap_or_else(|error| {
            tracing::warn!(%error, "metrics can't be written");
            String::new()
        })
}

/// Serves `/metrics` until the process stops, if it is to be.
///
/// # Errors
/// The address can't be listened on.
pub(crate) async fn serve(options: &Options, lifecycle: &Lifecycle) -> std::io::Result<()> {
    let Some(address) = options.metrics_listen else {
        return Ok(());
    };
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "metrics are served");
    let app = axum::Router::new().route(
        "/metrics",
        get(async || ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text())),
    );
    lifecycle.spawn_until_stopped(async move {
        // It ends only with the process: axum goes on after every failed connection.
        let _ = axum::serve(listener, app).await;
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use opentelemetry::KeyValue;

    use super::*;

    #[test]
    fn what_is_counted_can_be_read() {
        let counter = meter("test").u64_counter("mcp_hub.test.calls").build();
        counter.add(2, &[KeyValue::new("upstream", "orders")]);
        counter.add(1, &[KeyValue::new("upstream", "orders")]);
        let text = text();
        let line = text
            .lines()
            .find(|line| line.starts_with("mcp_hub_test_calls_total"));
        assert_eq!(
            line,
            Some(r#"mcp_hub_test_calls_total{upstream="orders"} 3"#),
            "{text}"
        );
    }
}

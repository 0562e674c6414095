//! The facade: MCP in, gRPC out. It knows no database.
//!
//! `transport` has the doors for clients, `server` answers MCP requests, [`registry`] keeps the catalogue of [`tool`]s and [`prompt`]s that
//! [`upstream`] discovers and calls, and [`outcome`] is what a call came to.

use mcp_hub_chassis::Lifecycle;
use tokio::io::{AsyncRead, AsyncWrite};

pub mod auth;
pub mod command;
pub mod config;
pub mod doctor;
pub mod error;
#[cfg(test)]
mod fixture;
pub mod front;
mod json;
pub mod metrics;
pub mod outcome;
mod pattern;
pub mod progress;
pub mod prompt;
mod quiet;
mod rate;
pub mod registry;
mod schema;
mod secrets;
mod server;
pub mod tool;
mod transport;
mod unhandled;
pub mod upstream;
mod watched;
mod words;

pub use config::Config;
pub use error::Error;
pub use front::Front;

use registry::Registry;
use server::Server;
use transport::{Lock, ToolFilter, accept, relay, stdio};
use upstream::Upstreams;

/// A running facade. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Facade {
    server: Server,
    config: Config,
}

impl Facade {
    /// Connects to the upstreams, in tasks of `lifecycle`. Returns at once; upstreams may come and go.
    pub fn start(config: Config, upstreams: Upstreams, lifecycle: &Lifecycle) -> Self {
        metrics::start();
        let registry = Registry::start(&config.registry, upstreams, lifecycle);
        let server = Server::new(registry, lifecycle.clone());
        Self { server, config }
    }

    /// The catalogue of tools and the state of the services behind it.
    pub fn registry(&self) -> &Registry {
        self.server.registry()
    }

    /// Serves all HTTP doors until the process stops. What is under way then goes on in tasks of the lifecycle.
    ///
    /// # Errors
    /// The listener failed for good.
    pub async fn serve(&self, front: Front) -> Result<(), Error> {
        if let Some(notice) = front.notice() {
            self.registry().notice("authentication", notice);
        }
        let lifecycle = self.server.lifecycle();
        front.awaited.tell(lifecycle);
        front.auth.watch(&front.awaited, self.registry(), lifecycle);
        front.keys.watch(&front.awaited, self.registry(), lifecycle);
        let sessions = relay::sessions(front.relay, &front.keys, lifecycle)?;
        let limits = accept::Limits {
            total: self.config.max_connections as usize,
            per_address: self.config.max_connections_per_address as usize,
            proxies: self.config.trusted_proxies.as_slice().into(),
        };
        let lock = Lock {
            auth: front.auth,
            awaited: front.awaited,
        };
        let router = transport::router(self.server.clone(), &self.config, lock, sessions);
        accept::serve(front.listener, router, limits, lifecycle).await
    }

    /// Serves one client that writes a message a line to `reader` and reads them from `writer`, until its input ends or the process
    /// stops. Calls in flight are answered first.
    ///
    /// # Errors
    /// Reading or writing failed.
    pub async fn serve_stdio<R, W>(&self, reader: R, writer: W) -> std::io::Result<()>
    where
        R: AsyncRead + Unpin + Send,
        W: AsyncWrite + Unpin + Send,
    {
        stdio::serve(self.server.clone(), ToolFilter::all(), reader, writer).await
    }
}

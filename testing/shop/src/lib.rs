//! An adapter for tests: a shop whose contract has two versions, on the chassis that the real adapters stand on.
//!
//! [`serve`] is the whole adapter. What it answers is a function of the arguments and of the version ([`goods`]), so that a wrong
//! answer is recognised wherever it comes from. What it was ordered to do stands in a file, a line for each time it was done
//! ([`ledger`]), so that a write that was done twice, or done although somebody said that it was not, can be counted afterwards.
//!
//! The second version has a tool more (`review`), a tool less (`haggle`), and a field more in the request and the response of
//! `price`. `generation1` and `generation2` are the RPCs of the two.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_hub_chassis::fault::Reason;
use mcp_hub_chassis::grpc::{Adapter, AdapterServer};
use mcp_hub_chassis::{BoxError, Fault, Lifecycle};
use mcp_hub_proto::adapter::v1::{GetStatusResponse, Mode, State};
use tokio::net::TcpListener;

mod generation1;
mod generation2;
pub mod goods;
pub mod ledger;

use ledger::Ledger;

/// Where the adapter listens as a process of its own.
pub const PORT: u16 = 50_099;

/// Which version of the shop, and where its orders go.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The version of the contract.
    #[arg(long, env = "SHOP_GENERATION", value_name = "VERSION", value_parser = clap::value_parser!(u32).range(1..=2))]
    pub generation: u32,
    /// The file that orders are appended to, a line each. Without it there are no orders.
    #[arg(long, env = "SHOP_LEDGER", value_name = "FILE")]
    pub ledger: Option<PathBuf>,
}

/// What both versions know.
#[derive(Clone, Debug)]
struct Shop {
    generation: u32,
    port: u32,
    ledger: Option<Ledger>,
}

/// Serves the shop on `listener` until the process stops. `name` is the service's key, of which the shop makes no use.
///
/// # Errors
/// When the ledger can't be opened or the listener fails.
pub async fn serve(
    config: Config,
    _name: &str,
    listener: TcpListener,
    lifecycle: Lifecycle,
) -> Result<(), BoxError> {
    let shop = Shop {
        generation: config.generation,
        port: listener.local_addr()?.port().into(),
        ledger: config.ledger.as_deref().map(Ledger::open).transpose()?,
    };
    let server = AdapterServer::new(Arc::new(shop.clone()));
    let server = match config.generation {
        1 => generation1::add(server, shop),
        _ => generation2::add(server, shop),
    };
    server.serve(listener, lifecycle).await
}

impl Shop {
    /// Takes as long as the caller wishes.
    async fn take(&self, ms: u32) {
        tokio::time::sleep(Duration::from_millis(ms.into())).await;
    }

    /// Writes an order to the ledger: after `ms`, and `ms` before the answer. Whoever gives up in between does not know which.
    async fn record(&self, id: &str, ms: u32) -> Result<(), Fault> {
        let Some(ledger) = &self.ledger else {
            return Err(Fault::new(Reason::WriteNotAllowed, "the shop has no ledger"));
        };
        self.take(ms).await;
        ledger.write(id).map_err(|error| Fault::internal(&error))?;
        self.take(ms).await;
        Ok(())
    }
}

#[tonic::async_trait]
impl Adapter for Shop {
    async fn probe(&self) -> bool {
        true
    }

    async fn status(&self) -> GetStatusResponse {
        GetStatusResponse {
            kind: "shop".to_owned(),
            adapter_version: env!("CARGO_PKG_VERSION").to_owned(),
            product: "Shop".to_owned(),
            product_version: self.generation.to_string(),
            mode: if self.ledger.is_some() {
                Mode::ReadWrite
            } else {
                Mode::ReadOnly
            }
            .into(),
            state: State::Serving.into(),
            ..GetStatusResponse::default()
        }
    }
}

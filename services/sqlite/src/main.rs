//! The SQLite adapter as a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use mcp_hub_sqlite::Config;
use tokio::net::TcpListener;

/// The adapter, and where it listens.
#[derive(clap::Args, Debug)]
struct Options {
    /// Where to listen for gRPC.
    #[arg(
        long,
        env = "MCP_HUB_LISTEN",
        value_name = "ADDR:PORT",
        default_value = "127.0.0.1:50055"
    )]
    listen: SocketAddr,
    /// The key of this service: the first part of its tools' names.
    #[arg(long, env = "MCP_HUB_NAME", value_name = "KEY", default_value = "sqlite")]
    name: String,
    #[command(flatten)]
    sqlite: Config,
}

fn main() -> ExitCode {
    mcp_hub_chassis::run("mcp-hub-sqlite", async |options: Options, process| {
        let listener = TcpListener::bind(options.listen).await?;
        tracing::info!(address = %listener.local_addr()?, "listening");
        mcp_hub_sqlite::serve(options.sqlite, &options.name, listener, process.lifecycle).await
    })
}

//! `mcp-hub-postgres`: the adapter as a process of its own.

use std::net::SocketAddr;
use std::process::ExitCode;

use mcp_hub_postgres::Config;

#[derive(clap::Args, Debug)]
struct Options {
    /// Where to listen.
    #[arg(
        long,
        env = "MCP_HUB_LISTEN",
        value_name = "ADDRESS:PORT",
        default_value = "127.0.0.1:50051"
    )]
    listen: SocketAddr,
    /// The name of this service, by which the database sees it: "mcp-hub/<name>".
    #[arg(long, env = "MCP_HUB_NAME", value_name = "NAME", default_value = "postgres")]
    name: String,
    #[command(flatten)]
    database: Config,
}

fn main() -> ExitCode {
    mcp_hub_chassis::run::<Options, _, _>("mcp-hub-postgres", async |options, process| {
        let listener = tokio::net::TcpListener::bind(options.listen).await?;
        mcp_hub_postgres::serve(options.database, &options.name, listener, process.lifecycle).await
    })
}

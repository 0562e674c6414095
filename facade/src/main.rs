//! `mcp-hub-facade`: the facade as a process of its own.

use std::process::ExitCode;

use mcp_hub_facade::config::Options;
use mcp_hub_facade::upstream::Upstreams;
use mcp_hub_facade::{Facade, Front};

fn main() -> ExitCode {
    mcp_hub_chassis::run("mcp-hub-facade", async |options: Options, process| {
        let upstreams = Upstreams::read(&options.upstreams)?;
        // Taken before anything else starts, so that a port in use is the first and only thing that is said.
        let front = Front::open(&options.config, options.listen).await?;
        tracing::info!(address = %front.local_addr()?, "listening");
        let facade = Facade::start(options.config, upstreams, &process.lifecycle);
        facade.serve(front).await?;
        Ok(())
    })
}

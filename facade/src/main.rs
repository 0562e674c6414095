//! `mcp-hub-facade`: the facade as a process of its own.

use std::process::ExitCode;

use mcp_hub_facade::Facade;
use mcp_hub_facade::config::Options;
use mcp_hub_facade::upstream::Upstreams;

fn main() -> ExitCode {
    mcp_hub_chassis::run("mcp-hub-facade", async |options: Options, process| {
        let upstreams = Upstreams::read(&options.upstreams)?;
        // Taken before anything else starts, so that a port in use is the first and only thing that is said.
        let listener = options.config.listen(options.listen).await?;
        tracing::info!(address = %listener.local_addr()?, "listening");
        let facade = Facade::start(options.config, upstreams, &process.lifecycle);
        facade.serve(listener).await?;
        Ok(())
    })
}

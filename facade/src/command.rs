//! The program `mcp-hub-facade`: what it does without a command, which is to serve, and what it can be asked beside.

use mcp_hub_chassis::{BoxError, Process, doctor, healthcheck, listens};

use crate::config::Options;
use crate::doctor::examine;
use crate::upstream::Upstreams;
use crate::{Facade, Front};

/// The command line.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
pub struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What to do beside serving.
#[derive(clap::Subcommand, Clone, Debug)]
enum Command {
    /// Look at the way to the adapters from here, and say what is wrong and what to do about it.
    Doctor(doctor::Options),
    /// Say by the exit code whether the facade that these settings start is ready.
    Healthcheck,
    /// Print what the facade would listen on with these settings, as JSON.
    Listens,
}

/// Does what the command line says.
///
/// # Errors
/// The facade can't start or go on; or the answer to the command is no.
pub async fn run(arguments: Arguments, process: Process) -> Result<(), BoxError> {
    let options = arguments.options;
    let Some(command) = arguments.command else {
        return serve(options, process).await;
    };
    let answer = async {
        match command {
            Command::Doctor(how) => {
                let findings = examine(&options, how.scope()).await;
                doctor::tell(&findings, &how).map_err(Into::into)
            }
            Command::Healthcheck => healthcheck::http(options.listen).await.map_err(Into::into),
            Command::Listens => {
                let listeners = options.config.listens(options.listen)?;
                listens::tell(&listeners, &process).map_err(Into::into)
            }
        }
    };
    process.lifecycle.unless_stopped(answer).await?
}

async fn serve(options: Options, process: Process) -> Result<(), BoxError> {
    process.serve_metrics().await?;
    let upstreams = Upstreams::read(&options.upstreams)?;
    // Taken before anything else starts, so that a port in use is the first and only thing that is said.
    let front = Front::open(&options.config, options.listen).await?;
    tracing::info!(address = %front.local_addr()?, "listening");
    let facade = Facade::start(options.config, upstreams, &process.lifecycle);
    facade.serve(front).await?;
    Ok(())
}

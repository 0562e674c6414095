//! `mcp-hub listens`: what a hub with these settings would listen on, as JSON.

use mcp_hub_chassis::{Process, listens};

use crate::error::{Error, Result};
use crate::up::Options;

/// Prints it. The adapters inside have free ports of the loopback, which are nobody else's, so they are left out.
pub fn run(options: &Options, process: &Process) -> Result<()> {
    let listeners = options.hub.facade.listens(options.listen.address());
    listens::tell(&listeners.map_err(Error::Facade)?, process).map_err(Error::Listens)
}

//! `mcp-hub-facade`: the facade as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_hub_chassis::run("mcp-hub-facade", mcp_hub_facade::command::run)
}

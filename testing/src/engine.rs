//! Docker's engine, where a test finds one.

use mcp_hub_programs::variable;

/// The engine that `DOCKER_HOST` names. It can't be had everywhere, so a test that gets `None` returns without being skipped.
pub fn docker_host() -> Option<String> {
    variable("DOCKER_HOST")
}

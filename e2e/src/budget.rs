//! How long the loops of calls may take.

use std::time::Duration;

use crate::process::variable;

/// A slice that finds what is plainly broken.
const SLICE: Duration = Duration::from_secs(5);

/// How long a test that can go on for as long as one likes does so: `MCP_HUB_TEST_BUDGET` seconds, and 5 where it is not set.
///
/// # Panics
///
/// When the variable is no number of seconds.
pub fn budget() -> Duration {
    variable("MCP_HUB_TEST_BUDGET").map_or(SLICE, |text| {
        let seconds = text.parse();
        Duration::from_secs(
            seconds.unwrap_or_else(|_| panic!("MCP_HUB_TEST_BUDGET={text} is no number of seconds")),
        )
    })
}

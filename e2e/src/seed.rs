//! What chance is made of, so that a run can be repeated.

use std::hash::{BuildHasher as _, RandomState};

use crate::process::variable;

/// The seed of this run's random choices: `MCP_HUB_TEST_SEED`, or another one each time. It is printed, to be given again.
///
/// # Panics
///
/// When the variable is no number.
pub fn seed() -> u64 {
    let seed = variable("MCP_HUB_TEST_SEED").map_or_else(
        || RandomState::new().hash_one(0_u8),
        |text| {
            text.parse()
                .unwrap_or_else(|_| panic!("MCP_HUB_TEST_SEED={text} is no number"))
        },
    );
    eprintln!("MCP_HUB_TEST_SEED={seed}");
    seed
}

//! The reverse proxy in front of the replicas.

use std::path::PathBuf;

use crate::environment::find;

/// nginx, as it is in the packages of most systems.
pub fn nginx() -> Option<PathBuf> {
    find("nginx")
}

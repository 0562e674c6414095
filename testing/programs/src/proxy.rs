//! The reverse proxies in front of the replicas.

use std::path::PathBuf;

use crate::environment::find;

/// nginx, as it is in the packages of most systems.
pub fn nginx() -> Option<PathBuf> {
    find("nginx")
}

/// Caddy, as it is in the packages of Debian and Ubuntu, or newer.
pub fn caddy() -> Option<PathBuf> {
    find("caddy")
}

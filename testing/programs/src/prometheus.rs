//! Prometheus and promtool.

use std::path::PathBuf;

use crate::environment::find;

/// Prometheus, as it is in the packages of Debian and Ubuntu.
pub fn prometheus() -> Option<PathBuf> {
    find("prometheus")
}

/// promtool, which checks Prometheus' files and tests its rules.
pub fn promtool() -> Option<PathBuf> {
    find("promtool")
}

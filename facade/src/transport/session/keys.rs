//! The keys that all replicas share: what seals session ids, and what the relay's ends prove themselves with.

use std::path::PathBuf;

/// Where the session keys come from.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {
    /// The file of the keys that all replicas share, a line each: `name:base64` of 32 random bytes. The first seals, all open; it is
    /// watched. Without it the key is random, and sessions end with the process.
    #[arg(long, env = "MCP_HUB_SESSION_KEYS_FILE", value_name = "FILE")]
    pub session_keys_file: Option<PathBuf>,
}

/// Why the session keys can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {}

/// The keys in force. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct KeyRing {}

impl KeyRing {
    /// Reads the file, or makes a random key where there is none.
    ///
    /// # Errors
    /// The file can't be used.
    pub(crate) fn read(_config: &Config) -> Result<Self, Error> {
        Ok(Self {})
    }
}

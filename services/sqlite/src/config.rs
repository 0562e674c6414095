//! The settings of the SQLite adapter.

use std::path::{Path, PathBuf};

const DEFAULT_MEMORY_MB: u32 = 512;

/// Which file, and what may be done with it.
#[derive(clap::Args, Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The SQLite file. It need not exist yet: the service says that it is unavailable until it does.
    #[arg(long, env = "SQLITE_PATH", value_name = "FILE")]
    pub path: Option<PathBuf>,
    /// What is in it, in a few words for the model that has to choose a database: "web shop orders since 2019, EUR".
    #[arg(long, env = "SQLITE_DESCRIPTION", value_name = "TEXT")]
    pub description: Option<String>,
    /// Whether the tool that changes data is offered. Reads stay read-only either way.
    #[arg(long, env = "SQLITE_ALLOW_WRITES", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_writes: bool,
    /// How many statements may run at once, 1 to 64; the number of cores, at least 2, when absent.
    #[arg(long, env = "SQLITE_POOL_SIZE", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub pool_size: Option<u32>,
    /// The most memory that SQLite may use in this process, in MiB, 16 to 65536. Sorts and temporary tables stay in it, never on the disk.
    #[arg(
        long,
        env = "SQLITE_MEMORY_MB",
        value_name = "MIB",
        default_value_t = DEFAULT_MEMORY_MB,
        value_parser = clap::value_parser!(u32).range(16..=65_536)
    )]
    pub memory_mb: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            path: None,
            description: None,
            allow_writes: false,
            pool_size: None,
            memory_mb: DEFAULT_MEMORY_MB,
        }
    }
}

impl Config {
    /// Whether a file was named.
    pub fn is_configured(&self) -> bool {
        // `SQLITE_PATH=` in a compose file means none.
        self.path
            .as_deref()
            .is_some_and(|path| !path.as_os_str().is_empty())
    }

    /// The settings for one file, all else as it is by default.
    pub fn for_file(path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..Self::default()
        }
    }

    /// How many statements may run at once.
    pub fn statements_at_once(&self) -> u32 {
        self.pool_size.unwrap_or_else(|| {
            let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
            u32::try_from(cores).unwrap_or(64).clamp(2, 64)
        })
    }
}

#[cfg(test)]
mod tests {
    use mcp_hub_chassis::config::Sources;

    use super::*;

    #[test]
    fn settings_that_are_absent_are_the_default() {
        let loaded: Config = Sources::default().load().expect("loads");
        assert_eq!(loaded, Config::default());
        assert!(!loaded.is_configured());
    }

    #[test]
    fn an_empty_path_is_none() {
        assert!(!Config::for_file(Path::new("")).is_configured());
        assert!(Config::for_file(Path::new("shop.db")).is_configured());
    }
}

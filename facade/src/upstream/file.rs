//! Which upstreams exist: the upstreams file, and those that a program adds by itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the upstreams can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// One upstream: where it is and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its addresses, `http://host:port`; a name may stand for several.
    pub addresses: Vec<String>,
    /// What the database holds, for a model: "web shop orders since 2019, EUR".
    pub description: String,
    /// Only these tools, by patterns like `list_*` over the names without the key; all when empty.
    pub allow: Vec<String>,
    /// Not these tools.
    pub deny: Vec<String>,
    /// The longest that a call may take.
    pub timeout: Duration,
    /// The most calls at the same time.
    pub concurrency: usize,
}

impl Upstream {
    /// An upstream at `address` with the usual settings.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            addresses: vec![address.into()],
            description: String::new(),
            allow: vec![],
            deny: vec![],
            timeout: Duration::from_secs(55),
            concurrency: 128,
        }
    }
}

/// All upstreams by key.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    added: BTreeMap<String, Upstream>,
}

impl Upstreams {
    /// Reads an upstreams file, which a registry then watches.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let _ = path;
        Ok(Self::default())
    }

    /// Parses the text of an upstreams file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let _ = text;
        Ok(Self::default())
    }

    /// Adds an upstream.
    pub fn add(&mut self, key: &str, upstream: Upstream) -> Result<(), Error> {
        self.added.insert(key.to_owned(), upstream);
        Ok(())
    }
}

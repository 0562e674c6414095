//! Which upstreams exist: the upstreams file, and those that a program adds by itself.
//!
//! ```toml
//! orders = "http://10.0.0.7:50051"
//!
//! [upstreams.billing]
//! address = ["http://10.0.0.8:50051", "http://10.0.0.9:50051"]
//! description = "invoices and payments since 2021, EUR"
//! deny = ["execute", "create_*"]
//! timeout = 20
//! concurrency = 16
//! optional = true
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

mod entry;

pub(crate) use entry::MAX_DESCRIPTION;
pub use entry::{Upstream, is_key};

/// The longest key.
const MAX_KEY: usize = 24;

/// Why the upstreams can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read the upstreams file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no TOML.
    #[error("the upstreams file is not valid TOML")]
    Malformed(#[from] toml::de::Error),
    /// A key can't be the beginning of a tool's name.
    #[error(
        "the upstream {key:?} can't have this name: it takes a lower-case letter, then letters, digits and underscores, \
         {MAX_KEY} at most, and neither \"health\" nor \"list\""
    )]
    Key {
        /// The key.
        key: String,
    },
    /// A key is there twice.
    #[error("the upstream {key:?} is there twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// An upstream has a setting that does not exist.
    #[error(
        "the upstream {key:?} has an unknown setting {setting:?}; known are: address, description, allow, deny, timeout, concurrency, \
         optional"
    )]
    UnknownSetting {
        /// The upstream.
        key: String,
        /// The setting.
        setting: String,
    },
    /// A table stands where only `[upstreams.KEY]` may.
    #[error("unknown table [{0}]: a table of an upstream is [upstreams.{0}]")]
    UnknownTable(String),
    /// A setting has a value that it can't have.
    #[error("the upstream {key:?}: {setting} {problem}")]
    Value {
        /// The upstream.
        key: String,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// All upstreams by key.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    /// Those that the program added.
    added: BTreeMap<String, Upstream>,
    /// Those of the file.
    listed: BTreeMap<String, Upstream>,
    file: Option<File>,
}

/// The file that upstreams came from.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    digest: [u8; 32],
}

impl Upstreams {
    /// Reads an upstreams file, which a registry then watches.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut upstreams = Self::parse(&text)?;
        upstreams.file = Some(File {
            path: path.to_owned(),
            digest: Sha256::digest(&text).into(),
        });
        Ok(upstreams)
    }

    /// Parses the text of an upstreams file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let table: toml::Table = text.parse()?;
        let mut upstreams = Self::default();
        for (name, value) in &table {
            match value {
                toml::Value::Table(entries) if name == "upstreams" => {
                    for (key, value) in entries {
                        upstreams.list(key, value)?;
                    }
                }
                toml::Value::Table(_) => return Err(Error::UnknownTable(name.clone())),
                _ => upstreams.list(name, value)?,
            }
        }
        Ok(upstreams)
    }

    fn list(&mut self, key: &str, value: &toml::Value) -> Result<(), Error> {
        let upstream = Upstream::parse(key, value)?.check(key)?;
        match self.listed.insert(key.to_owned(), upstream) {
            None => Ok(()),
            Some(_) => Err(Error::Twice { key: key.to_owned() }),
        }
    }

    /// Adds an upstream.
    ///
    /// # Errors
    /// The key is not fit for a tool's name or is there already, or a setting can't be used.
    pub fn add(&mut self, key: &str, upstream: Upstream) -> Result<(), Error> {
        let upstream = upstream.check(key)?;
        if self.listed.contains_key(key) || self.added.contains_key(key) {
            return Err(Error::Twice { key: key.to_owned() });
        }
        self.added.insert(key.to_owned(), upstream);
        Ok(())
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let mut keys: Vec<&str> = self
            .added
            .keys()
            .chain(self.listed.keys())
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        keys.into_iter()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Upstream)> {
        self.added.iter().chain(&self.listed)
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Reads the file again; `None` when it is as it was.
    pub(crate) fn read_again(&self) -> Result<Option<Self>, Error> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut now = Self::read(&file.path)?;
        if now.file.as_ref().is_some_and(|new| new.digest == file.digest) {
            return Ok(None);
        }
        for (key, upstream) in &self.added {
            now.add(key, upstream.clone())?;
        }
        Ok(Some(now))
    }
}

#[cfg(test)]
mod tests;

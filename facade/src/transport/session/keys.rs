//! The keys that all replicas share: what seals session ids, and what the relay's ends prove themselves with.
//!
//! Nobody uses a key of the file as it is: each purpose has keys of its own, derived from those of the file, so that what is sealed
//! for one purpose proves nothing for another.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use mcp_hub_chassis::Lifecycle;
use ring::hkdf::{HKDF_SHA256, Salt};
use tokio::sync::watch;

use crate::registry::Registry;
use crate::secrets::Awaited;
use crate::watched::{Reread, Watched};

/// The longest name of a key. It is part of every session id.
pub(crate) const MAX_NAME: usize = 16;

/// Separates our derived keys from those of any other program that is given the same secret.
const SALT: &[u8] = b"mcp-hub session keys";

/// The notice about a file that was changed and can't be used.
const TOPIC: &str = "session keys";
const UNUSABLE: &str =
    "the session keys file was changed and can't be used; the older keys stay in force: see the log";
const LINE: &str = "the session keys can't be used; the older ones stay in force";

/// Where the session keys come from.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {
    /// The file of the keys that all replicas share, a line each: `name:base64` of 32 random bytes (`openssl rand -base64 32`). The
    /// first seals, all open. It is watched: a new key is added last, made the first when all replicas have it, and the old one is
    /// taken out a day later. Without the file the key is random, and sessions end with the process.
    #[arg(long, env = "MCP_HUB_SESSION_KEYS_FILE", value_name = "FILE")]
    pub session_keys_file: Option<PathBuf>,
}

/// Why the session keys can't be used. It never shows a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read the session keys file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line is no key.
    #[error("line {line} of the session keys file {problem}")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// There is no key in the file.
    #[error("the session keys file has no key: a line is name:base64, of 32 random bytes")]
    Empty,
}

/// A secret of 32 bytes and what it is called.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key {
    /// `[A-Za-z0-9_-]`, 1 to [`MAX_NAME`] of them.
    pub(crate) name: String,
    pub(crate) bytes: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Key")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// The keys in force. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct KeyRing {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Where the keys come from; random without.
    file: Option<PathBuf>,
    /// Never empty; the first is the one in force.
    keys: ArcSwap<Vec<Key>>,
    changes: watch::Sender<u64>,
}

impl KeyRing {
    /// Reads the file, or makes a random key where none is named. While the file is waited for, the key is random too: what it sealed
    /// nobody else could open, and the relay lets nobody in.
    ///
    /// # Errors
    /// The file can't be used, and is not waited for.
    pub(crate) fn read(config: &Config, awaited: &Awaited) -> Result<Self, Error> {
        let Some(path) = &config.session_keys_file else {
            return Ok(Self::random());
        };
        let keys = awaited.first(TOPIC, read(path))?;
        if let Some(keys) = &keys {
            tracing::info!(keys = %names(keys), "session keys read");
        }
        Ok(Self::of(
            Some(path.clone()),
            keys.unwrap_or_else(|| vec![random()]),
        ))
    }

    /// One key that nobody else has.
    pub(crate) fn random() -> Self {
        Self::of(None, vec![random()])
    }

    fn of(file: Option<PathBuf>, keys: Vec<Key>) -> Self {
        let shared = Shared {
            file,
            keys: ArcSwap::from_pointee(keys),
            changes: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Whether no other process can have the keys.
    pub(crate) fn is_random(&self) -> bool {
        self.shared.file.is_none()
    }

    /// The keys for a purpose, under the names of those that they are derived from. The first is the one in force.
    pub(crate) fn derive(&self, purpose: &'static str) -> Arc<[Key]> {
        let keys = self.shared.keys.load();
        keys.iter().map(|key| derived(key, purpose)).collect()
    }

    /// Tells when the keys have changed.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Puts other keys in force.
    fn replace(&self, keys: Vec<Key>) {
        self.shared.keys.store(Arc::new(keys));
        self.shared.changes.send_modify(|version| *version += 1);
    }

    /// Follows the file, in a task of `lifecycle`. What can't be used leaves the older keys in force, and is told as a notice of
    /// `registry` until it can.
    pub(crate) fn watch(&self, awaited: &Awaited, registry: &Registry, lifecycle: &Lifecycle) {
        let Some(path) = self.shared.file.clone() else {
            return;
        };
        let (ring, registry) = (self.clone(), registry.clone());
        let mut reread = Reread::new(TOPIC, UNUSABLE, LINE, awaited.clone());
        lifecycle.spawn_until_stopped(async move {
            let mut file = Watched::new(&path);
            loop {
                // First of all: it may have changed between the first reading and the watch.
                let path = path.clone();
                let put = |keys: Vec<Key>| {
                    if keys != **ring.shared.keys.load() {
                        tracing::info!(keys = %names(&keys), "the session keys changed");
                        ring.replace(keys);
                    }
                };
                reread.read(&registry, move || read(&path), put).await;
                file.touched().await;
            }
        });
    }
}

fn random() -> Key {
    Key {
        name: "random".to_owned(),
        // The generator is the thread's, which is cryptographically secure.
        bytes: rand::random(),
    }
}

fn names(keys: &[Key]) -> String {
    let names: Vec<&str> = keys.iter().map(|key| key.name.as_str()).collect();
    names.join(", ")
}

fn derived(key: &Key, purpose: &'static str) -> Key {
    let mut bytes = [0; 32];
    Salt::new(HKDF_SHA256, SALT)
        .extract(&key.bytes)
        .expand(&[purpose.as_bytes()], HKDF_SHA256)
        .and_then(|material| material.fill(&mut bytes))
        .expect("32 bytes are as much as SHA-256 gives at once");
    Key {
        name: key.name.clone(),
        bytes,
    }
}

/// How many keys a file has.
///
/// # Errors
/// The file can't be used.
pub(crate) fn count(path: &Path) -> Result<usize, Error> {
    read(path).map(|keys| keys.len())
}

fn read(path: &Path) -> Result<Vec<Key>, Error> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    parse(&text)
}

fn parse(text: &str) -> Result<Vec<Key>, Error> {
    let mut keys: Vec<Key> = vec![];
    for (index, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let key = parse_line(line).and_then(|key| {
            let twice = keys.iter().any(|other| other.name == key.name);
            (!twice).then_some(key).ok_or("has the name of a key above it")
        });
        keys.push(key.map_err(|problem| Error::Line {
            line: index + 1,
            problem,
        })?);
    }
    if keys.is_empty() {
        return Err(Error::Empty);
    }
    Ok(keys)
}

fn parse_line(line: &str) -> Result<Key, &'static str> {
    let (name, secret) = line.split_once(':').ok_or("is not name:base64")?;
    let (name, secret) = (name.trim_end(), secret.trim_start());
    let named = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(named) {
        return Err("names its key wrongly: a name is 1 to 16 letters, digits, \"-\" and \"_\"");
    }
    let alphabet = if secret.contains(['-', '_']) {
        base64::alphabet::URL_SAFE
    } else {
        base64::alphabet::STANDARD
    };
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = GeneralPurpose::new(&alphabet, config)
        .decode(secret)
        .map_err(|_| "has a key that is not base64")?;
    let bytes = decoded.try_into().map_err(|_| "has a key that is not 32 bytes")?;
    Ok(Key {
        name: name.to_owned(),
        bytes,
    })
}

#[cfg(test)]
#[path = "keys/tests.rs"]
mod tests;

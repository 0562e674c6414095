//! Settings of the adapter, and the [`Target`] of a login that they come to.
//!
//! Secrets in files are read for each new connection, so that a rotated password needs no restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::server::{self, Url};

use crate::error::Error;

/// How long a login may take, name look-up and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Bolt's port.
const PORT: u16 = 7687;

/// The schemes of Neo4j's URIs.
const SCHEMES: [&str; 6] = ["neo4j", "neo4j+s", "neo4j+ssc", "bolt", "bolt+s", "bolt+ssc"];

/// The settings.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The server: `neo4j://host:7687` asks it which servers of its cluster to use, `bolt://host:7687` uses it alone. With `+s` behind
    /// the scheme the connection uses TLS, with `+ssc` it takes any certificate.
    #[arg(long, env = "NEO4J_URI", value_name = "URI", hide_env_values = true)]
    pub uri: Option<Secret>,
    /// A file that holds the URI.
    #[arg(long, env = "NEO4J_URI_FILE", value_name = "FILE")]
    pub uri_file: Option<PathBuf>,
    /// The user to log in as; "neo4j" when absent.
    #[arg(long, env = "NEO4J_USER", value_name = "USER")]
    pub user: Option<String>,
    /// Its password. Without one there is no login, which suits a server whose authentication is off.
    #[arg(long, env = "NEO4J_PASSWORD", value_name = "PASSWORD", hide_env_values = true)]
    pub password: Option<Secret>,
    /// A file that holds the password. It is read again for each login, so that a changed one needs no restart.
    #[arg(long, env = "NEO4J_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The database that is asked unless a call names another; the user's home database when absent.
    #[arg(long, env = "NEO4J_DATABASE", value_name = "DATABASE")]
    pub database: Option<String>,
    /// Other databases of the server that a call may name.
    #[arg(
        long,
        env = "NEO4J_DATABASES",
        value_name = "DATABASES",
        value_delimiter = ','
    )]
    pub databases: Vec<String>,
    /// The certificates to trust with `+s`, as PEM; those of the system when absent.
    #[arg(long, env = "NEO4J_SSLROOTCERT", value_name = "FILE")]
    pub sslrootcert: Option<PathBuf>,
    /// The most connections per server; the number of cores when absent.
    #[arg(long, env = "NEO4J_POOL_SIZE", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pool_size: Option<u32>,
    /// What is in it, in a few words for the model that has to choose a database: "web shop orders since 2019, EUR".
    #[arg(long, env = "NEO4J_DESCRIPTION", value_name = "TEXT")]
    pub description: Option<String>,
    /// Whether the write tools are offered.
    #[arg(long, env = "NEO4J_ALLOW_WRITES", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_writes: bool,
    /// The user that writes; the reading user when absent.
    #[arg(long, env = "NEO4J_WRITE_USER", value_name = "USER")]
    pub write_user: Option<String>,
    /// Its password.
    #[arg(
        long,
        env = "NEO4J_WRITE_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub write_password: Option<Secret>,
    /// A file that holds its password.
    #[arg(long, env = "NEO4J_WRITE_PASSWORD_FILE", value_name = "FILE")]
    pub write_password_file: Option<PathBuf>,
}

/// Which of the two users logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The one that reads.
    Reader,
    /// The one that writes.
    Writer,
}

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encryption {
    /// Not at all.
    None,
    /// With TLS and a certificate that somebody trusted signed for this host.
    Verified,
    /// With TLS, whoever answers.
    Unverified,
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Address {
    /// Reads an address as a server names it: `host:7687`, `[::1]:7687`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(&format!("bolt://{text}"), &["bolt"]).ok()?;
        Some(Self {
            host: url.host?,
            port: url.port.unwrap_or(PORT),
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(formatter, "[{}]:{}", self.host, self.port)
        } else {
            write!(formatter, "{}:{}", self.host, self.port)
        }
    }
}

/// Where and as whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// The address of the settings; a server of its cluster may have another.
    pub(crate) address: Address,
    pub(crate) encryption: Encryption,
    /// Whether the server is asked which servers to use.
    pub(crate) routing: bool,
    /// What the server is told when it is asked, such as a policy.
    pub(crate) context: Vec<(String, String)>,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) database: Option<String>,
    pub(crate) sslrootcert: Option<PathBuf>,
}

impl Target {
    /// What must never be in an answer, as far as the server might quote it. Short hosts are words and stay.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let password = self.password.iter().map(Secret::expose);
        let host = std::iter::once(self.address.host.as_str()).filter(|host| host.contains('.'));
        password
            .chain(host)
            .filter(|secret| secret.len() >= 4)
            .map(str::to_owned)
            .collect()
    }
}

impl Config {
    /// Whether a database is named at all.
    pub fn is_configured(&self) -> bool {
        self.uri.is_some() || self.uri_file.is_some()
    }

    /// The most connections per server.
    pub(crate) fn pool_size(&self) -> u32 {
        self.pool_size.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
        })
    }

    /// Refuses settings that can never work, so that a mistake shows at start.
    ///
    /// # Errors
    /// [`Error::Settings`] with a sentence for the operator.
    pub fn check(&self) -> Result<(), Error> {
        let one_way =
            |is_set, has_file, name| server::one_way(is_set, has_file, name).map_err(Error::Settings);
        one_way(self.uri.is_some(), self.uri_file.is_some(), "NEO4J_URI")?;
        one_way(
            self.password.is_some(),
            self.password_file.is_some(),
            "NEO4J_PASSWORD",
        )?;
        one_way(
            self.write_password.is_some(),
            self.write_password_file.is_some(),
            "NEO4J_WRITE_PASSWORD",
        )?;
        if self.write_user.is_none() && (self.write_password.is_some() || self.write_password_file.is_some())
        {
            return Err(Error::Settings(
                "NEO4J_WRITE_PASSWORD needs NEO4J_WRITE_USER".to_owned(),
            ));
        }
        // A file that is not there yet may come; a text that is no URI stays wrong.
        let Some(uri) = &self.uri else { return Ok(()) };
        let parts = Parts::parse(uri.expose())?;
        if self.sslrootcert.is_some() && parts.encryption != Encryption::Verified {
            return Err(Error::Settings(
                "NEO4J_SSLROOTCERT needs a URI with neo4j+s:// or bolt+s://".to_owned(),
            ));
        }
        Ok(())
    }

    /// Where and as whom to log in, files read now.
    pub(crate) fn target(&self, role: Role) -> Result<Target, Error> {
        let uri = match (&self.uri, &self.uri_file) {
            (Some(uri), _) => uri.clone(),
            (None, Some(file)) => read_secret(file)?,
            // Nobody's fault: of an adapter that only tells of itself, and of one whose settings are still to come.
            (None, None) => {
                return Err(Error::Unavailable {
                    verdict: Verdict::SettingMissing,
                    reason: "NEO4J_URI is not set".to_owned(),
                    source: None,
                });
            }
        };
        let parts = Parts::parse(uri.expose())?;
        let writes = role == Role::Writer && self.write_user.is_some();
        let (user, password, file) = if writes {
            (&self.write_user, &self.write_password, &self.write_password_file)
        } else {
            (&self.user, &self.password, &self.password_file)
        };
        let password = match (password, file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(file)) => Some(read_secret(file)?),
            (None, None) => parts.url.password.filter(|_| !writes),
        };
        let user = user.clone().or(parts.url.user);
        Ok(Target {
            address: Address {
                host: parts.url.host.unwrap_or_else(|| "localhost".to_owned()),
                port: parts.url.port.unwrap_or(PORT),
            },
            encryption: parts.encryption,
            routing: parts.routing,
            context: parts.url.options,
            user: user.unwrap_or_else(|| "neo4j".to_owned()),
            password,
            database: self.database.clone().or(parts.url.database),
            sslrootcert: self.sslrootcert.clone(),
        })
    }
}

/// What a URI says.
struct Parts {
    url: Url,
    encryption: Encryption,
    routing: bool,
}

impl Parts {
    /// Errors do not repeat the text.
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Settings(format!("NEO4J_URI is not the URI of a server: {why}"));
        let url = Url::parse(text, &SCHEMES).map_err(|why| wrong(&why))?;
        let scheme = text.trim().split("://").next().unwrap_or_default();
        let (kind, suffix) = scheme.split_once('+').unwrap_or((scheme, ""));
        let encryption = match suffix {
            "s" => Encryption::Verified,
            "ssc" => Encryption::Unverified,
            _ => Encryption::None,
        };
        let routing = kind == "neo4j";
        if !routing && !url.options.is_empty() {
            return Err(wrong("only neo4j:// takes options behind a question mark"));
        }
        Ok(Self {
            url,
            encryption,
            routing,
        })
    }
}

fn read_secret(file: &Path) -> Result<Secret, Error> {
    server::read_secret(file).map_err(|source| Error::Unavailable {
        verdict: Verdict::SecretUnreadable,
        reason: format!("the secret's file {} can't be read", file.display()),
        source: Some(source),
    })
}

#[cfg(test)]
pub(crate) mod tests;

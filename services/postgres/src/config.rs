//! Settings of the adapter, and the [`Target`] of a login that they come to.
//!
//! Secrets in files are read for each new connection, so that a rotated password needs no restart.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
use mcp_hub_chassis::server::{self, SslMode};

use crate::error::Error;

mod url;

/// How long a login may take, name look-up and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The settings.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The database as a URL: `postgres://user:password@host:5432/database?sslmode=require`. The settings below win over its parts.
    #[arg(long, env = "POSTGRES_URL", value_name = "URL", hide_env_values = true)]
    pub url: Option<Secret>,
    /// A file that holds the URL.
    #[arg(long, env = "POSTGRES_URL_FILE", value_name = "FILE")]
    pub url_file: Option<PathBuf>,
    /// The server's name or address, or the folder of its Unix socket.
    #[arg(long, env = "POSTGRES_HOST", value_name = "HOST")]
    pub host: Option<String>,
    /// The server's port; 5432 when absent.
    #[arg(long, env = "POSTGRES_PORT", value_name = "PORT", value_parser = server::port)]
    pub port: Option<u16>,
    /// The role to log in as; "postgres" when absent.
    #[arg(long, env = "POSTGRES_USER", value_name = "ROLE")]
    pub user: Option<String>,
    /// Its password.
    #[arg(
        long,
        env = "POSTGRES_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<Secret>,
    /// A file that holds the password. It is read again for each login, so that a changed one needs no restart.
    #[arg(long, env = "POSTGRES_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The database that is asked unless a call names another; the role's name when absent.
    #[arg(long, env = "POSTGRES_DB", value_name = "DATABASE")]
    pub db: Option<String>,
    /// Other databases of the server that a call may name.
    #[arg(
        long,
        env = "POSTGRES_DATABASES",
        value_name = "DATABASES",
        value_delimiter = ','
    )]
    pub databases: Vec<String>,
    /// Whether and how strictly the connection uses TLS, in libpq's words; "prefer" when absent.
    #[arg(long, env = "POSTGRES_SSLMODE", value_name = "MODE", value_enum)]
    pub sslmode: Option<SslMode>,
    /// The certificates to trust, as PEM, or "system" for those of the system.
    #[arg(long, env = "POSTGRES_SSLROOTCERT", value_name = "FILE")]
    pub sslrootcert: Option<PathBuf>,
    /// A client certificate, as PEM.
    #[arg(long, env = "POSTGRES_SSLCERT", value_name = "FILE")]
    pub sslcert: Option<PathBuf>,
    /// The client certificate's key, as PEM.
    #[arg(long, env = "POSTGRES_SSLKEY", value_name = "FILE")]
    pub sslkey: Option<PathBuf>,
    /// Whether a pooler in transaction mode (PgBouncer, Supavisor) stands in front of the server; auto finds out.
    #[arg(
        long,
        env = "POSTGRES_POOLER",
        value_name = "KIND",
        value_enum,
        default_value_t
    )]
    pub pooler: Pooler,
    /// The most connections per database; the number of cores when absent.
    #[arg(long, env = "POSTGRES_POOL_SIZE", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pool_size: Option<u32>,
    /// What is in it, in a few words for the model that has to choose a database: "web shop orders since 2019, EUR".
    #[arg(long, env = "POSTGRES_DESCRIPTION", value_name = "TEXT")]
    pub description: Option<String>,
    /// Whether the write tools are offered.
    #[arg(long, env = "POSTGRES_ALLOW_WRITES", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_writes: bool,
    /// The role that writes; the reading role when absent.
    #[arg(long, env = "POSTGRES_WRITE_USER", value_name = "ROLE")]
    pub write_user: Option<String>,
    /// Its password.
    #[arg(
        long,
        env = "POSTGRES_WRITE_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub write_password: Option<Secret>,
    /// A file that holds its password.
    #[arg(long, env = "POSTGRES_WRITE_PASSWORD_FILE", value_name = "FILE")]
    pub write_password_file: Option<PathBuf>,
    /// The schemas that may be asked; all when absent.
    #[arg(
        long,
        env = "POSTGRES_ALLOW_SCHEMAS",
        value_name = "SCHEMAS",
        value_delimiter = ','
    )]
    pub allow_schemas: Vec<String>,
    /// The schemas that may not be asked; on Supabase "vault,auth,pgsodium" when absent.
    #[arg(
        long,
        env = "POSTGRES_DENY_SCHEMAS",
        value_name = "SCHEMAS",
        value_delimiter = ','
    )]
    pub deny_schemas: Option<Vec<String>>,
}

/// Whether a pooler in transaction mode stands in front of the server.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pooler {
    /// Learnt from what the first login meets.
    #[default]
    Auto,
    /// Yes.
    Transaction,
    /// No: a session is ours from login to end.
    None,
}

/// Which of the two roles logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    /// The one that reads.
    Reader,
    /// The one that writes.
    Writer,
}

/// Where and as whom to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<Secret>,
    pub(crate) database: String,
    pub(crate) sslmode: SslMode,
    pub(crate) sslrootcert: Option<PathBuf>,
    pub(crate) sslcert: Option<PathBuf>,
    pub(crate) sslkey: Option<PathBuf>,
}

impl Target {
    /// What must never be in an answer, as far as the server might quote it. Short hosts are words and stay.
    pub(crate) fn secrets(&self) -> Vec<String> {
        let password = self.password.iter().map(Secret::expose);
        let host = std::iter::once(self.host.as_str()).filter(|host| host.contains('.'));
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
        self.url.is_some() || self.url_file.is_some() || self.host.is_some()
    }

    /// The most connections per database.
    pub(crate) fn pool_size(&self) -> u32 {
        self.pool_size.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
        })
    }

    /// The schemas that may not be asked.
    pub(crate) fn denied_schemas(&self) -> Vec<String> {
        match &self.deny_schemas {
            Some(schemas) => schemas.clone(),
            None if self.looks_like_supabase() => ["vault", "auth", "pgsodium"].map(str::to_owned).to_vec(),
            None => vec![],
        }
    }

    fn looks_like_supabase(&self) -> bool {
        let host = self.target(Role::Reader).map(|target| target.host);
        host.is_ok_and(|host| host.ends_with(".supabase.co") || host.ends_with(".supabase.com"))
    }

    /// Refuses settings that can never work, so that a mistake shows at start.
    ///
    /// # Errors
    /// [`Error::Settings`] with a sentence for the operator.
    pub fn check(&self) -> Result<(), Error> {
        let one_way =
            |is_set, has_file, name| server::one_way(is_set, has_file, name).map_err(Error::Settings);
        one_way(self.url.is_some(), self.url_file.is_some(), "POSTGRES_URL")?;
        one_way(
            self.password.is_some(),
            self.password_file.is_some(),
            "POSTGRES_PASSWORD",
        )?;
        one_way(
            self.write_password.is_some(),
            self.write_password_file.is_some(),
            "POSTGRES_WRITE_PASSWORD",
        )?;
        if self.write_user.is_none() && (self.write_password.is_some() || self.write_password_file.is_some())
        {
            return Err(Error::Settings(
                "POSTGRES_WRITE_PASSWORD needs POSTGRES_WRITE_USER".to_owned(),
            ));
        }
        if self.sslcert.is_some() != self.sslkey.is_some() {
            return Err(Error::Settings(
                "POSTGRES_SSLCERT and POSTGRES_SSLKEY go together".to_owned(),
            ));
        }
        // A file that is not there yet may come; a text that is no URL stays wrong.
        match &self.url {
            Some(url) => url::Parts::parse(url.expose()).map(drop),
            None => Ok(()),
        }
    }

    /// Where and as whom to log in, files read now.
    pub(crate) fn target(&self, role: Role) -> Result<Target, Error> {
        let url = match (&self.url, &self.url_file) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(file)) => Some(read_secret(file)?),
            (None, None) => None,
        };
        let url = match url {
            Some(url) => url::Parts::parse(url.expose())?,
            None => url::Parts::default(),
        };
        let user = self
            .user
            .clone()
            .or(url.user)
            .unwrap_or_else(|| "postgres".to_owned());
        let database = self.db.clone().or(url.database).unwrap_or_else(|| user.clone());
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(file)) => Some(read_secret(file)?),
            (None, None) => url.password,
        };
        let (user, password) = match (role, &self.write_user) {
            (Role::Writer, Some(writer)) => {
                let password = match (&self.write_password, &self.write_password_file) {
                    (Some(password), _) => Some(password.clone()),
                    (None, Some(file)) => Some(read_secret(file)?),
                    (None, None) => None,
                };
                (writer.clone(), password)
            }
            _ => (user, password),
        };
        Ok(Target {
            host: self
                .host
                .clone()
                .or(url.host)
                .unwrap_or_else(|| "localhost".to_owned()),
            port: self.port.or(url.port).unwrap_or(5432),
            user,
            password,
            database,
            sslmode: self.sslmode.or(url.sslmode).unwrap_or_default(),
            sslrootcert: self.sslrootcert.clone().or(url.sslrootcert),
            sslcert: self.sslcert.clone().or(url.sslcert),
            sslkey: self.sslkey.clone().or(url.sslkey),
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
mod tests;

//! Settings of the adapter, and the [`Target`] of a login that they come to.
//!
//! Secrets in files are read for each new connection, so that a rotated password needs no restart. The hub reads the same settings
//! from `MYSQL_*` for its service `mysql`, so no text here names a variable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::doctor::Verdict;
pub use mcp_hub_chassis::server::SslMode;
use mcp_hub_chassis::server::{port, read_secret};

use crate::error::Error;
use crate::guard;

mod url;

/// How long a login may take, name look-up and TLS included.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The server's port unless another is named.
const PORT: u16 = 3306;

/// The settings.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The server as a URL: `mysql://user:password@host:3306/database?sslmode=require`. The settings below win over its parts.
    #[arg(long, env = "MARIADB_URL", value_name = "URL", hide_env_values = true)]
    pub url: Option<Secret>,
    /// A file that holds the URL.
    #[arg(long, env = "MARIADB_URL_FILE", value_name = "FILE")]
    pub url_file: Option<PathBuf>,
    /// The server's name or address, or the path of its Unix socket.
    #[arg(long, env = "MARIADB_HOST", value_name = "HOST")]
    pub host: Option<String>,
    /// The server's port; 3306 when absent.
    #[arg(long, env = "MARIADB_PORT", value_name = "PORT", value_parser = port)]
    pub port: Option<u16>,
    /// The user to log in as; "root" when absent.
    #[arg(long, env = "MARIADB_USER", value_name = "USER")]
    pub user: Option<String>,
    /// The user's password.
    #[arg(
        long,
        env = "MARIADB_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub password: Option<Secret>,
    /// A file that holds the password. It is read again for each login, so that a changed one needs no restart.
    #[arg(long, env = "MARIADB_PASSWORD_FILE", value_name = "FILE")]
    pub password_file: Option<PathBuf>,
    /// The database that names without one are looked up in, unless a call names another; none when absent.
    #[arg(long, env = "MARIADB_DATABASE", value_name = "DATABASE")]
    pub database: Option<String>,
    /// Whether and how strictly the connection uses TLS, in libpq's words; "prefer" when absent. "allow" is the same as "prefer". The
    /// system's authorities are trusted beside those of sslrootcert, so verify-full is much better than verify-ca.
    #[arg(long, env = "MARIADB_SSLMODE", value_name = "MODE", value_enum)]
    pub sslmode: Option<SslMode>,
    /// The certificates to trust, as PEM, beside those of the system; or "system" for those alone.
    #[arg(long, env = "MARIADB_SSLROOTCERT", value_name = "FILE")]
    pub sslrootcert: Option<PathBuf>,
    /// A client certificate, as PEM.
    #[arg(long, env = "MARIADB_SSLCERT", value_name = "FILE")]
    pub sslcert: Option<PathBuf>,
    /// The client certificate's key, as PEM.
    #[arg(long, env = "MARIADB_SSLKEY", value_name = "FILE")]
    pub sslkey: Option<PathBuf>,
    /// The most connections that read, and the most that write; the number of cores when absent.
    #[arg(long, env = "MARIADB_POOL_SIZE", value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub pool_size: Option<u32>,
    /// What is in it, in a few words for the model that has to choose a database: "web shop orders since 2019, EUR".
    #[arg(long, env = "MARIADB_DESCRIPTION", value_name = "TEXT")]
    pub description: Option<String>,
    /// Whether the write tools are offered.
    #[arg(long, env = "MARIADB_ALLOW_WRITES", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub allow_writes: bool,
    /// The user that writes; the reading user when absent.
    #[arg(long, env = "MARIADB_WRITE_USER", value_name = "USER")]
    pub write_user: Option<String>,
    /// The writing user's password.
    #[arg(
        long,
        env = "MARIADB_WRITE_PASSWORD",
        value_name = "PASSWORD",
        hide_env_values = true
    )]
    pub write_password: Option<Secret>,
    /// A file that holds the writing user's password.
    #[arg(long, env = "MARIADB_WRITE_PASSWORD_FILE", value_name = "FILE")]
    pub write_password_file: Option<PathBuf>,
    /// The databases that may be asked; all that the user may see when absent. `information_schema` may always be.
    #[arg(
        long,
        env = "MARIADB_ALLOW_DATABASES",
        value_name = "DATABASES",
        value_delimiter = ','
    )]
    pub allow_databases: Vec<String>,
    /// The databases that may not be asked; "mysql", which has the password hashes, when absent. An empty name denies none.
    #[arg(
        long,
        env = "MARIADB_DENY_DATABASES",
        value_name = "DATABASES",
        value_delimiter = ','
    )]
    pub deny_databases: Option<Vec<String>>,
}

/// Which of the two users logs in.
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
    pub(crate) database: Option<String>,
    pub(crate) sslmode: SslMode,
    pub(crate) sslrootcert: Option<PathBuf>,
    pub(crate) sslcert: Option<PathBuf>,
    pub(crate) sslkey: Option<PathBuf>,
}

impl Config {
    /// Whether a server is named at all.
    pub fn is_configured(&self) -> bool {
        self.url.is_some() || self.url_file.is_some() || self.host.is_some()
    }

    /// The most connections of one role.
    pub(crate) fn pool_size(&self) -> u32 {
        self.pool_size.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(2, |cores| u32::try_from(cores.get()).unwrap_or(2))
        })
    }

    /// The databases that may not be asked.
    pub(crate) fn denied_databases(&self) -> Vec<String> {
        self.deny_databases
            .clone()
            .unwrap_or_else(|| vec!["mysql".to_owned()])
    }

    /// Whether the lists let a call ask this database. What is allowed must be written alike, as the file systems of most servers have
    /// it; what is denied is denied in any spelling that a server may take for it.
    pub(crate) fn may_ask(&self, database: &str) -> bool {
        if database.eq_ignore_ascii_case("information_schema") {
            return true;
        }
        let allowed =
            self.allow_databases.is_empty() || self.allow_databases.iter().any(|name| name == database);
        allowed
            && !self
                .denied_databases()
                .iter()
                .any(|denied| guard::may_be(database, denied))
    }

    /// Refuses settings that can never work, so that a mistake shows at start.
    ///
    /// # Errors
    /// [`Error::Settings`] with a sentence for the operator.
    pub fn check(&self) -> Result<(), Error> {
        let wrong = |text: &str| Err(Error::Settings(text.to_owned()));
        for (one, file, name) in [
            (self.url.is_some(), self.url_file.is_some(), "url"),
            (self.password.is_some(), self.password_file.is_some(), "password"),
            (
                self.write_password.is_some(),
                self.write_password_file.is_some(),
                "write-password",
            ),
        ] {
            if one && file {
                return wrong(&format!("give the setting {name} or {name}-file, not both"));
            }
        }
        if self.write_user.is_none() && (self.write_password.is_some() || self.write_password_file.is_some())
        {
            return wrong("the setting write-password needs write-user");
        }
        if self.sslcert.is_some() != self.sslkey.is_some() {
            return wrong("the settings sslcert and sslkey go together");
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
            (None, Some(file)) => Some(secret(file)?),
            (None, None) => None,
        };
        let url = match url {
            Some(url) => url::Parts::parse(url.expose())?,
            None => url::Parts::default(),
        };
        let password = match (&self.password, &self.password_file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(file)) => Some(secret(file)?),
            (None, None) => url.password,
        };
        let user = self.user.clone().or(url.user);
        let (user, password) = match (role, &self.write_user) {
            (Role::Writer, Some(writer)) => {
                let password = match (&self.write_password, &self.write_password_file) {
                    (Some(password), _) => Some(password.clone()),
                    (None, Some(file)) => Some(secret(file)?),
                    (None, None) => None,
                };
                (writer.clone(), password)
            }
            _ => (user.unwrap_or_else(|| "root".to_owned()), password),
        };
        Ok(Target {
            host: self
                .host
                .clone()
                .or(url.host)
                .unwrap_or_else(|| "localhost".to_owned()),
            port: self.port.or(url.port).unwrap_or(PORT),
            user,
            password,
            database: self.database.clone().or(url.database),
            sslmode: self.sslmode.or(url.sslmode).unwrap_or_default(),
            sslrootcert: self.sslrootcert.clone().or(url.sslrootcert),
            sslcert: self.sslcert.clone().or(url.sslcert),
            sslkey: self.sslkey.clone().or(url.sslkey),
        })
    }
}

fn secret(file: &Path) -> Result<Secret, Error> {
    read_secret(file).map_err(|source| Error::Unavailable {
        verdict: Verdict::SecretUnreadable,
        reason: format!("the secret's file {} can't be read", file.display()),
        source: Some(source.into()),
    })
}

#[cfg(test)]
mod tests;

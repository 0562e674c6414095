//! The server as a URL, with the options that MySQL's own tools, sqlx and libpq write behind it.

use std::path::PathBuf;

use clap::ValueEnum as _;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::server::{Url, port};

use super::SslMode;
use crate::error::Error;

/// What a URL says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<Secret>,
    pub(super) database: Option<String>,
    pub(super) sslmode: Option<SslMode>,
    pub(super) sslrootcert: Option<PathBuf>,
    pub(super) sslcert: Option<PathBuf>,
    pub(super) sslkey: Option<PathBuf>,
}

impl Parts {
    /// Reads `mysql://user:password@host:port/database?sslmode=..`. Errors do not repeat the text.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text, &["mysql", "mariadb"]).map_err(|why| wrong(&why))?;
        let mut parts = Self {
            host: url.host,
            port: url.port,
            user: url.user,
            password: url.password,
            database: url.database,
            ..Self::default()
        };
        for (key, value) in url.options {
            parts.option(&key, value)?;
        }
        Ok(parts)
    }

    fn option(&mut self, key: &str, value: String) -> Result<(), Error> {
        match key.to_lowercase().replace('_', "-").as_str() {
            "host" | "socket" | "unix-socket" => self.host = Some(value),
            "port" => self.port = Some(port(&value).map_err(|why| wrong(&why))?),
            "user" => self.user = Some(value),
            "password" => self.password = Some(value.into()),
            "sslmode" | "ssl-mode" => self.sslmode = Some(mode(&value)?),
            "sslrootcert" | "ssl-ca" => self.sslrootcert = Some(value.into()),
            "sslcert" | "ssl-cert" => self.sslcert = Some(value.into()),
            "sslkey" | "ssl-key" => self.sslkey = Some(value.into()),
            // The session's character set and time zone are ours, and the rest is said by settings of ours.
            "charset"
            | "collation"
            | "timezone"
            | "time-zone"
            | "connect-timeout"
            | "connection-limit"
            | "pool-timeout"
            | "statement-cache-capacity" => {}
            _ => return Err(wrong(&format!("the option {key:?} is not known"))),
        }
        Ok(())
    }
}

/// A mode in libpq's words or in MySQL's.
fn mode(value: &str) -> Result<SslMode, Error> {
    match value.to_uppercase().as_str() {
        "DISABLED" => Ok(SslMode::Disable),
        "PREFERRED" => Ok(SslMode::Prefer),
        "REQUIRED" => Ok(SslMode::Require),
        "VERIFY_CA" => Ok(SslMode::VerifyCa),
        "VERIFY_IDENTITY" => Ok(SslMode::VerifyFull),
        _ => SslMode::from_str(value, true)
            .map_err(|_| wrong("sslmode is disable, allow, prefer, require, verify-ca or verify-full")),
    }
}

fn wrong(why: &str) -> Error {
    Error::Settings(format!("the setting url is not a database URL: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_have_several_spellings() {
        for (url, expected) in [
            ("mysql://h/d?sslmode=verify-full", SslMode::VerifyFull),
            ("mysql://h/d?ssl-mode=VERIFY_IDENTITY", SslMode::VerifyFull),
            ("mariadb://h/d?ssl_mode=REQUIRED", SslMode::Require),
            ("mysql://h/d?sslMode=DISABLED", SslMode::Disable),
        ] {
            assert_eq!(Parts::parse(url).expect(url).sslmode, Some(expected), "{url}");
        }
        let parts = Parts::parse("mysql:///d?socket=/run/mysqld/mysqld.sock&ssl-ca=/ca.pem").expect("parses");
        assert_eq!(parts.host.as_deref(), Some("/run/mysqld/mysqld.sock"));
        assert_eq!(parts.sslrootcert, Some("/ca.pem".into()));
    }

    #[test]
    fn mistakes_are_named() {
        for (url, part) in [
            ("mysql://h/d?sslmod=x", "sslmod"),
            ("mysql://h/d?sslmode=x", "verify-full"),
            ("postgres://h/d", "mysql:// or mariadb://"),
        ] {
            let message = Parts::parse(url).expect_err(url).to_string();
            assert!(message.contains(part), "{url}: {message}");
        }
    }
}

//! A database as a URL: the parts that every server has, and the options of libpq.

use std::path::PathBuf;

use clap::ValueEnum as _;
use mcp_hub_chassis::config::Secret;
use mcp_hub_chassis::server::{SslMode, Url, port};

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
    /// Reads `postgres://user:password@host:port/database?sslmode=..`. Errors do not repeat the text.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let url = Url::parse(text, &["postgres", "postgresql"]).map_err(|reason| wrong(&reason))?;
        let mut parts = Self {
            host: url.host,
            port: url.port,
            user: url.user,
            password: url.password,
            database: url.database,
            ..Self::default()
        };
        for (key, value) in &url.options {
            parts.option(key, value)?;
        }
        Ok(parts)
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "host" => self.host = Some(value.to_owned()),
            "port" => self.port = Some(port(value).map_err(|reason| wrong(&reason))?),
            "user" => self.user = Some(value.to_owned()),
            "password" => self.password = Some(Secret::from(value.to_owned())),
            "dbname" => self.database = Some(value.to_owned()),
            "sslmode" => {
                let mode = SslMode::from_str(value, false).map_err(|_| {
                    wrong("sslmode is disable, allow, prefer, require, verify-ca or verify-full")
                })?;
                self.sslmode = Some(mode);
            }
            "sslrootcert" => self.sslrootcert = Some(value.into()),
            "sslcert" => self.sslcert = Some(value.into()),
            "sslkey" => self.sslkey = Some(value.into()),
            // The database sees us under our own name, and the rest is said by settings of ours.
            "application_name"
            | "connect_timeout"
            | "channel_binding"
            | "pgbouncer"
            | "gssencmode"
            | "target_session_attrs"
            | "connection_limit"
            | "pool_timeout" => {}
            _ => return Err(wrong(&format!("the option {key:?} is not known"))),
        }
        Ok(())
    }
}

fn wrong(why: &str) -> Error {
    Error::Settings(format!("POSTGRES_URL is not a database URL: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_many_forms() {
        for (url, host, port) in [
            ("postgres://h", Some("h"), None),
            ("postgres://h/", Some("h"), None),
            ("postgres://[::1]:7/d", Some("::1"), Some(7)),
            ("postgres:///d", None, None),
            ("postgres://%2Fvar%2Frun/d", Some("/var/run"), None),
            ("postgres:///d?host=/var/run&port=7", Some("/var/run"), Some(7)),
        ] {
            let parts = Parts::parse(url).expect(url);
            assert_eq!((parts.host.as_deref(), parts.port), (host, port), "{url}");
        }
    }

    #[test]
    fn options_are_read_and_unknown_ones_named() {
        let parts = Parts::parse("postgres://h/d?sslmode=verify-full&sslrootcert=/ca.pem").expect("parses");
        assert_eq!(parts.sslmode, Some(SslMode::VerifyFull));
        assert_eq!(parts.sslrootcert, Some("/ca.pem".into()));
        for (url, part) in [
            ("postgres://h/d?sslmod=x", "sslmod"),
            ("postgres://h/d?sslmode=x", "verify-full"),
            ("postgres://a,b/d", "several hosts"),
            ("postgres://h:x/d", "1 to 65535"),
            ("h/d", "postgres://"),
        ] {
            let message = Parts::parse(url).expect_err(url).to_string();
            assert!(message.contains(part), "{url}: {message}");
        }
    }
}

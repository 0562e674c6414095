//! A database as a URL, read leniently: passwords with `@`, `:`, `/` or `#` in them need no escaping.

use std::path::PathBuf;

use clap::ValueEnum as _;

use super::SslMode;
use crate::error::Error;

/// What a URL says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<String>,
    pub(super) sslmode: Option<SslMode>,
    pub(super) sslrootcert: Option<PathBuf>,
    pub(super) sslcert: Option<PathBuf>,
    pub(super) sslkey: Option<PathBuf>,
}

impl Parts {
    /// Reads `postgres://user:password@host:port/database?sslmode=..`. The last `@` ends the login, so that a raw `@`, `/` or `#`
    /// before it belongs to the password. Errors do not repeat the text.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let text = text.trim();
        let rest = text
            .strip_prefix("postgres://")
            .or_else(|| text.strip_prefix("postgresql://"))
            .ok_or_else(|| wrong("it must begin with postgres:// or postgresql://"))?;
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
        let mut parts = Self {
            database: text_of(database),
            ..Self::default()
        };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            parts.user = text_of(user);
            parts.password = text_of(password);
        }
        parts.address(address)?;
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            parts.option(&key, &value)?;
        }
        Ok(parts)
    }

    fn address(&mut self, address: &str) -> Result<(), Error> {
        if address.contains(',') {
            return Err(wrong("it names several hosts: name one"));
        }
        let (host, port) = match address.strip_prefix('[') {
            // An IPv6 address.
            Some(rest) => rest
                .split_once(']')
                .ok_or_else(|| wrong("a bracket is not closed"))?,
            None => match address.rfind(':') {
                Some(colon) => address.split_at(colon),
                None => (address, ""),
            },
        };
        self.host = text_of(host);
        if let Some(port) = port.strip_prefix(':').filter(|port| !port.is_empty()) {
            self.port = Some(super::port(port).map_err(|reason| wrong(&reason))?);
        }
        Ok(())
    }

    fn option(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "host" => self.host = Some(value.to_owned()),
            "port" => self.port = Some(super::port(value).map_err(|reason| wrong(&reason))?),
            "user" => self.user = Some(value.to_owned()),
            "password" => self.password = Some(value.to_owned()),
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

/// A part without its percent escapes; a `%` that escapes nothing stays. Empty parts are absent.
fn text_of(part: &str) -> Option<String> {
    if part.is_empty() {
        return None;
    }
    let bytes = part.as_bytes();
    let mut text = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escaped = (bytes[index] == b'%')
            .then(|| part.get(index + 1..index + 3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let Some(byte) = escaped {
            text.push(byte);
            index += 3;
        } else {
            text.push(bytes[index]);
            index += 1;
        }
    }
    Some(String::from_utf8(text).unwrap_or_else(|_| part.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_need_no_escaping_and_may_have_it() {
        for (url, password) in [
            ("postgres://u:a@b:c/d#e@h:5/db", "a@b:c/d#e"),
            ("postgresql://u:a%40b%23@h:5/db", "a@b#"),
            ("postgres://u:100%@h:5/db", "100%"),
        ] {
            let parts = Parts::parse(url).expect(url);
            assert_eq!(parts.password.as_deref(), Some(password), "{url}");
            assert_eq!((parts.host.as_deref(), parts.port), (Some("h"), Some(5)), "{url}");
            assert_eq!(parts.database.as_deref(), Some("db"), "{url}");
        }
    }

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

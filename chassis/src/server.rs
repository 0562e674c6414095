//! What the settings of database servers have in common: an address as a URL, a port, a TLS mode, secrets in files.

use std::io;
use std::net::IpAddr;
use std::path::Path;

use crate::config::Secret;
use crate::doctor::Verdict;
use crate::doctor::probe::of_io;

/// libpq's words for how a connection uses TLS.
#[derive(clap::ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SslMode {
    /// Never.
    Disable,
    /// Only when the server insists.
    Allow,
    /// When the server offers it.
    #[default]
    Prefer,
    /// Always, whoever answers; with `sslrootcert` like verify-ca.
    Require,
    /// Always, with a certificate that a trusted authority signed.
    VerifyCa,
    /// Always, with a trusted certificate for this host.
    VerifyFull,
}

/// Reads a secret's file, without the line end that editors and `echo` leave.
///
/// # Errors
/// When the file can't be read.
pub fn read_secret(file: &Path) -> io::Result<Secret> {
    let text = std::fs::read_to_string(file)?;
    Ok(Secret::from(text.trim_end_matches(['\r', '\n']).to_owned()))
}

/// Refuses a secret that is set twice: as itself and by its file. `name` is its variable.
///
/// # Errors
/// A sentence for the operator.
pub fn one_way(is_set: bool, has_file: bool, name: &str) -> Result<(), String> {
    if is_set && has_file {
        return Err(format!("give {name} or {name}_FILE, not both"));
    }
    Ok(())
}

/// Whether the name or address of a host, as it stands in a URL or without its brackets, is this machine's own.
pub fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let address = address.unwrap_or(host).parse::<IpAddr>();
    address.map_or(host.eq_ignore_ascii_case("localhost"), |address| {
        address.to_canonical().is_loopback()
    })
}

/// Why no connection to a server can be had, without an address.
pub fn unreachable(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "the host can't be reached",
        io::ErrorKind::ConnectionReset | io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe => {
            "the server closed the connection"
        }
        // What the resolver says has no kind of its own.
        _ if error.raw_os_error().is_none() => "the host's name can't be looked up",
        _ => "the network failed",
    }
}

/// What doctor says of a connection that can't be had.
pub fn verdict(error: &io::Error) -> Verdict {
    match of_io(error) {
        // Of a Unix socket.
        _ if error.kind() == io::ErrorKind::NotFound => Verdict::Refused,
        // What the resolver says has no kind of its own, and no number.
        Verdict::TimedOut if error.kind() != io::ErrorKind::TimedOut && error.raw_os_error().is_none() => {
            Verdict::NameNotFound
        }
        verdict => verdict,
    }
}

/// Reads a port; the parser of a setting. What Kubernetes puts there for a Service of that name is explained.
///
/// # Errors
/// A sentence about what is wrong.
pub fn port(text: &str) -> Result<u16, String> {
    if text.starts_with("tcp://") {
        return Err(
            "this is what Kubernetes puts there for a Service of that name: set enableServiceLinks: false \
             on the pod, or give the port as a number"
                .to_owned(),
        );
    }
    match text.parse() {
        Ok(port) if port > 0 => Ok(port),
        _ => Err("a port is a number from 1 to 65535".to_owned()),
    }
}

/// What a database's URL says, read leniently: passwords with `@`, `:`, `/` or `#` in them need no escaping.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Url {
    /// The host's name or address, or the path of a socket.
    pub host: Option<String>,
    /// The port.
    pub port: Option<u16>,
    /// The user.
    pub user: Option<String>,
    /// The user's password.
    pub password: Option<Secret>,
    /// The database.
    pub database: Option<String>,
    /// What stands behind the `?`, in order.
    pub options: Vec<(String, String)>,
}

impl Url {
    /// Reads `scheme://user:password@host:port/database?option=value`. The last `@` ends the login, so that a raw `@`, `/` or `#`
    /// before it belongs to the password.
    ///
    /// # Errors
    /// A sentence about what is wrong; it does not repeat the text.
    pub fn parse(text: &str, schemes: &[&str]) -> Result<Self, String> {
        let text = text.trim();
        let rest = text
            .split_once("://")
            .filter(|(scheme, _)| schemes.contains(scheme))
            .map(|(_, rest)| rest)
            .ok_or_else(|| format!("it must begin with {}://", schemes.join(":// or ")))?;
        let (login, rest) = match rest.rsplit_once('@') {
            Some((login, rest)) => (Some(login), rest),
            None => (None, rest),
        };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (address, database) = rest.split_once('/').unwrap_or((rest, ""));
        let mut url = Self {
            database: text_of(database),
            ..Self::default()
        };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            url.user = text_of(user);
            url.password = text_of(password).map(Secret::from);
        }
        url.read_address(address)?;
        let options = query.split('&').filter(|option| !option.is_empty());
        url.options = options
            .map(|option| {
                let (key, value) = option.split_once('=').unwrap_or((option, ""));
                (
                    text_of(key).unwrap_or_default(),
                    text_of(value).unwrap_or_default(),
                )
            })
            .collect();
        Ok(url)
    }

    fn read_address(&mut self, address: &str) -> Result<(), String> {
        if address.contains(',') {
            return Err("it names several hosts: name one".to_owned());
        }
        let (host, port) = match address.strip_prefix('[') {
            // An IPv6 address.
            Some(rest) => rest.split_once(']').ok_or("a bracket is not closed")?,
            None => match address.rfind(':') {
                Some(colon) => address.split_at(colon),
                None => (address, ""),
            },
        };
        self.host = text_of(host);
        if let Some(port) = port.strip_prefix(':').filter(|port| !port.is_empty()) {
            self.port = Some(self::port(port)?);
        }
        Ok(())
    }
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

    fn parse(text: &str) -> Result<Url, String> {
        Url::parse(text, &["mysql", "mariadb"])
    }

    #[test]
    fn loopback_is_known_by_name_and_address() {
        for host in [
            "localhost",
            "LOCALHOST",
            "127.0.0.5",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "qdrant",
            "10.0.0.5",
            "[::2]",
            "localhost.example.com",
            "127.0.0.1.example.com",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn passwords_need_no_escaping_and_may_have_it() {
        for (text, password) in [
            ("mysql://u:a@b:c/d#e@h:5/db", "a@b:c/d#e"),
            ("mariadb://u:a%40b%23@h:5/db", "a@b#"),
            ("mysql://u:100%@h:5/db", "100%"),
        ] {
            let url = parse(text).expect(text);
            assert_eq!(
                url.password.as_ref().map(Secret::expose),
                Some(password),
                "{text}"
            );
            assert_eq!((url.host.as_deref(), url.port), (Some("h"), Some(5)), "{text}");
            assert_eq!(url.database.as_deref(), Some("db"), "{text}");
        }
    }

    #[test]
    fn addresses_have_many_forms() {
        for (text, host, port) in [
            ("mysql://h", Some("h"), None),
            ("mysql://h/", Some("h"), None),
            ("mysql://[::1]:7/d", Some("::1"), Some(7)),
            ("mysql:///d", None, None),
            ("mysql://%2Fvar%2Frun/d", Some("/var/run"), None),
        ] {
            let url = parse(text).expect(text);
            assert_eq!((url.host.as_deref(), url.port), (host, port), "{text}");
        }
    }

    #[test]
    fn options_keep_their_order() {
        let url = parse("mysql://h/d?a=1&b=%2Fx&c").expect("parses");
        let expected = [("a", "1"), ("b", "/x"), ("c", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(url.options, expected);
    }

    #[test]
    fn what_is_wrong_is_said_without_the_text() {
        for (text, part) in [
            ("mysql://a,b/d", "several hosts"),
            ("mysql://h:secret/d", "1 to 65535"),
            ("mysql://[::1/d", "bracket"),
            ("h/secret", "begin with mysql:// or mariadb://"),
        ] {
            let message = parse(text).expect_err(text);
            assert!(
                message.contains(part) && !message.contains("secret"),
                "{text}: {message}"
            );
        }
    }

    #[test]
    fn kubernetes_port_is_explained() {
        assert!(
            port("tcp://10.0.0.1:3306")
                .expect_err("refused")
                .contains("enableServiceLinks")
        );
        assert!(port("0").is_err());
        assert_eq!(port("3306"), Ok(3306));
    }
}

//! Which upstreams exist: the upstreams file, and those that a program adds by itself.
//!
//! ```toml
//! orders = "http://10.0.0.7:50051"
//!
//! [upstreams.billing]
//! address = ["http://10.0.0.8:50051", "http://10.0.0.9:50051"]
//! description = "invoices and payments since 2021, EUR"
//! deny = ["execute", "create_*"]
//! timeout = 20
//! concurrency = 16
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use url::{Host, Url};

use super::call::LONGEST;

/// Names of tables and keys that mean something already.
const RESERVED: [&str; 2] = ["health", "list"];

/// The longest key.
const MAX_KEY: usize = 24;

/// The longest description, in characters: it stands in the instructions of every session.
const MAX_DESCRIPTION: usize = 200;

/// The most calls at the same time that can be allowed.
const MAX_CONCURRENCY: usize = 10_000;

/// Why the upstreams can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("can't read the upstreams file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is no TOML.
    #[error("the upstreams file is not valid TOML")]
    Malformed(#[from] toml::de::Error),
    /// A key can't be the beginning of a tool's name.
    #[error(
        "the upstream {key:?} can't have this name: it takes a lower-case letter, then letters, digits and underscores, \
         {MAX_KEY} at most, and neither \"health\" nor \"list\""
    )]
    Key {
        /// The key.
        key: String,
    },
    /// A key is there twice.
    #[error("the upstream {key:?} is there twice")]
    Twice {
        /// The key.
        key: String,
    },
    /// An upstream has a setting that does not exist.
    #[error(
        "the upstream {key:?} has an unknown setting {setting:?}; known are: address, description, allow, deny, timeout, concurrency"
    )]
    UnknownSetting {
        /// The upstream.
        key: String,
        /// The setting.
        setting: String,
    },
    /// A table stands where only `[upstreams.KEY]` may.
    #[error("unknown table [{0}]: a table of an upstream is [upstreams.{0}]")]
    UnknownTable(String),
    /// A setting has a value that it can't have.
    #[error("the upstream {key:?}: {setting} {problem}")]
    Value {
        /// The upstream.
        key: String,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// One upstream: where it is and how it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its addresses, `http://host:port`; a name may stand for several.
    pub addresses: Vec<String>,
    /// What the database holds, for a model: "web shop orders since 2019, EUR".
    pub description: String,
    /// Only these tools, by patterns like `list_*` over the names without the key; all when empty.
    pub allow: Vec<String>,
    /// Not these tools.
    pub deny: Vec<String>,
    /// The longest that a call may take; 55 s at most.
    pub timeout: Duration,
    /// The most calls at the same time; more are refused with a retryable error.
    pub concurrency: usize,
}

impl Upstream {
    /// An upstream at `address` with the usual settings.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            addresses: vec![address.into()],
            description: String::new(),
            allow: vec![],
            deny: vec![],
            timeout: LONGEST,
            concurrency: 128,
        }
    }

    /// Whether the tool `rpc` is one of those that are wanted.
    pub(crate) fn admits(&self, rpc: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, rpc));
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }

    fn parse(key: &str, value: &toml::Value) -> Result<Self, Error> {
        let invalid = |setting, problem| Error::Value {
            key: key.to_owned(),
            setting,
            problem,
        };
        let table = match value {
            toml::Value::String(address) => return Ok(Self::at(address)),
            toml::Value::Table(table) => table,
            _ => return Err(invalid("its value", "must be an address or a table")),
        };
        let mut upstream = Self {
            addresses: vec![],
            ..Self::at("")
        };
        for (setting, value) in table {
            match setting.as_str() {
                "address" => {
                    upstream.addresses = texts(value)
                        .ok_or_else(|| invalid("address", "must be a string or an array of strings"))?;
                }
                "description" => {
                    let text = value
                        .as_str()
                        .ok_or_else(|| invalid("description", "must be a string"))?;
                    text.trim().clone_into(&mut upstream.description);
                }
                "allow" => {
                    upstream.allow =
                        texts(value).ok_or_else(|| invalid("allow", "must be an array of patterns"))?;
                }
                "deny" => {
                    upstream.deny =
                        texts(value).ok_or_else(|| invalid("deny", "must be an array of patterns"))?;
                }
                "timeout" => {
                    let seconds = value
                        .as_float()
                        .or_else(|| value.as_integer().map(|seconds| seconds as f64));
                    let timeout = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    upstream.timeout =
                        timeout.ok_or_else(|| invalid("timeout", "must be a number of seconds"))?;
                }
                "concurrency" => {
                    let count = value.as_integer().and_then(|count| usize::try_from(count).ok());
                    upstream.concurrency =
                        count.ok_or_else(|| invalid("concurrency", "must be a whole number"))?;
                }
                _ => {
                    return Err(Error::UnknownSetting {
                        key: key.to_owned(),
                        setting: setting.clone(),
                    });
                }
            }
        }
        Ok(upstream)
    }

    /// The upstream with its addresses in their usual form, if all its settings can be used.
    fn check(mut self, key: &str) -> Result<Self, Error> {
        let invalid = |setting, problem| Error::Value {
            key: key.to_owned(),
            setting,
            problem,
        };
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        let named = key.starts_with(|first: char| first.is_ascii_lowercase()) && key.bytes().all(plain);
        if !named || key.len() > MAX_KEY || RESERVED.contains(&key) {
            return Err(Error::Key { key: key.to_owned() });
        }
        if self.addresses.is_empty() {
            return Err(invalid("address", "is missing"));
        }
        for address in &mut self.addresses {
            *address = normal(address).map_err(|problem| invalid("address", problem))?;
        }
        if self.description.chars().count() > MAX_DESCRIPTION {
            return Err(invalid("description", "must have 200 characters at most"));
        }
        if self.timeout.is_zero() || self.timeout > LONGEST {
            return Err(invalid("timeout", "must be more than 0 and at most 55 seconds"));
        }
        if !(1..=MAX_CONCURRENCY).contains(&self.concurrency) {
            return Err(invalid("concurrency", "must be from 1 to 10000"));
        }
        Ok(self)
    }
}

/// A string, or an array of strings.
fn texts(value: &toml::Value) -> Option<Vec<String>> {
    match value {
        toml::Value::String(text) => Some(vec![text.clone()]),
        toml::Value::Array(items) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => None,
    }
}

/// `host:port` or `http://host:port/` as `http://host:port`. A problem is told without the address, which may hold a password.
fn normal(address: &str) -> Result<String, &'static str> {
    let with_scheme = if address.contains("://") {
        address.to_owned()
    } else {
        format!("http://{address}")
    };
    let url = Url::parse(&with_scheme).map_err(|_| "must be like http://host:port")?;
    if url.scheme() != "http" {
        return Err("must begin with http://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must not have a user or a password");
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("must end after the port");
    }
    // The parser drops the port 80 of http.
    let port = url.port_or_known_default().filter(|_| {
        with_scheme
            .trim_end_matches('/')
            .ends_with(|c: char| c.is_ascii_digit())
    });
    let (Some(host), Some(port)) = (url.host(), port) else {
        return Err("must have a host and a port");
    };
    match host {
        Host::Domain(name) => Ok(format!("http://{name}:{port}")),
        Host::Ipv4(ip) => Ok(format!("http://{ip}:{port}")),
        Host::Ipv6(ip) => Ok(format!("http://[{ip}]:{port}")),
    }
}

/// Whether `name` is as `pattern` says; `*` stands for any characters.
pub fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut name) = name.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match name.find(part) {
            Some(index) => name = &name[index + part.len()..],
            None => return false,
        }
    }
    name.ends_with(last)
}

/// All upstreams by key.
#[derive(Clone, Debug, Default)]
pub struct Upstreams {
    /// Those that the program added.
    added: BTreeMap<String, Upstream>,
    /// Those of the file.
    listed: BTreeMap<String, Upstream>,
    file: Option<File>,
}

/// The file that upstreams came from.
#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
    digest: [u8; 32],
}

impl Upstreams {
    /// Reads an upstreams file, which a registry then watches.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let mut upstreams = Self::parse(&text)?;
        upstreams.file = Some(File {
            path: path.to_owned(),
            digest: Sha256::digest(&text).into(),
        });
        Ok(upstreams)
    }

    /// Parses the text of an upstreams file.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let table: toml::Table = text.parse()?;
        let mut upstreams = Self::default();
        for (name, value) in &table {
            match value {
                toml::Value::Table(entries) if name == "upstreams" => {
                    for (key, value) in entries {
                        upstreams.list(key, value)?;
                    }
                }
                toml::Value::Table(_) => return Err(Error::UnknownTable(name.clone())),
                _ => upstreams.list(name, value)?,
            }
        }
        Ok(upstreams)
    }

    fn list(&mut self, key: &str, value: &toml::Value) -> Result<(), Error> {
        let upstream = Upstream::parse(key, value)?.check(key)?;
        match self.listed.insert(key.to_owned(), upstream) {
            None => Ok(()),
            Some(_) => Err(Error::Twice { key: key.to_owned() }),
        }
    }

    /// Adds an upstream.
    ///
    /// # Errors
    /// The key is not fit for a tool's name or is there already, or a setting can't be used.
    pub fn add(&mut self, key: &str, upstream: Upstream) -> Result<(), Error> {
        let upstream = upstream.check(key)?;
        if self.listed.contains_key(key) || self.added.contains_key(key) {
            return Err(Error::Twice { key: key.to_owned() });
        }
        self.added.insert(key.to_owned(), upstream);
        Ok(())
    }

    /// The keys, sorted.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        let mut keys: Vec<&str> = self
            .added
            .keys()
            .chain(self.listed.keys())
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        keys.into_iter()
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Upstream)> {
        self.added.iter().chain(&self.listed)
    }

    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_ref().map(|file| file.path.as_path())
    }

    /// Reads the file again; `None` when it is as it was.
    pub(crate) fn read_again(&self) -> Result<Option<Self>, Error> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut now = Self::read(&file.path)?;
        if now.file.as_ref().is_some_and(|new| new.digest == file.digest) {
            return Ok(None);
        }
        for (key, upstream) in &self.added {
            now.add(key, upstream.clone())?;
        }
        Ok(Some(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_upstreams_in_both_forms() {
        let text = r#"
            orders = "http://10.0.0.7:50051"
            [upstreams.billing]
            address = ["billing-a:50051", "http://[::1]:50052/"]
            description = "invoices since 2021"
            allow = ["list_*", "query"]
            deny = "list_databases"
            timeout = 2.5
            concurrency = 3
        "#;
        let upstreams = Upstreams::parse(text).expect("valid");
        assert_eq!(upstreams.keys().collect::<Vec<_>>(), ["billing", "orders"]);
        assert_eq!(upstreams.listed["orders"], Upstream::at("http://10.0.0.7:50051"));
        let billing = &upstreams.listed["billing"];
        assert_eq!(
            billing.addresses,
            ["http://billing-a:50051", "http://[::1]:50052"]
        );
        assert_eq!(
            (billing.timeout, billing.concurrency),
            (Duration::from_millis(2500), 3)
        );
        assert!(billing.admits("query") && billing.admits("list_tables"));
        assert!(!billing.admits("list_databases") && !billing.admits("execute"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            ("orders =", "the upstreams file is not valid TOML"),
            (
                "Orders = 'http://a:1'",
                "the upstream \"Orders\" can't have this name: it takes a lower-case letter, then letters, digits and underscores, 24 at most, and neither \"health\" nor \"list\"",
            ),
            (
                "[orders]\naddress = 'http://a:1'",
                "unknown table [orders]: a table of an upstream is [upstreams.orders]",
            ),
            (
                "[upstreams.a]\naddres = 'http://a:1'",
                "the upstream \"a\" has an unknown setting \"addres\"; known are: address, description, allow, deny, timeout, concurrency",
            ),
            (
                "a = 'http://a:1'\n[upstreams]\na = 'http://a:2'",
                "the upstream \"a\" is there twice",
            ),
            ("[upstreams.a]", "the upstream \"a\": address is missing"),
            (
                "a = 'https://a:1'",
                "the upstream \"a\": address must begin with http://",
            ),
            (
                "a = 'http://user:secret@a:1'",
                "the upstream \"a\": address must not have a user or a password",
            ),
            (
                "a = 'http://a'",
                "the upstream \"a\": address must have a host and a port",
            ),
            (
                "a = 'http://a:1/x'",
                "the upstream \"a\": address must end after the port",
            ),
            (
                "a = 3",
                "the upstream \"a\": its value must be an address or a table",
            ),
            (
                "[upstreams.a]\naddress = 'a:1'\ntimeout = 56",
                "the upstream \"a\": timeout must be more than 0 and at most 55 seconds",
            ),
            (
                "[upstreams.a]\naddress = 'a:1'\nconcurrency = 0",
                "the upstream \"a\": concurrency must be from 1 to 10000",
            ),
        ] {
            assert_eq!(
                Upstreams::parse(text).expect_err(text).to_string(),
                expected,
                "{text}"
            );
        }
        for key in ["health", "list", "", "_a", "1a", "a-b", &"a".repeat(25)] {
            let refused = Upstreams::default().add(key, Upstream::at("a:1"));
            assert!(matches!(refused, Err(Error::Key { .. })), "{key}");
        }
    }

    #[test]
    fn port_80_is_a_port() {
        assert_eq!(normal("http://a:80"), Ok("http://a:80".to_owned()));
    }

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, expected) in [
            ("query", "query", true),
            ("query", "query2", false),
            ("list_*", "list_tables", true),
            ("list_*", "list", false),
            ("*_tables", "list_tables", true),
            ("*", "", true),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXcYb", false),
            ("a*a", "a", false),
            ("*a*", "bab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}

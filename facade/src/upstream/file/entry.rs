//! One entry of the upstreams file.

use std::time::Duration;

use url::{Host, Url};

use super::Error;
use crate::pattern::matches;
use crate::upstream::call::LONGEST;

/// Keys that would make names of the facade's own tools.
const RESERVED: [&str; 2] = ["health", "list"];

/// Whether an upstream can have this key.
pub fn is_key(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let named = text.starts_with(|first: char| first.is_ascii_lowercase()) && text.bytes().all(plain);
    named && text.len() <= super::MAX_KEY && !RESERVED.contains(&text)
}

/// The longest description, in characters: it stands in the instructions of every session.
pub(crate) const MAX_DESCRIPTION: usize = 200;

/// The most calls at the same time that can be allowed.
const MAX_CONCURRENCY: usize = 10_000;

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
    /// Whether it may be that nobody is there, ever: it is not shown before it was reached once.
    pub optional: bool,
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
            optional: false,
        }
    }

    /// Whether the tool `rpc` is one of those that are wanted.
    pub(crate) fn admits(&self, rpc: &str) -> bool {
        let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, rpc));
        (self.allow.is_empty() || any(&self.allow)) && !any(&self.deny)
    }

    pub(super) fn parse(key: &str, value: &toml::Value) -> Result<Self, Error> {
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
                    upstream.timeout =
                        seconds(value).ok_or_else(|| invalid("timeout", "must be a number of seconds"))?;
                }
                "concurrency" => {
                    let count = value.as_integer().and_then(|count| usize::try_from(count).ok());
                    upstream.concurrency =
                        count.ok_or_else(|| invalid("concurrency", "must be a whole number"))?;
                }
                "optional" => {
                    upstream.optional = value
                        .as_bool()
                        .ok_or_else(|| invalid("optional", "must be true or false"))?;
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
    pub(super) fn check(mut self, key: &str) -> Result<Self, Error> {
        let invalid = |setting, problem| Error::Value {
            key: key.to_owned(),
            setting,
            problem,
        };
        if !is_key(key) {
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

/// A whole or broken number of seconds.
fn seconds(value: &toml::Value) -> Option<Duration> {
    match value {
        toml::Value::Integer(seconds) => u64::try_from(*seconds).ok().map(Duration::from_secs),
        toml::Value::Float(seconds) => Duration::try_from_secs_f64(*seconds).ok(),
        _ => None,
    }
}

/// `host:port` or `http://host:port/` as `http://host:port`. A problem is told without the address, which may hold a password.
pub(super) fn normal(address: &str) -> Result<String, &'static str> {
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

//! What must not be sent to strangers is taken out of whatever goes into a bundle: secrets that are known, logins inside of URLs, and,
//! unless they are wanted, addresses and names of hosts.

use std::collections::HashMap;
use std::net::IpAddr;

use serde_json::{Map, Value};

/// What stands in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// The shortest secret that is looked for: a shorter one is part of many words.
const SHORTEST: usize = 4;

/// Last parts of names that are no hosts': files, and what a log line names by dots.
const NO_DOMAINS: [&str; 21] = [
    "conf",
    "crt",
    "csv",
    "db",
    "gz",
    "html",
    "ini",
    "json",
    "key",
    "local-embeddings",
    "log",
    "md",
    "pem",
    "proto",
    "rs",
    "sh",
    "sock",
    "sqlite",
    "toml",
    "txt",
    "yaml",
];

/// Hosts that everybody has, and words that tests and settings use for services.
const NO_SECRETS: [&str; 9] = [
    "localhost",
    "postgres",
    "mariadb",
    "mysql",
    "neo4j",
    "qdrant",
    "sqlite",
    "host",
    "docker",
];

/// Takes out what must not be in a bundle. The same host has the same pseudonym everywhere.
pub(super) struct Redactor {
    /// The longest first: one may be part of another.
    secrets: Vec<String>,
    with_addresses: bool,
    pseudonyms: HashMap<String, String>,
    hosts: usize,
    addresses: usize,
}

impl Redactor {
    pub(super) fn new(mut secrets: Vec<String>, with_addresses: bool) -> Self {
        secrets.retain(|secret| secret.len() >= SHORTEST);
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        Self {
            secrets,
            with_addresses,
            pseudonyms: HashMap::new(),
            hosts: 0,
            addresses: 0,
        }
    }

    /// Knows the name or address of a host from now on, also where nothing in the text shows that it is one.
    pub(super) fn host(&mut self, host: &str) {
        let host = host.trim_matches(['[', ']']);
        let is_public = host.is_empty() || NO_SECRETS.contains(&host) || host.starts_with('/');
        if !is_public && host.parse::<IpAddr>().is_err() {
            self.name(host);
        }
    }

    /// A value without them.
    pub(super) fn value(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => self.text(&text).into(),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(entries) => {
                let entries = entries
                    .into_iter()
                    .map(|(name, value)| (self.text(&name), self.value(value)));
                entries.collect::<Map<_, _>>().into()
            }
            other => other,
        }
    }

    /// A text without them.
    pub(super) fn text(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), HIDDEN);
            }
        }
        let text = without_logins(&text);
        if self.with_addresses {
            text
        } else {
            self.without_hosts(&text)
        }
    }

    /// A text whose addresses and names of hosts are pseudonyms.
    fn without_hosts(&mut self, text: &str) -> String {
        let mut told = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(start) = rest.find(is_of_a_name) {
            let (before, from) = rest.split_at(start);
            told.push_str(before);
            let length = from
                .find(|character| !is_of_a_name(character))
                .unwrap_or(from.len());
            let (word, behind) = from.split_at(length);
            told.push_str(&self.word(word));
            rest = behind;
        }
        told + rest
    }

    /// A run of characters that names and addresses are made of.
    fn word(&mut self, word: &str) -> String {
        // What a sentence or a URL has around them.
        let core = word.trim_end_matches(['.', ':', '-']);
        let tail = &word[core.len()..];
        if let Some(address) = self.address(core) {
            return address + tail;
        }
        // A port behind, a name and a colon in front: `error:db.example.com:5432`.
        let parts = core.split(':').map(|part| {
            self.address(part)
                .or_else(|| self.known(part))
                .or_else(|| looks_like_a_domain(part).then(|| self.name(part)))
                .unwrap_or_else(|| part.to_owned())
        });
        let parts: Vec<String> = parts.collect();
        parts.join(":") + tail
    }

    /// The pseudonym of an address; `None` for a word that is none. Loopback and "all addresses" are everybody's.
    fn address(&mut self, word: &str) -> Option<String> {
        let (bare, zone) = word.split_once('/').unwrap_or((word, ""));
        let address: IpAddr = bare.parse().ok()?;
        if address.is_loopback() || address.is_unspecified() {
            return Some(word.to_owned());
        }
        let count = &mut self.addresses;
        let pseudonym = self.pseudonyms.entry(address.to_string()).or_insert_with(|| {
            *count += 1;
            format!("ip-{count}")
        });
        let zone = if zone.is_empty() {
            String::new()
        } else {
            format!("/{zone}")
        };
        Some(format!("{pseudonym}{zone}"))
    }

    fn known(&self, word: &str) -> Option<String> {
        self.pseudonyms.get(&word.to_lowercase()).cloned()
    }

    fn name(&mut self, host: &str) -> String {
        let count = &mut self.hosts;
        let pseudonym = self.pseudonyms.entry(host.to_lowercase()).or_insert_with(|| {
            *count += 1;
            format!("host-{count}")
        });
        pseudonym.clone()
    }
}

/// Whether an address or the name of a host may have it. A slash is the length of a network's prefix, or that of a path.
fn is_of_a_name(character: char) -> bool {
    character.is_alphanumeric() || matches!(character, '.' | ':' | '-' | '_')
}

/// Whether a word with dots is the name of a host, and no file or version.
fn looks_like_a_domain(word: &str) -> bool {
    let Some((rest, last)) = word.rsplit_once('.') else {
        return false;
    };
    let labels = rest.split('.').all(|label| !label.is_empty());
    labels
        && last.len() >= 2
        && last.chars().all(char::is_alphabetic)
        && !NO_DOMAINS.contains(&last.to_lowercase().as_str())
}

/// A text whose URLs have no login. The last `@` before the path ends it, so that a raw `@` in a password goes too.
fn without_logins(text: &str) -> String {
    let mut told = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(colon) = rest.find("://") {
        let (before, behind) = rest.split_at(colon + 3);
        told.push_str(before);
        let end = behind
            .find(|character: char| {
                character.is_whitespace() || matches!(character, '"' | '\'' | '`' | '<' | '>')
            })
            .unwrap_or(behind.len());
        let (url, after) = behind.split_at(end);
        match url.rsplit_once('@') {
            Some((_, server)) => {
                told.push_str(HIDDEN);
                told.push('@');
                told.push_str(server);
            }
            None => told.push_str(url),
        }
        rest = after;
    }
    told + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redactor() -> Redactor {
        Redactor::new(vec!["hunter22".to_owned(), "hunter22-longer".to_owned()], false)
    }

    #[test]
    fn secrets_are_taken_out_wherever_they_are() {
        let mut redactor = redactor();
        let value = serde_json::json!({"a": ["x hunter22-longer y"], "hunter22": 1});
        assert_eq!(
            redactor.value(value),
            serde_json::json!({"a": ["x *** y"], "***": 1})
        );
        let mut kept = Redactor::new(vec!["hunter22".to_owned()], true);
        assert_eq!(kept.text("hunter22 at 203.0.113.9"), "*** at 203.0.113.9");
    }

    #[test]
    fn logins_of_urls_are_taken_out() {
        let mut kept = Redactor::new(vec![], true);
        for (text, told) in [
            ("postgres://app:p@ss:w/rd@db:5432/x", "postgres://***@db:5432/x"),
            (
                "see \"https://u:p@h/\" and http://h/",
                "see \"https://***@h/\" and http://h/",
            ),
            ("no URL: a@b", "no URL: a@b"),
        ] {
            assert_eq!(kept.text(text), told);
        }
    }

    #[test]
    fn a_host_has_one_pseudonym_everywhere() {
        let mut redactor = redactor();
        redactor.host("pg-orders");
        redactor.host("localhost");
        redactor.host("10.0.0.5");
        for (text, told) in [
            ("pg-orders:5432 refused", "host-1:5432 refused"),
            ("http://PG-orders:50051", "http://host-1:50051"),
            ("10.0.0.5:5432", "ip-1:5432"),
            ("10.0.0.0/8 and 10.0.0.5.", "ip-2/8 and ip-1."),
            ("[2001:db8::1]:5432 of 2001:db8::1", "[ip-3]:5432 of ip-3"),
            ("db.example.com is not db.example.org", "host-2 is not host-3"),
            ("error:db.example.com:5432", "error:host-2:5432"),
            (
                "127.0.0.1:8000, [::1]:8000, 0.0.0.0:5432 and localhost",
                "127.0.0.1:8000, [::1]:8000, 0.0.0.0:5432 and localhost",
            ),
        ] {
            assert_eq!(redactor.text(text), told);
        }
    }

    #[test]
    fn what_is_no_host_stays() {
        let mut redactor = redactor();
        for text in [
            "PostgreSQL 15.18 (Debian 15.18-1.pgdg120+1)",
            "mcp_hub_postgres::database::pool: it failed",
            "pg_hba.conf, mcp-hub.toml and /run/secrets/password",
            "12:30:05.123",
            "2026-01-01T00:00:00.000001Z",
            "set it: POSTGRES_HOST",
        ] {
            assert_eq!(redactor.text(text), text);
        }
    }
}

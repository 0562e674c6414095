//! The tokens file as text.
//!
//! ```toml
//! [tokens.alice]
//! sha256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
//! scopes = ["db:read"]
//! upstreams = ["postgres"]
//! expires = 2027-01-01T00:00:00Z
//! ```
//!
//! No error shows a value of the file, and no name that looks like a token: who mistook one for the other must not find it in a log.

use std::collections::BTreeMap;

use jiff::Timestamp;
use toml::{Table, Value};

use super::{Digest, Entry, PREFIX, Scope};
use crate::upstream::file::is_key;

/// Why a tokens file can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// There is nothing in it: most likely it was read while it was written.
    #[error("it is empty; a file without any token has the line [tokens]")]
    Empty,
    /// It is no TOML.
    #[error("line {line} is not valid TOML: {problem}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// Something stands beside the tokens.
    #[error("unknown setting {0:?}: a token is a table [tokens.NAME]")]
    Unknown(String),
    /// A name can't be a token's.
    #[error(
        "the token {0:?} can't have this name: it takes a lower-case letter or digit, then letters, digits, \"_\", \".\" and \"-\", \
         64 at most"
    )]
    Name(String),
    /// A token has a setting that does not exist.
    #[error(
        "the token {name:?} has an unknown setting {setting:?}; known are: sha256, scopes, upstreams, expires"
    )]
    UnknownSetting {
        /// The token.
        name: String,
        /// The setting.
        setting: String,
    },
    /// A setting has a value that it can't have.
    #[error("the token {name:?}: {setting} {problem}")]
    Value {
        /// The token.
        name: String,
        /// The setting.
        setting: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Two entries are of one token.
    #[error("the tokens {0:?} and {1:?} have the same sha256")]
    Same(String, String),
}

/// Reads the text of a tokens file; sorted by name.
///
/// # Errors
/// It can't be used. The error names the token, and never shows a secret.
pub fn parse(text: &str) -> Result<Vec<Entry>, Error> {
    if text.trim().is_empty() {
        return Err(Error::Empty);
    }
    let file: Table = text.parse().map_err(|error| malformed(text, &error))?;
    let mut entries = BTreeMap::new();
    for (name, value) in &file {
        match value {
            Value::Table(tokens) if name == "tokens" => {
                for (name, value) in tokens {
                    entries.insert(name, entry(name, value)?);
                }
            }
            _ => return Err(Error::Unknown(shown(name))),
        }
    }
    let mut names = BTreeMap::new();
    for entry in entries.values() {
        if let Some(other) = names.insert(entry.digest, &entry.name) {
            return Err(Error::Same(other.clone(), entry.name.clone()));
        }
    }
    Ok(entries.into_values().collect())
}

fn entry(name: &str, value: &Value) -> Result<Entry, Error> {
    if !Entry::is_name(name) || name.starts_with(PREFIX) {
        return Err(Error::Name(shown(name)));
    }
    let wrong = |setting, problem| Error::Value {
        name: name.to_owned(),
        setting,
        problem,
    };
    let Value::Table(settings) = value else {
        return Err(Error::Unknown(format!("tokens.{name}")));
    };
    let known = ["sha256", "scopes", "upstreams", "expires"];
    if let Some(setting) = settings.keys().find(|setting| !known.contains(&setting.as_str())) {
        return Err(Error::UnknownSetting {
            name: name.to_owned(),
            setting: shown(setting),
        });
    }
    let digest = settings.get("sha256").ok_or("is missing").and_then(digest);
    let scopes = settings.get("scopes").ok_or("is missing").and_then(scopes);
    let upstreams = settings.get("upstreams").map(upstreams).transpose();
    let expires = settings.get("expires").map(expires).transpose();
    Ok(Entry {
        name: name.to_owned(),
        digest: digest.map_err(|problem| wrong("sha256", problem))?,
        scopes: scopes.map_err(|problem| wrong("scopes", problem))?,
        upstreams: upstreams.map_err(|problem| wrong("upstreams", problem))?,
        expires: expires.map_err(|problem| wrong("expires", problem))?,
    })
}

fn digest(value: &Value) -> Result<Digest, &'static str> {
    value.as_str().ok_or("must be a text in quotes")?.parse()
}

fn scopes(value: &Value) -> Result<Vec<Scope>, &'static str> {
    const PROBLEM: &str = "must be a list of \"db:read\" and \"db:write\"";
    let scope = |item: &Value| item.as_str()?.parse().ok();
    let scopes: Option<Vec<Scope>> = value.as_array().ok_or(PROBLEM)?.iter().map(scope).collect();
    let mut scopes = scopes.ok_or(PROBLEM)?;
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

fn upstreams(value: &Value) -> Result<Vec<String>, &'static str> {
    const PROBLEM: &str = "must be a list of upstreams' keys";
    let key = |item: &Value| item.as_str().filter(|key| is_key(key)).map(str::to_owned);
    let keys: Option<Vec<String>> = value.as_array().ok_or(PROBLEM)?.iter().map(key).collect();
    match keys {
        None => Err(PROBLEM),
        // Whether that would mean all or none is not to be guessed.
        Some(keys) if keys.is_empty() => Err("is empty: leave it out for all of them"),
        Some(keys) => Ok(keys),
    }
}

fn expires(value: &Value) -> Result<Timestamp, &'static str> {
    const PROBLEM: &str = "must be a time with its offset and without quotes, like 2027-01-01T00:00:00Z";
    let Value::Datetime(time) = value else {
        return Err(PROBLEM);
    };
    let text = match (time.date, time.time, time.offset) {
        (Some(date), None, None) => format!("{date}T00:00:00Z"),
        _ => time.to_string(),
    };
    text.parse().map_err(|_| PROBLEM)
}

/// Where the text stops being TOML. The parser's own error would show the line.
fn malformed(text: &str, error: &toml::de::Error) -> Error {
    let before = error.span().and_then(|span| text.get(..span.start));
    Error::Malformed {
        line: before.unwrap_or_default().matches('\n').count() + 1,
        problem: shown(error.message()),
    }
}

/// A name of the file, fit for an error message: not if a token may be in it.
fn shown(name: &str) -> String {
    if name.contains(PREFIX) {
        return "***".to_owned();
    }
    name.chars().take(100).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::token::Token;

    const DIGEST: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn refused(text: &str) -> String {
        parse(text).expect_err(text).to_string()
    }

    #[test]
    fn a_file_is_read_as_it_is_written() {
        let digest = || Token::generate().unwrap().digest();
        let entries = [
            Entry {
                name: "alice".to_owned(),
                digest: digest(),
                scopes: vec![Scope::Read, Scope::Write],
                upstreams: None,
                expires: None,
            },
            Entry {
                name: "ci.deploy".to_owned(),
                digest: digest(),
                scopes: vec![],
                upstreams: Some(vec!["postgres".to_owned(), "orders_2".to_owned()]),
                expires: Some("2027-01-01T00:00:00Z".parse().unwrap()),
            },
        ];
        let text: String = entries.iter().map(ToString::to_string).collect();
        assert_eq!(parse(&text).unwrap(), entries);
        assert_eq!(parse("[tokens]\n").unwrap(), []);
        assert_eq!(parse("# none yet\n").unwrap(), []);
    }

    #[test]
    fn a_time_is_one_in_any_offset() {
        let of = |expires: &str| {
            let text = format!("[tokens.a]\nsha256 = '{DIGEST}'\nscopes = []\nexpires = {expires}");
            parse(&text).map(|entries| entries[0].expires.unwrap().to_string())
        };
        for (written, read) in [
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2027-01-01 02:00:00+02:00", "2027-01-01T00:00:00Z"),
            ("2027-01-01", "2027-01-01T00:00:00Z"),
        ] {
            assert_eq!(of(written).unwrap(), read, "{written}");
        }
        for wrong in ["2027-01-01T00:00:00", "00:00:00", "'2027-01-01T00:00:00Z'", "1"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_mistake_is_told_with_the_name_of_its_token() {
        let alice = |lines: &str| refused(&format!("[tokens.alice]\n{lines}"));
        let with = |line: &str| alice(&format!("sha256 = '{DIGEST}'\nscopes = ['db:read']\n{line}"));
        for (error, expected) in [
            (
                refused(" \n"),
                "it is empty; a file without any token has the line [tokens]",
            ),
            (
                refused("x = 1"),
                "unknown setting \"x\": a token is a table [tokens.NAME]",
            ),
            (
                refused("[token.x]"),
                "unknown setting \"token\": a token is a table [tokens.NAME]",
            ),
            (
                refused("[tokens]\nx = 1"),
                "unknown setting \"tokens.x\": a token is a table [tokens.NAME]",
            ),
            (alice("scopes = []"), "the token \"alice\": sha256 is missing"),
            (
                alice("sha256 = 'x'\nscopes = []"),
                "the token \"alice\": sha256 must be the SHA-256 of a token: 64 hexadecimal digits",
            ),
            (
                alice(&format!("sha256 = '{DIGEST}'")),
                "the token \"alice\": scopes is missing",
            ),
            (
                alice(&format!("sha256 = '{DIGEST}'\nscopes = ['db:all']")),
                "the token \"alice\": scopes must be a list of \"db:read\" and \"db:write\"",
            ),
            (
                with("scope = 1"),
                "the token \"alice\" has an unknown setting \"scope\"; known are: sha256, scopes, upstreams, expires",
            ),
            (
                with("upstreams = []"),
                "the token \"alice\": upstreams is empty: leave it out for all of them",
            ),
            (
                with("upstreams = ['A']"),
                "the token \"alice\": upstreams must be a list of upstreams' keys",
            ),
            (
                with(&format!(
                    "[tokens.bob]\nsha256 = '{}'\nscopes = []",
                    DIGEST.to_uppercase()
                )),
                "the tokens \"alice\" and \"bob\" have the same sha256",
            ),
        ] {
            assert_eq!(error, expected);
        }
        assert!(refused("[tokens.Alice]").starts_with("the token \"Alice\" can't have this name"));
        assert!(refused("[tokens.a]\n\nscopes = [").starts_with("line 3 is not valid TOML: "));
    }

    #[test]
    fn no_error_shows_a_token() {
        let token = Token::generate().unwrap();
        let token = token.expose();
        for text in [
            token.to_owned(),
            format!("token = {token}"),
            format!("{token} = 1"),
            format!("{token} = 1\n{token} = 1"),
            format!("[{token}]"),
            format!("[tokens.{token}]"),
            format!("[tokens.alice]\n{token} = 1"),
            format!("[tokens.alice]\nsha256 = '{token}'\nscopes = []"),
            format!("[tokens.alice]\nsha256 = '{DIGEST}'\nscopes = ['{token}']"),
            format!("[tokens.alice]\nsha256 = '{DIGEST}'\nscopes = []\nupstreams = ['{token}']"),
            format!("[tokens.alice]\nsha256 = '{DIGEST}'\nscopes = []\nexpires = {token}"),
        ] {
            let error = refused(&text);
            assert!(!error.contains(&token[7..15]), "{error}");
        }
    }
}

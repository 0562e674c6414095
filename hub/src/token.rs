//! `mcp-hub token`: makes, lists and revokes the tokens that a hub lets in.
//!
//! A hub that serves reads its tokens file again whenever it changes, so nothing here talks to one: [`mod@file`] changes the file.

use std::fmt::Write as _;
use std::path::PathBuf;

use clap::Subcommand;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, civil};
use mcp_hub_facade::auth::token::{Entry, Scope, Token};
use mcp_hub_facade::upstream::file::is_key;

use crate::error::{Error, Result};
use file::TokensFile;

mod file;

/// The settings of `mcp-hub token`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Clone, Debug)]
enum Action {
    /// Make a token. It is printed once, on stdout, and can't be shown again: the file has only its digest.
    New(New),
    /// List the tokens of the file.
    List(Existing),
    /// Take a token out of the file. A hub that watches the file ends the token's streams within seconds.
    Revoke(Revoke),
}

#[derive(clap::Args, Clone, Debug)]
struct New {
    /// The name, for you and for the log: lower-case letters, digits, "_", "." and "-".
    #[arg(value_parser = name)]
    name: String,
    /// What its holder may do. Can be given several times.
    #[arg(long, value_name = "SCOPE", value_enum, default_values_t = [Scope::Read])]
    scope: Vec<Scope>,
    /// The key of an upstream that its holder may use. Can be given several times; all of them when absent.
    #[arg(long, value_name = "KEY", value_parser = key)]
    upstream: Vec<String>,
    /// When it ends: after a time (90d, 12h, 1y), or at a date (2027-01-01, its beginning in UTC). Never when absent.
    #[arg(long, value_name = "TIME", value_parser = expires)]
    expires: Option<Timestamp>,
    /// The tokens file to add it to; it is made when there is none. Without it, what to put into the file is printed on stderr.
    #[arg(
        long,
        visible_alias = "file",
        env = "MCP_HUB_TOKENS_FILE",
        value_name = "FILE"
    )]
    tokens_file: Option<PathBuf>,
}

/// The file that a command reads or changes.
#[derive(clap::Args, Clone, Debug)]
#[group(skip)]
struct Existing {
    /// The tokens file.
    #[arg(
        long,
        visible_alias = "file",
        env = "MCP_HUB_TOKENS_FILE",
        value_name = "FILE"
    )]
    tokens_file: PathBuf,
}

#[derive(clap::Args, Clone, Debug)]
struct Revoke {
    /// The name of the token.
    name: String,
    #[command(flatten)]
    existing: Existing,
}

/// Makes, lists or revokes.
pub fn run(options: Options) -> Result<()> {
    match options.action {
        Action::New(new) => make(new),
        Action::List(existing) => {
            let file = TokensFile::read(&existing.tokens_file)?;
            crate::say(&table(file.entries(), Timestamp::now()))
        }
        Action::Revoke(revoke) => {
            let mut file = TokensFile::change(&revoke.existing.tokens_file)?;
            file.remove(&revoke.name)?;
            file.save()?;
            crate::tell(&format!("The token {} is revoked.\n", revoke.name))
        }
    }
}

fn make(new: New) -> Result<()> {
    let token = Token::generate().map_err(Error::NoRandomness)?;
    let mut scopes = new.scope;
    scopes.sort_unstable();
    scopes.dedup();
    let entry = Entry {
        name: new.name,
        digest: token.digest(),
        scopes,
        upstreams: Some(new.upstream).filter(|keys| !keys.is_empty()),
        expires: new.expires,
    };
    let name = &entry.name;
    let said = if let Some(path) = &new.tokens_file {
        let mut file = TokensFile::change(path)?;
        file.add(&entry)?;
        file.save()?;
        format!(
            "The token {name} is in {}. Here it is, once: keep it in a file that only its holder can read.\n",
            path.display()
        )
    } else {
        format!(
            "Put this into the tokens file of the hub (--tokens-file):\n\n{entry}\nThe token {name} itself, once:\n"
        )
    };
    crate::tell(&said)?;
    // Alone on stdout, so that it can be sent into a file.
    crate::say(&format!("{}\n", token.expose()))
}

/// One line a token.
fn table(entries: &[Entry], now: Timestamp) -> String {
    let row = |entry: &Entry| {
        let scopes: Vec<&str> = entry.scopes.iter().map(|scope| scope.name()).collect();
        let expires = match entry.expires {
            None => "never".to_owned(),
            Some(time) if entry.has_expired(now) => format!("expired {time}"),
            Some(time) => time.to_string(),
        };
        [
            entry.name.clone(),
            if scopes.is_empty() {
                "none".to_owned()
            } else {
                scopes.join(" ")
            },
            entry
                .upstreams
                .as_ref()
                .map_or_else(|| "all".to_owned(), |keys| keys.join(" ")),
            expires,
        ]
    };
    let head = ["NAME", "SCOPES", "UPSTREAMS", "EXPIRES"].map(str::to_owned);
    let rows: Vec<[String; 4]> = std::iter::once(head).chain(entries.iter().map(row)).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].len()).max().unwrap_or_default();
    let (names, scopes, upstreams) = (width(0), width(1), width(2));
    let mut out = String::new();
    for [name, scope, upstream, expires] in &rows {
        // Writing to a `String` can't fail.
        let _ = writeln!(
            out,
            "{name:names$}  {scope:scopes$}  {upstream:upstreams$}  {expires}"
        );
    }
    out
}

fn name(text: &str) -> Result<String, &'static str> {
    let fits = Entry::is_name(text);
    fits.then(|| text.to_owned())
        .ok_or("a name has lower-case letters, digits, \"_\", \".\" and \"-\", 64 at most, and begins with a letter or digit")
}

fn key(text: &str) -> Result<String, &'static str> {
    is_key(text)
        .then(|| text.to_owned())
        .ok_or("this is no key of an upstream")
}

fn expires(text: &str) -> Result<Timestamp, &'static str> {
    expires_after(text, Timestamp::now())
}

/// A time from now, a date, or a time with its offset.
fn expires_after(text: &str, now: Timestamp) -> Result<Timestamp, &'static str> {
    const PROBLEM: &str = "this is neither a time from now, like 90d, nor a date, like 2027-01-01";
    let after = |span: Span| now.to_zoned(TimeZone::UTC).checked_add(span);
    // A time with an offset would be read as a date otherwise, and end earlier.
    let time = if let Ok(time) = text.parse::<Timestamp>() {
        time
    } else if let Ok(date) = text.parse::<civil::Date>() {
        let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| PROBLEM)?;
        midnight.timestamp()
    } else {
        let span = text.parse::<Span>().map_err(|_| PROBLEM)?;
        after(span).map_err(|_| PROBLEM)?.timestamp()
    };
    if time <= now {
        return Err("this is over already");
    }
    // Whole seconds, for those who read the file.
    Timestamp::from_second(time.as_second()).map_err(|_| PROBLEM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_a_time_from_now_or_a_date() {
        let now: Timestamp = "2026-11-22T10:00:00.5Z".parse().expect("a time");
        let read = |text: &str| expires_after(text, now).map(|time| time.to_string());
        for (text, expected) in [
            ("90d", "2027-02-20T10:00:00Z"),
            ("12h", "2026-11-22T22:00:00Z"),
            ("2w", "2026-12-06T10:00:00Z"),
            ("1y", "2027-11-22T10:00:00Z"),
            ("2027-01-01", "2027-01-01T00:00:00Z"),
            ("2027-01-01T00:00:00+02:00", "2026-12-31T22:00:00Z"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
        }
        for wrong in [
            "",
            "90",
            "soon",
            "-90d",
            "0d",
            "2026-11-22",
            "2027-13-01",
            "99999999y",
        ] {
            assert!(read(wrong).is_err(), "{wrong}: {:?}", read(wrong));
        }
    }

    #[test]
    fn the_list_is_read_by_people() {
        let digest = Token::generate().expect("random bytes").digest();
        let entry = |name: &str| Entry {
            name: name.to_owned(),
            digest,
            scopes: vec![Scope::Read],
            upstreams: None,
            expires: None,
        };
        let time = |text: &str| Some(text.parse().expect("a time"));
        let entries = [
            entry("alice"),
            Entry {
                scopes: vec![Scope::Read, Scope::Write],
                upstreams: Some(vec!["postgres".to_owned(), "orders".to_owned()]),
                expires: time("2027-01-01T00:00:00Z"),
                ..entry("ci.deploy")
            },
            Entry {
                scopes: vec![],
                expires: time("2026-01-01T00:00:00Z"),
                ..entry("monitor")
            },
        ];
        let now = time("2026-11-22T00:00:00Z").expect("a time");
        insta::assert_snapshot!(table(&entries, now));
    }
}

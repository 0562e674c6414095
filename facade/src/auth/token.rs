//! A token: what a caller shows to be let in, and what the hub keeps of it.
//!
//! The hub keeps the SHA-256 of a token, never the token. A slow hash, as for passwords, would protect nothing more: a token has 256
//! random bits, so there is nothing to guess, and every request would pay for it. For the same reason the file of the digests may
//! be read by others without harm; a Secret of Kubernetes is mounted so.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq};

mod file;

pub use file::{Error, parse};

/// How each token begins, so that people and scanners of leaked secrets know one when they see it.
const PREFIX: &str = "mcphub_";

/// The random bytes of a token.
const RANDOM_BYTES: usize = 32;

/// The characters that they are written with.
const RANDOM_CHARACTERS: usize = 43;

/// The longest name of a token.
const MAX_NAME: usize = 64;

/// The system gives no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the system gives no random bytes")]
pub struct NoRandomness;

/// A new token. It prints as `***`; only [`expose`](Self::expose) shows it.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// Makes one.
    ///
    /// # Errors
    /// The system gives no random bytes.
    pub fn generate() -> Result<Self, NoRandomness> {
        let mut bytes = [0; RANDOM_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
        Ok(Self(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// The token itself, for the one who is to have it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the hub keeps of it.
    pub fn digest(&self) -> Digest {
        Digest(Sha256::digest(&self.0).into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// The SHA-256 of a token; 64 hexadecimal digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of what a caller shows; `None` when that can't be a token. So nobody gets in with a secret that is easily
    /// guessed, should its digest stand in the file.
    pub(crate) fn of(shown: &str) -> Option<Self> {
        let random = shown.strip_prefix(PREFIX)?;
        let form = random.len() == RANDOM_CHARACTERS
            && random
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        form.then(|| Self(Sha256::digest(shown).into()))
    }
}

impl ConstantTimeEq for Digest {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02x}"))
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const PROBLEM: &str = "must be the SHA-256 of a token: 64 hexadecimal digits";
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(PROBLEM);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| PROBLEM)?;
        }
        Ok(Self(bytes))
    }
}

/// What the holder of a token may do.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Call the tools that change nothing.
    #[value(name = "db:read")]
    Read,
    /// Call the tools that change something.
    #[value(name = "db:write")]
    Write,
}

impl Scope {
    /// Its name: `db:read` or `db:write`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "db:read",
            Self::Write => "db:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Scope {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "db:read" => Ok(Self::Read),
            "db:write" => Ok(Self::Write),
            _ => Err("is db:read or db:write"),
        }
    }
}

/// One token as the tokens file has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, for people and the log.
    pub name: String,
    /// The digest of the token.
    pub digest: Digest,
    /// What its holder may do; each once, sorted.
    pub scopes: Vec<Scope>,
    /// The keys of the upstreams that exist for its holder; all when `None`.
    pub upstreams: Option<Vec<String>>,
    /// From when on it is worth nothing; never when `None`.
    pub expires: Option<Timestamp>,
}

impl Entry {
    /// Whether a token can have this name: `[a-z0-9][a-z0-9_.-]{0,63}`.
    pub fn is_name(text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        text.len() <= MAX_NAME
            && text.bytes().next().is_some_and(plain)
            && text
                .bytes()
                .all(|byte| plain(byte) || matches!(byte, b'_' | b'.' | b'-'))
    }

    /// Whether the token is worth nothing any more.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }
}

/// The table of the tokens file.
impl fmt::Display for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Nothing that a name, a key or a scope may hold has to be escaped.
        let list = |names: Vec<&str>| {
            let quoted: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
            quoted.join(", ")
        };
        // A dot would begin a table inside the table.
        let quote = if self.name.contains('.') { "\"" } else { "" };
        writeln!(formatter, "[tokens.{quote}{}{quote}]", self.name)?;
        writeln!(formatter, "sha256 = \"{}\"", self.digest)?;
        let scopes = self.scopes.iter().map(|scope| scope.name()).collect();
        writeln!(formatter, "scopes = [{}]", list(scopes))?;
        if let Some(upstreams) = &self.upstreams {
            let upstreams = upstreams.iter().map(String::as_str).collect();
            writeln!(formatter, "upstreams = [{}]", list(upstreams))?;
        }
        if let Some(expires) = self.expires {
            writeln!(formatter, "expires = {expires}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_digest_alone() {
        let token = Token::generate().unwrap();
        assert_eq!(token.expose().len(), 50);
        assert_eq!(Digest::of(token.expose()), Some(token.digest()));
        assert_eq!(token.digest().to_string().parse(), Ok(token.digest()));
        assert_eq!(format!("{token:?}"), "***");
        assert_ne!(Token::generate().unwrap().digest(), token.digest());
    }

    #[test]
    fn what_has_not_the_form_of_a_token_is_none() {
        let token = Token::generate().unwrap();
        let good = token.expose();
        for wrong in [
            "",
            "secret",
            PREFIX,
            &good[1..],
            &good[..49],
            &format!("{good}="),
            &format!(" {good}"),
            &good.replace("mcphub_", "MCPHUB_"),
            &format!("{}{}", PREFIX, "é".repeat(21) + "a"),
            &format!("{}{}", PREFIX, "/".repeat(43)),
        ] {
            assert_eq!(Digest::of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_are_plain() {
        for good in ["a", "0", "alice", "ci.deploy-2_x", &"a".repeat(64)] {
            assert!(Entry::is_name(good), "{good}");
        }
        for bad in ["", "-a", ".a", "_a", "Alice", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(!Entry::is_name(bad), "{bad}");
        }
    }
}

//! What the API key may do beyond what the adapter's mode needs, each a sentence for an operator.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_hub_chassis::Fault;
use mcp_hub_chassis::fault::Reason;
use serde_json::Value as Json;

use crate::config::Role;
use crate::database::{Database, Nothing};
use crate::error::Error;

const TIMEOUT: Duration = Duration::from_secs(5);

/// What a key may do.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rights {
    /// Read only, or nobody can tell.
    Harmless,
    /// Everything.
    Everything,
    /// Write to these collections.
    Write(Vec<String>),
}

/// Judges the reading key.
///
/// # Errors
/// When the settings can't be read.
pub(crate) async fn judge(database: &Database) -> Result<Vec<String>, Error> {
    let config = database.config();
    let key = config.api_key(Role::Reader)?;
    let target = config.target()?;
    let mut sentences = Vec::new();
    let Some(key) = key else {
        sentences.push(
            "The server asks nobody for an API key: whoever reaches it may read and change everything."
                .to_owned(),
        );
        return Ok(sentences);
    };
    if !target.tls && target.is_remote() {
        sentences.push(
            "The API key travels unencrypted to another machine: a URL with https:// would protect it."
                .to_owned(),
        );
    }
    // The same key reads and writes when writes are on and no other is named: it must be able to.
    if config.allow_writes && !config.has_write_key() {
        return Ok(sentences);
    }
    let rights = match rights_of_token(key.expose()) {
        Some(rights) => rights,
        None => ask(database).await,
    };
    sentences.extend(told(&rights));
    Ok(sentences)
}

/// Tries a change that changes nothing, which only a key may make that may change everything.
async fn ask(database: &Database) -> Rights {
    let answer = database.judge(TIMEOUT).ask_server(Nothing).await;
    match answer.map_err(Fault::from) {
        Ok(_) => Rights::Everything,
        Err(fault) if fault.reason == Reason::AccessDenied => Rights::Harmless,
        Err(fault) => {
            tracing::debug!(error = fault.message, "what the API key may do can't be told");
            Rights::Harmless
        }
    }
}

/// What a token (JWT) says that it may; `None` for a key that is no token.
fn rights_of_token(key: &str) -> Option<Rights> {
    let mut parts = key.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?;
    let claims: Json = serde_json::from_slice(&claims).ok()?;
    Some(match claims.get("access")? {
        Json::String(access) if access == "r" => Rights::Harmless,
        Json::String(_) => Rights::Everything,
        Json::Array(collections) => {
            let writes = collections
                .iter()
                .filter(|one| one.get("access").and_then(Json::as_str) != Some("r"))
                .filter_map(|one| one.get("collection")?.as_str())
                .map(str::to_owned)
                .collect::<Vec<_>>();
            if writes.is_empty() {
                Rights::Harmless
            } else {
                Rights::Write(writes)
            }
        }
        _ => return None,
    })
}

fn told(rights: &Rights) -> Option<String> {
    match rights {
        Rights::Harmless => None,
        Rights::Everything => Some(
            "The API key may change everything: a read-only key, or a token with the access \"r\", would do."
                .to_owned(),
        ),
        Rights::Write(collections) => Some(format!(
            "The API key may write to {}: the access \"r\" would do.",
            collections.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(claims: &str) -> String {
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!(
            "{}.{}.{}",
            part(r#"{"alg":"HS256"}"#),
            part(claims),
            part("signature")
        )
    }

    #[test]
    fn a_token_says_what_it_may() {
        for (claims, rights) in [
            (r#"{"access": "r"}"#, Some(Rights::Harmless)),
            (r#"{"access": "m"}"#, Some(Rights::Everything)),
            (
                r#"{"access": [{"collection": "a", "access": "r"}, {"collection": "b", "access": "rw"}, {"collection": "c", "access": "prw"}]}"#,
                Some(Rights::Write(vec!["b".to_owned(), "c".to_owned()])),
            ),
            (
                r#"{"access": [{"collection": "a", "access": "r"}]}"#,
                Some(Rights::Harmless),
            ),
            (r#"{"exp": 5}"#, None),
        ] {
            assert_eq!(rights_of_token(&token(claims)), rights, "{claims}");
        }
        for key in ["secret", "a.b.c", "a.b"] {
            assert_eq!(rights_of_token(key), None, "{key}");
        }
    }

    #[test]
    fn rights_beyond_reading_are_told() {
        assert_eq!(told(&Rights::Harmless), None);
        assert!(told(&Rights::Everything).is_some_and(|told| told.contains("read-only key")));
        let told = told(&Rights::Write(vec!["b".to_owned()]));
        assert!(told.is_some_and(|told| told.contains("to b:")));
    }
}

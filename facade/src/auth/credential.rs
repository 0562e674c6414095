//! What a request shows to be let in: a token in one of two headers.
//!
//! A token in the URL is never looked for: URLs are written into logs and histories.

use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderName, HeaderValue};

/// For clients that can't set `Authorization`, or whose proxy keeps that for itself.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a request shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Credential<'a> {
    /// Nothing, or an empty token: most likely a variable that is not set.
    None,
    /// This token.
    Token(&'a str),
    /// Something that is no token: another scheme, or bytes that no token has.
    Other,
    /// More than one, so that it is not clear who calls.
    Several,
}

impl<'a> Credential<'a> {
    /// Looks for `Authorization: Bearer X` and `X-API-Key: X`.
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let authorization = Self::in_header(headers, &AUTHORIZATION, bearer);
        let key = Self::in_header(headers, &X_API_KEY, |value| Some(value.trim()));
        match (authorization, key) {
            (Self::Several, _) | (_, Self::Several) => Self::Several,
            (Self::Token(one), Self::Token(other)) if one != other => Self::Several,
            // One of another scheme counts only alone: a proxy may have asked for a password of its own, and passed it on.
            (Self::None | Self::Other, one) if one != Self::None => one,
            (one, _) => one,
        }
    }

    fn in_header(headers: &'a HeaderMap, name: &HeaderName, token: fn(&str) -> Option<&str>) -> Self {
        let mut values = headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(_), Some(_)) => Self::Several,
            (Some(value), None) => match text(value).and_then(token) {
                Some("") => Self::None,
                Some(token) => Self::Token(token),
                None => Self::Other,
            },
        }
    }
}

fn text(value: &HeaderValue) -> Option<&str> {
    value.to_str().ok()
}

/// The token of `Bearer X`; the scheme in any case.
fn bearer(value: &str) -> Option<&str> {
    let value = value.trim();
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_in_one_of_two_headers() {
        for (headers, expected) in [
            (&[][..], Credential::None),
            (&[("authorization", "Bearer x")], Credential::Token("x")),
            (&[("authorization", "bEARER   x ")], Credential::Token("x")),
            (&[("x-api-key", " x")], Credential::Token("x")),
            (
                &[("authorization", "Bearer x"), ("x-api-key", "x")],
                Credential::Token("x"),
            ),
            (
                &[("authorization", "Bearer x"), ("x-api-key", "y")],
                Credential::Several,
            ),
            (
                &[("authorization", "Bearer x"), ("authorization", "Bearer x")],
                Credential::Several,
            ),
            (&[("x-api-key", "x"), ("x-api-key", "x")], Credential::Several),
            (&[("authorization", "Bearer ")], Credential::None),
            (&[("authorization", "Bearer")], Credential::None),
            (&[("x-api-key", "")], Credential::None),
            (
                &[("authorization", "Bearer "), ("x-api-key", "x")],
                Credential::Token("x"),
            ),
            (&[("authorization", "Basic eDp5")], Credential::Other),
            (
                &[("authorization", "Basic eDp5"), ("x-api-key", "x")],
                Credential::Token("x"),
            ),
            (&[("authorization", "x")], Credential::Other),
            (&[("authorization", "Bearer x y")], Credential::Token("x y")),
            (&[("x-api-key", "\u{e9}")], Credential::Other),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            }
            assert_eq!(Credential::of(&map), expected, "{headers:?}");
        }
    }
}

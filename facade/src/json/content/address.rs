//! Addresses of resources: from what an adapter calls its own to what a client sees, and back.
//!
//! `public/orders` of the upstream `postgres` is `mcphub://postgres/public/orders`. What begins with the key as its scheme, `orders://x` of
//! the upstream `orders`, stays as it is. So the form of an address says whose it is, and no adapter can speak for another. Adapters and
//! clients make addresses up: what is no plain URI, or would not come back as it went out, is none.

use crate::upstream::file::is_key;

/// The scheme of what adapters call relatively.
const SCHEME: &str = "mcphub";

/// The longest address, in bytes: it comes back in a header.
const MAX_ADDRESS: usize = 2048;

/// Schemes that mean something to clients, which may open such an address themselves. A key that is one of them is none here.
const TAKEN: [&str; 9] = [
    "about",
    "data",
    "file",
    "ftp",
    "git",
    "http",
    "https",
    "javascript",
    SCHEME,
];

/// The address that clients see of what the upstream `key` calls `own`. None when it can't be one.
pub(crate) fn outside(key: &str, own: &str) -> Option<String> {
    shown(key, own, Form::Address)
}

/// The key of the upstream that an address leads to, and what its adapter calls it. None when it is nobody's.
pub(crate) fn inside(address: &str) -> Option<(&str, &str)> {
    own(address, Form::Address)
}

/// [`outside`] of a template (RFC 6570): of variables alone, `{table}`, and of a query made of them, `{?database}`.
pub(crate) fn template_outside(key: &str, own: &str) -> Option<String> {
    shown(key, own, Form::Template)
}

/// [`inside`] of a template.
pub(crate) fn template_inside(template: &str) -> Option<(&str, &str)> {
    own(template, Form::Template)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Address,
    Template,
}

fn own(address: &str, form: Form) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let (key, own) = if scheme == SCHEME {
        rest.split_once('/')?
    } else {
        (scheme, address)
    };
    // What would not be listed is not read either.
    let listed = shown(key, own, form).filter(|_| is_key(key))?;
    (listed == address).then_some((key, own))
}

fn shown(key: &str, own: &str, form: Form) -> Option<String> {
    let (address, path) = match scheme(own) {
        // A scheme has no underscore, and a key may.
        Some(scheme) if scheme == key && !TAKEN.contains(&key) && !key.contains('_') => {
            (own.to_owned(), own[scheme.len()..].strip_prefix("://")?)
        }
        Some(_) => return None,
        None => (format!("{SCHEME}://{key}/{own}"), own),
    };
    (address.len() <= MAX_ADDRESS && is_plain(path, form)).then_some(address)
}

/// What stands before the first colon, where that can be a scheme (RFC 3986, section 4.2: a relative path has none in its first segment).
fn scheme(own: &str) -> Option<&str> {
    let end = own.find([':', '/', '?', '#'])?;
    own[end..].starts_with(':').then(|| &own[..end])
}

/// Whether a path and its query are made of what may stand there, and mean the same to everybody who takes them apart: an empty first
/// segment would be a host, and dots are resolved by some.
fn is_plain(path: &str, form: Form) -> bool {
    let mut segments = path.split('?').next().unwrap_or_default().split('/');
    let dots = |segment: &str| {
        let segment = segment.to_ascii_lowercase().replace("%2e", ".");
        segment == "." || segment == ".."
    };
    !path.is_empty()
        && !path.starts_with(['/', '?'])
        && !segments.any(dots)
        && has_plain_characters(path.as_bytes(), form)
}

fn has_plain_characters(mut rest: &[u8], form: Form) -> bool {
    while let Some((first, behind)) = rest.split_first() {
        rest = match first {
            b'%' => match behind {
                [high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => behind,
                _ => return false,
            },
            b'{' if form == Form::Template => match expression(behind) {
                Some(behind) => behind,
                None => return false,
            },
            // RFC 3986: unreserved, sub-delims, and what else a path and a query may have.
            b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
            | b';' | b'=' | b':' | b'@' | b'/' | b'?' => behind,
            letter if letter.is_ascii_alphanumeric() => behind,
            _ => return false,
        };
    }
    true
}

/// What stands behind an expression whose brace has been opened.
fn expression(inside: &[u8]) -> Option<&[u8]> {
    let end = inside.iter().position(|byte| *byte == b'}')?;
    let is_variable = |name: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        !name.is_empty() && name.iter().all(plain)
    };
    let right = match &inside[..end] {
        [b'?', variables @ ..] => variables.split(|byte| *byte == b',').all(is_variable),
        variable => is_variable(variable),
    };
    right.then(|| &inside[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_goes_out_and_comes_back() {
        for (key, own, shown) in [
            ("postgres", "public/orders", "mcphub://postgres/public/orders"),
            (
                "postgres",
                "a%20b/%C3%A4?database=c",
                "mcphub://postgres/a%20b/%C3%A4?database=c",
            ),
            ("my_db", "labels/Person", "mcphub://my_db/labels/Person"),
            ("db", "at/10:30?x=/../y:z", "mcphub://db/at/10:30?x=/../y:z"),
            ("test", "test://static-text", "test://static-text"),
            ("test", "test://template/1/data", "test://template/1/data"),
            ("test", "test", "mcphub://test/test"),
            // The key may be any word; what it means as a scheme is not lost.
            ("mcphub", "x", "mcphub://mcphub/x"),
            ("file", "x", "mcphub://file/x"),
        ] {
            assert_eq!(outside(key, own).as_deref(), Some(shown), "{key} {own}");
            assert_eq!(inside(shown), Some((key, own)), "{shown}");
        }
        let long = "x".repeat(MAX_ADDRESS - "mcphub://db/".len());
        assert!(outside("db", &long).is_some());
        assert!(outside("db", &format!("{long}x")).is_none());
    }

    #[test]
    fn nobody_speaks_for_another_and_nothing_is_ambiguous() {
        for (key, own) in [
            // Another's.
            ("shop", "postgres://public/orders"),
            ("shop", "mcphub://postgres/public/orders"),
            ("shop", "mcphub://shop/orders"),
            ("mcphub", "mcphub://postgres/public/orders"),
            ("shop", "javascript:alert(1)"),
            ("http", "http://example.com/x"),
            ("file", "file:///etc/passwd"),
            // Not a scheme, or without what belongs to it.
            ("my_db", "my:x"),
            ("my_db", "my_db://x"),
            ("test", "test:x"),
            ("test", "test:/x"),
            ("test", "test://"),
            ("test", "TEST://x"),
            ("test", "test:///x"),
            // What some would resolve: another's, or one's own under two names.
            ("shop", "../postgres/public"),
            ("shop", "a/./b"),
            ("shop", "a/%2E%2e/b"),
            ("test", "test://../x"),
            ("shop", "/postgres/x"),
            ("shop", "//postgres/x"),
            // No URI.
            ("shop", ""),
            ("shop", "?a=b"),
            ("shop", "a b"),
            ("shop", "ä"),
            ("shop", "a\nb"),
            ("shop", "a\u{0}"),
            ("shop", "a#b"),
            ("shop", "100%"),
            ("shop", "%zz"),
            ("shop", "%C"),
            ("shop", "{table}"),
            ("shop", "[a]"),
        ] {
            assert_eq!(outside(key, own), None, "{key} {own}");
        }
        for foreign in [
            "",
            "x",
            "mcphub://",
            "mcphub://shop",
            "mcphub://shop/",
            "mcphub:///x",
            "mcphub://shop//x",
            "mcphub://shop/../x",
            "mcphub://Shop/x",
            "my_db://x",
            "mcphub://shop/{table}",
            "mcphub://shop/a b",
            "mcphub://shop/shop://x",
            "http://example.com/x",
            "file:///etc/passwd",
            "://x",
        ] {
            assert_eq!(inside(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn a_template_has_plain_variables() {
        for (own, shown) in [
            ("{schema}/{table}", Some("mcphub://test/{schema}/{table}")),
            ("labels/{label}", Some("mcphub://test/labels/{label}")),
            (
                "{table}{?database,schema}",
                Some("mcphub://test/{table}{?database,schema}"),
            ),
            ("test://template/{id}/data", Some("test://template/{id}/data")),
            ("{+path}", None),
            ("{/path}", None),
            ("{table*}", None),
            ("{table:3}", None),
            ("{}", None),
            ("{?}", None),
            ("{a,}", None),
            ("{table", None),
            ("table}", None),
            ("{{a}}", None),
            ("{a\n}", None),
            ("other://{x}", None),
        ] {
            assert_eq!(template_outside("test", own).as_deref(), shown, "{own}");
            if let Some(shown) = shown {
                assert_eq!(template_inside(shown), Some(("test", own)));
            }
        }
    }
}

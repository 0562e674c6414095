//! Addresses of resources, inside and outside.
//!
//! What an adapter calls `public/orders` is `mcphub://KEY/public/orders` outside. One that begins with the upstream's key as scheme,
//! `KEY://..`, is the same on both sides. So an address says whose it is, no adapter can name what is another's, and nothing is to be
//! remembered for it.

/// The scheme of addresses outside.
const SCHEME: &str = "mcphub";

/// Schemes that mean something to clients, so that no key of this name gives an adapter addresses in it.
const TAKEN: [&str; 6] = [SCHEME, "http", "https", "file", "data", "git"];

/// The longest address, in bytes.
const MAX: usize = 2048;

/// An adapter's address as clients see it. None for one that is not its own, or none at all.
pub(crate) fn outside(key: &str, uri: &str) -> Option<String> {
    if uri.len() > MAX || uri.is_empty() || !is_plain(uri) {
        return None;
    }
    if let Some(rest) = own(key, uri) {
        return (!rest.is_empty()).then(|| uri.to_owned());
    }
    let path = uri.split_once('?').map_or(uri, |(path, _)| path);
    let mut segments = path.split('/');
    // RFC 3986: a colon in the first segment would end a scheme.
    let foreign = segments.clone().next().is_none_or(|first| first.contains(':'));
    // A client that resolves these would ask for something else.
    let moving = segments.any(|segment| matches!(dots_decoded(segment).as_str(), "." | ".."));
    let absolute = path.starts_with('/') || path.is_empty();
    (!foreign && !moving && !absolute).then(|| format!("{SCHEME}://{key}/{uri}"))
}

/// The key of the upstream that an address leads to, and what its adapter calls it. None for one that leads nowhere.
pub(crate) fn inside(uri: &str) -> Option<(&str, &str)> {
    if uri.len() > SCHEME.len() + 4 + 64 + MAX || !is_plain(uri) {
        return None;
    }
    let (scheme, rest) = uri.split_once("://")?;
    let (key, address) = if scheme == SCHEME {
        rest.split_once('/')?
    } else {
        (scheme, uri)
    };
    // What an adapter could not have said is not asked for either.
    outside(key, address)?;
    Some((key, address))
}

/// What stands behind the scheme of an address whose scheme is the key.
fn own<'a>(key: &str, uri: &'a str) -> Option<&'a str> {
    // A key with an underscore is no scheme.
    let usable = !key.is_empty() && !TAKEN.contains(&key) && !key.contains('_');
    uri.strip_prefix(key)
        .filter(|_| usable)
        .and_then(|rest| rest.strip_prefix("://"))
}

/// Whether it has only characters that an address may have (RFC 3986), percent-encoding being one, and no fragment.
fn is_plain(uri: &str) -> bool {
    let bytes = uri.as_bytes();
    bytes.iter().enumerate().all(|(index, byte)| match byte {
        b'%' => bytes
            .get(index + 1..index + 3)
            .is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
        _ => byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=".contains(byte),
    })
}

/// A segment with its dots as they are.
fn dots_decoded(segment: &str) -> String {
    segment.replace("%2e", ".").replace("%2E", ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_upstreams_own_or_none() {
        for (key, given, expected) in [
            ("shop", "public/orders", Some("mcphub://shop/public/orders")),
            ("my_shop", "orders", Some("mcphub://my_shop/orders")),
            ("shop", "a%2Fb/c?database=x%20y", Some("mcphub://shop/a%2Fb/c?database=x%20y")),
            ("shop", "a/b:c?x=/../y:z", Some("mcphub://shop/a/b:c?x=/../y:z")),
            ("shop", "shop://today", Some("shop://today")),
            ("shop", "shop", Some("mcphub://shop/shop")),
            ("shop", "shop://", None),
            ("my_shop", "my_shop://today", None),
            ("shop", "other://today", None),
            ("shop", "mcphub://shop/orders", None),
            ("shop", "mcphub://other/orders", None),
            ("mcphub", "mcphub://other/orders", None),
            ("https", "https://evil.example/", None),
            ("shop", "https://evil.example/", None),
            ("shop", "javascript:alert(1)", None),
            ("shop", "/orders", None),
            ("shop", "//other/orders", None),
            ("shop", "../other/orders", None),
            ("shop", "a/%2E%2e/b", None),
            ("shop", "a/./b", None),
            ("shop", "?database=x", None),
            ("shop", "a#b", None),
            ("shop", "a b", None),
            ("shop", "a\u{202e}b", None),
            ("shop", "a%2", None),
            ("shop", "a%zz", None),
            ("shop", "", None),
        ] {
            assert_eq!(outside(key, given).as_deref(), expected, "{key} {given:?}");
        }
        assert!(outside("shop", &"a".repeat(MAX)).is_some());
        assert!(outside("shop", &"a".repeat(MAX + 1)).is_none());
    }

    #[test]
    fn an_address_says_whose_it_is() {
        for (given, expected) in [
            ("mcphub://shop/public/orders?a=b", Some(("shop", "public/orders?a=b"))),
            ("mcphub://my_shop/orders", Some(("my_shop", "orders"))),
            ("shop://today", Some(("shop", "shop://today"))),
            ("mcphub://shop", None),
            ("mcphub://shop/", None),
            ("mcphub://shop//other", None),
            ("mcphub://shop/../other/x", None),
            ("mcphub://shop/other://x", None),
            ("https://evil.example/", None),
            ("file:///etc/passwd", None),
            ("orders", None),
            ("", None),
        ] {
            assert_eq!(inside(given), expected, "{given:?}");
        }
        // What it is called outside leads back to it.
        for (key, address) in [("shop", "public/orders"), ("shop", "shop://today")] {
            let outside = outside(key, address).expect("an address");
            assert_eq!(inside(&outside), Some((key, address)));
        }
    }
}

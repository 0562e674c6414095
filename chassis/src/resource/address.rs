//! Addresses of resources, relative to their adapter: names in a path, and a query.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::fault::Fault;

/// What is encoded: all but RFC 3986's unreserved characters, as the expansion of a template does it (RFC 6570).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A relative address taken apart: `public/orders?database=b`.
///
/// A segment is a name, whatever is in it: a slash in a name is encoded, dots mean nothing, and a name may be empty. A `+` is a `+`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The segments of its path, percent-encoding undone; at least one.
    pub path: Vec<String>,
    /// Its query, percent-encoding undone.
    pub query: Vec<(String, String)>,
}

impl Address {
    /// Takes an address apart. Characters that ought to be encoded and mean nothing by themselves are taken as they are.
    ///
    /// # Errors
    /// `ARGUMENT_INVALID` for one that is not relative, that has a fragment, or whose percent-encoding is none.
    pub fn parse(uri: &str) -> Result<Self, Fault> {
        if has_scheme(uri) {
            return Err(Fault::argument(
                "uri",
                "this address is not one of this adapter: it begins with a scheme of its own",
            ));
        }
        if uri.contains('#') {
            return Err(Fault::argument(
                "uri",
                "an address of a resource has no fragment: write # as %23",
            ));
        }
        let (path, query) = uri
            .split_once('?')
            .map_or((uri, None), |(path, query)| (path, Some(query)));
        let path = path.split('/').map(decode).collect::<Result<_, _>>()?;
        let query = query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Ok((decode(name)?, decode(value)?))
            })
            .collect::<Result<_, Fault>>()?;
        Ok(Self { path, query })
    }

    /// The address of these segments, percent-encoded.
    pub fn of(path: &[&str]) -> String {
        let mut address = String::new();
        for (index, segment) in path.iter().enumerate() {
            if index > 0 {
                address.push('/');
            }
            match *segment {
                // Raw, they would be taken for steps by everybody who resolves an address.
                "." => address.push_str("%2E"),
                ".." => address.push_str("%2E%2E"),
                segment => address.extend(utf8_percent_encode(segment, ENCODED)),
            }
        }
        address
    }

    /// The address of these segments with a query, percent-encoded; without one when there are no pairs.
    pub fn with_query(path: &[&str], query: &[(&str, &str)]) -> String {
        let mut address = Self::of(path);
        for (index, (name, value)) in query.iter().enumerate() {
            let name = utf8_percent_encode(name, ENCODED);
            let value = utf8_percent_encode(value, ENCODED);
            let mark = if index == 0 { '?' } else { '&' };
            // Writing into a `String` can't fail.
            let _ = write!(address, "{mark}{name}={value}");
        }
        address
    }

    /// The segments, when there are `N` of them and the query has no other names than `known`, each once: what a template's form is.
    pub fn matches<const N: usize>(&self, known: &[&str]) -> Option<[&str; N]> {
        let mut names: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        let once = names.windows(2).all(|pair| pair[0] != pair[1]);
        if !once || !names.iter().all(|name| known.contains(name)) {
            return None;
        }
        let segments: Vec<&str> = self.path.iter().map(String::as_str).collect();
        segments.try_into().ok()
    }

    /// A value of the query; an empty one counts as none.
    pub fn value(&self, name: &str) -> Option<&str> {
        let pair = self.query.iter().find(|(known, _)| known == name)?;
        Some(pair.1.as_str()).filter(|value| !value.is_empty())
    }
}

/// Whether it begins like `scheme://`.
fn has_scheme(uri: &str) -> bool {
    let Some((scheme, _)) = uri.split_once("://") else {
        return false;
    };
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|other| other.is_ascii_alphanumeric() || matches!(other, '+' | '-' | '.'))
}

fn decode(text: &str) -> Result<String, Fault> {
    let wrong = || {
        Fault::argument(
            "uri",
            "the percent-encoding of this address is damaged: write each byte of UTF-8 as % and two hexadecimal digits, and % itself as %25",
        )
    };
    // The decoder takes what is no encoding as it is; then two addresses would be one.
    let whole = text.split('%').skip(1).all(|behind| {
        let digits = behind.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if !whole {
        return Err(wrong());
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| wrong())?;
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fault::Reason;

    /// Names as a database may have them, and worse.
    fn name() -> impl Strategy<Value = String> {
        prop_oneof![
            Just(String::new()),
            Just(".".to_owned()),
            Just("..".to_owned()),
            Just("a://b".to_owned()),
            "[a-z/%?#&=+ .:@~é漢\u{1f600}\\x00-\\x1f]{0,6}",
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn any_names_make_the_round_trip(
            path in prop::collection::vec(name(), 1..4),
            query in prop::collection::vec((name(), name()), 0..3),
        ) {
            let segments: Vec<&str> = path.iter().map(String::as_str).collect();
            let pairs: Vec<(&str, &str)> = query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let uri = Address::with_query(&segments, &pairs);
            prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()), "{}", uri);
            prop_assert!(uri.split(['/', '?']).all(|part| part != "." && part != ".."), "{}", uri);
            prop_assert_eq!(Address::parse(&uri), Ok(Address { path, query }));
        }

        #[test]
        fn nothing_makes_the_parser_panic(uri in any::<String>()) {
            let _ = Address::parse(&uri);
        }
    }

    #[test]
    fn an_address_is_read_as_it_is_written() {
        assert_eq!(Address::of(&["public", "a/b"]), "public/a%2Fb");
        assert_eq!(Address::of(&["..", "é ."]), "%2E%2E/%C3%A9%20.");
        assert_eq!(
            Address::with_query(&["t"], &[("database", "b&c"), ("x", "")]),
            "t?database=b%26c&x="
        );
        let address = Address::parse("public/größe+1?database=b%20c&flag").expect("parses");
        assert_eq!(address.path, ["public", "größe+1"]);
        assert_eq!(
            (address.value("database"), address.value("flag")),
            (Some("b c"), None)
        );
        assert_eq!(address.value("other"), None);
        // What expands a template does not know of steps.
        assert_eq!(Address::parse("../x").expect("parses").path, ["..", "x"]);
    }

    #[test]
    fn what_is_no_relative_address_is_refused() {
        for uri in [
            "postgres://a/b",
            "mcphub://k/t",
            "a#b",
            "a%",
            "a%2",
            "a%zz",
            "a%+1",
            "a%FF",
            "a?b=%C3",
        ] {
            let fault = Address::parse(uri).expect_err(uri);
            assert_eq!(fault.reason, Reason::ArgumentInvalid, "{uri}");
            assert_eq!(fault.metadata["field"], "uri");
        }
    }

    #[test]
    fn a_form_has_its_segments_and_its_query_and_nothing_else() {
        let matches = |uri: &str| {
            let address = Address::parse(uri).expect("parses");
            address
                .matches(&["database"])
                .map(|[schema, table]| format!("{schema}.{table}"))
        };
        assert_eq!(matches("public/orders").as_deref(), Some("public.orders"));
        assert_eq!(
            matches("public/orders?database=b").as_deref(),
            Some("public.orders")
        );
        for other in [
            "orders",
            "a/b/c",
            "public/orders?x=1",
            "public/orders?database=a&database=b",
        ] {
            assert_eq!(matches(other), None, "{other}");
        }
    }
}

//! Payload keys as Qdrant writes them: `a.b`, `a[].b`, `a[0]`, and in quotes what is no plain word.

use std::borrow::Cow;

use mcp_hub_chassis::Fault;

/// The longest key, in bytes. The server repeats a key in its errors.
const LONGEST: usize = 1_000;

/// The keys of the argument `field`.
///
/// # Errors
/// `ARGUMENT_INVALID` for one that is no key.
pub(crate) fn keys(field: &str, keys: &[String]) -> Result<Vec<String>, Fault> {
    let keys = keys
        .iter()
        .map(|text| key(text).map_err(|why| Fault::argument(field, format!("{field}: \"{text}\": {why}"))));
    keys.collect()
}

/// A caller's key, with quotes around the parts that need them and have none.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn key(text: &str) -> Result<String, String> {
    if text.len() > LONGEST {
        return Err(format!(
            "a key has at most {LONGEST} bytes, and this has {}",
            text.len()
        ));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    loop {
        rest = part(rest, &mut out)?;
        while let Some(index) = rest.strip_prefix('[') {
            let (digits, after) = index
                .split_once(']')
                .filter(|(digits, _)| digits.len() <= 9 && digits.bytes().all(|digit| digit.is_ascii_digit()))
                .ok_or("brackets have a number in them, or nothing for every element of a list")?;
            out.push('[');
            out.push_str(digits);
            out.push(']');
            rest = after;
        }
        match rest.strip_prefix('.') {
            Some(after) => {
                out.push('.');
                rest = after;
            }
            None if rest.is_empty() => return Ok(out),
            None => return Err("behind a bracket or a quote comes a point, or the end".to_owned()),
        }
    }
}

/// Appends the first name of a key; what is behind it.
fn part<'a>(text: &'a str, out: &mut String) -> Result<&'a str, String> {
    let (name, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').ok_or("a quote is not closed")?,
        None => text.split_at(text.find(['.', '[']).unwrap_or(text.len())),
    };
    if name.is_empty() {
        return Err("a key is a name, or several with points between them".to_owned());
    }
    if name.contains(['"', '\\']) {
        return Err("Qdrant has no way to write a key with a quote or a backslash in it".to_owned());
    }
    out.push_str(&quoted(name));
    Ok(rest)
}

/// One name of a payload, as it is written in a key.
pub(crate) fn quoted(name: &str) -> Cow<'_, str> {
    let plain = name
        .chars()
        .all(|character| character.is_alphanumeric() || matches!(character, '_' | '-'));
    if plain && !name.is_empty() {
        name.into()
    } else {
        format!("\"{name}\"").into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_keys_stay_and_others_get_quotes() {
        for (given, expected) in [
            ("price", "price"),
            ("a.b", "a.b"),
            ("a[].b", "a[].b"),
            ("a[0][].b-c", "a[0][].b-c"),
            ("größe", "größe"),
            ("release date", "\"release date\""),
            ("a.b c[].d", "a.\"b c\"[].d"),
            ("\"a.b\"", "\"a.b\""),
            ("\"plain\"", "plain"),
            ("\"a.b\".c", "\"a.b\".c"),
            ("$ref", "\"$ref\""),
        ] {
            assert_eq!(key(given).as_deref(), Ok(expected), "{given}");
        }
    }

    #[test]
    fn what_is_no_key_is_said() {
        for given in [
            "",
            ".a",
            "a.",
            "a..b",
            "a[b]",
            "a[",
            "a[9999999999]",
            "a[]b",
            "\"a",
            "a\"b",
            "a\\b",
            "\"a\"b",
        ] {
            assert!(key(given).is_err(), "{given}");
        }
    }
}
